//! Blender's capabilities: operators and functions that reach outside the open file, or run code. Everything that is
//! not here only changes the file, and undo takes it back.

use super::builtins::EXIT;
use super::modules::{CODE, FILE_WRITE};
use super::{Row, Rule};

pub static INDIRECT: Rule = Rule::danger(
    "blender.evaluate",
    "This operator runs text or a data path that it is given as code.",
    "Assign the property itself: bpy.context.scene.frame_current = 1.",
);
pub static RUN_TEXT: Rule = Rule::danger(
    "blender.run_text",
    "It runs code from a text data-block, a file or the console.",
    "Put the code into this script, so that it can be checked.",
);
pub static PREFERENCES: Rule = Rule::danger(
    "preferences.change",
    "It changes what holds for every file and every later session of the user.",
    "Ask the user to change it in the preferences.",
);
pub static PREFERENCE: Rule = Rule::caution(
    "preferences.set",
    "The script changes a preference of the user.",
    "Restore the old value at the end of the script.",
);
pub static INSTALL: Rule = Rule::danger(
    "addon.install",
    "It installs, enables or removes add-ons, which are code.",
    "Ask the user to do it in the preferences.",
);
pub static OPEN_OUTSIDE: Rule = Rule::danger(
    "network.open_url",
    "It opens an address or a file in another program.",
    "Return the address as the script's result.",
);
pub static SAVE: Rule = Rule::caution(
    "file.save",
    "The script writes a file through Blender; where to is only known when it runs.",
    "Use a typed method for export and saving, which checks the folder.",
);
pub static IMPORT_FILE: Rule = Rule::caution(
    "file.load",
    "The script loads a file through Blender.",
    "Nothing to mend if the file is the user's own.",
);
pub static REPLACE: Rule = Rule::caution(
    "file.replace",
    "The script replaces the open file, and what is not saved is lost.",
    "Save first, or use the typed method.",
);
pub static OUTSIDE_PATH: Rule = Rule::danger(
    "file.path_outside",
    "A file is named in a system folder, or by a way up out of its folder.",
    "Write below the project's folder, as in bpy.path.abspath('//out.png').",
);
pub static DELETE: Rule =
    Rule::danger("file.delete", "It deletes or moves files on the disk.", "Ask the user to do it.");
pub static HANDLER: Rule = Rule::caution(
    "handler.register",
    "A function is kept that runs after the script, at every such event.",
    "Remove it again when it is no longer needed.",
);
pub static TIMER: Rule = Rule::caution(
    "timer.register",
    "A function is kept that runs after the script, by the clock.",
    "Let it return None when it is done.",
);
pub static REGISTER: Rule = Rule::caution(
    "class.register",
    "A class is registered and stays until Blender ends or a file is loaded.",
    "Unregister it when it is no longer needed.",
);
pub static SUBSCRIBE: Rule = Rule::caution(
    "message.subscribe",
    "A function is kept that runs after the script, at every change of a property.",
    "Clear it by its owner when it is no longer needed.",
);
pub static DRIVER_NAMES: Rule = Rule::caution(
    "driver.name",
    "Functions put here run in drivers, again and again.",
    "Nothing to mend while they only compute.",
);
pub static LIBRARY: Rule = Rule::caution(
    "library.load",
    "Data comes from another file, with the drivers and texts in it.",
    "Nothing to mend if the file is the user's own.",
);
pub static ADD_DRIVER: Rule = Rule::caution(
    "driver.add",
    "A driver is code that Blender runs later, again and again.",
    "Nothing to mend while its expression is simple arithmetic.",
);
pub static DYNAMIC: Rule = Rule::danger(
    "operator.compute",
    "Which operator this calls cannot be known, and some of them run code or change files.",
    "Write the operator's name, or choose from a literal tuple of names.",
);
pub static DYNAMIC_EXPORT: Rule = Rule::caution(
    "operator.choose",
    "Which operator this calls is only known when the script runs.",
    "Write the operator's name where it is known.",
);

