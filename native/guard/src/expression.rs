//! What each kind of expression may stand for.

use ruff_python_ast::{
    Comprehension, Expr, ExprContext, FStringPart, InterpolatedStringElement, Number, Operator, UnaryOp,
};
use ruff_text_size::{Ranged, TextSize};

use crate::fold;
use crate::policy::builtins;
use crate::scope::Kind;
use crate::unit::Code;
use crate::value::{Text, Value};
use crate::walk::Walk;

/// Items of a list or dictionary that are kept; longer ones are data.
const ITEMS: usize = 256;

/// Bytes of a literal that are kept.
const BYTES: usize = 4096;

impl<'a> Walk<'a> {
    /// Read an expression: find what it reaches, and say what it may stand for.
    pub(crate) fn expression(&mut self, expression: &'a Expr) -> Value<'a> {
        if !self.spend(1) {
            return Value::Unknown;
        }
        let value = stacker::maybe_grow(crate::RED_ZONE, crate::STACK, || self.evaluate(expression));
        self.spend(value.size());
        value
    }

    fn evaluate(&mut self, expression: &'a Expr) -> Value<'a> {
        match expression {
            Expr::Name(this) => self.name(this.id.as_str(), this.range.start()),
            Expr::Attribute(this) => self.attribute_expression(this),
            Expr::Call(this) => self.call(this),
            Expr::StringLiteral(this) => Value::Text(Text::Literal(this.value.to_str())),
            Expr::BytesLiteral(this) if this.value.len() <= BYTES => Value::Bytes(this.value.bytes().collect()),
            Expr::NumberLiteral(this) => match &this.value {
                Number::Int(number) => number.as_i64().map_or(Value::Data, Value::Int),
                _ => Value::Data,
            },
            Expr::FString(this) => self.f_string(this),
            Expr::TString(this) => {
                for element in this.value.elements() {
                    self.interpolation(element);
                }
                Value::Data
            }
            Expr::BinOp(this) => {
                let left = self.expression(&this.left);
                let right = self.expression(&this.right);
                self.spend((left.each().len() * right.each().len()).min(1000) + left.size() + right.size());
                fold::binary(&left, this.op, &right)
            }
            Expr::UnaryOp(this) => {
                let value = self.expression(&this.operand);
                match (this.op, value) {
                    (UnaryOp::USub, Value::Int(number)) => number.checked_neg().map_or(Value::Data, Value::Int),
                    (UnaryOp::Invert, Value::Int(number)) => Value::Int(!number),
                    (UnaryOp::UAdd, value) => value,
                    _ => Value::Data,
                }
            }
            Expr::BoolOp(this) => this.values.iter().fold(Value::Nothing, |all, value| {
                let value = self.expression(value);
                all.or(value)
            }),
            Expr::Compare(this) => {
                self.expression(&this.left);
                for value in &this.comparators {
                    self.expression(value);
                }
                Value::Data
            }
            Expr::If(this) => {
                self.expression(&this.test);
                let body = self.expression(&this.body);
                body.or(self.expression(&this.orelse))
            }
            Expr::Named(this) => {
                let value = self.expression(&this.value);
                self.assign(&this.target, value.clone());
                value
            }
            Expr::Subscript(this) => self.subscript_expression(this),
            _ => self.display(expression),
        }
    }

    fn display(&mut self, expression: &'a Expr) -> Value<'a> {
        match expression {
            Expr::List(this) => self.sequence(&this.elts),
            Expr::Tuple(this) => self.sequence(&this.elts),
            Expr::Set(this) => self.sequence(&this.elts),
            Expr::Dict(this) => self.dictionary(this),
            Expr::ListComp(this) => self.comprehension(expression, &this.generators, &[&this.elt]),
            Expr::SetComp(this) => self.comprehension(expression, &this.generators, &[&this.elt]),
            Expr::Generator(this) => self.comprehension(expression, &this.generators, &[&this.elt]),
            Expr::DictComp(this) => match &this.key {
                Some(key) => self.comprehension(expression, &this.generators, &[key, &this.value]),
                None => self.comprehension(expression, &this.generators, &[&this.value]),
            },
            Expr::Lambda(this) => {
                let scope = self.scopes.opened_by(this.range());
                if let Some(parameters) = &this.parameters {
                    self.defaults(parameters, scope);
                }
                self.units.enter_expression(Code::Lambda(&this.body), scope);
                Value::Function(scope)
            }
            Expr::Starred(this) => self.expression(&this.value),
            Expr::Await(this) => self.expression(&this.value),
            Expr::Yield(this) => {
                let value = this.value.as_ref().map_or(Value::Data, |value| self.expression(value));
                self.returned(self.scope, Value::list(vec![value]));
                Value::Data
            }
            Expr::YieldFrom(this) => {
                let value = self.expression(&this.value);
                self.returned(self.scope, value);
                Value::Data
            }
            Expr::Slice(this) => {
                for bound in this.lower.iter().chain(&this.upper).chain(&this.step) {
                    self.expression(bound);
                }
                Value::Data
            }
            _ => Value::Data,
        }
    }

    /// A name that is read.
    pub(crate) fn name(&mut self, name: &str, at: TextSize) -> Value<'a> {
        let Some(place) = self.scopes.find(self.scope, name) else {
            return self.unbound(name, at);
        };
        let value = self.bound(place);
        let certain = self.scopes.binding(place).certain_from.is_some_and(|from| from <= at);
        if certain || !builtins::has(name) || !self.is_shared(place, name) {
            return value;
        }
        value.or(self.unbound(name, at))
    }

    /// Whether a name of the script's own scope or of a class's body is meant: where it is not bound yet, the
    /// built-in one is.
    fn is_shared(&self, binding: usize, name: &str) -> bool {
        let owns = |scope: usize| self.scopes.scope(scope).names.get(name) == Some(&binding);
        owns(0) || (self.scopes.scope(self.scope).kind == Kind::Class && owns(self.scope))
    }

    fn unbound(&mut self, name: &str, at: TextSize) -> Value<'a> {
        if self.in_driver {
            return self.driver_name(name, at);
        }
        self.guesses.note(&self.units);
        let mut value = self.globals.get_mut(name).map_or(Value::Nothing, |cell| cell.get(&self.units));
        for star in self.stars.clone() {
            let found = self.attribute(&Value::Thing(star), name, at);
            value = value.or(found);
        }
        if matches!(name, "bpy" | "spindle") {
            return value.or(Value::Thing(self.paths.module(name)));
        }
        if name == "args" {
            return value.or(Value::Data);
        }
        value.or(self.builtin(name, at))
    }

    /// A built-in name, or one that is nowhere bound.
    pub(crate) fn builtin(&mut self, name: &str, at: TextSize) -> Value<'a> {
        if !builtins::has(name) {
            return Value::Unknown;
        }
        let path = self.paths.builtin(name);
        if let Some(rule) = self.paths.node(path).rule {
            self.tell(rule, at);
        }
        Value::Thing(path)
    }

