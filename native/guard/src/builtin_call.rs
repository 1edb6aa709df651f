//! Calls of built-in functions: what they make of values that are known, and those that need a judgement.

use ruff_python_ast::Expr;
use ruff_text_size::{Ranged, TextSize};

use crate::call::Arguments;
use crate::fold;
use crate::paths::{Kind, PathId, Step};
use crate::policy::{attributes, builtins, modules};
use crate::reach::Purpose;
use crate::value::Value;
use crate::walk::Walk;
use spindle_protocol::finding::Severity;

impl<'a> Walk<'a> {
    pub(crate) fn call_builtin(
        &mut self,
        path: PathId,
        name: &str,
        arguments: &Arguments<'a>,
        at: TextSize,
    ) -> Value<'a> {
        let first = arguments.at(0).cloned();
        match (name, first) {
            ("getattr" | "setattr" | "delattr", first) => self.by_name(name, first, arguments, at),
            ("vars" | "locals" | "globals", first) => self.namespace(name, first, at),
            ("open", _) => {
                self.judge_open(arguments, at);
                Value::Thing(self.paths.step(path, Step::Call))
            }
            ("type", Some(first)) => self.type_of(&first, arguments, at),
            ("chr", Some(first)) => fold::character(&first),
            ("ord", Some(first)) => fold::ordinal(&first),
            ("str", Some(Value::Bytes(bytes))) => fold::method(&Value::Bytes(bytes), "decode", &[]),
            ("str", Some(first)) => fold::as_text(&first),
            ("bytes" | "bytearray" | "memoryview", Some(first)) => fold::as_bytes(&first),
            ("bytes.fromhex" | "bytearray.fromhex", Some(first)) => fold::from_hex(&first),
            ("list" | "tuple" | "set" | "frozenset" | "sorted" | "iter", Some(first)) => {
                self.key_function(arguments, &first, at);
                match fold::listed(&first) {
                    Value::Thing(path) => Value::Thing(self.paths.step(path, Step::Item)),
                    value => value,
                }
            }
            ("reversed", Some(first)) => fold::reversed(&first),
            ("next" | "min" | "max" | "sum", Some(first)) => {
                self.key_function(arguments, &first, at);
                let other = arguments.at(1).cloned().unwrap_or(Value::Nothing);
                if name == "next" || arguments.positional.len() == 1 {
                    self.element(&first).or(other)
                } else {
                    first.or(other)
                }
            }
            ("map", Some(_)) => self.mapped(arguments, at),
            ("filter", Some(function)) => {
                let values = arguments.at(1).cloned().unwrap_or(Value::Unknown);
                let element = self.element(&values);
                self.apply(&function, &[element], at);
                values
            }
            ("enumerate", Some(first)) => {
                let element = self.element(&first);
                Value::list(vec![Value::list(vec![Value::Data, element])])
            }
            ("zip", Some(_)) => {
                let row: Vec<Value<'a>> = arguments.positional.clone().iter().map(|list| self.element(list)).collect();
                Value::list(vec![Value::list(row)])
            }
            ("dict", first) => self.dictionary_of(first, arguments),
            ("super", _) => Value::Data,
            _ => self.call_plain(name, arguments, at),
        }
    }

    fn call_plain(&mut self, name: &str, arguments: &Arguments<'a>, at: TextSize) -> Value<'a> {
        if let Some((kind @ ("str" | "bytes" | "dict" | "list"), method)) = name.split_once('.')
            && let Some(object) = arguments.at(0)
        {
            let rest = Arguments {
                positional: arguments.positional[1..].to_vec(),
                named: arguments.named.clone(),
                open: arguments.open,
            };
            if kind == "str" && method.starts_with("format") && !matches!(object, Value::Text(_)) {
                self.tell(&builtins::FORMAT, at);
            }
            let bound = self.attribute(&object.clone(), method, at);
            return self.invoke_bound(&bound, &rest, at);
        }
        if name.starts_with("object.") || name.starts_with("type.") {
            return Value::Unknown;
        }
        if !builtins::LOOKERS.contains(&name) {
            for value in arguments.positional.iter().chain(arguments.named.iter().map(|(_, value)| value)) {
                self.escape(value, at);
            }
        }
        Value::Data
    }

    fn invoke_bound(&mut self, bound: &Value<'a>, rest: &Arguments<'a>, at: TextSize) -> Value<'a> {
        self.apply(bound, &rest.positional, at)
    }

    fn key_function(&mut self, arguments: &Arguments<'a>, values: &Value<'a>, at: TextSize) {
        if let Some(key) = arguments.get("key").cloned() {
            let element = self.element(values);
            self.apply(&key, &[element], at);
        }
    }

    fn by_name(
        &mut self,
        function: &str,
        object: Option<Value<'a>>,
        arguments: &Arguments<'a>,
        at: TextSize,
    ) -> Value<'a> {
        if arguments.open {
            self.tell(&builtins::COMPUTED_NAME, at);
        }
        let object = object.unwrap_or(Value::Unknown);
        let name = arguments.at(1).cloned().unwrap_or(Value::Unknown);
        let third = arguments.at(2).cloned().unwrap_or(Value::Nothing);
        match function {
            "getattr" => self.named(&object, &name, Purpose::Get, at).or(third),
            "setattr" => {
                for one in name.each() {
                    match one {
                        Value::Text(text) => self.store_attribute(&object, text, third.clone(), at),
                        other => {
                            self.named(&object, other, Purpose::Set, at);
                        }
                    }
                }
                if self.is_worth_keeping(&third) {
                    self.join_bag(third);
                }
                Value::Data
            }
            _ => {
                self.named(&object, &name, Purpose::Set, at);
                Value::Data
            }
        }
    }

    fn namespace(&mut self, name: &str, object: Option<Value<'a>>, at: TextSize) -> Value<'a> {
        match object {
            None => Value::Namespace(if name == "globals" { 0 } else { self.scope }),
            Some(object) => {
                let internal = object.each().iter().any(|one| match one {
                    Value::Thing(path) => !self.paths.is_data(*path),
                    Value::Function(_) | Value::Unknown => true,
                    _ => false,
                });
                if internal {
                    self.tell(&builtins::NAMESPACE, at);
                }
                Value::Data
            }
        }
    }

    fn type_of(&mut self, object: &Value<'a>, arguments: &Arguments<'a>, at: TextSize) -> Value<'a> {
        if let Some(members) = arguments.at(2) {
            self.tell(&builtins::DYNAMIC_CLASS, at);
            if let Value::Dict(items) = members.clone() {
                for (key, value) in items.iter() {
                    if let Value::Text(name) = key {
                        self.join_field(name, value.clone());
                        if matches!(&**name, "__match_args__") {
                            self.check_names(value, at);
                        }
                    }
                    self.escape(value, at);
                }
            }
            return Value::Data;
        }
        let mut all = Value::Nothing;
        for one in object.each() {
            all = all.or(match one {
                Value::Instance(scope) => Value::Class(*scope),
                Value::Function(_) => {
                    self.tell(&modules::CODE, at);
                    Value::Data
                }
                Value::Thing(path)
                    if matches!(self.paths.node(*path).kind, Kind::Module(_)) && !self.paths.is_data(*path) =>
                {
                    self.tell(&modules::CODE, at);
                    Value::Data
                }
                _ => Value::Data,
            });
        }
        all
    }

    fn dictionary_of(&mut self, first: Option<Value<'a>>, arguments: &Arguments<'a>) -> Value<'a> {
        let mut items: Vec<(Value<'a>, Value<'a>)> = match first {
            Some(Value::Dict(items)) => items.to_vec(),
            Some(Value::List(pairs)) => {
                pairs.iter().map(|pair| (pair.item(&Value::Int(0)), pair.item(&Value::Int(1)))).collect()
            }
            Some(Value::Namespace(scope)) => return Value::Namespace(scope),
            Some(_) => return Value::Data,
            None => Vec::new(),
        };
        items.extend(arguments.named.iter().map(|(name, value)| (Value::made(name), value.clone())));
        Value::dict(items)
    }

    /// The text of a driver: simple arithmetic is worth telling, anything else is refused.
    pub(crate) fn driver_expression(&mut self, value: &Value<'a>, at: TextSize) {
        for one in value.each() {
            let harmless = match one {
                Value::Text(text) => self.spend(text.len()) && is_simple_driver(text),
                // What is put between is a number in honest scripts; what stands around it can be seen.
                Value::Pattern(parts) => !parts.0.contains("__") && !parts.1.contains("__") && !has_call(&parts.0),
                Value::Data | Value::Nothing | Value::Int(_) => true,
                _ => false,
            };
            self.tell(if harmless { &builtins::DRIVER } else { &builtins::DRIVER_CODE }, at);
        }
    }

    /// Names that drivers have: Blender's namespace for them, and functions of math.
    pub(crate) fn driver_name(&mut self, name: &str, at: TextSize) -> Value<'a> {
        match name {
            "bpy" => Value::Thing(self.paths.module("bpy")),
            "frame" | "self" | "depsgraph" | "noise" => Value::Data,
            _ => match self.builtin(name, at) {
                Value::Unknown => Value::Data,
                value => value,
            },
        }
    }
}

/// Whether a driver's expression only computes.
fn is_simple_driver(text: &str) -> bool {
    if crate::readable::refuse(text).is_some() {
        return false;
    }
    match ruff_python_parser::parse_expression(text.trim()) {
        Ok(parsed) => {
            let found = Walk::driver(parsed.expr());
            found.iter().all(|(_, rule)| rule.severity != Severity::Danger) && !is_assignment(parsed.expr())
        }
        // What Python cannot read does nothing.
        Err(_) => true,
    }
}

fn is_assignment(expression: &Expr) -> bool {
    matches!(expression, Expr::Named(_) | Expr::Lambda(_)) && expression.range().len().to_u32() > 0
}

fn has_call(text: &str) -> bool {
    builtins::TABLE
        .iter()
        .filter_map(|(path, _)| path.strip_prefix("builtins."))
        .any(|name| text.contains(&format!("{name}(")))
        || attributes::TABLE.iter().any(|(name, _)| text.contains(name))
}
