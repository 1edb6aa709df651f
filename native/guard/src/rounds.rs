//! How often a script is read, and how much work that may take.

use ruff_python_ast::{Expr, Stmt};
use ruff_text_size::Ranged;

use crate::policy::builtins;
use crate::scope::Scopes;
use crate::unit::{Code, Found};
use crate::value::Value;
use crate::walk::Walk;

/// Rounds over a script whose names are used before they are known. Honest scripts need one to three, some modules of
/// Python's own more than eight; only the first round reads all of it.
const ROUNDS: usize = 16;

/// From this round on a name that still changes stands for what it leads to, in no order: lists could grow for ever.
pub(crate) const WIDENED: usize = 3;

/// Work that a script may take: for each byte, and besides. A step is an expression read, or a part of a value that is
/// looked at. Honest scripts take under 10 a byte. It makes the time linear in the length, whatever the script.
pub(crate) const WORK_PER_BYTE: usize = 100;
pub(crate) const WORK: usize = 100_000;

/// Calls of known functions inside each other, as in `map(map, ...)` or an object that is its own `__call__`.
const CALLS: usize = 32;

impl<'a> Walk<'a> {
    /// What is found in a script.
    pub fn module(body: &'a [Stmt]) -> Vec<Found> {
        Self::measured(body).0
    }

    /// The same, with the work that it took.
    fn measured(body: &'a [Stmt]) -> (Vec<Found>, usize) {
        let (walk, work) = Self::settled(body);
        (walk.units.found().collect(), work)
    }

    /// A script once nothing in it stands for more, and the work that it took.
    fn settled(body: &'a [Stmt]) -> (Self, usize) {
        let bytes = body.last().map_or(0, |last| last.range().end().to_usize());
        let mut walk = Self::new(Scopes::of_module(body), bytes);
        walk.units.enter(body, 0, &walk.scopes);
        let given = walk.left;
        for round in 0..ROUNDS {
            walk.round(round);
            if !walk.units.any_stale() {
                break;
            }
        }
        if walk.units.any_stale() || walk.left == 0 {
            let at = walk.ended.unwrap_or_default();
            walk.tell(&builtins::INTRICATE, at);
        }
        let work = given - walk.left;
        (walk, work)
    }

    /// What is found in a driver's expression.
    pub fn driver(expression: &'a Expr) -> Vec<Found> {
        let mut walk = Self::new(Scopes::of_expression(expression), expression.range().len().to_usize());
        walk.units.enter_expression(Code::Expression(expression), 0);
        walk.in_driver = true;
        walk.round(0);
        if walk.left == 0 {
            walk.tell(&builtins::INTRICATE, expression.range().start());
        }
        walk.units.found().collect()
    }

    /// Read what is to be read: the script's own statements, then functions, callers before and after what they call in
    /// turns, since what functions return is known after two rounds either way. What is defined meanwhile is read in the
    /// same round.
    fn round(&mut self, round: usize) {
        self.round = round;
        self.body(0);
        let mut from = 1;
        while from < self.units.bodies() {
            let until = self.units.bodies();
            if round.is_multiple_of(2) {
                (from..until).rev().for_each(|body| self.body(body));
            } else {
                (from..until).for_each(|body| self.body(body));
            }
            from = until;
        }
    }

    fn body(&mut self, body: usize) {
        self.units.body(body).for_each(|unit| self.unit(unit));
    }

    /// Read a part, if it is to be read, and if there is work left for it.
    fn unit(&mut self, unit: usize) {
        let Some((code, place)) = self.units.begin(unit) else { return };
        if !self.spend(1) {
            self.ended.get_or_insert(code.start());
            return;
        }
        (self.scope, self.looped) = (place.scope, place.looped);
        stacker::maybe_grow(crate::RED_ZONE, crate::STACK, || match code {
            Code::Statement(statement) => self.statement(statement),
            Code::Lambda(body) => {
                let value = self.expression(body);
                self.returned(place.scope, value);
            }
            Code::Expression(expression) => {
                let value = self.expression(expression);
                self.escape(&value, expression.range().start());
            }
        });
    }

    /// Account for work, of which a script may take so much. Where none is left, nothing more is read.
    pub(crate) fn spend(&mut self, steps: usize) -> bool {
        self.left = self.left.saturating_sub(steps);
        self.left > 0
    }

