//! The clients: where each keeps its configuration, in which format, and who says so. A further client is a further
//! row.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::system::{Os, System};

/// The name of our server in every client's configuration.
pub const NAME: &str = "blender";

/// What a client's parser takes beyond strict JSON. Where nobody says, it is assumed to take both: a file with
/// comments is then kept as it is, and the client, not this crate, is the judge of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// `//` and `/* */`.
    pub comments: bool,
    /// After the last property or element.
    pub trailing_commas: bool,
}

/// A configuration's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON, or what the client takes for it.
    Json(Dialect),
    /// TOML.
    Toml,
}

const STRICT: Format = Format::Json(Dialect { comments: false, trailing_commas: false });
const COMMENTS: Format = Format::Json(Dialect { comments: true, trailing_commas: false });
const LENIENT: Format = Format::Json(Dialect { comments: true, trailing_commas: true });

/// Below what a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The home folder.
    Home,
    /// The folder of settings; see [`System::config`].
    Config,
    /// The folder of local data; see [`System::local_data`].
    LocalData,
    /// The folder that a variable names. Where it is set, no other place counts.
    Variable(&'static str),
}

/// Where a configuration may be. The first place that has a sign of the client counts, or else the last.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// On which systems.
    pub systems: &'static [Os],
    /// Below what.
    pub base: Base,
    /// The file, with `/` between its parts. A part that ends with `*` stands for the first folder by name that begins
    /// so.
    pub file: &'static str,
    /// What is there once the client is: files or folders below the same base.
    pub signs: &'static [&'static str],
}

/// A client of MCP servers.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// The name on the command line.
    pub id: &'static str,
    /// Its name.
    pub title: &'static str,
    /// The format of its configuration.
    pub format: Format,
    /// The object or table that lists servers by name.
    pub section: &'static str,
    /// What an entry has beyond `command` and `args`.
    pub fields: &'static [(&'static str, &'static str)],
    /// Where its configuration may be.
    pub places: &'static [Place],
    /// What makes it read its configuration again.
    pub reload: &'static str,
}

/// Where a client's configuration is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Location {
    /// The file, which need not exist.
    pub file: PathBuf,
    /// Whether there is a sign of the client.
    pub found: bool,
}

const EVERYWHERE: &[Os] = &[Os::Linux, Os::MacOs, Os::Windows];

