//! Names of attributes that mean the same on whatever object they are found.

use foldhash::{HashMap, HashSet};
use std::sync::LazyLock;

use super::Rule;

pub static DUNDER: Rule = Rule::danger(
    "attribute.internal",
    "Names with two underscores on both sides lead from any object into the interpreter.",
    "Use the public API; for a class's name write type(obj).__name__.",
);
pub static FRAME: Rule = Rule::danger(
    "attribute.frame",
    "Frames and code objects lead to the variables and the built-in functions of all callers.",
    "Print the exception itself, or use the traceback module.",
);
pub static PRIVATE: Rule = Rule::danger(
    "module.private",
    "A module's private names are often other modules, without any check.",
    "Use the module's public functions.",
);
pub static EXCEPTION: Rule = Rule::danger(
    "attribute.exception",
    "An exception's `obj` hands out the object that an attribute was missing on.",
    "Use str(error).",
);
pub static TEXT_CODE: Rule = Rule::danger(
    "blender.run_text",
    "A text data-block becomes code that runs.",
    "Put the code into this script, so that it can be checked.",
);
pub static FILE_METHOD: Rule = Rule::danger(
    "file.write",
    "It writes or removes a file, outside what Blender's undo can take back.",
    "Return data as the script's result, or save with a typed method.",
);
pub static NATIVE: Rule = Rule::danger(
    "code.native",
    "It reaches memory past Python's checks.",
    "Use foreach_get and foreach_set, or numpy's own functions.",
);

/// Dunder attributes that say something about an object and lead nowhere.
pub static HARMLESS_DUNDERS: &[&str] = &[
    "__abs__",
    "__add__",
    "__and__",
    "__annotations__",
    "__bool__",
    "__call__",
    "__contains__",
    "__copy__",
    "__debug__",
    "__deepcopy__",
    "__delitem__",
    "__doc__",
    "__enter__",
    "__eq__",
    "__exit__",
    "__file__",
    "__float__",
    "__floordiv__",
    "__format__",
    "__ge__",
    "__getitem__",
    "__gt__",
    "__hash__",
    "__iadd__",
    "__index__",
    "__init__",
    "__init_subclass__",
    "__int__",
    "__invert__",
    "__iter__",
    "__le__",
    "__len__",
    "__lt__",
    "__match_args__",
    "__matmul__",
    "__mod__",
    "__mul__",
    "__name__",
    "__ne__",
    "__neg__",
    "__new__",
    "__next__",
    "__or__",
    "__post_init__",
    "__pow__",
    "__qualname__",
    "__radd__",
    "__repr__",
    "__reversed__",
    "__rmul__",
    "__round__",
    "__rsub__",
    "__rtruediv__",
    "__set_name__",
    "__setitem__",
    "__slots__",
    "__str__",
    "__sub__",
    "__truediv__",
    "__version__",
    "__xor__",
    "__dataclass_fields__",
    "__members__",
    "__all__",
    "__author__",
    "__email__",
    "__license__",
    "__copyright__",
    "__credits__",
    "__status__",
    "__date__",
];

/// Whole names with a rule, on any receiver.
pub static TABLE: &[(&str, &Rule)] = &[
    ("gi_frame", &FRAME),
    ("gi_code", &FRAME),
    ("gi_yieldfrom", &FRAME),
    ("cr_frame", &FRAME),
    ("cr_code", &FRAME),
    ("cr_await", &FRAME),
    ("cr_origin", &FRAME),
    ("ag_frame", &FRAME),
    ("ag_code", &FRAME),
    ("ag_await", &FRAME),
    ("f_back", &FRAME),
    ("f_globals", &FRAME),
    ("f_locals", &FRAME),
    ("f_builtins", &FRAME),
    ("f_code", &FRAME),
    ("f_trace", &FRAME),
    ("tb_frame", &FRAME),
    ("tb_next", &FRAME),
    ("func_globals", &FRAME),
    ("func_code", &FRAME),
    ("co_code", &FRAME),
    ("co_consts", &FRAME),
    ("co_names", &FRAME),
    ("mro", &DUNDER),
    ("as_module", &TEXT_CODE),
    ("use_module", &TEXT_CODE),
    ("write_text", &FILE_METHOD),
    ("write_bytes", &FILE_METHOD),
    ("symlink_to", &FILE_METHOD),
    ("hardlink_to", &FILE_METHOD),
    ("tofile", &FILE_METHOD),
    ("ctypes", &NATIVE),
];

static BY_NAME: LazyLock<HashMap<&'static str, &'static Rule>> = LazyLock::new(|| TABLE.iter().copied().collect());
static HARMLESS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| HARMLESS_DUNDERS.iter().copied().collect());

/// The rule for an attribute's name alone.
pub fn rule(name: &str) -> Option<&'static Rule> {
    if name.len() > 4 && name.starts_with("__") && name.ends_with("__") {
        return (!HARMLESS.contains(name)).then_some(&DUNDER);
    }
    BY_NAME.get(name).copied()
}
