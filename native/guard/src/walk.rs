//! Reads a script in the order in which Python would run it, and keeps what each name may stand for.
//!
//! Nothing is run, and no order between functions is assumed: a name may stand for everything that is ever assigned to
//! it. Function bodies come after the block that defines them, so that most scripts are known after one round; where
//! something changed that had been used before, another round follows, in which only what has used it is read.

use foldhash::{HashMap, HashSet};
use ruff_python_ast::{ExceptHandler, Expr, Stmt};
use ruff_text_size::{Ranged, TextSize};

use crate::paths::{PathId, Paths};
use crate::policy::{Rule, attributes};
use crate::rounds::{WIDENED, WORK, WORK_PER_BYTE};
use crate::scope::Scopes;
use crate::unit::{Cell, Readers, Units};
use crate::value::Value;

/// The state of reading a script.
pub struct Walk<'a> {
    pub(crate) scopes: Scopes<'a>,
    pub(crate) paths: Paths,
    pub(crate) units: Units<'a>,
    /// The scope being read.
    pub(crate) scope: usize,
    /// Whether a loop is around what is being read.
    pub(crate) looped: bool,
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
    /// Who has used names that only those two could give.
    pub(crate) guesses: Readers,
    /// Methods that do not get their object, and who has asked for them.
    pub(crate) statics: HashSet<usize>,
    pub(crate) static_readers: Readers,
    /// Names that a driver expression has without an import.
    pub(crate) in_driver: bool,
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
            units: Units::default(),
            scope: 0,
            looped: false,
            fields: HashMap::default(),
            bag: Cell::default(),
            returns: HashMap::default(),
            globals: HashMap::default(),
            stars: Vec::new(),
            guesses: Readers::default(),
            statics: HashSet::default(),
            static_readers: Readers::default(),
            in_driver: false,
            round: 0,
            left: WORK + bytes * WORK_PER_BYTE,
            calls: 0,
            ended: None,
        }
    }

    /// Note a finding.
    pub(crate) fn tell(&mut self, rule: &'static Rule, at: TextSize) {
        self.units.tell((at, rule));
    }

    /// A statement, without the blocks in it.
    pub(crate) fn statement(&mut self, statement: &'a Stmt) {
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
                for test in this.elif_else_clauses.iter().filter_map(|clause| clause.test.as_ref()) {
                    self.expression(test);
                }
            }
            Stmt::For(this) => {
                let values = self.expression(&this.iter);
                let element = self.element(&values);
                self.assign(&this.target, element);
            }
            Stmt::While(this) => {
                self.expression(&this.test);
            }
            Stmt::With(this) => {
                for item in &this.items {
                    let value = self.expression(&item.context_expr);
                    if let Some(target) = &item.optional_vars {
                        self.assign(target, value);
                    }
                }
            }
            Stmt::Try(this) => {
                for ExceptHandler::ExceptHandler(handler) in &this.handlers {
                    handler.type_.iter().for_each(|kind| {
                        self.expression(kind);
                    });
                    if let Some(name) = &handler.name {
                        self.store(name.id.as_str(), Value::Caught);
                    }
                }
            }
            Stmt::Match(this) => {
                let subject = self.expression(&this.subject);
                for case in &this.cases {
                    self.pattern(&case.pattern, &subject);
                    case.guard.iter().for_each(|guard| {
                        self.expression(guard);
                    });
                }
            }
            _ => {}
        }
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
        self.scopes.binding(binding).cell.join(value, self.round >= WIDENED, &mut self.units);
    }

    /// What a binding stands for.
    pub(crate) fn bound(&mut self, binding: usize) -> Value<'a> {
        self.scopes.binding(binding).cell.get(&self.units)
    }

    /// Remember what an attribute of this name was set to, on whatever object.
    pub(crate) fn join_field(&mut self, name: &str, value: Value<'a>) {
        let widened = self.round >= WIDENED;
        match self.fields.get_mut(name) {
            Some(cell) => cell.join(value, widened, &mut self.units),
            None => self.fields.entry(name.to_owned()).or_default().join(value, widened, &mut self.units),
        };
    }

    /// Remember a name that `globals()` was given.
    pub(crate) fn join_global(&mut self, name: &str, value: Value<'a>) {
        let widened = self.round >= WIDENED;
        if self.globals.entry(name.to_owned()).or_default().join(value, widened, &mut self.units) {
            self.guesses.disturb(&mut self.units);
        }
    }

    /// What attributes of this name were set to.
    pub(crate) fn field(&mut self, name: &str) -> Value<'a> {
        match self.fields.get_mut(name) {
            Some(cell) => cell.get(&self.units),
            // Whoever asks is to know of what comes later.
            None => self.fields.entry(name.to_owned()).or_default().get(&self.units),
        }
    }

    /// Remember what was put into some container.
    pub(crate) fn join_bag(&mut self, value: Value<'a>) {
        self.bag.join(value, self.round >= WIDENED, &mut self.units);
    }

    /// Remember what a function returns.
    pub(crate) fn returned(&mut self, scope: usize, value: Value<'a>) {
        let widened = self.round >= WIDENED;
        self.returns.entry(scope).or_default().join(value, widened, &mut self.units);
    }

    /// What a call of a function of the script returns.
    pub(crate) fn result_of(&mut self, scope: usize) -> Value<'a> {
        self.returns.entry(scope).or_default().get(&self.units)
    }

    /// What was put into some container.
    pub(crate) fn bagged(&mut self) -> Value<'a> {
        self.bag.get(&self.units)
    }
}