/// A place that is the same below the same base everywhere.
const fn place(base: Base, file: &'static str, signs: &'static [&'static str]) -> Place {
    Place { systems: EVERYWHERE, base, file, signs }
}

const STDIO: &[(&str, &str)] = &[("type", "stdio")];

/// Every client, in the order in which they are listed.
pub const CLIENTS: &[Client] = &[
    // File and format: modelcontextprotocol.io, "Connect to local MCP servers"; Linux (a beta of 2026 for Ubuntu and
    // Debian) keeps it like any Electron program. As an MSIX package, which the installer for Windows is since
    // February 2026, it reads a redirected folder, and never the documented one: anthropics/claude-code issues 25579
    // and 26073, hannesill/m4 pull request 54. It reads strict JSON, and a URL is not taken there.
    Client {
        id: "claude-desktop",
        title: "Claude Desktop",
        format: STRICT,
        section: "mcpServers",
        fields: &[],
        places: &[
            Place {
                systems: &[Os::Windows],
                base: Base::LocalData,
                file: "Packages/Claude_*/LocalCache/Roaming/Claude/claude_desktop_config.json",
                signs: &["Packages/Claude_*"],
            },
            place(Base::Config, "Claude/claude_desktop_config.json", &["Claude"]),
        ],
        reload: "quit Claude Desktop in the tray or the menu bar (to close its window is not enough), and start it again",
    },
    // User scope, as `claude mcp add -s user` writes it: code.claude.com/docs/en/mcp, and the maintainers in
    // anthropics/claude-code issue 4193; the variable, and the entry's form: issue 48448. ~/.claude/settings.json is
    // not read for servers.
    Client {
        id: "claude-code",
        title: "Claude Code",
        format: STRICT,
        section: "mcpServers",
        fields: STDIO,
        places: &[
            place(Base::Variable("CLAUDE_CONFIG_DIR"), ".claude.json", &[""]),
            place(Base::Home, ".claude.json", &[".claude.json", ".claude"]),
        ],
        reload: "start a new session of Claude Code; `/mcp` there lists the servers",
    },
    // cursor.com/docs/mcp: the global file. Nothing says whether comments are read; files with trailing commas are in
    // use.
    Client {
        id: "cursor",
        title: "Cursor",
        format: LENIENT,
        section: "mcpServers",
        fields: &[],
        places: &[place(Base::Home, ".cursor/mcp.json", &[".cursor"])],
        reload: "Cursor sees the change by itself; Settings > MCP lists the servers",
    },
    // code.visualstudio.com/docs/copilot/reference/mcp-configuration: `servers`, and `type` is required; the file of
    // the user's default profile is `mcpResource` in the source of VS Code (userDataProfile.ts). Read as JSON with
    // comments.
    Client {
        id: "vscode",
        title: "VS Code",
        format: LENIENT,
        section: "servers",
        fields: STDIO,
        places: &[place(Base::Config, "Code/User/mcp.json", &["Code/User"])],
        reload: "run `MCP: List Servers` in VS Code, and start `blender` there",
    },
    // developers.openai.com/codex/config-reference: `mcp_servers.<id>.command` and `.args`; the CLI, the IDE extension
    // and the desktop application share the file. CODEX_HOME: the same pages.
    Client {
        id: "codex",
        title: "Codex",
        format: Format::Toml,
        section: "mcp_servers",
        fields: &[],
        places: &[
            place(Base::Variable("CODEX_HOME"), "config.toml", &[""]),
            place(Base::Home, ".codex/config.toml", &[".codex"]),
        ],
        reload: "start a new session of Codex; `codex mcp list` lists the servers",
    },
    // google-gemini/gemini-cli, docs/get-started/configuration and packages/cli/src/config/settings.ts, which takes out
    // comments and then reads strict JSON. GEMINI_CLI_HOME stands for the home folder:
    // packages/core/src/utils/paths.ts. ~/.gemini alone is no sign, since Antigravity uses it as well.
    Client {
        id: "gemini",
        title: "Gemini CLI",
        format: COMMENTS,
        section: "mcpServers",
        fields: &[],
        places: &[
            place(Base::Variable("GEMINI_CLI_HOME"), ".gemini/settings.json", &[".gemini"]),
            place(Base::Home, ".gemini/settings.json", &[".gemini/settings.json", ".gemini/oauth_creds.json"]),
        ],
        reload: "start Gemini CLI again; `/mcp` there lists the servers",
    },
    // antigravity.google/docs/mcp. Since version 2 editor and CLI share ~/.gemini/config
    // (developer.mescius.com/mcp/docs and cua.ai/docs say the same from use); the folder before that was
    // ~/.gemini/antigravity. The file may be there with no bytes. Comments and trailing commas: dyoshikawa/rulesync
    // release 16.34.1, of CLI 1.1.24; a file that is not sound keeps `agy` from starting.
    Client {
        id: "antigravity",
        title: "Antigravity",
        format: LENIENT,
        section: "mcpServers",
        fields: &[],
        places: &[
            place(Base::Home, ".gemini/config/mcp_config.json", &[".gemini/config", ".gemini/antigravity-cli"]),
            place(Base::Home, ".gemini/antigravity/mcp_config.json", &[".gemini/antigravity"]),
            place(Base::Home, ".gemini/config/mcp_config.json", &[]),
        ],
        reload: "press Refresh in Antigravity's Manage MCP Servers, or start `agy` again",
    },
    // docs.windsurf.com/windsurf/cascade/mcp: "the same schema as the config file for Claude Desktop".
    // (~/.codeium/mcp_config.json is that of the plugins for other editors.)
    Client {
        id: "windsurf",
        title: "Windsurf",
        format: LENIENT,
        section: "mcpServers",
        fields: &[],
        places: &[place(Base::Home, ".codeium/windsurf/mcp_config.json", &[".codeium/windsurf"])],
        reload: "press Refresh in Windsurf's list of MCP servers",
    },
    // zed.dev/docs/ai/mcp: `context_servers`; paths: zed-industries/zed crates/paths; the entry's form, which no longer
    // has a `source`: crates/settings_content/src/project.rs. Read as JSON with comments.
    Client {
        id: "zed",
        title: "Zed",
        format: LENIENT,
        section: "context_servers",
        fields: &[],
        places: &[
            Place {
                systems: &[Os::Linux],
                base: Base::Variable("FLATPAK_XDG_CONFIG_HOME"),
                file: "zed/settings.json",
                signs: &["zed"],
            },
            Place {
                systems: &[Os::MacOs],
                base: Base::Home,
                file: ".config/zed/settings.json",
                signs: &[".config/zed"],
            },
            Place { systems: &[Os::Windows], base: Base::Config, file: "Zed/settings.json", signs: &["Zed"] },
            Place { systems: &[Os::Linux], base: Base::Config, file: "zed/settings.json", signs: &["zed"] },
        ],
        reload: "Zed sees the change by itself; the Agent Panel's settings list the servers",
    },
];

impl Client {
    /// The client of this name.
    pub fn named(id: &str) -> Option<&'static Client> {
        CLIENTS.iter().find(|client| client.id == id)
    }

    /// Where it keeps its configuration on this system, and whether it seems to be there at all.
    pub fn locate(&self, system: &System) -> Location {
        let places = || self.places.iter().filter(|place| place.systems.contains(&system.os));
        let at = |place: &Place| place.at(system);
        // A variable leaves no choice.
        let moved = places().find(|place| matches!(place.base, Base::Variable(_)) && place.base(system).is_some());
        let located = moved.and_then(at).or_else(|| places().filter_map(at).find(|location| location.found));
        located
            .or_else(|| places().filter_map(at).next_back())
            .unwrap_or_else(|| Location { file: PathBuf::new(), found: false })
    }
}

