//! Reads a script in the order in which Python would run it, and keeps what each name may stand for.
//!
//! Nothing is run, and no order between functions is assumed: a name may stand for everything that is ever assigned to
//! it. Function bodies come after the block that defines them, so that most scripts are known after one round; where
//! something changed that had been used before, another round follows, up to a bound.

use std::collections::VecDeque;

use foldhash::{HashMap, HashSet};
use ruff_python_ast::{ExceptHandler, Expr, Stmt, StmtFunctionDef, StmtMatch, StmtTry};
use ruff_text_size::{Ranged, TextSize};

use crate::paths::{PathId, Paths};
use crate::policy::{Rule, attributes};
use crate::rounds::{WIDENED, WORK, WORK_PER_BYTE};
use crate::scope::Scopes;
use crate::value::Value;

/// What was found, by its offset.
pub type Found = (TextSize, &'static Rule);

/// Something that is remembered from one place of a script to others.
#[derive(Debug)]
pub struct Cell<'a> {
    value: Value<'a>,
    pub(crate) read: bool,
}

impl<'a> Cell<'a> {
    fn join(&mut self, value: Value<'a>, widened: bool) -> bool {
        let joined = self.value.clone().or(value);
        let changed = joined != self.value;
        if changed {
            self.value = if widened { Value::leaves(&[joined]) } else { joined };
        }
        changed && self.read
    }

    pub(crate) fn get(&mut self) -> Value<'a> {
        self.read = true;
        self.value.clone()
    }
}

impl Default for Cell<'_> {
    fn default() -> Self {
        Self { value: Value::Nothing, read: false }
    }
}

