//! The parts that a script is read in: each again only where something that it has used stands for more since.

use std::ops::Range;

use foldhash::HashSet;
use ruff_python_ast::{ExceptHandler, Expr, Stmt};
use ruff_text_size::{Ranged, TextSize};

use crate::policy::Rule;
use crate::scope::Scopes;
use crate::value::Value;

/// What was found, by its offset.
pub type Found = (TextSize, &'static Rule);

/// What a part consists of.
#[derive(Clone, Copy)]
pub enum Code<'a> {
    /// A statement without the blocks in it, whose statements are parts of their own.
    Statement(&'a Stmt),
    /// What a lambda returns.
    Lambda(&'a Expr),
    /// What is evaluated for its effect.
    Expression(&'a Expr),
}

impl Code<'_> {
    /// Where it starts.
    pub fn start(&self) -> TextSize {
        match self {
            Code::Statement(this) => this.range().start(),
            Code::Lambda(this) | Code::Expression(this) => this.range().start(),
        }
    }
}

/// Where a part stands.
#[derive(Clone, Copy)]
pub struct Place {
    /// Its scope.
    pub scope: usize,
    /// Whether a loop of that scope is around it.
    pub looped: bool,
}

/// A part of a script.
struct Unit<'a> {
    code: Code<'a>,
    place: Place,
    /// Whether it is to be read, for the first time or again.
    stale: bool,
    /// What was found as it was read last.
    found: Vec<Found>,
}

/// All parts that are known so far, those of a function, or of the script itself, in the order of the lines.
#[derive(Default)]
pub struct Units<'a> {
    all: Vec<Unit<'a>>,
    /// Where the script's own parts and those of each function are.
    bodies: Vec<Range<usize>>,
    /// The functions that have been entered, by their scopes.
    entered: HashSet<usize>,
    /// The part that is being read.
    here: usize,
}

impl<'a> Units<'a> {
    /// Have a function's body read, or the script's own statements, unless they are known: what they use says when they
    /// are to be read again.
    pub fn enter(&mut self, body: &'a [Stmt], scope: usize, scopes: &Scopes<'a>) {
        if self.entered.insert(scope) {
            let from = self.all.len();
            self.lay_out(body, Place { scope, looped: false }, scopes);
            self.bodies.push(from..self.all.len());
        }
    }

    /// The same for what is a single expression.
    pub fn enter_expression(&mut self, code: Code<'a>, scope: usize) {
        if self.entered.insert(scope) {
            self.add(code, Place { scope, looped: false });
            self.bodies.push(self.all.len() - 1..self.all.len());
        }
    }

    fn add(&mut self, code: Code<'a>, place: Place) {
        self.all.push(Unit { code, place, stale: true, found: Vec::new() });
    }

    fn lay_out(&mut self, body: &'a [Stmt], place: Place, scopes: &Scopes<'a>) {
        let looped = Place { looped: true, ..place };
        for statement in body {
            self.add(Code::Statement(statement), place);
            match statement {
                Stmt::ClassDef(this) => {
                    let scope = scopes.opened_by(this.range());
                    self.lay_out(&this.body, Place { scope, ..place }, scopes);
                }
                Stmt::If(this) => {
                    self.lay_out(&this.body, place, scopes);
                    this.elif_else_clauses.iter().for_each(|clause| self.lay_out(&clause.body, place, scopes));
                }
                Stmt::For(this) => {
                    self.lay_out(&this.body, looped, scopes);
                    self.lay_out(&this.orelse, place, scopes);
                }
                Stmt::While(this) => {
                    self.lay_out(&this.body, looped, scopes);
                    self.lay_out(&this.orelse, place, scopes);
                }
                Stmt::With(this) => self.lay_out(&this.body, place, scopes),
                Stmt::Try(this) => {
                    self.lay_out(&this.body, place, scopes);
                    for ExceptHandler::ExceptHandler(handler) in &this.handlers {
                        self.lay_out(&handler.body, place, scopes);
                    }
                    self.lay_out(&this.orelse, place, scopes);
                    self.lay_out(&this.finalbody, place, scopes);
                }
                Stmt::Match(this) => this.cases.iter().for_each(|case| self.lay_out(&case.body, place, scopes)),
                _ => {}
            }
        }
    }

    /// How many bodies there are.
    pub fn bodies(&self) -> usize {
        self.bodies.len()
    }

    /// The parts of a body. The first body is the script's own.
    pub fn body(&self, body: usize) -> Range<usize> {
        self.bodies[body].clone()
    }

    /// Begin to read a part, if it is stale. What was found in it is forgotten.
    pub fn begin(&mut self, unit: usize) -> Option<(Code<'a>, Place)> {
        let this = &mut self.all[unit];
        if !std::mem::take(&mut this.stale) {
            return None;
        }
        self.here = unit;
        this.found.clear();
        Some((this.code, this.place))
    }

    /// Whether any part is to be read again.
    pub fn any_stale(&self) -> bool {
        self.all.iter().any(|unit| unit.stale)
    }

    /// Note a finding in the part that is being read.
    pub fn tell(&mut self, found: Found) {
        self.all[self.here].found.push(found);
    }

    /// Everything that was found.
    pub fn found(&self) -> impl Iterator<Item = Found> {
        self.all.iter().flat_map(|unit| unit.found.iter().copied())
    }

    /// Have everything read again.
    #[cfg(test)]
    pub fn spoil(&mut self) {
        self.all.iter_mut().for_each(|unit| unit.stale = true);
    }
}

/// The parts that have used something.
#[derive(Debug, Default)]
pub struct Readers(Vec<usize>);

impl Readers {
    /// The part that is being read uses it.
    pub fn note(&mut self, units: &Units<'_>) {
        // Parts are read one at a time, so that this keeps each only once a reading.
        if self.0.last() != Some(&units.here) {
            self.0.push(units.here);
        }
    }

    /// It stands for more now: whoever has used it is to be read again, and will be noted again.
    pub fn disturb(&mut self, units: &mut Units<'_>) {
        for unit in self.0.drain(..) {
            units.all[unit].stale = true;
        }
    }
}

/// Something that is remembered from one place of a script to others.
#[derive(Debug)]
pub struct Cell<'a> {
    value: Value<'a>,
    readers: Readers,
}

impl Default for Cell<'_> {
    fn default() -> Self {
        Self { value: Value::Nothing, readers: Readers::default() }
    }
}

impl<'a> Cell<'a> {
    /// Let it stand for this as well: as a whole, or `widened`, for what it leads to. Returns whether that is more.
    pub fn join(&mut self, value: Value<'a>, widened: bool, units: &mut Units<'_>) -> bool {
        if self.value == value {
            return false;
        }
        let joined = self.value.clone().or(value);
        let is_more = joined != self.value;
        if is_more {
            self.value = if widened { Value::leaves(&[joined]) } else { joined };
            self.readers.disturb(units);
        }
        is_more
    }

    /// What it stands for, for the part that is being read.
    pub fn get(&mut self, units: &Units<'_>) -> Value<'a> {
        self.readers.note(units);
        self.value.clone()
    }
}
