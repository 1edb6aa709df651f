//! Which name means what where: the scopes of a script, as Python draws them, before anything is evaluated.

use foldhash::{HashMap, HashSet};

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    AnyParameterRef, Comprehension, ExceptHandler, Expr, ExprContext, Parameters, Pattern, Stmt, StmtClassDef,
    StmtFunctionDef, StmtGlobal, StmtImport, TypeParam, TypeParams,
};
use ruff_text_size::{Ranged, TextRange, TextSize};

use crate::unit::Cell;

/// What kind of block a scope is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The script itself.
    Module,
    /// A function or lambda.
    Function,
    /// A comprehension: a walrus in it binds in the function around it.
    Comprehension,
    /// A class's body: functions inside it do not see its names.
    Class,
}

/// A block with names of its own.
#[derive(Debug)]
pub struct Scope<'a> {
    /// What it is.
    pub kind: Kind,
    /// The scope around it.
    pub parent: Option<usize>,
    /// Its names, as places in `Scopes::bindings`.
    pub names: HashMap<&'a str, usize>,
    /// A function's parameters, in order, with `*` or `**` before those that take the rest.
    pub parameters: Vec<Parameter>,
    /// Names that belong to the script's own scope, and to a scope around this one.
    global: HashSet<&'a str>,
    nonlocal: HashSet<&'a str>,
}

/// A function's parameter.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its place in `Scopes::bindings`.
    pub binding: usize,
    /// What it takes.
    pub takes: Takes,
}

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// One argument, by its place or name.
    One,
    /// One argument, by its name.
    Keyword,
    /// All that are left, by place.
    Rest,
    /// All that are left, by name.
    RestByName,
}

/// One name in one scope.
#[derive(Debug)]
pub struct Binding<'a> {
    /// What it may stand for, as far as is known.
    pub cell: Cell<'a>,
    /// From where on the name is bound for certain, if a statement of the block itself does it.
    pub certain_from: Option<TextSize>,
    /// Whether it is deleted anywhere.
    deleted: bool,
}

/// All scopes of a script. The first is the script's own.
#[derive(Debug, Default)]
pub struct Scopes<'a> {
    scopes: Vec<Scope<'a>>,
    bindings: Vec<Binding<'a>>,
    places: HashMap<TextRange, usize>,
    /// Names that are called, or called as methods, anywhere.
    pub called: HashSet<&'a str>,
}

impl<'a> Scopes<'a> {
    /// Draw the scopes of a script or expression.
    pub fn of_module(body: &'a [Stmt]) -> Self {
        let mut collector = Collector::new();
        for statement in body {
            collector.top = true;
            collector.visit_stmt(statement);
        }
        collector.scopes
    }

    /// Draw the scopes of an expression.
    pub fn of_expression(body: &'a Expr) -> Self {
        let mut collector = Collector::new();
        collector.visit_expr(body);
        collector.scopes
    }

    /// A scope.
    pub fn scope(&self, scope: usize) -> &Scope<'a> {
        &self.scopes[scope]
    }

    /// The scope that this function, class, lambda or comprehension opens.
    pub fn opened_by(&self, range: TextRange) -> usize {
        self.places.get(&range).copied().unwrap_or(0)
    }

    /// A binding.
    pub fn binding(&mut self, binding: usize) -> &mut Binding<'a> {
        &mut self.bindings[binding]
    }

    /// The binding that a name means in a scope.
    pub fn find(&self, scope: usize, name: &str) -> Option<usize> {
        let mut at = Some(scope);
        let here = &self.scopes[scope];
        if here.global.contains(name) {
            return self.scopes[0].names.get(name).copied();
        }
        while let Some(index) = at {
            let seen = &self.scopes[index];
            if (index == scope || seen.kind != Kind::Class)
                && let Some(&binding) = seen.names.get(name)
            {
                return Some(binding);
            }
            at = seen.parent;
        }
        None
    }
}

struct Collector<'a> {
    scopes: Scopes<'a>,
    here: usize,
    /// Whether the statement being read is one of its block's own, under no condition.
    top: bool,
    /// Where the assignment being read ends: its value is evaluated before its name is bound.
    end: TextSize,
}

impl<'a> Collector<'a> {
    fn new() -> Self {
        let mut collector = Self { scopes: Scopes::default(), here: 0, top: false, end: TextSize::default() };
        collector.scopes.scopes.push(Scope::new(Kind::Module, None));
        collector
    }

    fn open(&mut self, kind: Kind, range: TextRange) -> usize {
        let outer = self.here;
        self.here = self.scopes.scopes.len();
        self.scopes.scopes.push(Scope::new(kind, Some(outer)));
        self.scopes.places.insert(range, self.here);
        outer
    }