/// A function whose body is still to be read.
pub(crate) enum Deferred<'a> {
    Function(&'a StmtFunctionDef, usize),
    Lambda(&'a Expr, usize),
}

/// The state of reading a script.
pub struct Walk<'a> {
    pub(crate) scopes: Scopes<'a>,
    pub(crate) paths: Paths,
    pub(crate) found: Vec<Found>,
    /// The scope being read.
    pub(crate) scope: usize,
    /// How many loops are around it.
    pub(crate) loops: usize,
    /// What was stored in attributes, by their name, on whatever object.
    pub(crate) fields: HashMap<String, Cell<'a>>,
    /// What was put into containers that are not known as a whole.
    pub(crate) bag: Cell<'a>,
    /// What each function returns, by its scope.
    pub(crate) returns: HashMap<usize, Cell<'a>>,
    /// Names made by `globals()["name"] = ...`.
    pub(crate) globals: HashMap<String, Cell<'a>>,
    /// Modules of which everything was imported.
    pub(crate) stars: Vec<PathId>,
    /// Methods that do not get their object.
    pub(crate) statics: HashSet<usize>,
    /// Names that a driver expression has without an import.
    pub(crate) in_driver: bool,
    pub(crate) deferred: VecDeque<Deferred<'a>>,
    pub(crate) again: bool,
    pub(crate) round: usize,
    /// Work that is left.
    pub(crate) left: usize,
    /// Calls around the one being followed.
    pub(crate) calls: usize,
    /// Where the work ended before the script did.
    pub(crate) ended: Option<TextSize>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(scopes: Scopes<'a>, bytes: usize) -> Self {
        Self {
            scopes,
            paths: Paths::default(),
            found: Vec::new(),
            scope: 0,
            loops: 0,
            fields: HashMap::default(),
            bag: Cell::default(),
            returns: HashMap::default(),
            globals: HashMap::default(),
            stars: Vec::new(),
            statics: HashSet::default(),
            in_driver: false,
            deferred: VecDeque::new(),
            again: false,
            round: 0,
            left: WORK + bytes * WORK_PER_BYTE,
            calls: 0,
            ended: None,
        }
    }

    /// Note a finding.
    pub(crate) fn tell(&mut self, rule: &'static Rule, at: TextSize) {
        self.found.push((at, rule));
    }

    /// Read a lambda's body later.
    pub(crate) fn defer_lambda(&mut self, body: &'a Expr, scope: usize) {
        self.deferred.push_back(Deferred::Lambda(body, scope));
    }

    pub(crate) fn body(&mut self, body: &'a [Stmt]) {
        for statement in body {
            if !self.spend(1) {
                self.ended.get_or_insert(statement.range().start());
                return;
            }
            stacker::maybe_grow(crate::RED_ZONE, crate::STACK, || self.statement(statement));
        }
    }

    fn statement(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Expr(this) => {
                self.expression(&this.value);
            }
            Stmt::Assign(this) => {
                let value = self.expression(&this.value);
                for target in &this.targets {
                    self.assign(target, value.clone());
                }
            }
            Stmt::AnnAssign(this) => self.annotated(this),
            Stmt::AugAssign(this) => {
                let right = self.expression(&this.value);
                let left = self.target_value(&this.target);
                let value = self.augmented(&left, this.op, &right);
                self.assign(&this.target, value);
            }
            Stmt::Return(this) => {
                let value = this.value.as_ref().map_or(Value::Data, |value| self.expression(value));
                self.returned(self.scope, value);
            }
            Stmt::Delete(this) => this.targets.iter().for_each(|target| self.delete(target)),
            Stmt::FunctionDef(this) => self.function(this),
            Stmt::ClassDef(this) => self.class(this),
            Stmt::Import(this) => {
                for alias in &this.names {
                    self.import(
                        alias.name.id.as_str(),
                        alias.asname.as_ref().map(|name| name.id.as_str()),
                        alias.range.start(),
                    );
                }
            }
            Stmt::ImportFrom(this) => self.import_from(this),
            Stmt::Raise(this) => {
                for value in this.exc.iter().chain(&this.cause) {
                    let value = self.expression(value);
                    self.escape(&value, statement.range().start());
                }
            }
            Stmt::Assert(this) => {
                self.expression(&this.test);
                this.msg.iter().for_each(|message| {
                    self.expression(message);
                });
            }
            Stmt::TypeAlias(this) => {
                self.expression(&this.value);
            }
            _ => self.compound(statement),
        }
    }

    fn compound(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::If(this) => {
                self.expression(&this.test);
                self.body(&this.body);
                for clause in &this.elif_else_clauses {
                    clause.test.iter().for_each(|test| {
                        self.expression(test);
                    });
                    self.body(&clause.body);
                }
            }
            Stmt::For(this) => {
                let values = self.expression(&this.iter);
                let element = self.element(&values);
                self.assign(&this.target, element);
                self.looped(&this.body);
                self.body(&this.orelse);
            }
            Stmt::While(this) => {
                self.expression(&this.test);
                self.looped(&this.body);
                self.body(&this.orelse);
            }
            Stmt::With(this) => {
                for item in &this.items {
                    let value = self.expression(&item.context_expr);
                    if let Some(target) = &item.optional_vars {
                        self.assign(target, value);
                    }
                }
                self.body(&this.body);
            }
            Stmt::Try(this) => self.tried(this),
            Stmt::Match(this) => self.matched(this),
            _ => {}
        }
    }

    fn tried(&mut self, this: &'a StmtTry) {
        self.body(&this.body);
        for ExceptHandler::ExceptHandler(handler) in &this.handlers {
            handler.type_.iter().for_each(|kind| {
                self.expression(kind);
            });
            if let Some(name) = &handler.name {
                self.store(name.id.as_str(), Value::Caught);
            }
            self.body(&handler.body);
        }
        self.body(&this.orelse);
        self.body(&this.finalbody);
    }

    fn matched(&mut self, this: &'a StmtMatch) {
        let subject = self.expression(&this.subject);
        for case in &this.cases {
            self.pattern(&case.pattern, &subject);
            case.guard.iter().for_each(|guard| {
                self.expression(guard);
            });
            self.body(&case.body);
        }
    }

    fn looped(&mut self, body: &'a [Stmt]) {
        self.loops += 1;
        self.body(body);
        self.loops -= 1;
    }

    fn annotated(&mut self, this: &'a ruff_python_ast::StmtAnnAssign) {
        let annotation = self.expression(&this.annotation);
        let assigned = match &this.value {
            Some(value) => self.expression(value),
            None => Value::Nothing,
        };
        // Blender's properties are annotations; what is assigned is what counts.
        self.escape(&annotation, this.annotation.range().start());
        if this.value.is_some() {
            self.assign(&this.target, assigned);
        }
    }

    fn delete(&mut self, target: &'a Expr) {
        match target {
            Expr::Attribute(this) => {
                self.expression(&this.value);
                if let Some(rule) = attributes::rule(this.attr.id.as_str()) {
                    self.tell(rule, this.attr.range.start());
                }
            }
            Expr::Subscript(this) => {
                self.expression(&this.value);
                self.expression(&this.slice);
            }
            Expr::Tuple(this) => this.elts.iter().for_each(|target| self.delete(target)),
            Expr::List(this) => this.elts.iter().for_each(|target| self.delete(target)),
            _ => {}
        }
    }

    /// Assign to a name of the scope being read.
    pub(crate) fn store(&mut self, name: &str, value: Value<'a>) {
        if let Some(binding) = self.scopes.find(self.scope, name) {
            self.join(binding, value);
        }
    }

    /// Let a binding stand for this as well.
    pub(crate) fn join(&mut self, binding: usize, value: Value<'a>) {
        self.spend(value.size());
        let binding = self.scopes.binding(binding);
        if binding.value == value {
            return;
        }
        let joined = binding.value.clone().or(value);
        if joined != binding.value {
            self.again |= binding.read;
            binding.value = if self.round < WIDENED { joined } else { Value::leaves(&[joined]) };
        }
    }

    /// Remember what an attribute of this name was set to, on whatever object.
    pub(crate) fn join_field(&mut self, name: &str, value: Value<'a>) {
        let again = match self.fields.get_mut(name) {
            Some(cell) => cell.join(value, self.round >= WIDENED),
            None => {
                let mut cell = Cell::default();
                cell.join(value, false);
                self.fields.insert(name.to_owned(), cell);
                // It may have been read before anything was known of it.
                self.loops > 0 || !self.deferred.is_empty() || self.scope != 0
            }
        };
        self.again |= again;
    }

    /// Remember a name that `globals()` was given.
    pub(crate) fn join_global(&mut self, name: &str, value: Value<'a>) {
        let cell = self.globals.entry(name.to_owned()).or_default();
        self.again |= cell.join(value, self.round >= WIDENED);
    }

    /// What attributes of this name were set to.
    pub(crate) fn field(&mut self, name: &str) -> Value<'a> {
        self.fields.get_mut(name).map_or(Value::Nothing, Cell::get)
    }

    /// Remember what was put into some container.
    pub(crate) fn join_bag(&mut self, value: Value<'a>) {
        self.again |= self.bag.join(value, self.round >= WIDENED);
    }

    /// Remember what a function returns.
    pub(crate) fn returned(&mut self, scope: usize, value: Value<'a>) {
        self.again |= self.returns.entry(scope).or_default().join(value, self.round >= WIDENED);
    }

    /// What a call of a function of the script returns.
    pub(crate) fn result_of(&mut self, scope: usize) -> Value<'a> {
        self.returns.entry(scope).or_default().get()
    }
}
