//! Modules: what may be imported, and which of their members. A list of what is allowed is the only finite one.

use std::sync::LazyLock;

use super::Rule;
use super::builtins::EVALUATE;
use super::index::Index;
use super::refused::REFUSED;

/// Which members of a module may be used.
#[derive(Debug, PartialEq, Eq)]
pub enum Members {
    /// All public ones: none of them leads outside. A member called like another module is that module.
    All,
    /// These; the rest has the module's rule.
    Only(&'static [&'static str], &'static Rule),
    /// All public ones, but the tables name some that have a rule, so the module must not be handed around.
    Judged,
}

/// A module that may be imported.
#[derive(Debug, PartialEq, Eq)]
pub struct Module {
    /// Its dotted name.
    pub name: &'static str,
    /// What may be used of it.
    pub members: Members,
}

pub static PROCESS: Rule = Rule::danger(
    "process.start",
    "It starts or controls processes of the operating system.",
    "Use Blender's own functions; the user can run programs outside Blender.",
);
pub static NETWORK: Rule = Rule::danger(
    "network.open",
    "It connects to a network, or opens a browser.",
    "Fetch data outside Blender, and pass it to the script as `args`.",
);
pub static CODE: Rule = Rule::danger(
    "code.load",
    "It loads, builds or runs code that was not checked.",
    "Put the code into the script itself, and import modules by import statements.",
);
pub static INTROSPECTION: Rule = Rule::danger(
    "code.inspect",
    "It looks into running code, and so reaches any object there is.",
    "Use print(), dir() and the traceback module.",
);
pub static THREAD: Rule = Rule::danger(
    "thread.start",
    "It runs beside the script or after it, where Blender's data must not be touched.",
    "Do the work in this script; use a generator of steps or bpy.app.timers for what has to wait.",
);
pub static SIGNAL: Rule = Rule::danger(
    "process.signal",
    "It changes how this process reacts to signals and to its end.",
    "Use try and finally for what must happen at the end.",
);
pub static FILE_WRITE: Rule = Rule::danger(
    "file.write",
    "It writes or removes files, outside what Blender's undo can take back.",
    "Return data as the script's result, or use a typed method for export and saving.",
);
pub static FOLDER: Rule = Rule::caution(
    "folder.make",
    "The script makes folders.",
    "Nothing to mend if the folder is meant for this script's output.",
);
pub static ENVIRONMENT: Rule = Rule::caution(
    "process.environment",
    "The script reads the process's environment, where secrets may be.",
    "Pass the value as `args`.",
);
pub static ARCHIVE: Rule = Rule::danger(
    "file.archive",
    "It reads and writes files and databases of its own.",
    "Prepare data outside Blender, and pass it as `args`.",
);
pub static DIALOG: Rule = Rule::danger(
    "window.open",
    "A second window system freezes Blender's own.",
    "Use Blender's own panels and operators.",
);
pub static SYSTEM: Rule = Rule::danger(
    "system.reach",
    "This member reaches the operating system or the interpreter.",
    "Of os use os.path, names and listings; of sys use version, argv and platform.",
);
pub static UNLISTED: Rule = Rule::danger(
    "import.unknown",
    "This module is not on the list of those that scripts may import.",
    "Use a module on the list or a typed method, or ask the user to run the script at the level `trusted`.",
);
pub static RELATIVE: Rule = Rule::danger(
    "import.relative",
    "A script belongs to no package, so a relative import loads something unknown.",
    "Import the module by its full name.",
);
pub static STAR: Rule = Rule::danger(
    "import.star",
    "A star import of a module that is only partly allowed brings all of it.",
    "Import the names that you need.",
);

pub static TEMPORARY: Rule =
    Rule::caution("file.temporary", "The script makes a temporary file or folder.", "Nothing to mend.");
pub static WRITE_BY_BLENDER: Rule = Rule::caution(
    "file.write_chosen",
    "The script writes a file whose place is only known when it runs.",
    "Return data as the script's result, or use a typed method for export and saving.",
);
pub static SCRIPT_EXIT: Rule = Rule::caution(
    "script.exit",
    "It ends the script by an exception, as an error would.",
    "Let the script reach its end, or put it into a function and return.",
);

const fn all(name: &'static str) -> Module {
    Module { name, members: Members::All }
}

const fn judged(name: &'static str) -> Module {
    Module { name, members: Members::Judged }
}