    /// Follow a call, unless too many are inside each other.
    pub(crate) fn called(&mut self, follow: impl FnOnce(&mut Self) -> Value<'a>) -> Value<'a> {
        if self.calls == CALLS {
            self.left = 0;
            return Value::Unknown;
        }
        self.calls += 1;
        let value = stacker::maybe_grow(crate::RED_ZONE, crate::STACK, || follow(self));
        self.calls -= 1;
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a script's findings are, and how much work it took.
    fn walk(source: &str) -> (Vec<&'static str>, usize) {
        let parsed = ruff_python_parser::parse_module(source).expect("the rows are Python");
        let (found, work) = Walk::measured(parsed.suite());
        (found.iter().map(|(_, rule)| rule.id).collect(), work)
    }

    /// `head`, and as many of the numbered lines as were asked for.
    fn script(head: &str, count: usize, line: impl Fn(usize) -> String) -> String {
        (0..count).fold(head.to_owned(), |text, number| text + &line(number) + "\n")
    }

    /// Containers inside each other, objects that call themselves, chains against the order of reading: what cannot be
    /// followed to its end within the work that there is, is refused, and takes no longer for it.
    #[test]
    fn what_is_too_intricate_is_refused() {
        let rows = [
            (
                "doubling",
                script("a0 = [open]\n", 60, |i| format!("a{} = dict(a=a{i}, b=a{i}); x.y = a{i}", i + 1)),
                false,
            ),
            ("its own call", "class A:\n    __call__ = x\nx = A()\nx()\n".to_owned(), true),
            ("maps of maps", "map(map, [map] * 9, [[map]] * 9)\n".to_owned(), false),
            ("growing", "a = []\nfor b in c:\n    a = a + [a]\n".to_owned(), false),
            ("backwards", script("", 40, |i| format!("a{i} = a{}", i + 1)) + "a40 = print\n", true),
            ("calls forwards", script("", 40, |i| format!("def f{i}(): return f{}()", i + 1)) + "f0()\n", false),
            ("calls backwards", script("f0 = print\n", 40, |i| format!("def f{}(): return f{i}()", i + 1)), false),
        ];
        for (name, source, expected) in rows {
            let (found, work) = walk(&source);
            assert_eq!(found.contains(&"code.intricate"), expected, "{name}: {found:?}");
            assert!(work <= WORK + source.len() * WORK_PER_BYTE, "{name}: {work}");
        }
    }

    /// What is read again only where it must be comes to the same as what is read again as a whole.
    #[test]
    fn nothing_is_left_to_be_read() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/evasions");
        let files = std::fs::read_dir(folder).expect("the evasions are there");
        let all = files.map(|file| std::fs::read_to_string(file.expect("listed").path()).expect("text"));
        let mut count = 0;
        for source in all.collect::<Vec<_>>().iter().flat_map(|file| file.split("\n# --- ")) {
            let source = format!("# {source}\n");
            let Ok(parsed) = ruff_python_parser::parse_module(&source) else { continue };
            let (mut walk, _) = Walk::settled(parsed.suite());
            let before = found(&walk);
            walk.units.spoil();
            walk.round(ROUNDS);
            assert!(!walk.units.any_stale(), "something stands for more now:\n{source}");
            assert_eq!(found(&walk), before, "{source}");
            count += 1;
        }
        assert!(count >= 100, "{count} scripts");
    }

    fn found(walk: &Walk<'_>) -> Vec<(u32, &'static str)> {
        let mut found: Vec<_> = walk.units.found().map(|(at, rule)| (at.to_u32(), rule.id)).collect();
        found.retain(|(_, rule)| *rule != builtins::INTRICATE.id);
        found.sort_unstable();
        found
    }

    /// Twice the script is at most about twice the work.
    #[test]
    fn work_grows_with_the_length() {
        type Row = (&'static str, fn(usize) -> String);
        let rows: [Row; 7] = [
            ("calls", |i| format!("bpy.data.objects.new('a{i}', None)")),
            ("aliases", |i| format!("a{} = a{i}", i + 1)),
            ("values", |i| format!("a = b.c{i}; a(a)")),
            ("alternatives", |_| "a = [a, 'b']; b = a[0] + 'c'".to_owned()),
            ("functions", |i| format!("def f{}(a): return f{i}(a)", i + 1)),
            ("texts", |i| format!("a{} = f'{{a{i}}}{{a{i}}}'", i + 1)),
            ("lists", |i| format!("a{} = [a{i}, a{i}]; a{i}.b = a{i}", i + 1)),
        ];
        for (name, line) in rows {
            let [(_, once), (_, twice)] = [500, 1000].map(|count| walk(&script("a0 = 'a'\n", count, line)));
            assert!(twice * 10 <= once * 23, "{name}: {once} and {twice}");
        }
    }
}
