//! What is reached from modules and built-in names, step by step, each with its verdict. A path is judged once.

use foldhash::HashMap;
use std::rc::Rc;

use crate::policy::modules::{self, Members, Module};
use crate::policy::{self, Rule, attributes, builtins, stdlib};

/// A path, by its place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PathId {
    place: u32,
    followed: bool,
}

impl PathId {
    /// Whether it is harmless only where it can be followed: a function whose arguments decide, or a module that is only
    /// partly allowed. It is kept among however many alternatives.
    pub fn is_followed(self) -> bool {
        self.followed
    }
}

/// Steps that are told apart; what lies deeper is the same as its parent. `bpy.context.preferences.filepaths.x` has 5.
const STEPS: usize = 9;

/// Bytes of a path that are told apart: no rule's path comes near. What is longer is the same as its parent.
const LONGEST: usize = 256;

/// Functions that are only harmless where their arguments can be seen.
const JUDGED: &[&str] = &["operator.attrgetter", "operator.methodcaller", "operator.call", "functools.reduce"];

/// Objects whose methods give objects of their own kind, except for those that have a rule.
const FLUENT: &[&str] = &["pathlib.Path()", "pathlib.PurePath()", "pathlib.PosixPath()", "pathlib.WindowsPath()"];

/// What kind of thing is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A module that may be imported.
    Module(&'static Module),
    /// A function, a class or a value.
    Object,
    /// Below something that was refused: it was told there, and is not told again.
    Refused,
}

/// What leads from a path to the next.
#[derive(Clone, Copy, Debug)]
pub enum Step<'n> {
    /// `.name`
    Member(&'n str),
    /// `()`
    Call,
    /// `[]`
    Item,
    /// An item whose key is, or may be, that of Spindle's own add-on.
    SpindlesItem,
}

impl<'n> Step<'n> {
    /// As it is written behind a path in the policy's tables.
    fn suffix(self) -> (&'static str, &'n str) {
        match self {
            Step::Member(name) => (".", name),
            Step::Call => ("", "()"),
            Step::Item => ("", "[]"),
            Step::SpindlesItem => ("", "[spindle]"),
        }
    }
}

/// A path with its verdict.
#[derive(Debug)]
pub struct Node {
    /// As in the policy's tables.
    pub text: Rc<str>,
    /// What is there.
    pub kind: Kind,
    /// What reaching it means.
    pub rule: Option<&'static Rule>,
    steps: usize,
    /// Whether it is data, see `Paths::is_data`.
    data: bool,
    members: HashMap<Box<str>, PathId>,
    call: Option<PathId>,
    item: Option<PathId>,
    spindles_item: Option<PathId>,
}

/// The table of all paths that a script reaches.
#[derive(Debug, Default)]
pub struct Paths {
    nodes: Vec<Node>,
    roots: HashMap<Box<str>, PathId>,
    builtins: HashMap<Box<str>, PathId>,
}

impl Paths {
    /// What is known of a path.
    pub fn node(&self, path: PathId) -> &Node {
        &self.nodes[path.place as usize]
    }

    /// A module by its dotted name, as import statements write it.
    pub fn module(&mut self, name: &str) -> PathId {
        if let Some(&known) = self.roots.get(name) {
            return known;
        }
        let name = if name.len() > LONGEST { "…" } else { name };
        let (kind, rule) = match modules::allowed(name) {
            Some(module) => (Kind::Module(module), None),
            None => (Kind::Refused, Some(modules::refusal(name))),
        };
        let steps = name.matches('.').count();
        let made = self.push(name.to_owned(), kind, rule, steps);
        self.roots.insert(name.into(), made);
        made
    }

    /// A built-in name.
    pub fn builtin(&mut self, name: &str) -> PathId {
        if let Some(&known) = self.builtins.get(name) {
            return known;
        }
        let text = format!("builtins.{name}");
        let rule = policy::rule(&text);
        let made = self.push(text, if rule.is_some() { Kind::Refused } else { Kind::Object }, rule, 1);
        self.builtins.insert(name.into(), made);
        made
    }

    /// One step further.
    pub fn step(&mut self, from: PathId, step: Step) -> PathId {
        let node = self.node(from);
        let known = match step {
            Step::Member(name) => node.members.get(name).copied(),
            Step::Call => node.call,
            Step::Item => node.item,
            Step::SpindlesItem => node.spindles_item,
        };
        if let Some(known) = known {
            return known;
        }
        let (dot, name) = step.suffix();
        if node.kind == Kind::Refused || node.text.len() + name.len() > LONGEST {
            return from;
        }
        let text = [&node.text, dot, name].concat();
        let made = self.judge(from, step, text);
        let node = &mut self.nodes[from.place as usize];
        match step {
            Step::Member(name) => {
                node.members.insert(name.into(), made);
            }
            Step::Call => node.call = Some(made),
            Step::Item => node.item = Some(made),
            Step::SpindlesItem => node.spindles_item = Some(made),
        }
        made
    }

    fn judge(&mut self, from: PathId, step: Step, text: String) -> PathId {
        let parent = self.node(from);
        let steps = parent.steps + 1;
        let kind = parent.kind;
        let rule = policy::rule(&text);
        if let (Kind::Module(module), Step::Member(name)) = (kind, step) {
            return self.member(module, &text, name, rule, steps);
        }
        if rule.is_none() {
            if let Some(fluent) = FLUENT.iter().find(|&&fluent| text.starts_with(fluent) && text != fluent) {
                return self.object(fluent);
            }
            if steps > STEPS {
                return from;
            }
        }
        let kind = if rule.is_some_and(is_final) { Kind::Refused } else { Kind::Object };
        self.push(text, kind, rule, steps)
    }

