//! What an attribute, an item or a computed name leads to, and what may be stored there.

use ruff_python_ast::{Expr, ExprAttribute, ExprSubscript};
use ruff_text_size::{Ranged, TextSize};

use crate::fold;
use crate::format;
use crate::paths::{Kind, PathId, Step};
use crate::policy::{self, attributes, blender, builtins};
use crate::scope::Kind as ScopeKind;
use crate::value::Value;
use crate::walk::Walk;
use spindle_protocol::finding::Severity;

/// Bytes of an attribute's name that is looked up: no rule, no module and no property of Blender has a longer one.
const LONGEST_NAME: usize = 256;

/// What a computed name is wanted for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To get the attribute.
    Get,
    /// To set or delete it: less can be reached by that.
    Set,
}

impl<'a> Walk<'a> {
    pub(crate) fn attribute_expression(&mut self, this: &'a ExprAttribute) -> Value<'a> {
        let name = this.attr.id.as_str();
        let at = this.attr.range.start();
        // `type(x)` and `x.__class__` are harmless where only the name of the class is wanted.
        if let (Expr::Attribute(inner), true) = (&*this.value, matches!(name, "__name__" | "__qualname__"))
            && inner.attr.id.as_str() == "__class__"
        {
            self.expression(&inner.value);
            return Value::Data;
        }
        let object = self.expression(&this.value);
        self.attribute(&object, name, at)
    }

    /// `object.name`, for every object that it may be.
    pub(crate) fn attribute(&mut self, object: &Value<'a>, name: &str, at: TextSize) -> Value<'a> {
        if name.len() > LONGEST_NAME {
            return Value::Unknown;
        }
        if let Some(rule) = attributes::rule(name)
            && !self.is_own(object, name)
        {
            self.tell(rule, at);
            return Value::Data;
        }
        self.spend(object.each().len());
        let mut all = Value::Nothing;
        let mut merged = false;
        for one in object.each() {
            merged |=
                !matches!(one, Value::Text(_) | Value::Bytes(_) | Value::List(_) | Value::Dict(_) | Value::Int(_));
            all = all.or(self.attribute_of(one, name, at));
        }
        if merged { all.or(self.field(name)) } else { all }
    }

    /// Whether a name with a rule is harmless on this object: the script's own class, or a listing of Blender's.
    fn is_own(&self, object: &Value<'a>, name: &str) -> bool {
        object.each().iter().all(|one| match one {
            Value::Instance(scope) | Value::Class(scope) => {
                matches!(name, "__class__" | "__dict__" | "__module__")
                    || (!name.starts_with("__") && self.scopes.scope(*scope).names.contains_key(name))
            }
            Value::Thing(path) => {
                let text = self.paths.node(*path).text.as_ref();
                (name == "__subclasses__" && text.starts_with("bpy.types."))
                    || (name == "ctypes" && matches!(self.paths.node(*path).kind, Kind::Module(_)))
                    || self.paths.node(*path).kind == Kind::Refused
            }
            _ => false,
        })
    }

    fn attribute_of(&mut self, object: &Value<'a>, name: &str, at: TextSize) -> Value<'a> {
        match object {
            Value::Thing(path) => Value::Thing(self.reach(*path, Step::Member(name), at)),
            Value::Instance(scope) if name == "__class__" => Value::Class(*scope),
            Value::Instance(scope) | Value::Class(scope) => match self.scopes.scope(*scope).names.get(name).copied() {
                Some(binding) => self.bound(binding),
                None => Value::Data,
            },
            Value::Caught => match name {
                "obj" => {
                    self.tell(&attributes::EXCEPTION, at);
                    Value::Data
                }
                "exceptions" => Value::Caught,
                _ => Value::Data,
            },
            Value::Text(text) if matches!(name, "format" | "format_map") => {
                self.check_format(text, at);
                Value::Method((object.clone(), name.into()).into())
            }
            Value::Text(_)
            | Value::Bytes(_)
            | Value::List(_)
            | Value::Dict(_)
            | Value::Decoded
            | Value::Namespace(_) => Value::Method((object.clone(), name.into()).into()),
            Value::Data | Value::Unknown if name == "identifier" => Value::Identifier,
            Value::Data | Value::Identifier | Value::Pattern(_) | Value::Int(_) => Value::Data,
            Value::Nothing => Value::Nothing,
            _ => Value::Unknown,
        }
    }

    /// One step from a thing, told if it has a rule.
    pub(crate) fn reach(&mut self, from: PathId, step: Step, at: TextSize) -> PathId {
        let to = self.paths.step(from, step);
        if to != from
            && let Some(rule) = self.paths.node(to).rule
        {
            self.tell(rule, at);
        }
        to
    }

    /// Fields such as `{0.__class__}` read attributes.
    fn check_format(&mut self, text: &str, at: TextSize) {
        if !text.contains('{') {
            return;
        }
        let reads = |field: &str| {
            let names = field.split(['.', '[', ']', '!', ':']).skip(1);
            names.into_iter().any(|name| attributes::rule(name).is_some() || name == "obj" || is_dunder(name))
        };
        let found = format::fields(text).into_iter().any(|piece| match piece {
            format::Piece::Field(field) => reads(field),
            format::Piece::Text(_) => false,
        });
        if found {
            self.tell(&builtins::FORMAT, at);
        }
    }

    /// Attribute names in a class's `__match_args__`.
    pub(crate) fn check_names(&mut self, value: &Value<'a>, at: TextSize) {
        for one in value.element().each() {
            match one {
                Value::Text(name) => {
                    if let Some(rule) = attributes::rule(name) {
                        self.tell(rule, at);
                    }
                }
                Value::Decoded => self.tell(&builtins::COMPUTED_NAME, at),
                _ => {}
            }
        }
    }

    /// The attribute that a computed name means: `getattr` and its like.
    pub(crate) fn named(&mut self, object: &Value<'a>, names: &Value<'a>, purpose: Purpose, at: TextSize) -> Value<'a> {
        let mut all = Value::Nothing;
        self.spend(names.each().len() * object.each().len());
        for name in names.each() {
            all = all.or(match name {
                Value::Text(text) if purpose == Purpose::Get => self.attribute(object, text, at),
                Value::Text(text) => {
                    self.store_attribute(object, text, Value::Nothing, at);
                    Value::Nothing
                }
                Value::Decoded => {
                    self.tell(&builtins::COMPUTED_NAME, at);
                    Value::Unknown
                }
                Value::Pattern(parts) if !parts.0.is_empty() && !parts.0.starts_with('_') => {
                    self.matching(object, &parts.0, &parts.1, at)
                }
                Value::Int(_) | Value::Bytes(_) => Value::Data,
                Value::Identifier => self.unknown_name(object, purpose, true, at),
                _ => self.unknown_name(object, purpose, false, at),
            });
        }
        all
    }

    /// An attribute of which the name's beginning and end are known.
    fn matching(&mut self, object: &Value<'a>, start: &str, end: &str, at: TextSize) -> Value<'a> {
        for one in object.each() {
            let Value::Thing(path) = one else { continue };
            let node = self.paths.node(*path);
            if let Kind::Module(module) = node.kind
                && matches!(module.members, policy::modules::Members::Only(..))
            {
                self.tell(&builtins::COMPUTED_NAME, at);
                continue;
            }
            let start = format!("{}.{start}", node.text);
            let worst = policy::within(&start, end).max_by_key(|rule| rule.severity);
            match worst.map(|rule| rule.severity) {
                Some(Severity::Danger) => self.tell(&blender::DYNAMIC, at),
                Some(Severity::Caution) => self.tell(&blender::DYNAMIC_EXPORT, at),
                None => {}
            }
        }
        Value::Data
    }

    /// An attribute whose name cannot be known. Blender's data is looked up that way every day; modules, classes and
    /// functions are not, and lead anywhere.
    fn unknown_name(&mut self, object: &Value<'a>, purpose: Purpose, identifier: bool, at: TextSize) -> Value<'a> {
        for one in object.each() {
            match one {
                Value::Thing(path) if self.paths.is_data(*path) => {
                    let setting = format!("{}.", self.paths.node(*path).text);
                    match blender::STORES.iter().find(|(pattern, _)| policy::could_match(pattern, &setting, "")) {
                        Some(&(_, rule)) if purpose == Purpose::Set && setting.contains(".preferences.") => {
                            self.tell(rule, at)
                        }
                        _ => self.tell_data(purpose, identifier, at),
                    }
                }
                Value::Thing(path) => self.unknown_member(*path, identifier, at),
                Value::Data | Value::Nothing | Value::Instance(_) => self.tell_data(purpose, identifier, at),
                Value::Class(_) if purpose == Purpose::Set => self.tell(&builtins::COMPUTED_DATA, at),
                Value::Unknown if purpose == Purpose::Set || identifier => {}
                _ => self.tell(&builtins::COMPUTED_NAME, at),
            }
        }
        Value::Data
    }

    fn tell_data(&mut self, purpose: Purpose, identifier: bool, at: TextSize) {
        if purpose == Purpose::Get && !identifier {
            self.tell(&builtins::COMPUTED_DATA, at);
        }
    }

    fn unknown_member(&mut self, path: PathId, identifier: bool, at: TextSize) {
        let text = self.paths.node(path).text.clone();
        let rule = if self.paths.node(path).kind == Kind::Refused {
            return;
        } else if text.starts_with("bpy.ops.") {
            let start = format!("{text}.");
            let danger = policy::within(&start, "").any(|rule| rule.severity == Severity::Danger);
            if danger { &blender::DYNAMIC } else { &blender::DYNAMIC_EXPORT }
        } else if text.as_ref() == "bpy.ops" {
            &blender::DYNAMIC
        } else if text.starts_with("bpy.types")
            || text.starts_with("bpy.props")
            || (identifier && text.starts_with("bpy"))
        {
            &builtins::COMPUTED_DATA
        } else {
            &builtins::COMPUTED_NAME
        };
        self.tell(rule, at);
    }

    pub(crate) fn store_attribute(&mut self, object: &Value<'a>, name: &str, value: Value<'a>, at: TextSize) {
        if let Some(rule) = attributes::rule(name)
            && !self.is_own(object, name)
        {
            self.tell(rule, at);
            return;
        }
        for one in object.each() {
            match one {
                Value::Thing(path) => self.store_on_thing(*path, name, &value, at),
                Value::Instance(_) | Value::Class(_) => {}
                _ => self.store_on_data(name, &value, at),
            }
        }
        if self.is_worth_keeping(&value)
            || matches!(value, Value::Text(_) | Value::Any(_) | Value::List(_) | Value::Dict(_))
        {
            self.join_field(name, value);
        }
    }

    fn store_on_thing(&mut self, path: PathId, name: &str, value: &Value<'a>, at: TextSize) {
        let node = self.paths.node(path);
        let text = format!("{}.{name}", node.text);
        let made = || text.contains("()") && !text.starts_with("bpy.context");
        match policy::store_rule(&text).filter(|_| !made()) {
            Some(rule) => self.tell(rule, at),
            None if matches!(node.kind, Kind::Module(_))
                && !text.starts_with("bpy.context")
                && !text.starts_with("spindle") =>
            {
                self.tell(&builtins::PATCH, at);
            }
            None => self.store_on_data(name, value, at),
        }
    }

    fn store_on_data(&mut self, name: &str, value: &Value<'a>, at: TextSize) {
        let is = |wanted: &str| value.each().iter().any(|one| matches!(one, Value::Text(text) if &**text == wanted));
        if blender::GUARDED_NAMES.contains(&name) {
            self.tell(&blender::PREFERENCES, at);
        } else if blender::RUNNING_VALUES.iter().any(|&(property, wanted)| property == name && is(wanted)) {
            self.tell(&blender::RUN_TEXT, at);
        } else if name == "expression" {
            self.driver_expression(value, at);
        } else if blender::PATH_NAMES.contains(&name) {
            self.check_path(value, at);
        }
    }

    /// A file that is named by literal text.
    pub(crate) fn check_path(&mut self, value: &Value<'a>, at: TextSize) {
        for one in value.each() {
            let known = match one {
                Value::Text(text) => text.to_string(),
                Value::Pattern(parts) if !parts.0.is_empty() => parts.0.clone(),
                // The folder before it is not known: only a way up out of it, or into settings, can be seen.
                Value::Pattern(parts) => format!("…{}", parts.1),
                _ => continue,
            };
            if is_outside(&known) {
                self.tell(&blender::OUTSIDE_PATH, at);
            }
        }
    }

    pub(crate) fn subscript_expression(&mut self, this: &'a ExprSubscript) -> Value<'a> {
        let object = self.expression(&this.value);
        if let Expr::Slice(slice) = &*this.slice {
            let bounds = [&slice.lower, &slice.upper, &slice.step];
            let values = bounds.map(|bound| bound.as_ref().map(|bound| self.expression(bound)));
            return fold::slice(&object, &[values[0].as_ref(), values[1].as_ref(), values[2].as_ref()]);
        }
        let key = self.expression(&this.slice);
        self.escape(&key, this.slice.range().start());
        self.subscript(&object, &key, this.slice.range().start())
    }

    /// `object[key]`.
    pub(crate) fn subscript(&mut self, object: &Value<'a>, key: &Value<'a>, at: TextSize) -> Value<'a> {
        let internal = key.each().iter().any(|key| match key {
            Value::Text(text) => is_dunder(text) && attributes::rule(text).is_some(),
            _ => false,
        });
        if internal {
            self.tell(&builtins::NAMESPACE, at);
            return Value::Data;
        }
        let mut all = Value::Nothing;
        for one in object.each() {
            all = all.or(match one {
                Value::Thing(path) => {
                    let step = if names_spindle(key) { Step::SpindlesItem } else { Step::Item };
                    Value::Thing(self.reach(*path, step, at))
                }
                Value::Namespace(scope) => self.namespace_item(*scope, key, at),
                Value::Text(_) | Value::Bytes(_) => fold::each2(one, key, |one, key| one.item(key)),
                Value::List(_) | Value::Dict(_) => {
                    let found = fold::each2(one, key, |one, key| one.item(key));
                    found.or(self.bagged())
                }
                one => one.element().or(self.bagged()),
            });
        }
        all
    }

    /// What a loop over a value meets.
    pub(crate) fn element(&mut self, value: &Value<'a>) -> Value<'a> {
        let mut all = Value::Nothing;
        for one in value.each() {
            all = all.or(match one {
                Value::Thing(path) => Value::Thing(self.paths.step(*path, Step::Item)),
                Value::Text(_) | Value::Bytes(_) => one.element(),
                one => one.element().or(self.bagged()),
            });
        }
        all
    }

    fn namespace_item(&mut self, scope: usize, key: &Value<'a>, at: TextSize) -> Value<'a> {
        let mut all = Value::Nothing;
        for key in key.each() {
            all = all.or(match key {
                Value::Text(name) => {
                    let here = std::mem::replace(&mut self.scope, scope);
                    let name: &str = name;
                    let value = self.name(name, at);
                    self.scope = here;
                    value
                }
                _ => {
                    self.tell(&builtins::NAMESPACE, at);
                    Value::Data
                }
            });
        }
        all
    }

    pub(crate) fn store_item(&mut self, object: &Value<'a>, key: &Value<'a>, value: Value<'a>, at: TextSize) {
        for one in object.each() {
            match (one, key) {
                (Value::Namespace(_), Value::Text(name)) => {
                    let known = self.scopes.find(0, name);
                    match known {
                        Some(binding) => self.join(binding, value.clone()),
                        None => self.join_global(name, value.clone()),
                    }
                }
                (Value::Namespace(_), _) => self.tell(&builtins::NAMESPACE, at),
                (Value::Thing(path), _) => {
                    if let Some(rule) = policy::store_rule(&self.paths.node(*path).text) {
                        self.tell(rule, at);
                    }
                }
                _ => {}
            }
        }
        if self.is_worth_keeping(&value) {
            self.join_bag(value);
        }
    }

    /// Whether a value is remembered when it is put where it cannot be followed: what leads to code, and names that
    /// lead there.
    pub(crate) fn is_worth_keeping(&self, value: &Value<'a>) -> bool {
        self.leads_on(value)
            || value.each().iter().any(|one| match one {
                Value::Text(text) => text.starts_with("__"),
                Value::Decoded => true,
                _ => false,
            })
    }

    /// Whether a value leads to modules or to functions: Blender's own data does not.
    fn leads_on(&self, value: &Value<'a>) -> bool {
        match value {
            Value::Thing(path) => !self.paths.is_data(*path),
            Value::Any(values) | Value::List(values) => values.iter().any(|one| self.leads_on(one)),
            Value::Dict(items) => items.iter().any(|(_, one)| self.leads_on(one)),
            value => value.is_live(),
        }
    }

    /// Whether a value is a class of exceptions.
    pub(crate) fn is_exception(&self, class: &Value<'a>) -> bool {
        class.each().iter().any(|one| match one {
            Value::Thing(path) => {
                let text = &self.paths.node(*path).text;
                text.starts_with("builtins.") && (text.ends_with("Error") || text.ends_with("Exception"))
            }
            Value::Class(scope) => self.scopes.scope(*scope).kind != ScopeKind::Class,
            Value::Unknown => true,
            _ => false,
        })
    }
}

/// Whether a path is a user's whole folder.
fn is_home(path: &str) -> bool {
    let below = ["/home/", "/users/", "c:/users/"].iter().find_map(|root| path.strip_prefix(root));
    below.map_or(path == "~" || path == "~/", |rest| !rest.trim_end_matches('/').contains('/'))
}

/// Whether a key is that of Spindle's own add-on, or may be.
fn names_spindle(key: &Value) -> bool {
    key.each().iter().any(|one| match one {
        Value::Text(text) => text.contains("spindle"),
        Value::Pattern(parts) => parts.0.contains("spindle") || parts.1.contains("spindle"),
        Value::Decoded => true,
        _ => false,
    })
}

fn is_dunder(name: &str) -> bool {
    name.len() > 4 && name.starts_with("__") && name.ends_with("__")
}

/// Whether a literal path lies in a folder of the system, or leaves its own by `..`.
fn is_outside(path: &str) -> bool {
    let plain = path.replace('\\', "/").to_lowercase();
    let up = plain.split('/').any(|part| part == "..") && !plain.starts_with("//");
    up || is_home(&plain)
        || blender::SYSTEM_FOLDERS.iter().any(|folder| plain.starts_with(folder))
        || blender::SETTINGS.iter().any(|part| plain.contains(part))
}