    fn f_string(&mut self, this: &'a ruff_python_ast::ExprFString) -> Value<'a> {
        let mut parts = Vec::new();
        for part in this.value.as_slice() {
            match part {
                FStringPart::Literal(literal) => parts.push(Value::Text(Text::Literal(literal.as_str()))),
                FStringPart::FString(inner) => {
                    for element in &inner.elements {
                        parts.push(self.interpolation(element));
                    }
                }
            }
        }
        if parts.len() > ITEMS { Value::Data } else { fold::concatenate(&parts) }
    }

    fn interpolation(&mut self, element: &'a InterpolatedStringElement) -> Value<'a> {
        match element {
            InterpolatedStringElement::Literal(literal) => Value::Text(Text::Literal(&literal.value)),
            InterpolatedStringElement::Interpolation(this) => {
                let value = self.expression(&this.expression);
                let mut wanted = String::new();
                for inner in this.format_spec.iter().flat_map(|spec| &spec.elements) {
                    if let Value::Text(text) = self.interpolation(inner) {
                        wanted.push_str(&text);
                    }
                }
                if wanted.ends_with('c') { fold::character(&value) } else { fold::as_text(&value) }
            }
        }
    }

    fn sequence(&mut self, items: &'a [Expr]) -> Value<'a> {
        let mut values = Vec::new();
        let mut kept = true;
        for item in items {
            let value = self.expression(item);
            if values.len() > ITEMS {
                kept = false;
                if self.is_worth_keeping(&value) {
                    self.join_bag(value);
                }
            } else if let Expr::Starred(_) = item {
                match value {
                    Value::List(inner) => values.extend(inner.iter().cloned()),
                    value => {
                        let element = self.element(&value);
                        values.push(element);
                    }
                }
            } else {
                values.push(value);
            }
        }
        let plain = values.len() > 8 && values.iter().all(|value| matches!(value, Value::Data));
        if plain { Value::Data } else { self.bounded(kept, Value::list(values)) }
    }

    /// A container of bounded size; of a larger one only what leads on is kept, in no order.
    fn bounded(&mut self, kept: bool, container: Value<'a>) -> Value<'a> {
        let inner = match &container {
            Value::List(_) | Value::Dict(_) if kept => return container,
            Value::Any(_) => container,
            _ => container.item(&Value::Unknown),
        };
        if self.is_worth_keeping(&inner) {
            self.join_bag(inner);
        }
        Value::Data
    }

    fn dictionary(&mut self, this: &'a ruff_python_ast::ExprDict) -> Value<'a> {
        let mut items = Vec::new();
        for item in &this.items {
            let key = item.key.as_ref().map(|key| self.expression(key));
            let value = self.expression(&item.value);
            if items.len() > ITEMS {
                if self.is_worth_keeping(&value) {
                    self.join_bag(value);
                }
                continue;
            }
            match (key, value) {
                (Some(key), value) => items.push((key, value)),
                (None, Value::Dict(inner)) => items.extend(inner.iter().cloned()),
                (None, value) => items.push((Value::Unknown, value.element())),
            }
        }
        self.bounded(true, Value::dict(items))
    }

    fn comprehension(
        &mut self,
        expression: &'a Expr,
        generators: &'a [Comprehension],
        results: &[&'a Expr],
    ) -> Value<'a> {
        let scope = self.scopes.opened_by(expression.range());
        let outer = self.scope;
        for (index, generator) in generators.iter().enumerate() {
            if index > 0 {
                self.scope = scope;
            }
            let values = self.expression(&generator.iter);
            self.scope = scope;
            let element = self.element(&values);
            self.assign(&generator.target, element);
            for test in &generator.ifs {
                self.expression(test);
            }
        }
        self.scope = scope;
        let values: Vec<Value<'a>> = results.iter().map(|result| self.expression(result)).collect();
        self.scope = outer;
        match values.as_slice() {
            [key, value] => Value::dict(vec![(key.clone(), value.clone())]),
            // The order of alternatives is their order in what is looped over, but how many there are is not known.
            [value]
                if matches!(value, Value::Any(_)) && value.each().iter().all(|one| matches!(one, Value::Text(_))) =>
            {
                self.ordered(generators, value)
            }
            [value] => Value::list(vec![value.clone()]),
            _ => Value::Data,
        }
    }

    /// The list that a comprehension over known text makes, where each item gives one: else its items in any order.
    fn ordered(&mut self, generators: &[Comprehension], value: &Value<'a>) -> Value<'a> {
        if generators.len() == 1 && generators[0].ifs.is_empty() {
            return Value::list(vec![Value::Decoded.or(value.clone())]);
        }
        Value::list(vec![value.clone()])
    }

    /// Assign to a target: a name, an attribute, an item, or several of them.
    pub(crate) fn assign(&mut self, target: &'a Expr, value: Value<'a>) {
        match target {
            Expr::Name(this) => {
                let name = this.id.as_str();
                if matches!(name, "__builtins__" | "__import__" | "__build_class__" | "__loader__") {
                    self.tell(&builtins::NAMESPACE, this.range.start());
                }
                if name == "__match_args__" {
                    self.check_names(&value, this.range.start());
                }
                self.store(name, value);
            }
            Expr::Attribute(this) => {
                let object = self.expression(&this.value);
                self.store_attribute(&object, this.attr.id.as_str(), value, this.attr.range.start());
            }
            Expr::Subscript(this) => {
                let object = self.expression(&this.value);
                let key = self.expression(&this.slice);
                self.store_item(&object, &key, value, target.range().start());
            }
            Expr::Starred(this) => self.assign(&this.value, Value::list(vec![value.element()])),
            Expr::Tuple(this) => self.unpack(&this.elts, &value),
            Expr::List(this) => self.unpack(&this.elts, &value),
            _ => {}
        }
    }

    fn unpack(&mut self, targets: &'a [Expr], value: &Value<'a>) {
        let starred = targets.iter().any(|target| matches!(target, Expr::Starred(_)));
        let element = if starred || targets.len() > ITEMS { self.element(value) } else { Value::Nothing };
        for (place, target) in targets.iter().enumerate() {
            let item = match (starred, i64::try_from(place)) {
                (false, Ok(place)) if targets.len() <= ITEMS => value.item(&Value::Int(place)),
                _ => element.clone(),
            };
            let item = if matches!(target, Expr::Starred(_)) { value.clone() } else { item };
            self.assign(target, item);
        }
    }

    /// What a target of an augmented assignment stands for.
    pub(crate) fn target_value(&mut self, target: &'a Expr) -> Value<'a> {
        match target {
            Expr::Name(this) if this.ctx == ExprContext::Store => self.name(this.id.as_str(), this.range.end()),
            Expr::Attribute(this) => {
                let object = self.expression(&this.value);
                self.attribute(&object, this.attr.id.as_str(), this.attr.range.start())
            }
            _ => Value::Data,
        }
    }

    /// What an augmented assignment makes. Text that grows in a loop is put together piece by piece.
    pub(crate) fn augmented(&mut self, left: &Value<'a>, operator: Operator, right: &Value<'a>) -> Value<'a> {
        let grows = |value: &Value| value.each().iter().any(|one| matches!(one, Value::Text(_)));
        if self.looped && grows(left) && right.each().len() > 1 {
            return Value::Decoded;
        }
        if left.each().len() > 4 {
            return if grows(left) { Value::Decoded } else { Value::Data };
        }
        fold::binary(left, operator, right)
    }
}
