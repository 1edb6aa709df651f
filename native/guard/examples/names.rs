//! What the guard's parser sees in files: for each path on the standard input one line of the path, why the guard cannot
//! read it (or nothing), and the names, attributes and calls in it with how often they come.
//!
//! `tests/unit/test_guard_parser.py` compares it with what Python's own parser sees.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, Write as _};
use std::{fs, thread};

use ruff_python_ast::visitor::{Visitor, walk_expr};
use ruff_python_ast::{Expr, Stmt};
use ruff_python_parser::parse_module;
use spindle_guard::check;

/// Dropping a deep tree recurses.
const STACK: usize = 64 << 20;

fn main() -> io::Result<()> {
    let worker = thread::Builder::new().stack_size(STACK).spawn(|| {
        let mut out = io::stdout().lock();
        io::stdin().lock().lines().try_for_each(|path| writeln!(out, "{}", line(&path?)?))
    });
    worker?.join().expect("no file makes it panic")
}

fn line(path: &str) -> io::Result<String> {
    let source = fs::read_to_string(path)?;
    let refusal = check(&source).unreadable.map(|it| format!("line {}: {}", it.line, it.message));
    let mut seen = Seen::default();
    if let Ok(module) = parse_module(&source) {
        seen.visit_body(module.suite());
    }
    let mut text = format!("{path}\t{}\t", refusal.unwrap_or_default());
    for (name, count) in seen.0 {
        write!(text, "{name} {count} ").expect("a String takes everything");
    }
    Ok(text)
}

/// Names as they are, attributes with a dot before, and `()` for calls.
#[derive(Default)]
struct Seen(BTreeMap<String, usize>);

impl Seen {
    fn add(&mut self, name: String) {
        *self.0.entry(name).or_default() += 1;
    }
}

impl<'a> Visitor<'a> for Seen {
    fn visit_body(&mut self, body: &'a [Stmt]) {
        body.iter().for_each(|statement| self.visit_stmt(statement));
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Name(name) => self.add(name.id.to_string()),
            Expr::Attribute(attribute) => self.add(format!(".{}", attribute.attr)),
            Expr::Call(_) => self.add("()".to_owned()),
            _ => {}
        }
        walk_expr(self, expression);
    }
}
