//! What a call does: functions whose arguments decide, and where arguments go.

use ruff_python_ast::{ExprCall, Operator};
use ruff_text_size::{Ranged, TextSize};

use crate::fold;
use crate::format;
use crate::paths::{Kind, PathId, Step};
use crate::policy::{attributes, builtins, modules};
use crate::reach::Purpose;
use crate::scope::{Kind as ScopeKind, Takes};
use crate::value::Value;
use crate::walk::Walk;

/// Items of a known list that a mapped function is tried with.
const MAPPED: usize = 64;

/// A call's arguments.
#[derive(Clone, Default)]
pub(crate) struct Arguments<'a> {
    /// By place; a list of unknown length gives one.
    pub positional: Vec<Value<'a>>,
    /// By name.
    pub named: Vec<(&'a str, Value<'a>)>,
    /// Whether there are some of which neither place nor name is known.
    pub open: bool,
}

impl<'a> Arguments<'a> {
    fn of(values: &[Value<'a>]) -> Self {
        Self { positional: values.to_vec(), ..Self::default() }
    }

    pub fn at(&self, place: usize) -> Option<&Value<'a>> {
        self.positional.get(place)
    }

    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.named.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// By name, or else by place.
    pub fn find(&self, name: &str, place: usize) -> Option<&Value<'a>> {
        self.get(name).or_else(|| self.at(place))
    }

    fn all(&self) -> impl Iterator<Item = &Value<'a>> {
        self.positional.iter().chain(self.named.iter().map(|(_, value)| value))
    }
}

