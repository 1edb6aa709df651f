//! What a script may do: reads Python without running it, and judges it by a table of rules.
//!
//! In reading order: `readable` refuses what cannot be read, `policy` is the tables, `scope` knows which name is
//! whose, `value` what an expression may stand for, `fold` what known text comes to, `paths` what modules lead to;
//! `unit` is the parts that are read again where they must be, `rounds` how often, and how much work that may take;
//! `walk`, `binding` and `definition` read statements, `expression`, `reach`, `call`, `builtin_call`, `outside` and
//! `place` what stands in them; `position` and `report` tell what was found where.
//!
//! It catches mistakes and known ways around, and makes attacks visible. It does not contain a determined script.

#![forbid(unsafe_code)]

mod binding;
mod builtin_call;
mod call;
mod definition;
mod expression;
mod fold;
mod format;
mod outside;
mod paths;
mod place;
mod policy;
mod position;
mod reach;
mod readable;
mod report;
mod rounds;
mod scope;
mod unit;
mod value;
mod walk;

use spindle_protocol::finding::{Finding, Unreadable};

pub use readable::{BRACKETS, DEPTH, INDENTS};

/// The version of the rules. A verdict holds for one version.
pub const POLICY: &str = "1";

/// Stack that has to be left before a deeper level is read; else more is taken from the system.
pub(crate) const RED_ZONE: usize = 64 * 1024;

/// What is taken then.
pub(crate) const STACK: usize = 1024 * 1024;

/// Stack for each byte of source: a tree has at most a level a byte, and dropping one recurses.
const STACK_PER_BYTE: usize = 512;

/// The most that is taken: a tree has few levels more than `DEPTH`. The threads of the server have 64 MiB, so that there
/// nothing is asked of the system, which could refuse it.
const MOST_STACK: usize = 48 << 20;

/// What the guard says of one script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What was found, at most `limits::FINDINGS`, in the order of the lines.
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub omitted: u64,
    /// Whether anything found, omitted ones included, is dangerous.
    pub dangerous: bool,
    /// Why it could not be read; there are no findings then.
    pub unreadable: Option<Unreadable>,
}

/// Build the tables that the first check would build, which takes about a millisecond.
pub fn prepare() {
    check("import bpy, os\nbpy.data.objects\nos.path\nprint(__name__)\n");
}

/// Judge a script. It takes time in proportion to the length, and any stack will do.
pub fn check(source: &str) -> Report {
    if let Some(unreadable) = readable::refuse(source) {
        return Report { unreadable: Some(unreadable), ..Report::default() };
    }
    let stack = MOST_STACK.min(STACK + source.len() * STACK_PER_BYTE);
    stacker::maybe_grow(stack, stack, || read(source))
}

fn read(source: &str) -> Report {
    match ruff_python_parser::parse_module(source) {
        Ok(parsed) => report::of(source, walk::Walk::module(parsed.suite())),
        Err(error) => {
            let (line, column) = position::Lines::new(source).position(error.location.start().to_usize());
            let message = error.error.to_string();
            Report { unreadable: Some(Unreadable { line, column, message }), ..Report::default() }
        }
    }
}

/// What the rules say of one of Blender's operators, called by its name without `bpy.ops`.
pub fn check_operator(operator: &str) -> Option<Finding> {
    let rule = policy::rule(&format!("bpy.ops.{operator}"))?;
    Some(report::finding(rule, (1, 1), operator.chars().take(120).collect()))
}
