//! What import statements and match patterns bind.

use ruff_python_ast::{Pattern, StmtImportFrom};
use ruff_text_size::{Ranged, TextSize};

use crate::paths::{Kind, PathId};
use crate::policy::modules;
use crate::value::Value;
use crate::walk::Walk;

impl<'a> Walk<'a> {
    pub(crate) fn import(&mut self, name: &'a str, alias: Option<&'a str>, at: TextSize) {
        let path = self.paths.module(name);
        if let Some(rule) = self.paths.node(path).rule {
            self.tell(rule, at);
        }
        match alias {
            Some(alias) => self.store(alias, Value::Thing(path)),
            None => {
                let root = name.split('.').next().unwrap_or(name);
                let path = self.paths.module(root);
                self.store(root, Value::Thing(path));
            }
        }
    }

    pub(crate) fn import_from(&mut self, this: &'a StmtImportFrom) {
        let at = this.range().start();
        if this.level > 0 {
            self.tell(&modules::RELATIVE, at);
        }
        let name = this.module.as_ref().map_or("", |name| name.id.as_str());
        let module = self.paths.module(name);
        let refused = self.paths.node(module).rule;
        if let Some(rule) = refused.filter(|_| this.level == 0) {
            self.tell(rule, at);
        }
        for alias in &this.names {
            if alias.name.id.as_str() == "*" {
                self.import_all(module, at);
                continue;
            }
            let from = alias.name.range.start();
            let value = self.attribute(&Value::Thing(module), alias.name.id.as_str(), from);
            self.store(alias.asname.as_ref().unwrap_or(&alias.name).id.as_str(), value);
        }
    }

    fn import_all(&mut self, module: PathId, at: TextSize) {
        if let Kind::Module(found) = self.paths.node(module).kind {
            if matches!(found.members, modules::Members::Only(..)) {
                self.tell(&modules::STAR, at);
            }
            if !self.stars.contains(&module) {
                self.stars.push(module);
                self.guesses.disturb(&mut self.units);
            }
        }
    }

    pub(crate) fn pattern(&mut self, pattern: &'a Pattern, subject: &Value<'a>) {
        match pattern {
            Pattern::MatchValue(this) => {
                self.expression(&this.value);
            }
            Pattern::MatchSingleton(_) => {}
            Pattern::MatchSequence(this) => {
                let element = self.element(subject);
                for (place, inner) in this.patterns.iter().enumerate() {
                    let item = match i64::try_from(place) {
                        Ok(place) if subject.each().len() == 1 => subject.item(&Value::Int(place)),
                        _ => element.clone(),
                    };
                    let item = item.or(self.bagged());
                    self.pattern(inner, &item);
                }
            }
            Pattern::MatchMapping(this) => {
                for (key, inner) in this.keys.iter().zip(&this.patterns) {
                    let key_value = self.expression(key);
                    let item = self.subscript(subject, &key_value, key.range().start());
                    self.pattern(inner, &item);
                }
                if let Some(rest) = &this.rest {
                    self.store(rest.id.as_str(), subject.clone());
                }
            }
            Pattern::MatchClass(this) => {
                let class = self.expression(&this.cls);
                let caught = self.is_exception(&class);
                for keyword in &this.arguments.keywords {
                    let subject = if caught { Value::Caught.or(subject.clone()) } else { subject.clone() };
                    let value = self.attribute(&subject, keyword.attr.id.as_str(), keyword.attr.range.start());
                    self.pattern(&keyword.pattern, &value);
                }
                for inner in &this.arguments.patterns {
                    self.pattern(inner, subject);
                }
            }
            Pattern::MatchStar(this) => {
                this.name.iter().for_each(|name| self.store(name.id.as_str(), subject.clone()));
            }
            Pattern::MatchAs(this) => {
                if let Some(inner) = &this.pattern {
                    self.pattern(inner, subject);
                }
                this.name.iter().for_each(|name| self.store(name.id.as_str(), subject.clone()));
            }
            Pattern::MatchOr(this) => this.patterns.iter().for_each(|inner| self.pattern(inner, subject)),
        }
    }
}