impl<'a> Walk<'a> {
    pub(crate) fn call(&mut self, this: &'a ExprCall) -> Value<'a> {
        let function = self.expression(&this.func);
        let mut arguments = Arguments::default();
        for argument in &this.arguments.args {
            let value = self.expression(argument);
            if argument.is_starred_expr() {
                match &value {
                    Value::List(values) => arguments.positional.extend(values.iter().cloned()),
                    value => {
                        arguments.open = true;
                        let element = self.element(value);
                        arguments.positional.push(element);
                    }
                }
            } else {
                arguments.positional.push(value);
            }
        }
        for keyword in &this.arguments.keywords {
            let value = self.expression(&keyword.value);
            match &keyword.arg {
                Some(name) => arguments.named.push((name.id.as_str(), value)),
                None => {
                    arguments.open = true;
                    let items = value.item(&Value::Unknown);
                    arguments.positional.push(items);
                }
            }
        }
        self.check_call(this, &arguments);
        self.invoke(&function, &arguments, this.range().start())
    }

    /// Call with these by place.
    pub(crate) fn apply(&mut self, function: &Value<'a>, values: &[Value<'a>], at: TextSize) -> Value<'a> {
        self.invoke(function, &Arguments::of(values), at)
    }

    fn invoke(&mut self, function: &Value<'a>, arguments: &Arguments<'a>, at: TextSize) -> Value<'a> {
        let passed = 1 + arguments.all().map(Value::size).sum::<usize>();
        if !self.spend(function.each().len() * passed) {
            return Value::Unknown;
        }
        self.called(|this| this.invoke_each(function, arguments, at))
    }

    fn invoke_each(&mut self, function: &Value<'a>, arguments: &Arguments<'a>, at: TextSize) -> Value<'a> {
        let mut all = Value::Nothing;
        for one in function.each() {
            let result = match one {
                Value::Thing(path) => self.call_thing(*path, arguments, at),
                Value::Function(scope) => self.call_function(*scope, arguments),
                Value::Class(scope) => self.make(*scope, arguments),
                Value::Method(method) => self.call_method(&method.0.clone(), &method.1.clone(), arguments, at),
                Value::Getter(names) => self.call_getter(&names.clone(), arguments, at),
                Value::Instance(scope) => self.call_instance(*scope, arguments, at),
                Value::Nothing => {
                    self.escape_all(arguments, Value::Unknown, at);
                    Value::Nothing
                }
                Value::Data => {
                    self.escape_all(arguments, Value::Data, at);
                    self.keep(arguments);
                    Value::Data.or(self.bagged())
                }
                _ => {
                    self.escape_all(arguments, Value::Unknown, at);
                    self.keep(arguments);
                    Value::Unknown
                }
            };
            all = all.or(result);
        }
        all
    }

    /// Arguments of an unknown call may have been put into a container.
    fn keep(&mut self, arguments: &Arguments<'a>) {
        for value in arguments.all() {
            if self.is_worth_keeping(value) {
                self.join_bag(value.clone());
            }
        }
    }

    pub(crate) fn escape_all(&mut self, arguments: &Arguments<'a>, given: Value<'a>, at: TextSize) {
        for value in arguments.all() {
            self.escape_with(value, &given, at);
        }
    }

    /// A value goes where it cannot be followed.
    pub(crate) fn escape(&mut self, value: &Value<'a>, at: TextSize) {
        self.escape_with(value, &Value::Unknown, at);
    }

    /// The same, where a function will be called with `given`.
    fn escape_with(&mut self, value: &Value<'a>, given: &Value<'a>, at: TextSize) {
        for one in value.each() {
            match one {
                Value::Thing(path) if path.is_followed() => {
                    let module = matches!(self.paths.node(*path).kind, Kind::Module(_));
                    self.tell(if module { &builtins::ESCAPE } else { &builtins::COMPUTED_NAME }, at);
                }
                Value::Function(scope) => self.open_function(*scope, given),
                Value::List(values) => values.iter().for_each(|inner| self.escape_with(inner, given, at)),
                Value::Dict(items) => items.iter().for_each(|(_, inner)| self.escape_with(inner, given, at)),
                Value::Namespace(_) => self.tell(&builtins::NAMESPACE, at),
                _ => {}
            }
        }
    }

    /// A function is called from somewhere else, with anything.
    fn open_function(&mut self, scope: usize, given: &Value<'a>) {
        let parameters = self.scopes.scope(scope).parameters.clone();
        for parameter in parameters {
            self.join(parameter.binding, given.clone());
        }
    }

    fn call_function(&mut self, scope: usize, arguments: &Arguments<'a>) -> Value<'a> {
        let owner = self.scopes.scope(scope).parent.map(|owner| self.scopes.scope(owner).kind);
        self.static_readers.note(&self.units);
        let method = owner == Some(ScopeKind::Class) && !self.statics.contains(&scope);
        self.pass(scope, arguments, usize::from(method));
        self.result_of(scope)
    }

    /// Let parameters stand for arguments, after the first few.
    fn pass(&mut self, scope: usize, arguments: &Arguments<'a>, skipped: usize) {
        let parameters = self.scopes.scope(scope).parameters.clone();
        let mut places = arguments.positional.iter();
        for (place, parameter) in parameters.iter().enumerate() {
            match parameter.takes {
                Takes::One if place < skipped => continue,
                Takes::One => {
                    if let Some(value) = places.next() {
                        self.join(parameter.binding, value.clone());
                    }
                }
                Takes::Rest => {
                    let rest: Vec<Value<'a>> = places.by_ref().cloned().collect();
                    self.join(parameter.binding, Value::list(rest));
                }
                Takes::RestByName => {
                    let items = arguments.named.iter().map(|(name, value)| (Value::made(name), value.clone()));
                    self.join(parameter.binding, Value::dict(items.collect()));
                }
                Takes::Keyword => {}
            }
            if arguments.open
                && let Some(value) = arguments.positional.last()
            {
                self.join(parameter.binding, value.clone());
            }
        }
        for (name, value) in &arguments.named {
            if let Some(&binding) = self.scopes.scope(scope).names.get(name)
                && parameters.iter().any(|parameter| parameter.binding == binding)
            {
                self.join(binding, value.clone());
            }
        }
    }

    /// An object of a class of the script.
    fn make(&mut self, scope: usize, arguments: &Arguments<'a>) -> Value<'a> {
        if let Some(&binding) = self.scopes.scope(scope).names.get("__init__") {
            let initializer = self.bound(binding);
            for one in initializer.each() {
                if let Value::Function(function) = one {
                    self.pass(*function, arguments, 1);
                }
            }
        } else {
            for (name, value) in &arguments.named {
                self.join_field(name, value.clone());
            }
            self.keep(arguments);
        }
        Value::Instance(scope)
    }

    fn call_instance(&mut self, scope: usize, arguments: &Arguments<'a>, at: TextSize) -> Value<'a> {
        match self.scopes.scope(scope).names.get("__call__").copied() {
            Some(binding) => {
                let function = self.bound(binding);
                self.invoke(&function, arguments, at)
            }
            None => {
                self.escape_all(arguments, Value::Unknown, at);
                Value::Unknown
            }
        }
    }

    fn call_method(&mut self, object: &Value<'a>, name: &str, arguments: &Arguments<'a>, at: TextSize) -> Value<'a> {
        match (object, name) {
            (Value::Namespace(scope), "get" | "__getitem__" | "pop" | "setdefault") => {
                let key = arguments.at(0).cloned().unwrap_or(Value::Unknown);
                self.subscript(&Value::Namespace(*scope), &key, at)
            }
            (Value::Namespace(_), "keys" | "__contains__" | "__len__") => Value::Data,
            (Value::Namespace(_), _) => {
                self.tell(&builtins::NAMESPACE, at);
                Value::Data
            }
            (Value::Text(text), "format") => {
                self.escape_all(arguments, Value::Unknown, at);
                format::format(text, &arguments.positional, &arguments.named)
            }
            (Value::Decoded, "format" | "format_map") => {
                self.tell(&builtins::FORMAT, at);
                Value::Decoded
            }
            (Value::Decoded, _) => Value::Decoded,
            (Value::Dict(_), "get" | "pop" | "setdefault" | "__getitem__") => {
                let key = arguments.at(0).cloned().unwrap_or(Value::Unknown);
                let other = arguments.at(1).cloned().unwrap_or(Value::Nothing);
                let found = self.subscript(object, &key, at);
                found.or(other)
            }
            (Value::List(_) | Value::Dict(_), _) => {
                self.keep(arguments);
                self.sort_key(arguments, object, at);
                let made = fold::method(object, name, &arguments.positional);
                if matches!(name, "pop" | "popitem" | "values" | "items" | "copy") {
                    made.or(self.bagged())
                } else {
                    made
                }
            }
            _ => {
                let positional = &arguments.positional;
                match positional.first() {
                    Some(Value::Any(values)) => values.iter().fold(Value::Nothing, |all, one| {
                        let mut tried = positional.clone();
                        tried[0] = one.clone();
                        all.or(fold::method(object, name, &tried))
                    }),
                    _ => fold::method(object, name, positional),
                }
            }
        }
    }

    fn sort_key(&mut self, arguments: &Arguments<'a>, object: &Value<'a>, at: TextSize) {
        if let Some(key) = arguments.get("key").cloned() {
            let element = self.element(object);
            self.apply(&key, &[element], at);
        }
    }

    fn call_getter(&mut self, names: &[Value<'a>], arguments: &Arguments<'a>, at: TextSize) -> Value<'a> {
        let mut all = Value::Nothing;
        for name in names {
            let mut value = arguments.at(0).cloned().unwrap_or(Value::Unknown);
            let parts = if let Value::Text(text) = name {
                fold::method(&Value::Text(text.clone()), "split", &[Value::made(".")])
            } else {
                name.clone()
            };
            match parts {
                Value::List(parts) => {
                    for part in parts.iter() {
                        value = self.named(&value, part, Purpose::Get, at);
                    }
                }
                part => value = self.named(&value, &part, Purpose::Get, at),
            }
            all = all.or(value);
        }
        all
    }

    fn call_thing(&mut self, path: PathId, arguments: &Arguments<'a>, at: TextSize) -> Value<'a> {
        let text = self.paths.node(path).text.clone();
        if self.paths.node(path).kind == Kind::Refused {
            return Value::Data;
        }
        if let Some(name) = text.strip_prefix("builtins.") {
            return self.call_builtin(path, name, arguments, at);
        }
        if let Some(name) = text.strip_prefix("operator.") {
            return self.call_operator(path, name, arguments, at);
        }
        let root = text.split('.').next().unwrap_or("");
        match &*text {
            "functools.reduce" => return self.reduce(arguments, at),
            "functools.partial" | "functools.partialmethod" => {
                self.escape_all(arguments, Value::Unknown, at);
                return Value::Unknown;
            }
            "itertools.starmap" | "itertools.accumulate" => {
                self.escape_all(arguments, Value::Unknown, at);
                return Value::Unknown;
            }
            "itertools.chain" => return arguments.all().fold(Value::Nothing, |all, value| all.or(value.clone())),
            "copy.copy" | "copy.deepcopy" => return arguments.at(0).cloned().unwrap_or(Value::Data),
            "contextlib.suppress" | "typing.cast" => return arguments.at(1).cloned().unwrap_or(Value::Data),
            "string.Template" => return Value::Data,
            _ => {}
        }
        if is_decoder(&text) {
            return Value::Decoded;
        }
        if root == "numpy" && arguments.get("allow_pickle").is_some() {
            self.tell(&builtins::PICKLE, at);
        }
        if root == "logging" && arguments.get("filename").is_some() {
            self.tell(&modules::FILE_WRITE, at);
        }
        if root == "tempfile" && (arguments.get("dir").is_some() || arguments.open || arguments.positional.len() > 2) {
            self.tell(&modules::FILE_WRITE, at);
        }
        if let Some(place) = crate::place::call(&text, &arguments.positional) {
            return place;
        }
        if root == "bpy" || root == "bpy_extras" || root == "imbuf" || root == "aud" {
            return self.call_blender(path, &text, arguments, at);
        }
        self.escape_all(arguments, Value::Unknown, at);
        self.keep_in(&text, arguments);
        Value::Thing(self.reach(path, Step::Call, at))
    }

    /// `collections.deque`, queues and weak references give back what was put in.
    fn keep_in(&mut self, text: &str, arguments: &Arguments<'a>) {
        if ["collections.", "queue.", "weakref.", "types.", "array.", "contextvars.", "dataclasses."]
            .iter()
            .any(|root| text.starts_with(root))
        {
            self.keep(arguments);
            for (name, value) in &arguments.named {
                self.join_field(name, value.clone());
            }
        }
    }

    fn call_operator(&mut self, path: PathId, name: &str, arguments: &Arguments<'a>, at: TextSize) -> Value<'a> {
        let first = arguments.at(0).cloned().unwrap_or(Value::Nothing);
        let second = arguments.at(1).cloned().unwrap_or(Value::Nothing);
        match name {
            "attrgetter" | "methodcaller" => {
                let names: Vec<Value<'a>> =
                    if name == "attrgetter" { arguments.positional.clone() } else { vec![first] };
                for name in &names {
                    self.check_getter(name, at);
                }
                Value::Getter(names.into())
            }
            "getitem" => self.subscript(&first, &second, at),
            "call" => self.apply(&first, arguments.positional.get(1..).unwrap_or(&[]), at),
            "add" | "concat" | "iadd" | "iconcat" => fold::binary(&first, Operator::Add, &second),
            "mod" | "imod" => fold::binary(&first, Operator::Mod, &second),
            "mul" | "imul" => fold::binary(&first, Operator::Mult, &second),
            "setitem" => {
                let value = arguments.at(2).cloned().unwrap_or(Value::Nothing);
                self.store_item(&first, &second, value, at);
                Value::Data
            }
            _ => {
                self.escape_all(arguments, Value::Unknown, at);
                Value::Thing(self.paths.step(path, Step::Call))
            }
        }
    }

    fn check_getter(&mut self, name: &Value<'a>, at: TextSize) {
        for one in name.each() {
            match one {
                Value::Text(text) => {
                    for part in text.split('.') {
                        if let Some(rule) = attributes::rule(part) {
                            self.tell(rule, at);
                        }
                    }
                }
                Value::Pattern(parts) if !parts.0.starts_with('_') && !parts.0.is_empty() => {}
                Value::Identifier => {}
                _ => self.tell(&builtins::COMPUTED_NAME, at),
            }
        }
    }

    fn reduce(&mut self, arguments: &Arguments<'a>, at: TextSize) -> Value<'a> {
        let function = arguments.at(0).cloned().unwrap_or(Value::Unknown);
        let values = arguments.at(1).cloned().unwrap_or(Value::Unknown);
        let start = arguments.find("initial", 2).cloned();
        match values {
            Value::List(items) if items.len() <= MAPPED => {
                let mut rest = items.iter();
                let mut sum = start.or_else(|| rest.next().cloned()).unwrap_or(Value::Nothing);
                for item in rest {
                    sum = self.apply(&function, &[sum, item.clone()], at);
                }
                sum
            }
            values => {
                let element = self.element(&values);
                let sum = start.unwrap_or(Value::Nothing).or(element.clone());
                self.apply(&function, &[sum, element], at)
            }
        }
    }

    /// `map(function, values)`: what the function makes of each.
    pub(crate) fn mapped(&mut self, arguments: &Arguments<'a>, at: TextSize) -> Value<'a> {
        let function = arguments.at(0).cloned().unwrap_or(Value::Unknown);
        let lists: Vec<Value<'a>> = arguments.positional.iter().skip(1).map(fold::listed).collect();
        let known = lists.iter().map(|list| match list {
            Value::List(values) if values.len() <= MAPPED => Some(values.clone()),
            _ => None,
        });
        if let Some(known) = known.collect::<Option<Vec<_>>>()
            && let Some(length) = known.iter().map(|values| values.len()).min()
        {
            let mut made = Vec::new();
            for place in 0..length {
                let row: Vec<Value<'a>> = known.iter().map(|values| values[place].clone()).collect();
                made.push(self.apply(&function, &row, at));
            }
            return Value::list(made);
        }
        let row: Vec<Value<'a>> = lists.iter().map(|list| self.element(list)).collect();
        let made = self.apply(&function, &row, at);
        Value::list(vec![made.clone(), made])
    }
}

/// Functions that turn text into other text, which nobody needs for a name.
fn is_decoder(text: &str) -> bool {
    (text.starts_with("base64.") && text.contains("decode"))
        || text.starts_with("binascii.")
        || text.starts_with("zlib.")
        || matches!(
            text,
            "urllib.parse.unquote"
                | "urllib.parse.unquote_plus"
                | "html.unescape"
                | "struct.pack"
                | "textwrap.dedent"
                | "unicodedata.normalize"
                | "unicodedata.lookup"
        )
}