    fn bind(&mut self, name: &'a str, at: TextSize) -> usize {
        let mut scope = self.here;
        if self.scopes.scopes[scope].global.contains(name) {
            scope = 0;
        } else if self.scopes.scopes[scope].nonlocal.contains(name) {
            while self.scopes.scopes[scope].nonlocal.contains(name)
                || self.scopes.scopes[scope].kind == Kind::Class
                || (scope != 0 && !self.scopes.scopes[scope].names.contains_key(name))
            {
                scope = self.scopes.scopes[scope].parent.unwrap_or(0);
                if scope == 0 {
                    break;
                }
            }
        }
        let certain = (self.top && scope == self.here).then_some(at);
        let fresh = self.scopes.bindings.len();
        let binding = *self.scopes.scopes[scope].names.entry(name).or_insert(fresh);
        if binding == fresh {
            self.scopes.bindings.push(Binding { cell: Cell::default(), certain_from: certain, deleted: false });
        }
        let this = &mut self.scopes.bindings[binding];
        this.certain_from = if this.deleted { None } else { this.certain_from.or(certain) };
        binding
    }

    fn parameters(&mut self, parameters: &'a Parameters) {
        let positional = parameters.posonlyargs.len() + parameters.args.len();
        for (index, parameter) in parameters.iter().enumerate() {
            let takes = match parameter {
                AnyParameterRef::NonVariadic(_) if index < positional => Takes::One,
                AnyParameterRef::NonVariadic(_) => Takes::Keyword,
                AnyParameterRef::Variadic(this)
                    if parameters.kwarg.as_ref().is_some_and(|last| last.range == this.range) =>
                {
                    Takes::RestByName
                }
                AnyParameterRef::Variadic(_) => Takes::Rest,
            };
            let name = &parameter.name();
            let binding = self.bind(name.id.as_str(), name.range.start());
            self.scopes.scopes[self.here].parameters.push(Parameter { binding, takes });
        }
    }

    /// What is evaluated outside a function although it is written inside.
    fn outside(&mut self, parameters: &'a Parameters) {
        visitor::walk_parameters(self, parameters);
    }

    fn type_parameters(&mut self, parameters: Option<&'a TypeParams>) {
        for parameter in parameters.iter().flat_map(|all| &all.type_params) {
            let name = match parameter {
                TypeParam::TypeVar(one) => &one.name,
                TypeParam::TypeVarTuple(one) => &one.name,
                TypeParam::ParamSpec(one) => &one.name,
            };
            self.bind(name.id.as_str(), name.range.start());
            self.visit_type_param(parameter);
        }
    }

    fn comprehension(&mut self, range: TextRange, generators: &'a [Comprehension], results: &[&'a Expr]) {
        let outer = self.open(Kind::Comprehension, range);
        for generator in generators {
            self.visit_comprehension(generator);
        }
        for result in results {
            self.visit_expr(result);
        }
        self.here = outer;
    }

    fn body(&mut self, body: &'a [Stmt]) {
        for statement in body {
            self.top = true;
            self.visit_stmt(statement);
        }
        self.top = false;
    }
}

impl<'a> Scope<'a> {
    fn new(kind: Kind, parent: Option<usize>) -> Self {
        Self {
            kind,
            parent,
            names: HashMap::default(),
            parameters: Vec::new(),
            global: HashSet::default(),
            nonlocal: HashSet::default(),
        }
    }
}

impl<'a> Visitor<'a> for Collector<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(function) => self.function(function),
            Stmt::ClassDef(class) => self.class(class),
            Stmt::Global(names) => self.global(names),
            Stmt::Nonlocal(names) => {
                let here = &mut self.scopes.scopes[self.here];
                here.nonlocal.extend(names.names.iter().map(|name| name.id.as_str()));
            }
            Stmt::Import(import) => self.import(import),
            Stmt::ImportFrom(import) => {
                for alias in import.names.iter().filter(|alias| alias.name.id.as_str() != "*") {
                    self.bind(alias.asname.as_ref().unwrap_or(&alias.name).id.as_str(), alias.range.start());
                }
            }
            Stmt::TypeAlias(alias) => {
                let outer = self.open(Kind::Function, alias.range());
                self.type_parameters(alias.type_params.as_deref());
                self.visit_expr(&alias.value);
                self.here = outer;
                self.visit_expr(&alias.name);
            }
            Stmt::Delete(_) | Stmt::If(_) | Stmt::For(_) | Stmt::While(_) | Stmt::Try(_) | Stmt::Match(_) => {
                self.top = false;
                visitor::walk_stmt(self, statement);
            }
            Stmt::Assign(_) | Stmt::AnnAssign(_) | Stmt::AugAssign(_) => {
                self.end = statement.range().end();
                visitor::walk_stmt(self, statement);
            }
            _ => visitor::walk_stmt(self, statement),
        }
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        stacker::maybe_grow(crate::RED_ZONE, crate::STACK, || self.expression(expression));
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(this) = handler;
        if let Some(name) = &this.name {
            self.bind(name.id.as_str(), name.range.start());
        }
        visitor::walk_except_handler(self, handler);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        let name = match pattern {
            Pattern::MatchAs(this) => this.name.as_ref(),
            Pattern::MatchStar(this) => this.name.as_ref(),
            Pattern::MatchMapping(this) => this.rest.as_ref(),
            _ => None,
        };
        if let Some(name) = name {
            self.bind(name.id.as_str(), name.range.start());
        }
        visitor::walk_pattern(self, pattern);
    }
}