/// Operators, below `bpy.ops`.
pub static OPERATORS: &[Row] = &[
    ("bpy.ops.spindle.*", &SPINDLE),
    ("bpy.ops.anim.keying_set_export", &FILE_WRITE),
    ("bpy.ops.wm.context_*", &INDIRECT),
    ("bpy.ops.wm.properties_*", &INDIRECT),
    ("bpy.ops.wm.operator_pie_enum", &INDIRECT),
    ("bpy.ops.wm.radial_control", &INDIRECT),
    ("bpy.ops.wm.call_menu*", &ADDED_UI),
    ("bpy.ops.wm.batch_rename", &RENAME),
    ("bpy.ops.script.*", &RUN_TEXT),
    ("bpy.ops.text.run_script", &RUN_TEXT),
    ("bpy.ops.text.reload", &RUN_TEXT),
    ("bpy.ops.text.update_shader", &RUN_TEXT),
    ("bpy.ops.text.open", &IMPORT_FILE),
    ("bpy.ops.text.save*", &FILE_WRITE),
    ("bpy.ops.text.resolve_conflict", &FILE_WRITE),
    ("bpy.ops.text.jump_to_file*", &OPEN_OUTSIDE),
    ("bpy.ops.console.*", &RUN_TEXT),
    ("bpy.ops.node.shader_script_update", &RUN_TEXT),
    ("bpy.ops.info.report_replay", &RUN_TEXT),
    ("bpy.ops.ui.button_execute", &RUN_TEXT),
    ("bpy.ops.ui.editsource", &RUN_TEXT),
    ("bpy.ops.screen.repeat_*", &RUN_TEXT),
    ("bpy.ops.screen.redo_last", &RUN_TEXT),
    ("bpy.ops.file.execute", &RUN_TEXT),
    ("bpy.ops.wm.call_panel", &ADDED_UI),
    ("bpy.ops.wm.search_*", &ADDED_UI),
    ("bpy.ops.preferences.*", &PREFERENCES),
    ("bpy.ops.extensions.*", &INSTALL),
    ("bpy.ops.wm.save_userpref", &PREFERENCES),
    ("bpy.ops.wm.save_homefile", &PREFERENCES),
    ("bpy.ops.wm.read_userpref", &PREFERENCES),
    ("bpy.ops.wm.read_factory_userpref", &PREFERENCES),
    ("bpy.ops.wm.keyconfig_preset_*", &PREFERENCES),
    ("bpy.ops.wm.interface_theme_preset_*", &PREFERENCES),
    ("bpy.ops.wm.operator_preset*", &PREFERENCES),
    ("bpy.ops.*.preset_add", &PREFERENCES),
    ("bpy.ops.*_preset_add", &PREFERENCES),
    ("bpy.ops.wm.owner_*", &PREFERENCES),
    ("bpy.ops.wm.clear_recent_files", &PREFERENCES),
    ("bpy.ops.wm.addon_*", &INSTALL),
    ("bpy.ops.wm.app_template*", &INSTALL),
    ("bpy.ops.wm.theme_install", &PREFERENCES),
    ("bpy.ops.wm.quit_blender", &EXIT),
    ("bpy.ops.wm.window_close", &EXIT),
    ("bpy.ops.wm.url_open*", &OPEN_OUTSIDE),
    ("bpy.ops.wm.path_open", &OPEN_OUTSIDE),
    ("bpy.ops.wm.doc_view*", &OPEN_OUTSIDE),
    ("bpy.ops.wm.sysinfo", &FILE_WRITE),
    ("bpy.ops.wm.operator_cheat_sheet", &FILE_WRITE),
    ("bpy.ops.wm.memory_statistics", &SAVE),
    ("bpy.ops.image.external_edit", &OPEN_OUTSIDE),
    ("bpy.ops.image.project_edit", &OPEN_OUTSIDE),
    ("bpy.ops.file.external_operation", &OPEN_OUTSIDE),
    ("bpy.ops.file.delete", &DELETE),
    ("bpy.ops.file.rename", &DELETE),
    ("bpy.ops.file.directory_new", &SAVE),
    ("bpy.ops.file.bookmark_*", &PREFERENCES),
    ("bpy.ops.file.reset_recent", &PREFERENCES),
    ("bpy.ops.asset.catalogs_save", &SAVE),
    ("bpy.ops.asset.open_containing*", &OPEN_OUTSIDE),
    ("bpy.ops.asset.bundle_install", &SAVE),
    ("bpy.ops.poselib.*asset*", &SAVE),
    ("bpy.ops.wm.open_mainfile", &REPLACE),
    ("bpy.ops.wm.read_*", &REPLACE),
    ("bpy.ops.wm.revert_mainfile", &REPLACE),
    ("bpy.ops.wm.recover_*", &REPLACE),
    ("bpy.ops.wm.drop_*", &IMPORT_FILE),
    ("bpy.ops.wm.append", &LIBRARY),
    ("bpy.ops.wm.link", &LIBRARY),
    ("bpy.ops.wm.lib_*", &LIBRARY),
    ("bpy.ops.wm.id_linked_relocate", &LIBRARY),
    ("bpy.ops.outliner.lib_*", &LIBRARY),
    ("bpy.ops.outliner.id_linked_relocate", &LIBRARY),
    ("bpy.ops.wm.save_*mainfile", &SAVE),
    ("bpy.ops.wm.*_export*", &SAVE),
    ("bpy.ops.wm.*_import*", &IMPORT_FILE),
    ("bpy.ops.export_*", &SAVE),
    ("bpy.ops.import_*", &IMPORT_FILE),
    ("bpy.ops.wm.collection_export_all", &SAVE),
    ("bpy.ops.collection.export*", &SAVE),
    ("bpy.ops.image.save*", &SAVE),
    ("bpy.ops.sound.mixdown", &SAVE),
    ("bpy.ops.screen.screenshot*", &SAVE),
    ("bpy.ops.render.render", &RENDER),
    ("bpy.ops.render.opengl", &RENDER),
    ("bpy.ops.render.play_rendered_anim", &OPEN_OUTSIDE),
    ("bpy.ops.file.unpack*", &SAVE),
    ("bpy.ops.image.unpack", &SAVE),
    ("bpy.ops.sound.unpack", &SAVE),
    ("bpy.ops.ed.undo*", &REPLACE_UNDO),
    ("bpy.ops.ed.redo", &REPLACE_UNDO),
    ("bpy.ops.object.script_*", &RUN_TEXT),
    ("bpy.ops.anim.driver_button_*", &ADD_DRIVER),
];

