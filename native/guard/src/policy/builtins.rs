//! Python's built-in names: those with a rule. What is not here is harmless to load.

use foldhash::HashSet;
use std::sync::LazyLock;

use super::{Row, Rule};

pub static EVALUATE: Rule = Rule::danger(
    "code.evaluate",
    "Text that is run as code cannot be judged before it runs.",
    "Write the code itself into the script; for numbers in text use float(), for data json.loads().",
);
pub static IMPORT: Rule = Rule::danger(
    "import.dynamic",
    "A module that is imported by a computed call escapes the list of allowed modules.",
    "Use an import statement.",
);
pub static BLOCK: Rule = Rule::danger(
    "input.wait",
    "Waiting for a keyboard that nobody sits at freezes Blender.",
    "Pass values to the script as `args`.",
);
pub static EXIT: Rule = Rule::danger(
    "blender.quit",
    "It ends Blender, or closes its standard input.",
    "Let the script reach its end, or raise an exception.",
);
pub static NAMESPACE: Rule = Rule::danger(
    "name.namespace",
    "The interpreter's own namespaces lead to every function there is.",
    "Use the names directly, or keep values in a dictionary of your own.",
);
/// For `open` itself, where the way it is opened is not known.
pub static OPEN_UNKNOWN: Rule = Rule::danger(
    "file.open",
    "A file is opened in a way that cannot be known here.",
    "Call open(path) with a literal mode, for reading; return data as the script's result instead of writing it.",
);
pub static OPEN_READ: Rule = Rule::caution(
    "file.read",
    "The script reads from the disk.",
    "Nothing to mend; pass small data as `args` if the file is not on this machine.",
);
pub static DYNAMIC_CLASS: Rule = Rule::caution(
    "class.make",
    "A class is made by a call, so its members are only partly known.",
    "Use a class statement where that will do.",
);
pub static COMPUTED_NAME: Rule = Rule::danger(
    "name.compute",
    "The name of an attribute is computed, and what it is looked up on can lead to anything.",
    "Write the attribute, or look the name up in a literal tuple or dictionary; for data paths use path_resolve().",
);
pub static COMPUTED_DATA: Rule = Rule::caution(
    "name.compute_data",
    "The name of an attribute of some data is only known when the script runs.",
    "Nothing to mend where the names are those of Blender's properties.",
);
pub static ESCAPE: Rule = Rule::danger(
    "module.pass",
    "A module that is only partly allowed is handed to something that may use all of it.",
    "Use the module's allowed members directly, as in os.path.join(...).",
);
pub static FORMAT: Rule = Rule::danger(
    "text.format_attribute",
    "The format text reads internal attributes of its arguments.",
    "Format plain values: '{}'.format(obj.name).",
);
pub static PATCH: Rule = Rule::danger(
    "module.patch",
    "Replacing a member of a module changes it for Blender and every add-on.",
    "Keep the value in a variable of your own; for output use contextlib.redirect_stdout().",
);
pub static PATCH_CLASS: Rule = Rule::caution(
    "class.patch",
    "A function of a Blender class is replaced, for everyone.",
    "Register a class of your own, or append a draw function.",
);
pub static DRIVER: Rule = Rule::caution(
    "driver.write",
    "A driver's expression is code that Blender runs later, again and again.",
    "Nothing to mend while the expression is simple arithmetic.",
);
pub static DRIVER_CODE: Rule = Rule::danger(
    "driver.code",
    "This driver expression does more than arithmetic, or cannot be known.",
    "Write the expression as a literal that uses only its variables, numbers and math functions.",
);
pub static PICKLE: Rule = Rule::danger(
    "code.unpickle",
    "Loading pickled objects runs whatever code the file names.",
    "Leave allow_pickle at False, and store plain arrays.",
);

pub static INTRICATE: Rule = Rule::danger(
    "code.intricate",
    "What the names in this script stand for is too intricate to be followed to its end.",
    "Split it into smaller scripts, and define functions and variables before they are used.",
);

/// Built-in names with a rule, below `builtins`.
pub static TABLE: &[Row] = &[
    ("builtins.eval", &EVALUATE),
    ("builtins.exec", &EVALUATE),
    ("builtins.execfile", &EVALUATE),
    ("builtins.compile", &EVALUATE),
    ("builtins.__import__", &IMPORT),
    ("builtins.__build_class__", &NAMESPACE),
    ("builtins.__builtins__", &NAMESPACE),
    ("builtins.__loader__", &NAMESPACE),
    ("builtins.__spec__", &NAMESPACE),
    ("builtins.__dict__", &NAMESPACE),
    ("builtins.input", &BLOCK),
    ("builtins.help", &BLOCK),
    ("builtins.breakpoint", &BLOCK),
    ("builtins.exit", &EXIT),
    ("builtins.quit", &EXIT),
];

/// Built-in functions that need their arguments to be judged: harmless to call, not to hand on.
pub static JUDGED: &[&str] = &["getattr", "setattr", "delattr", "vars", "globals", "locals", "open", "__import__"];

/// Every other built-in name. A name that is neither bound nor here is unknown.
pub static HARMLESS: &[&str] = &[
    "abs",
    "aiter",
    "all",
    "anext",
    "any",
    "ascii",
    "bin",
    "bool",
    "bytearray",
    "bytes",
    "callable",
    "chr",
    "classmethod",
    "complex",
    "dict",
    "dir",
    "divmod",
    "enumerate",
    "filter",
    "float",
    "format",
    "frozenset",
    "hasattr",
    "hash",
    "hex",
    "id",
    "int",
    "isinstance",
    "issubclass",
    "iter",
    "len",
    "list",
    "map",
    "max",
    "memoryview",
    "min",
    "next",
    "object",
    "oct",
    "ord",
    "pow",
    "print",
    "property",
    "range",
    "repr",
    "reversed",
    "round",
    "set",
    "slice",
    "sorted",
    "staticmethod",
    "str",
    "sum",
    "super",
    "tuple",
    "type",
    "zip",
    "BaseException",
    "Exception",
    "AttributeError",
    "NameError",
    "ImportError",
    "SystemExit",
];

/// Built-in functions that only look at their arguments, or keep them in the order they have.
pub static LOOKERS: &[&str] = &[
    "print",
    "dir",
    "hasattr",
    "repr",
    "str",
    "len",
    "id",
    "isinstance",
    "issubclass",
    "callable",
    "bool",
    "type",
    "hash",
];

static NAMES: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let judged = TABLE.iter().filter_map(|(path, _)| path.strip_prefix("builtins."));
    HARMLESS.iter().chain(JUDGED).copied().chain(judged).collect()
});

/// Whether Python itself has a name.
pub fn has(name: &str) -> bool {
    NAMES.contains(name)
}
