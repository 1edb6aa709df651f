//! Calls that reach outside the open file: Blender's functions, operators that are carried by buttons, and `open`.

use ruff_python_ast::{Expr, ExprCall};
use ruff_text_size::TextSize;

use crate::call::Arguments;
use crate::paths::{PathId, Step};
use crate::policy::{self, attributes, blender, builtins, modules};
use crate::value::Value;
use crate::walk::Walk;

impl<'a> Walk<'a> {
    /// What the name of a called method and a literal argument say together, on whatever object.
    pub(crate) fn check_call(&mut self, this: &ExprCall, arguments: &Arguments<'a>) {
        let Expr::Attribute(function) = &*this.func else { return };
        let Some(Value::Text(text)) = arguments.at(0) else { return };
        let at = function.attr.range.start();
        match function.attr.id.as_str() {
            "get" | "pop" | "setdefault" | "__getitem__" => {
                let internal = text.starts_with("__") && attributes::rule(text) == Some(&attributes::DUNDER);
                if internal {
                    self.tell(&builtins::NAMESPACE, at);
                }
            }
            "operator" | "operator_menu_enum" | "operator_menu_hold" | "new" if text.contains('.') => {
                let rule = policy::rule(&format!("bpy.ops.{}", &**text));
                if rule == Some(&blender::RUN_TEXT) || blender::CARRIED.contains(&&**text) {
                    self.tell(&blender::RUN_TEXT, at);
                }
            }
            _ => {}
        }
    }

    pub(crate) fn call_blender(
        &mut self,
        path: PathId,
        text: &str,
        arguments: &Arguments<'a>,
        at: TextSize,
    ) -> Value<'a> {
        self.escape_all(arguments, Value::Data, at);
        for (name, value) in &arguments.named {
            if blender::PATH_NAMES.contains(name) {
                self.check_path(value, at);
            }
            if *name == "use_scripts" {
                self.tell(&blender::RUN_TEXT, at);
            }
        }
        if ["write", "load", "save", "save_render", "open"].iter().any(|last| text.ends_with(last)) {
            arguments.positional.iter().for_each(|value| self.check_path(value, at));
        }
        if text == "bpy.context.path_resolve" {
            return self.resolved(arguments, at);
        }
        Value::Thing(self.reach(path, Step::Call, at))
    }

    /// What a data path means, below the context.
    fn resolved(&mut self, arguments: &Arguments<'a>, at: TextSize) -> Value<'a> {
        let bpy = self.paths.module("bpy");
        let mut value = Value::Thing(self.paths.step(bpy, Step::Member("context")));
        match arguments.at(0) {
            Some(Value::Text(text)) => {
                for name in text.split('.').take(16) {
                    value = self.attribute(&value, name, at);
                }
                value
            }
            _ => Value::Data,
        }
    }

    pub(crate) fn judge_open(&mut self, arguments: &Arguments<'a>, at: TextSize) {
        let mode = arguments.find("mode", 1);
        let path = arguments.find("file", 0).cloned().unwrap_or(Value::Unknown);
        let hidden = arguments.open || arguments.get("opener").is_some();
        let rule = match mode {
            _ if hidden => &builtins::OPEN_UNKNOWN,
            None => &builtins::OPEN_READ,
            Some(mode) => {
                let texts = mode.each().iter().map(|one| if let Value::Text(text) = one { Some(text) } else { None });
                match texts.collect::<Option<Vec<_>>>() {
                    None => &builtins::OPEN_UNKNOWN,
                    Some(modes) if modes.iter().any(|mode| mode.contains(['w', 'a', 'x', '+'])) => writing(&path),
                    Some(_) => &builtins::OPEN_READ,
                }
            }
        };
        self.tell(rule, at);
        self.check_path(&path, at);
    }
}

/// Writing where a literal says is refused; a path that comes from Blender, or from its temporary folder, is for the
/// runtime watch, which knows the folders that may be written to.
fn writing(path: &Value) -> &'static policy::Rule {
    let chosen = |one: &Value| matches!(one, Value::Data | Value::Thing(_) | Value::Instance(_));
    let open_end = |one: &Value| matches!(one, Value::Pattern(parts) if parts.0.is_empty());
    if path.each().iter().all(|one| chosen(one) || open_end(one)) {
        &modules::WRITE_BY_BLENDER
    } else {
        &modules::FILE_WRITE
    }
}