pub static SPINDLE: Rule = Rule::danger(
    "spindle.control",
    "Only the user decides over Spindle: a script must not press its buttons or change its settings.",
    "Ask the user.",
);
pub static RENDER: Rule = Rule::caution(
    "render.start",
    "A render may write its picture to the output path, and blocks Blender while it lasts.",
    "Use the typed method render, which can be cancelled.",
);
pub static REPLACE_UNDO: Rule = Rule::caution(
    "undo.step",
    "Undo inside a script frees the data that the script holds.",
    "Use the typed method edit.undo.",
);
pub static ADDED_UI: Rule = Rule::caution(
    "interface.show",
    "It opens a menu or a dialog in front of the user.",
    "Nothing to mend if the user is to see it.",
);
pub static RENAME: Rule =
    Rule::caution("data.rename", "It renames many data-blocks at once.", "Nothing to mend if that is meant.");

/// Functions and data outside `bpy.ops`.
pub static PATHS: &[Row] = &[
    ("bpy.app.handlers.persistent", &PERSISTENT),
    ("bpy.app.handlers.*.append", &HANDLER),
    ("bpy.app.handlers.*.insert", &HANDLER),
    ("bpy.app.handlers.*.extend", &HANDLER),
    ("bpy.app.handlers.*.clear", &HANDLER),
    ("bpy.app.timers.register", &TIMER),
    ("bpy.app.driver_namespace", &DRIVER_NAMES),
    ("bpy.app.binary_path", &BINARY),
    ("bpy.app.translations.register", &REGISTER),
    ("bpy.app.help_text", &BINARY),
    ("bpy.app.python_args", &BINARY),
    ("bpy.msgbus.subscribe_rna", &SUBSCRIBE),
    ("bpy.utils.register_class", &REGISTER),
    ("bpy.utils.register_classes_factory", &REGISTER),
    ("bpy.utils.register_tool", &REGISTER),
    ("bpy.utils.register_manual_map", &REGISTER),
    ("bpy.utils.register_cli_command", &REGISTER),
    ("bpy.utils.register_preset_path", &PREFERENCES),
    ("bpy.utils.register_submodule_factory", &CODE),
    ("bpy.utils.load_scripts*", &CODE),
    ("bpy.utils.modules_from_path", &CODE),
    ("bpy.utils.execfile", &CODE),
    ("bpy.utils.app_template_paths", &BINARY),
    ("bpy.utils.refresh_script_paths", &CODE),
    ("bpy.utils.keyconfig_set", &PREFERENCES),
    ("bpy.utils.keyconfig_init", &PREFERENCES),
    ("bpy.utils.expose_bundled_modules", &CODE),
    ("bpy.utils.import_*", &CODE),
    ("bpy.utils.user_resource", &BINARY),
    ("bpy.utils.os", &CODE),
    ("bpy.utils.sys", &CODE),
    ("bpy.utils.system_resource", &BINARY),
    ("bpy.data.libraries.load", &LIBRARY),
    ("bpy.data.libraries.write", &SAVE),
    ("bpy.data.texts.load", &IMPORT_FILE),
    ("bpy.data.texts[].*as_module", &RUN_TEXT),
    ("bpy.data.images.load", &IMPORT_FILE),
    ("bpy.data.fonts.load", &IMPORT_FILE),
    ("bpy.data.*.driver_add", &ADD_DRIVER),
    ("bpy.context.*.driver_add", &ADD_DRIVER),
    ("bpy.context.preferences.addons.new", &INSTALL),
    ("bpy.context.preferences.addons.remove", &INSTALL),
    ("bpy.context.preferences.*.new", &PREFERENCES),
    ("bpy.context.preferences.*.remove", &PREFERENCES),
    ("bpy.context.window_manager.keyconfigs.*.remove", &PREFERENCE),
    ("bpy.context.window_manager.keyconfigs.*.new", &PREFERENCE),
    ("bpy.types.*.append", &ADDED_MENU),
    ("bpy.types.*.prepend", &ADDED_MENU),
    ("bpy.types.*.draw_handler_add", &HANDLER),
    ("bpy.types.*.bl_rna_get_subclass_py", &CLASSES),
    ("bpy.types.BlendDataLibraries.*", &SAVE),
    ("addon_utils*", &INSTALL),
    ("imbuf.write", &SAVE),
    ("imbuf.load*", &IMPORT_FILE),
    ("aud.*write", &SAVE),
    ("bpy_extras.io_utils.*", &FORMATTERS),
    ("bpy_extras.*os", &CODE),
    ("bpy_extras.*sys", &CODE),
    ("bpy.context.temp_override", &OVERRIDE),
    ("bpy.context.window_manager.popup_menu", &ADDED_UI),
    ("bpy.context.window_manager.fileselect_add", &ADDED_UI),
];