    fn member(
        &mut self,
        module: &'static Module,
        text: &str,
        name: &str,
        rule: Option<&'static Rule>,
        steps: usize,
    ) -> PathId {
        if let Some(rule) = rule {
            let kind = if is_final(rule) { Kind::Refused } else { Kind::Object };
            return self.push(text.to_owned(), kind, Some(rule), steps);
        }
        if modules::allowed(text).is_some() {
            return self.module(text);
        }
        if name.starts_with('_') && !name.ends_with("__") {
            return self.push(text.to_owned(), Kind::Refused, Some(&attributes::PRIVATE), steps);
        }
        match module.members {
            Members::Only(members, rule) if !members.contains(&name) && !name.starts_with("__") => {
                self.push(text.to_owned(), Kind::Refused, Some(rule), steps)
            }
            _ if self.is_hidden_module(module, text, name) => self.module(name),
            _ => self.push(text.to_owned(), Kind::Object, None, steps),
        }
    }

    /// Whether a member is a module that the other one only happens to have imported, such as `glob.os`.
    fn is_hidden_module(&self, module: &Module, text: &str, name: &str) -> bool {
        let listed = matches!(module.members, Members::Only(..));
        let blender =
            ["bpy.", "bmesh", "gpu", "mathutils", "freestyle"].iter().any(|root| module.name.starts_with(root));
        let last = module.name.rsplit('.').next();
        let plain =
            blender && !matches!(name, "os" | "sys" | "io" | "subprocess" | "importlib" | "builtins" | "inspect");
        !listed && !plain && stdlib::has(name) && last != Some(name) && !modules::NOT_MODULES.contains(&text)
    }

    fn object(&mut self, text: &str) -> PathId {
        if let Some(&known) = self.roots.get(text) {
            return known;
        }
        let made = self.push(text.to_owned(), Kind::Object, None, 2);
        self.roots.insert(text.into(), made);
        made
    }

    fn push(&mut self, text: String, kind: Kind, rule: Option<&'static Rule>, steps: usize) -> PathId {
        let place = u32::try_from(self.nodes.len()).expect("paths are fewer than the steps that a script may take");
        let data = is_data(&text);
        let followed = is_judged(&text) || is_partial(kind, data);
        let node = Node {
            text: text.into(),
            kind,
            rule,
            steps,
            data,
            members: HashMap::default(),
            call: None,
            item: None,
            spindles_item: None,
        };
        self.nodes.push(node);
        PathId { place, followed }
    }

    /// Whether this is data of the open file or of Blender's interface, where names may be computed.
    pub fn is_data(&self, path: PathId) -> bool {
        self.node(path).data
    }
}

/// Whether it is a function that is only harmless where its arguments can be seen.
fn is_judged(text: &str) -> bool {
    text.strip_prefix("builtins.").is_some_and(|name| builtins::JUDGED.contains(&name)) || JUDGED.contains(&text)
}

/// Whether it is a module of which not everything may be used: it must not go where it cannot be followed.
fn is_partial(kind: Kind, data: bool) -> bool {
    matches!(kind, Kind::Module(module) if module.members != Members::All && !data && module.name != "bpy.types")
}

fn is_data(text: &str) -> bool {
    let called = text.contains("()") || text.contains("[]");
    ["bpy.data", "bpy.context"].iter().any(|root| text.starts_with(root))
        || (called && !text.starts_with("builtins.") && !text.starts_with("operator."))
        || text.starts_with("bpy.app")
}

/// Whether nothing that lies below needs a look of its own.
fn is_final(rule: &Rule) -> bool {
    rule.severity == spindle_protocol::finding::Severity::Danger
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_the_rule_of_what_it_reaches() {
        let rows = [
            ("os", ".path.join", None),
            ("os", ".system", Some("process.start")),
            ("os", ".path.os.system", Some("process.start")),
            ("os", ".path.genericpath", Some("import.unknown")),
            ("random", "._os", Some("module.private")),
            ("pathlib", ".os.system", Some("process.start")),
            ("pathlib", ".Path.().parent.unlink", Some("file.write")),
            ("sys", ".modules", Some("code.load")),
            ("sys", ".version_info.major", None),
            ("subprocess", ".run", Some("process.start")),
            ("bpy", ".ops.wm.quit_blender", Some("blender.quit")),
            ("bpy", ".ops.mesh.primitive_cube_add", None),
            ("bpy", ".data.texts.[].as_module", Some("blender.run_text")),
            ("bpy", ".utils.sys.modules", Some("code.load")),
            ("numpy", ".random.rand", None),
            ("numpy", ".lib.npyio", Some("file.write")),
            ("made_up", "", Some("import.unknown")),
        ];
        for (root, steps, expected) in rows {
            let mut paths = Paths::default();
            let mut path = paths.module(root);
            for step in steps.split('.').filter(|step| !step.is_empty()) {
                path = paths.step(
                    path,
                    match step {
                        "()" => Step::Call,
                        "[]" => Step::Item,
                        name => Step::Member(name),
                    },
                );
            }
            assert_eq!(paths.node(path).rule.map(|rule| rule.id), expected, "{root}{steps}");
        }
    }
}
