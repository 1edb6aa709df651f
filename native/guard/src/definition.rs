//! What definitions of functions and classes bind, and what their parameters stand for.

use ruff_python_ast::{Decorator, Parameters, StmtClassDef, StmtFunctionDef};
use ruff_text_size::Ranged;

use crate::paths::Step;
use crate::scope::Kind as ScopeKind;
use crate::value::Value;
use crate::walk::Walk;

impl<'a> Walk<'a> {
    pub(crate) fn function(&mut self, this: &'a StmtFunctionDef) {
        let scope = self.scopes.opened_by(this.range());
        let decorators: Vec<Value<'a>> =
            this.decorator_list.iter().map(|one| self.expression(&one.expression)).collect();
        self.defaults(&this.parameters, scope);
        self.begin_parameters(this.name.id.as_str(), &this.parameters, scope);
        if let Some(returns) = &this.returns {
            self.expression(returns);
        }
        let value = self.decorated(&this.decorator_list, &decorators, Value::Function(scope));
        self.store(this.name.id.as_str(), value);
        self.units.enter(&this.body, scope, &self.scopes);
    }

    /// What a function or class becomes by its decorators, the last first.
    fn decorated(&mut self, nodes: &'a [Decorator], decorators: &[Value<'a>], mut value: Value<'a>) -> Value<'a> {
        for (node, decorator) in nodes.iter().zip(decorators).rev() {
            if let (Value::Function(scope), Value::Thing(path)) = (&value, decorator)
                && self.paths.node(*path).text.as_ref() == "builtins.staticmethod"
                && self.statics.insert(*scope)
            {
                self.static_readers.disturb(&mut self.units);
            }
            let made = self.apply(decorator, std::slice::from_ref(&value), node.range().start());
            let kept = if decorator.each().iter().all(|one| matches!(one, Value::Function(_))) {
                Value::Nothing
            } else {
                value
            };
            value = kept.or(made
                .each()
                .iter()
                .filter(|one| one.is_live())
                .fold(Value::Nothing, |all, one| all.or(one.clone())));
        }
        value
    }

    /// Evaluate the defaults where the function is defined, and let its parameters stand for them.
    pub(crate) fn defaults(&mut self, parameters: &'a Parameters, scope: usize) {
        for parameter in parameters.iter_non_variadic_params() {
            if let Some(default) = &parameter.default {
                let value = self.expression(default);
                if let Some(binding) = self.scopes.find(scope, parameter.parameter.name.id.as_str()) {
                    self.join(binding, value);
                }
            }
        }
        for parameter in parameters.iter().map(|parameter| parameter.as_parameter()) {
            if let Some(annotation) = &parameter.annotation {
                let value = self.expression(annotation);
                self.escape(&value, annotation.range().start());
            }
        }
    }

    /// What parameters stand for before any call: Blender calls what the script itself does not, with its own data.
    fn begin_parameters(&mut self, name: &str, parameters: &'a Parameters, scope: usize) {
        let class = self.scopes.scope(scope).parent.filter(|&at| self.scopes.scope(at).kind == ScopeKind::Class);
        let called = self.scopes.called.contains(name) || matches!(name, "__init__" | "__call__");
        for (place, parameter) in parameters.iter().map(|parameter| parameter.as_parameter()).enumerate() {
            let Some(binding) = self.scopes.find(scope, parameter.name.id.as_str()) else { continue };
            let name = parameter.name.id.as_str();
            let value = match class {
                Some(class) if place == 0 && name == "cls" => Value::Class(class),
                Some(class) if place == 0 => Value::Instance(class),
                _ if name == "context" || name == "ctx" => {
                    let bpy = self.paths.module("bpy");
                    Value::Thing(self.paths.step(bpy, Step::Member("context")))
                }
                _ if !called => Value::Data,
                _ => continue,
            };
            self.join(binding, value);
        }
    }

    /// A class, without its body.
    pub(crate) fn class(&mut self, this: &'a StmtClassDef) {
        let scope = self.scopes.opened_by(this.range());
        let decorators: Vec<Value<'a>> =
            this.decorator_list.iter().map(|one| self.expression(&one.expression)).collect();
        for base in this.bases() {
            self.expression(base);
        }
        for keyword in this.keywords() {
            let value = self.expression(&keyword.value);
            self.escape(&value, keyword.value.range().start());
        }
        let value = self.decorated(&this.decorator_list, &decorators, Value::Class(scope));
        self.store(this.name.id.as_str(), value);
    }
}