pub static PERSISTENT: Rule = Rule::caution(
    "handler.persist",
    "A persistent handler stays when another file is loaded.",
    "Leave the decorator out unless that is meant.",
);
pub static BINARY: Rule = Rule::caution(
    "blender.locate",
    "The script asks where Blender or its settings are on the disk.",
    "Nothing to mend.",
);
pub static CLASSES: Rule = Rule::caution(
    "class.find",
    "A class is looked up by a name that is only known when the script runs.",
    "Name the class where it is known.",
);
pub static ADDED_MENU: Rule = Rule::caution(
    "interface.extend",
    "A function is added to Blender's menus or panels, and stays after the script.",
    "Remove it again when it is no longer needed.",
);
pub static FORMATTERS: Rule =
    Rule::caution("file.helper", "These helpers are for scripts that read and write files.", "Nothing to mend.");
pub static OVERRIDE: Rule =
    Rule::caution("context.override", "Operators run in a context that the script makes up.", "Nothing to mend.");

/// What may not be assigned, by the path of the thing it is assigned on.
pub static STORES: &[Row] = &[
    ("bpy.context.preferences.filepaths.*", &PREFERENCES),
    ("bpy.context.preferences.system.use_online*", &PREFERENCES),
    ("bpy.context.preferences.extensions.*", &PREFERENCES),
    ("bpy.context.preferences.apps.*", &PREFERENCES),
    ("bpy.context.preferences.use_preferences_save", &PREFERENCES),
    ("bpy.context.preferences.is_dirty", &PREFERENCES),
    ("bpy.context.preferences.*script*", &PREFERENCES),
    ("bpy.context.preferences.*online*", &PREFERENCES),
    ("bpy.context.preferences.addons[spindle]*", &SPINDLE),
    ("bpy.context.preferences.*", &PREFERENCE),
    ("bpy.app.driver_namespace*", &DRIVER_NAMES),
    ("bpy.app.handlers.*", &HANDLER),
    ("bpy.app.*", &PREFERENCES),
    ("bpy.utils.*", &PREFERENCES),
    ("bpy.types.*.draw", &super::builtins::PATCH_CLASS),
    ("bpy.types.*.execute", &super::builtins::PATCH_CLASS),
    ("bpy.types.*.invoke", &super::builtins::PATCH_CLASS),
    ("bpy.types.*.poll", &super::builtins::PATCH_CLASS),
    ("bpy.ops.*", &PREFERENCES),
    ("os.environ*", &super::modules::SYSTEM),
];