impl Place {
    fn base<'a>(&self, system: &'a System) -> Option<&'a Path> {
        match self.base {
            Base::Home => Some(&system.home),
            Base::Config => Some(&system.config),
            Base::LocalData => Some(&system.local_data),
            Base::Variable(name) => system.variables.get(name).map(PathBuf::as_path),
        }
    }

    fn at(&self, system: &System) -> Option<Location> {
        let base = self.base(system)?;
        let found = self.signs.iter().any(|sign| below(base, sign).is_some_and(|path| path.symlink_metadata().is_ok()));
        Some(Location { file: below(base, self.file)?, found })
    }
}

/// A path below another; none where nothing begins as the part with a `*` does.
fn below(base: &Path, parts: &str) -> Option<PathBuf> {
    let mut path = base.to_owned();
    for part in parts.split('/').filter(|part| !part.is_empty()) {
        let Some(beginning) = part.strip_suffix('*') else {
            path.push(part);
            continue;
        };
        let names = fs::read_dir(&path).ok()?.flatten().map(|entry| entry.file_name());
        path.push(names.filter(|name| name.to_string_lossy().starts_with(beginning)).min()?);
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn system(os: Os, root: &Path) -> System {
        let (config, local_data) = match os {
            Os::Linux => ("home/.config", "home/.local/share"),
            Os::MacOs => ("home/Library/Application Support", "home/Library/Application Support"),
            Os::Windows => ("home/AppData/Roaming", "home/AppData/Local"),
        };
        System {
            os,
            home: root.join("home"),
            config: root.join(config),
            local_data: root.join(local_data),
            temporary: Vec::new(),
            variables: BTreeMap::new(),
        }
    }

    /// Where a client is looked for once these folders are there.
    fn check(os: Os, id: &str, folders: &[&str], expected: &str, found: bool) {
        let root = tempfile::tempdir().expect("a folder");
        for folder in folders {
            fs::create_dir_all(root.path().join(folder)).expect("made");
        }
        let location = Client::named(id).expect("known").locate(&system(os, root.path()));
        assert_eq!(location, Location { file: root.path().join(expected), found }, "{id} on {os:?} with {folders:?}");
    }

    #[test]
    fn places() {
        use Os::{Linux, MacOs, Windows};
        let packaged = "home/AppData/Local/Packages/Claude_pzs8sxrjxfjjc";
        let redirected = format!("{packaged}/LocalCache/Roaming/Claude/claude_desktop_config.json");
        let mac = "home/Library/Application Support";
        let rows: &[(Os, &str, &[&str], &str, bool)] = &[
            (Linux, "claude-desktop", &["home/.config/Claude"], "home/.config/Claude/claude_desktop_config.json", true),
            (Linux, "claude-desktop", &[], "home/.config/Claude/claude_desktop_config.json", false),
            (MacOs, "claude-desktop", &[], &format!("{mac}/Claude/claude_desktop_config.json"), false),
            (
                Windows,
                "claude-desktop",
                &["home/AppData/Roaming/Claude"],
                "home/AppData/Roaming/Claude/claude_desktop_config.json",
                true,
            ),
            // What a package reads is the redirected file, whatever else is there.
            (Windows, "claude-desktop", &["home/AppData/Roaming/Claude", packaged], &redirected, true),
            (
                Linux,
                "claude-desktop",
                &["home/.local/share/Packages/Claude_x"],
                "home/.config/Claude/claude_desktop_config.json",
                false,
            ),
            (Linux, "claude-code", &["home/.claude"], "home/.claude.json", true),
            (Windows, "claude-code", &["home/.claude.json"], "home/.claude.json", true),
            (MacOs, "cursor", &["home/.cursor"], "home/.cursor/mcp.json", true),
            (Linux, "vscode", &["home/.config/Code/User"], "home/.config/Code/User/mcp.json", true),
            (MacOs, "vscode", &[], &format!("{mac}/Code/User/mcp.json"), false),
            (Windows, "vscode", &[], "home/AppData/Roaming/Code/User/mcp.json", false),
            (Linux, "codex", &["home/.codex"], "home/.codex/config.toml", true),
            (Linux, "gemini", &["home/.gemini/settings.json"], "home/.gemini/settings.json", true),
            (Linux, "gemini", &["home/.gemini/config"], "home/.gemini/settings.json", false),
            (Linux, "antigravity", &[], "home/.gemini/config/mcp_config.json", false),
            (Linux, "antigravity", &["home/.gemini/antigravity"], "home/.gemini/antigravity/mcp_config.json", true),
            (
                Linux,
                "antigravity",
                &["home/.gemini/antigravity", "home/.gemini/config"],
                "home/.gemini/config/mcp_config.json",
                true,
            ),
            (MacOs, "windsurf", &["home/.codeium/windsurf"], "home/.codeium/windsurf/mcp_config.json", true),
            (Linux, "zed", &["home/.config/zed"], "home/.config/zed/settings.json", true),
            (MacOs, "zed", &["home/.config/zed"], "home/.config/zed/settings.json", true),
            (Windows, "zed", &["home/AppData/Roaming/Zed"], "home/AppData/Roaming/Zed/settings.json", true),
        ];
        for (os, id, folders, expected, found) in rows {
            check(*os, id, folders, expected, *found);
        }
        let clients: BTreeSet<&str> = rows.iter().map(|row| row.1).collect();
        assert_eq!(clients.len(), CLIENTS.len(), "each client has its rows");
    }

    /// A variable counts, whatever is in the usual place.
    #[test]
    fn moved_by_a_variable() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join("home/.codex")).expect("made");
        let mut system = system(Os::Linux, root.path());
        for (id, variable, file) in [
            ("claude-code", "CLAUDE_CONFIG_DIR", ".claude.json"),
            ("codex", "CODEX_HOME", "config.toml"),
            ("gemini", "GEMINI_CLI_HOME", ".gemini/settings.json"),
            ("zed", "FLATPAK_XDG_CONFIG_HOME", "zed/settings.json"),
        ] {
            system.variables = BTreeMap::from([(variable, root.path().join("moved"))]);
            let location = Client::named(id).expect("known").locate(&system);
            assert_eq!(location, Location { file: root.path().join("moved").join(file), found: false }, "{id}");
        }
    }
}