const fn only(name: &'static str, members: &'static [&'static str], rule: &'static Rule) -> Module {
    Module { name, members: Members::Only(members, rule) }
}

const OS: &[&str] = &[
    "path",
    "sep",
    "linesep",
    "curdir",
    "pardir",
    "extsep",
    "altsep",
    "pathsep",
    "devnull",
    "name",
    "fspath",
    "PathLike",
    "fsencode",
    "fsdecode",
    "getcwd",
    "cpu_count",
    "getpid",
    "listdir",
    "walk",
    "scandir",
    "stat",
    "access",
    "R_OK",
    "W_OK",
    "F_OK",
    "X_OK",
    "environ",
    "getenv",
    "makedirs",
    "mkdir",
    "urandom",
    "strerror",
    "error",
    "times",
    "get_terminal_size",
    "uname",
    "getlogin",
];
const SYS: &[&str] = &[
    "version",
    "version_info",
    "argv",
    "platform",
    "maxsize",
    "byteorder",
    "float_info",
    "int_info",
    "hash_info",
    "getsizeof",
    "getrecursionlimit",
    "getrefcount",
    "stdout",
    "stderr",
    "stdin",
    "executable",
    "exit",
    "implementation",
    "maxunicode",
    "api_version",
    "hexversion",
    "prefix",
    "base_prefix",
    "exec_prefix",
    "getdefaultencoding",
    "getfilesystemencoding",
    "intern",
    "copyright",
    "builtin_module_names",
    "stdlib_module_names",
    "thread_info",
    "flags",
    "is_finalizing",
];
const IO: &[&str] = &[
    "StringIO",
    "BytesIO",
    "TextIOBase",
    "IOBase",
    "RawIOBase",
    "BufferedIOBase",
    "SEEK_SET",
    "SEEK_CUR",
    "SEEK_END",
    "UnsupportedOperation",
    "DEFAULT_BUFFER_SIZE",
];
const TYPES: &[&str] =
    &["SimpleNamespace", "MappingProxyType", "NoneType", "EllipsisType", "GenericAlias", "UnionType"];
const LOGGING: &[&str] = &[
    "debug",
    "info",
    "warning",
    "warn",
    "error",
    "critical",
    "exception",
    "log",
    "getLogger",
    "basicConfig",
    "DEBUG",
    "INFO",
    "WARNING",
    "WARN",
    "ERROR",
    "CRITICAL",
    "FATAL",
    "NOTSET",
    "Logger",
    "LoggerAdapter",
    "StreamHandler",
    "NullHandler",
    "Handler",
    "Formatter",
    "Filter",
    "LogRecord",
    "disable",
    "getLevelName",
    "addLevelName",
    "captureWarnings",
    "getLevelNamesMapping",
    "shutdown",
    "lastResort",
    "root",
];
const TEMPFILE: &[&str] =
    &["gettempdir", "gettempprefix", "TemporaryDirectory", "NamedTemporaryFile", "TemporaryFile", "mkdtemp"];
const TRACEBACK: &[&str] = &[
    "print_exc",
    "format_exc",
    "print_exception",
    "format_exception",
    "format_exception_only",
    "print_stack",
    "format_stack",
    "print_last",
    "print_tb",
    "format_tb",
    "TracebackException",
];

/// Every module that may be imported. Whatever is not here is refused, with a rule of its own where it is known.
#[rustfmt::skip]
pub static ALLOWED: &[Module] = &[
    all("__future__"), all("abc"), all("array"), all("base64"), all("binascii"), all("bisect"), all("calendar"),
    all("cmath"), all("collections"), all("collections.abc"), all("colorsys"), all("contextlib"), all("copy"),
    all("dataclasses"), all("datetime"), all("decimal"), all("difflib"), all("enum"), all("fnmatch"),
    all("fractions"), all("functools"), all("graphlib"), all("hashlib"), all("heapq"), all("hmac"), all("html"),
    all("itertools"), all("json"), all("json.decoder"), all("json.encoder"), all("keyword"), all("math"),
    all("numbers"), all("pprint"), all("queue"), all("random"), all("re"), all("reprlib"), all("secrets"),
    all("shlex"), all("statistics"), all("stringprep"), all("struct"), all("textwrap"), all("time"), all("tomllib"),
    all("typing"), all("typing_extensions"), all("unicodedata"), all("uuid"), all("warnings"), all("weakref"),
    all("zlib"), all("zoneinfo"), all("ipaddress"), all("locale"), all("argparse"), all("contextvars"), all("errno"),
    all("gettext"), all("mimetypes"), all("sched"), all("optparse"), all("getopt"), all("ast"), all("posixpath"),
    all("ntpath"), judged("string"), judged("operator"), judged("csv"), judged("glob"), judged("os.path"),
    judged("pathlib"), judged("platform"), judged("configparser"), only("os", OS, &SYSTEM), only("sys", SYS, &SYSTEM),
    only("io", IO, &FILE_WRITE), only("types", TYPES, &CODE), only("logging", LOGGING, &FILE_WRITE),
    only("traceback", TRACEBACK, &INTROSPECTION), only("tempfile", TEMPFILE, &FILE_WRITE),
    only("urllib", &["parse"], &NETWORK), all("urllib.parse"), only("xml", &["etree"], &NETWORK),
    only("xml.etree", &["ElementTree"], &UNLISTED), judged("xml.etree.ElementTree"),
    only("codecs", &["BOM_UTF8", "lookup_error"], &EVALUATE), judged("numpy"), all("numpy.linalg"),
    all("numpy.random"), all("numpy.fft"), all("numpy.ma"), all("numpy.polynomial"), all("numpy.typing"),
    all("numpy.char"), all("numpy.strings"), all("numpy.exceptions"), all("numpy.dtypes"), all("numpy.rec"),
    all("numpy.matlib"), judged("bpy"), judged("bpy.ops"), judged("bpy.utils"), judged("bpy.app"),
    judged("bpy.types"), judged("bpy.data"), judged("bpy.context"), judged("bpy.msgbus"), all("bpy.props"),
    all("bpy.path"), all("bpy.utils.previews"), all("bpy.utils.units"), judged("bpy.app.handlers"),
    judged("bpy.app.timers"), judged("bpy.app.translations"), all("bpy.app.icons"), all("bpy.utils.toolsystem"),
    all("bmesh"), all("bmesh.ops"), all("bmesh.types"), all("bmesh.utils"), all("bmesh.geometry"), all("mathutils"),
    all("mathutils.noise"), all("mathutils.geometry"), all("mathutils.kdtree"), all("mathutils.bvhtree"),
    all("mathutils.interpolate"), all("bl_math"), all("blf"), all("gpu"), all("gpu.types"), all("gpu.state"),
    all("gpu.shader"), all("gpu.texture"), all("gpu.matrix"), all("gpu.select"), all("gpu.platform"),
    all("gpu.capabilities"), all("gpu_extras"), all("gpu_extras.batch"), all("gpu_extras.presets"),
    judged("bpy_extras"), all("bpy_extras.anim_utils"), all("bpy_extras.asset_utils"), all("bpy_extras.bmesh_utils"),
    all("bpy_extras.extensions"), all("bpy_extras.id_map_utils"), all("bpy_extras.image_utils"),
    judged("bpy_extras.io_utils"), all("bpy_extras.keyconfig_utils"), all("bpy_extras.mesh_utils"),
    all("bpy_extras.node_shader_utils"), all("bpy_extras.node_utils"), all("bpy_extras.object_utils"),
    all("bpy_extras.view3d_utils"), all("bpy_extras.wm_utils"), all("bpy_types"), all("rna_prop_ui"),
    all("nodeitems_utils"), all("nodeitems_builtins"), all("bl_ui"), all("bl_ui.*"), all("freestyle"),
    all("freestyle.*"), all("idprop"), all("idprop.types"), judged("imbuf"), all("imbuf.types"), judged("aud"),
    all("io_scene_gltf2.io.com.gltf2_io_constants"), all("spindle"),
];

/// Members of allowed modules that are called like a module of Python and are none.
pub static NOT_MODULES: &[&str] = &[
    "sys.platform",
    "sys.copyright",
    "os.name",
    "numpy.select",
    "numpy.trace",
    "numpy.array",
    "numpy.copy",
    "random.random",
    "operator.copy",
    "math.copysign",
    "typing.abc",
    "bpy.types",
    "bpy.ops.code",
    "ast.stat",
    "os.stat",
    "platform.platform",
    "datetime.time",
    "datetime.datetime",
    "time.time",
    "copy.copy",
    "glob.glob",
    "pprint.pprint",
    "array.array",
    "string.templatelib",
    "bisect.bisect",
    "decimal.decimal",
    "calendar.calendar",
    "shlex.shlex",
    "hashlib.new",
    "html.parser",
    "html.entities",
    "struct.struct",
    "warnings.warn",
    "types.code",
    "hmac.digest",
    "fnmatch.filter",
    "locale.locale",
    "textwrap.wrap",
    "numpy.random",
    "numpy.dis",
    "numpy.char",
    "bmesh.ops",
    "aud.device",
    "gpu.select",
    "gpu.platform",
    "weakref.ref",
    "mathutils.geometry",
    "ast.operator",
    "posixpath.stat",
    "logging.warnings",
    "bpy.data",
    "gpu.types",
    "bmesh.types",
    "imbuf.types",
    "idprop.types",
    "freestyle.types",
    "queue.queue",
    "heapq.merge",
    "itertools.count",
    "statistics.mode",
    "collections.abc",
];

static ALLOWED_INDEX: LazyLock<Index<&'static Module>> =
    LazyLock::new(|| Index::new(ALLOWED.iter().map(|module| (module.name, module))));
static REFUSED_INDEX: LazyLock<Index<&'static Rule>> = LazyLock::new(|| Index::new(REFUSED.iter().copied()));

/// The module of this dotted name, if it may be imported.
pub fn allowed(name: &str) -> Option<&'static Module> {
    ALLOWED_INDEX.find(name)
}

/// The rule for a module that may not be imported.
pub fn refusal(name: &str) -> &'static Rule {
    REFUSED_INDEX.find(name).unwrap_or(&UNLISTED)
}