/// Properties by which Blender is told to run a text, with the value that does it.
pub static RUNNING_VALUES: &[(&str, &str)] = &[("mode", "SCRIPT")];

/// Properties that no script may set, on whatever object.
pub static GUARDED_NAMES: &[&str] = &["guard_level", "use_scripts_auto_execute"];

/// Operators that a button or a key must not carry, beside those that run a text: they run what they are given.
pub static CARRIED: &[&str] = &["wm.context_set_value", "wm.properties_edit_value"];

/// Folders of the system: a literal path below one of them is never an artist's.
pub static SYSTEM_FOLDERS: &[&str] = &[
    "/etc/",
    "/bin/",
    "/sbin/",
    "/usr/",
    "/boot/",
    "/dev/",
    "/proc/",
    "/sys/",
    "/lib/",
    "/lib64/",
    "/root/",
    "/var/",
    "/library/",
    "/system/",
    "c:/windows/",
    "c:/program files",
    "/private/etc/",
    "/opt/",
];

/// Parts of a path that belong to a user's settings: what is put there runs at the next start.
pub static SETTINGS: &[&str] = &[
    "/.ssh",
    "/.bashrc",
    "/.profile",
    "/.zshrc",
    "/.config/",
    "/scripts/startup",
    "/scripts/addons",
    "/autostart",
    "/.bash_",
    "~/.",
    "/appdata/",
    "/launchagents",
    "/cron",
    "userpref.blend",
    "startup.blend",
    "/extensions/",
];

/// Parameters and properties that name a file to be written.
pub static PATH_NAMES: &[&str] = &[
    "filepath",
    "directory",
    "filepath_raw",
    "base_path",
    "output_path",
    "path",
    "file_path",
    "cache_directory",
    "filename",
];