impl<'a> Collector<'a> {
    fn function(&mut self, function: &'a StmtFunctionDef) {
        self.bind(function.name.id.as_str(), function.parameters.range.end());
        self.top = false;
        for decorator in &function.decorator_list {
            self.visit_decorator(decorator);
        }
        self.outside(&function.parameters);
        let outer = self.open(Kind::Function, function.range());
        self.type_parameters(function.type_params.as_deref());
        self.parameters(&function.parameters);
        if let Some(returns) = &function.returns {
            self.visit_annotation(returns);
        }
        self.body(&function.body);
        self.here = outer;
    }

    fn class(&mut self, class: &'a StmtClassDef) {
        let header = class.arguments.as_ref().map_or(class.name.range, |all| all.range);
        self.bind(class.name.id.as_str(), header.end());
        self.top = false;
        for decorator in &class.decorator_list {
            self.visit_decorator(decorator);
        }
        if let Some(arguments) = &class.arguments {
            self.visit_arguments(arguments);
        }
        let outer = self.open(Kind::Class, class.range());
        self.type_parameters(class.type_params.as_deref());
        self.body(&class.body);
        self.here = outer;
    }

    /// The name is the module's, too: it may be assigned nowhere else.
    fn global(&mut self, names: &'a StmtGlobal) {
        for name in &names.names {
            self.scopes.scopes[self.here].global.insert(name.id.as_str());
            let here = std::mem::replace(&mut self.here, 0);
            self.top = false;
            self.bind(name.id.as_str(), name.range.start());
            self.here = here;
        }
    }

    /// `import a.b` binds `a`, and `import a.b as c` binds `c`.
    fn import(&mut self, import: &'a StmtImport) {
        for alias in &import.names {
            let name = alias.asname.as_ref().unwrap_or(&alias.name).id.as_str();
            let bound = if alias.asname.is_some() { name } else { name.split('.').next().unwrap_or(name) };
            self.bind(bound, alias.range.start());
        }
    }

    fn expression(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Name(name) => match name.ctx {
                ExprContext::Store => {
                    self.bind(name.id.as_str(), self.end.max(expression.range().end()));
                }
                ExprContext::Del => {
                    let binding = self.bind(name.id.as_str(), name.range.start());
                    self.scopes.bindings[binding].certain_from = None;
                    self.scopes.bindings[binding].deleted = true;
                }
                ExprContext::Load | ExprContext::Invalid => {}
            },
            Expr::Named(named) => {
                self.visit_expr(&named.value);
                self.walrus(&named.target);
            }
            Expr::Lambda(lambda) => {
                if let Some(parameters) = &lambda.parameters {
                    self.outside(parameters);
                }
                let outer = self.open(Kind::Function, lambda.range());
                if let Some(parameters) = &lambda.parameters {
                    self.parameters(parameters);
                }
                self.visit_expr(&lambda.body);
                self.here = outer;
            }
            Expr::ListComp(this) => self.comprehension(this.range(), &this.generators, &[&this.elt]),
            Expr::SetComp(this) => self.comprehension(this.range(), &this.generators, &[&this.elt]),
            Expr::Generator(this) => self.comprehension(this.range(), &this.generators, &[&this.elt]),
            Expr::DictComp(this) => match &this.key {
                Some(key) => self.comprehension(this.range(), &this.generators, &[key, &this.value]),
                None => self.comprehension(this.range(), &this.generators, &[&this.value]),
            },
            Expr::Call(call) => {
                match &*call.func {
                    Expr::Name(name) => self.scopes.called.insert(name.id.as_str()),
                    Expr::Attribute(attribute) => self.scopes.called.insert(attribute.attr.id.as_str()),
                    _ => false,
                };
                visitor::walk_expr(self, expression);
            }
            _ => visitor::walk_expr(self, expression),
        }
    }

    /// A walrus inside a comprehension binds in the function around it.
    fn walrus(&mut self, target: &'a Expr) {
        let here = self.here;
        while self.scopes.scopes[self.here].kind == Kind::Comprehension {
            self.here = self.scopes.scopes[self.here].parent.unwrap_or(0);
        }
        let top = std::mem::replace(&mut self.top, false);
        self.visit_expr(target);
        self.top = top;
        self.here = here;
    }
}
