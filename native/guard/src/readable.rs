//! Cheap refusals, in time linear in the length and without a tree: what Python would not compile anyway, and what
//! would only cost memory to find out.

use ruff_python_ast::token::TokenKind;
use ruff_python_parser::Mode;
use ruff_python_parser::lexer::lex;
use spindle_protocol::finding::Unreadable;
use spindle_protocol::limits::SCRIPT_BYTES;

use crate::position::Lines;

/// Open brackets. Python's own tokeniser refuses the 201st (`MAXLEVEL`).
pub const BRACKETS: usize = 200;

/// Levels of a tree: operators, attributes, calls, conditions and lambdas inside each other. Python 3.11 gives up
/// between 1,000 and 3,000 of them; what people write stays under 100.
pub const DEPTH: usize = 3_000;

/// Levels of indentation. Python's own tokeniser refuses the 100th (`MAXINDENT`).
pub const INDENTS: usize = 100;

/// Say why this cannot be read, if that can be seen without a tree.
pub fn refuse(source: &str) -> Option<Unreadable> {
    let at = |offset: usize, message: String| {
        let (line, column) = Lines::new(source).position(offset);
        Some(Unreadable { line, column, message })
    };
    if source.len() > SCRIPT_BYTES {
        return at(0, format!("the script has {} bytes; {SCRIPT_BYTES} are read", source.len()));
    }
    if let Some(offset) = source.find('\0') {
        return at(offset, "source code cannot contain null bytes".to_owned());
    }
    let limit = exceeded(source)?;
    at(first_excess(source), limit.message())
}

/// The limits that tokens alone can exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Brackets,
    Depth,
    Indents,
}

impl Limit {
    fn message(self) -> String {
        match self {
            Limit::Brackets => format!("brackets are nested more than {BRACKETS} deep"),
            Limit::Depth => format!("the expression is more than {DEPTH} levels deep; split it into statements"),
            Limit::Indents => format!("blocks are nested more than {INDENTS} deep"),
        }
    }
}

/// Where the limit was exceeded. The lexer tells no positions, so this looks for the shortest beginning of the script
/// that exceeds it: a few short passes, for scripts that are refused.
fn first_excess(source: &str) -> usize {
    let (mut good, mut bad) = (0, source.len());
    while bad - good > 1 {
        let middle = source.floor_char_boundary(good + (bad - good) / 2);
        if middle == good {
            break;
        }
        if exceeded(&source[..middle]).is_some() { bad = middle } else { good = middle }
    }
    good
}

fn exceeded(source: &str) -> Option<Limit> {
    let mut lexer = lex(source, Mode::Module);
    let mut nesting = Nesting::default();
    loop {
        match lexer.next_token() {
            TokenKind::EndOfFile => return None,
            token => nesting.step(token),
        }
        if let Some(limit) = nesting.exceeded() {
            return Some(limit);
        }
    }
}

/// What is open at some token. `depth` never counts less than the levels of the tree that the parser builds.
#[derive(Default)]
struct Nesting {
    levels: Vec<Level>,
    here: Level,
    depth: usize,
    brackets: usize,
    indents: usize,
}

/// One bracket or f-string, or the statement around all of them.
#[derive(Default)]
struct Level {
    /// Tokens since the last comma or new line that may each have made the tree one level deeper.
    chain: usize,
    /// Lambdas whose parameters are still being read: a comma between them separates nothing.
    lambdas: usize,
    /// Brackets that were open when an f-string began, which counts its own.
    outside: usize,
}

impl Nesting {
    fn step(&mut self, token: TokenKind) {
        match token {
            TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => {
                self.brackets += 1;
                self.open(Level::default());
            }
            TokenKind::FStringStart | TokenKind::TStringStart => {
                let outside = std::mem::take(&mut self.brackets);
                self.open(Level { outside, ..Level::default() });
            }
            TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace => {
                self.brackets = self.brackets.saturating_sub(1);
                self.close();
            }
            TokenKind::FStringEnd | TokenKind::TStringEnd => {
                self.brackets = self.here.outside;
                self.close();
            }
            TokenKind::Newline | TokenKind::Semi => self.separate(),
            TokenKind::Comma if self.here.lambdas == 0 => self.separate(),
            TokenKind::Indent => self.indents += 1,
            TokenKind::Dedent => self.indents = self.indents.saturating_sub(1),
            token => self.extend(token),
        }
    }

    fn extend(&mut self, token: TokenKind) {
        match token {
            TokenKind::Lambda => self.here.lambdas += 1,
            TokenKind::Colon => self.here.lambdas = self.here.lambdas.saturating_sub(1),
            TokenKind::Name
            | TokenKind::String
            | TokenKind::Int
            | TokenKind::Float
            | TokenKind::Complex
            | TokenKind::FStringMiddle
            | TokenKind::TStringMiddle
            | TokenKind::Comment
            | TokenKind::NonLogicalNewline => return,
            _ => {}
        }
        self.here.chain += 1;
        self.depth += 1;
    }

    /// A bracket is a level of its own, and stays one after it is closed: `f()()()` is as deep as it is long.
    fn open(&mut self, inner: Level) {
        self.here.chain += 1;
        self.depth += 1;
        self.levels.push(std::mem::replace(&mut self.here, inner));
    }

    fn close(&mut self) {
        if let Some(outer) = self.levels.pop() {
            self.depth -= self.here.chain;
            self.here = outer;
        }
    }

    fn separate(&mut self) {
        self.depth -= self.here.chain;
        self.here.chain = 0;
        self.here.lambdas = 0;
    }

    fn exceeded(&self) -> Option<Limit> {
        if self.brackets > BRACKETS {
            Some(Limit::Brackets)
        } else if self.depth > DEPTH {
            Some(Limit::Depth)
        } else if self.indents > INDENTS {
            Some(Limit::Indents)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_by_name_and_place() {
        let deep =
            |open: &str, close: &str, count: usize| format!("x = 1\n{}1{}", open.repeat(count), close.repeat(count));
        let rows = [
            (deep("(", ")", BRACKETS), None),
            (deep("(", ")", BRACKETS + 1), Some((2, 201, "brackets"))),
            (deep("-", "", DEPTH), None),
            (deep("-", "", DEPTH + 1), Some((2, 3001, "levels"))),
            (format!("x = 1\nx{}", ".a".repeat(DEPTH + 1)), Some((2, 6002, "levels"))),
            (format!("x = 1\nf{}", "()".repeat(DEPTH + 1)), Some((2, 6000, "levels"))),
            (deep("lambda a, b: ", "", DEPTH), Some((2, 0, "levels"))),
            (deep("", " if 1 else 1", DEPTH), Some((2, 0, "levels"))),
            (format!("'{}'", "(".repeat(500)), None),
            (format!("# {}\n", "(".repeat(500)), None),
            (format!("f'{}'", "((".repeat(0) + &"{{".repeat(500)), None),
            (format!("[{}]", "-1, ".repeat(5000)), None),
            ("a\0b".to_owned(), Some((1, 2, "null"))),
        ];
        for (source, expected) in rows {
            let start: String = source.chars().take(20).collect();
            match (refuse(&source), expected) {
                (None, None) => {}
                (Some(found), Some((line, column, word))) => {
                    assert_eq!(found.line, line, "{start}");
                    assert!(column == 0 || found.column == column, "{start}: {} for {column}", found.column);
                    assert!(found.message.contains(word), "{start}: {}", found.message);
                }
                (found, expected) => panic!("{start}: {found:?} for {expected:?}"),
            }
        }
    }
}
