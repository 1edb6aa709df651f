//! `spindle setup` in a home folder of its own, with the program in a temporary folder, from where it copies itself.

#![cfg(unix)]

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};
use support::told;

/// Every client, with the sign of it that is relative to the home folder, and what its configuration begins with.
const CLIENTS: [(&str, &str, &str); 9] = [
    ("claude-desktop", "Claude/claude_desktop_config.json", "{\n  \"globalShortcut\": \"\"\n}\n"),
    ("claude-code", ".claude.json", "{\"numStartups\": 3, \"projects\": {}}"),
    ("cursor", ".cursor/mcp.json", "{\n\t// mine\n\t\"mcpServers\": {\n\t\t\"x\": {\"url\": \"y\"},\n\t},\n}\n"),
    ("vscode", "Code/User/mcp.json", "// all\r\n{\r\n    \"inputs\": [],\r\n    \"servers\": {}\r\n}\r\n"),
    ("codex", ".codex/config.toml", "model = \"gpt\" # the large one\n\n[tui]\nnotifications = true"),
    ("gemini", ".gemini/settings.json", "{\n  \"ui\": {} // plain\n}\n"),
    ("antigravity", ".gemini/config/mcp_config.json", ""),
    ("windsurf", ".codeium/windsurf/mcp_config.json", "{\"mcpServers\":{}}"),
    ("zed", "zed/settings.json", "// Zed\n{\n  \"theme\": \"One\",\n}\n"),
];

/// A user's home, and the program as it comes.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Home {
        let home = Home { folder: tempfile::tempdir().expect("a folder") };
        fs::create_dir_all(home.path("home")).and_then(|()| fs::create_dir(home.path("download"))).expect("made");
        let program = Path::new(env!("CARGO_BIN_EXE_spindle"));
        // Not across file systems.
        let linked = fs::hard_link(program, home.program());
        linked.or_else(|_| fs::copy(program, home.program()).map(|_| ())).expect("put");
        home
    }

    /// With every client's configuration.
    fn with_clients() -> Home {
        let home = Home::new();
        for (id, _, text) in CLIENTS {
            home.write(id, text.as_bytes());
        }
        home
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn program(&self) -> PathBuf {
        self.path("download/spindle")
    }

    fn installed(&self) -> PathBuf {
        let data = if cfg!(target_os = "macos") { "home/Library/Application Support" } else { "home/.local/share" };
        self.path(data).join("spindle/bin/spindle")
    }

    fn config(&self, id: &str) -> PathBuf {
        let (_, file, _) = CLIENTS.iter().find(|client| client.0 == id).expect("known");
        let settings = match () {
            () if file.starts_with('.') => "home",
            () if cfg!(target_os = "macos") && id != "zed" => "home/Library/Application Support",
            () => "home/.config",
        };
        self.path(settings).join(file)
    }

    fn write(&self, id: &str, bytes: &[u8]) {
        let config = self.config(id);
        fs::create_dir_all(config.parent().expect("a folder"))
            .and_then(|()| fs::write(config, bytes))
            .expect("written");
    }

    fn read(&self, id: &str) -> String {
        fs::read_to_string(self.config(id)).expect("there")
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.arg("setup").args(arguments).current_dir(self.folder.path()).env("HOME", self.path("home"));
        let moving = ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "FLATPAK_XDG_CONFIG_HOME", "CLAUDE_CONFIG_DIR", "CODEX_HOME"];
        for variable in
            moving.into_iter().chain(["GEMINI_CLI_HOME", "BLENDER_USER_RESOURCES", "BLENDER_USER_EXTENSIONS"])
        {
            command.env_remove(variable);
        }
        command
    }

    fn setup(&self, arguments: &[&str]) -> (i32, String, String) {
        told(self.command(&self.program(), arguments).output().expect("it runs"))
    }

    fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let (status, out, err) = self.setup(&[arguments, &["--json"]].concat());
        assert_eq!(err, "", "JSON is all that is said");
        (status, serde_json::from_str(&out).expect("JSON"))
    }

    /// Every file in the home but the program, with its content.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let (mut files, mut folders) = (BTreeMap::new(), vec![self.path("home")]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("read").flatten() {
                match entry.path() {
                    path if path.is_dir() => folders.push(path),
                    path if path == self.installed() => {}
                    path => drop(files.insert(path.clone(), fs::read(path).expect("read"))),
                }
            }
        }
        files
    }
}

fn column<'a>(told: &'a Value, key: &str) -> Vec<&'a str> {
    told["clients"].as_array().expect("a list").iter().map(|row| row[key].as_str().unwrap_or("none")).collect()
}

/// What is there is listed, with all that a panel shows; nothing is written.
#[test]
fn the_list() {
    let empty = Home::new();
    let (status, out, _) = empty.setup(&[]);
    assert!(status == 0 && out.contains("not found here: Claude Desktop (claude-desktop), Claude Code"), "{out}");
    assert_eq!(empty.files().len(), 0);
    let home = Home::with_clients();
    home.write("cursor", br#"{"mcpServers": {"blender": {"command": "/old/spindle", "args": ["mcp"]}}}"#);
    home.write(
        "windsurf",
        br#"{"mcpServers": {"blender": {"command": "uvx", "args": ["blender-mcp"], "env": {"KEY": "secret-of-ada"}}}}"#,
    );
    home.write("zed", b"{");
    let before = home.files();
    let (status, list) = home.json(&[]);
    assert_eq!(
        (status, &list["binary"]["is_due"], &list["binary"]["unstable"]),
        (0, &json!(true), &json!("temporary"))
    );
    assert_eq!(list["binary"]["path"], home.installed().to_str().expect("Unicode"));
    assert_eq!(column(&list, "client"), CLIENTS.map(|client| client.0));
    let states = ["absent", "absent", "outdated", "absent", "absent", "absent", "absent", "foreign", "none"];
    assert_eq!(column(&list, "state"), states);
    let actions = ["add", "add", "update", "add", "add", "add", "add", "none", "none"];
    assert_eq!(column(&list, "action"), actions);
    for (row, (id, ..)) in list["clients"].as_array().expect("a list").iter().zip(CLIENTS) {
        assert_eq!((&row["config"], &row["found"]), (&json!(home.config(id)), &json!(true)), "{id}");
        let shows = row["diff"].to_string().contains("/spindle/bin/spindle");
        assert_eq!((shows, &row["written"]), (row["error"].is_null(), &json!(false)), "{row}");
    }
    assert_eq!(
        (&list["clients"][7]["error"]["kind"], &list["clients"][8]["error"]["kind"]),
        (&json!("foreign"), &json!("malformed"))
    );
    let (_, out, _) = home.setup(&[]);
    for part in [
        "not connected",
        "outdated: it starts /old/spindle",
        "another server is named",
        "malformed",
        "spindle setup --all",
    ] {
        assert!(out.contains(part), "{part} in {out}");
    }
    assert!(!out.contains("secret-of-ada") && !list.to_string().contains("secret-of-ada"), "SECRETS: {out}");
    assert_eq!(home.files(), before);
    assert!(!home.installed().exists());
}

/// Every client is connected, again without a change, and disconnected: every file is what it was.
#[test]
fn all_clients_and_back() {
    let home = Home::with_clients();
    let before = home.files();
    let (status, done) = home.json(&["--all", "--yes"]);
    assert_eq!((status, &done["binary"]["installed"]), (0, &json!(true)), "{done}");
    assert!(column(&done, "action").iter().all(|action| *action == "add"), "{done}");
    assert!(column(&done, "state").iter().all(|state| *state == "present"), "{done}");
    let installed = home.installed();
    assert_eq!(fs::metadata(&installed).expect("there").permissions().mode() & 0o777, 0o755);
    assert!(Command::new(&installed).arg("--version").output().expect("it runs").status.success());
    for (id, _, original) in CLIENTS {
        assert!(home.read(id).contains(installed.to_str().expect("Unicode")), "{id}");
        let backup = PathBuf::from(format!("{}.spindle-backup", home.config(id).display()));
        assert_eq!(fs::read(backup).expect("kept"), original.as_bytes(), "{id}");
    }
    let connected = home.files();
    let (status, again) = home.json(&["--all", "--yes"]);
    assert_eq!((status, &again["binary"]["installed"], home.files() == connected), (0, &json!(false), true));
    assert!(column(&again, "action").iter().all(|action| *action == "nothing"), "{again}");
    // From its own place the program stays where it is.
    let (status, out, err) = told(home.command(&installed, &["--all"]).output().expect("it runs"));
    assert!(status == 0 && out.contains("Cursor is connected already") && err.is_empty(), "{out}{err}");
    let (status, undone) = home.json(&["--all", "--remove", "--yes"]);
    assert!(status == 0 && column(&undone, "action").iter().all(|action| *action == "restore"), "{undone}");
    assert_eq!(home.files(), before);
    let (status, out, _) = home.setup(&["--all", "--remove"]);
    assert!(status == 0 && out.contains("no client was found"), "{out}");
}

/// Nothing is written without a yes: on the command line, or at a terminal.
#[test]
fn without_a_yes() {
    let home = Home::with_clients();
    let before = home.files();
    let (status, out, err) = home.setup(&["cursor", "codex"]);
    assert!(status == 1 && err.contains("no terminal to ask at") && err.contains("--yes"), "{err}");
    for part in
        ["is copied to", "a temporary folder", "Cursor: ", "+         \"blender\": {", "  }", "+ [mcp_servers.blender]"]
    {
        assert!(out.contains(part), "{part:?} in {out}");
    }
    let (status, refused) = home.json(&["cursor"]);
    assert_eq!((status, &refused["error"]["kind"]), (1, &json!("not_confirmed")));
    let (status, planned) = home.json(&["cursor", "--dry-run"]);
    assert_eq!((status, column(&planned, "action"), column(&planned, "state")), (0, vec!["add"], vec!["absent"]));
    let (status, out, err) = home.setup(&["--all", "--dry-run"]);
    assert!(status == 0 && out.contains("Zed: ") && err.is_empty(), "{out}{err}");
    assert_eq!((home.files(), home.installed().exists()), (before, false));
}

/// Run the command on a terminal, answer, and read what it says.
fn at_a_terminal(mut command: Command, answer: &str) -> (Option<i32>, String) {
    let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("opened");
    grantpt(&keyboard).and_then(|()| unlockpt(&keyboard)).expect("granted");
    let path = ptsname(&keyboard, Vec::new()).expect("named").into_string().expect("UTF-8");
    let flags = OFlags::NOCTTY.bits() as i32;
    let terminal = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).expect("opened");
    let end = || terminal.try_clone().expect("cloned");
    let mut child = command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("it runs");
    // Its ends close with the child, upon which reading ends.
    drop((command, terminal));
    let (mut keyboard, mut said) = (File::from(keyboard), String::new());
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = keyboard.read(&mut chunk) {
        said += &String::from_utf8_lossy(&chunk[..count]);
        if said.ends_with("[y/N] ") {
            keyboard.write_all(answer.as_bytes()).expect("typed");
        }
    }
    (child.wait().expect("it ends").code(), said)
}

#[test]
fn a_yes_at_a_terminal() {
    let home = Home::with_clients();
    let before = home.files();
    for answer in ["n\n", "\n", "yesterday\n"] {
        let (status, said) = at_a_terminal(home.command(&home.program(), &["cursor"]), answer);
        assert!(status == Some(1) && said.contains("nothing was written"), "{said}");
        assert_eq!(home.files(), before);
    }
    let (status, said) = at_a_terminal(home.command(&home.program(), &["cursor"]), "y\n");
    assert!(
        status == Some(0)
            && said.contains("\u{1b}[32m+")
            && said.contains("Cursor is connected; the original is kept as"),
        "{said}"
    );
    assert!(home.read("cursor").contains("\"blender\"") && home.read("zed") == CLIENTS[8].2);
    let (status, said) = at_a_terminal(home.command(&home.program(), &["cursor", "--remove"]), "YES\n");
    assert!(status == Some(0) && said.contains("gets its original back") && said.contains("byte for byte"), "{said}");
    assert_eq!(home.files(), before);
}

/// One client's trouble is told, and does not keep the others from being connected.
#[test]
fn troubled_clients() {
    let home = Home::with_clients();
    home.write("gemini", b"{ \"a\": ");
    home.write("windsurf", b"[]");
    home.write(
        "claude-desktop",
        br#"{"mcpServers": {"blender": {"command": "uvx", "args": ["blender-mcp"], "env": {"KEY": "secret-of-ada"}}}}"#,
    );
    let before = home.files();
    let (status, out, err) = home.setup(&["--all", "--yes"]);
    assert_eq!(status, 1);
    for part in ["Gemini CLI: ", "not sound", "the whole is no object", "named `blender`", "--replace"] {
        assert!(err.contains(part), "{part} in {err}");
    }
    assert!(!format!("{out}{err}").contains("secret-of-ada"), "SECRETS: {out}{err}");
    let after = home.files();
    for id in ["gemini", "windsurf", "claude-desktop"] {
        assert_eq!(after[&home.config(id)], before[&home.config(id)], "{id} is untouched");
    }
    assert!(home.read("zed").contains("\"blender\"") && out.contains("Zed is connected"), "{out}");
    let (status, _, err) = home.setup(&["--remove", "claude-desktop", "--yes"]);
    assert!(status == 1 && err.contains("named `blender`"), "{err}");
    let (status, out, _) = home.setup(&["claude-desktop", "--replace", "--yes"]);
    assert!(status == 0 && out.contains("-") && out.contains("quit Claude Desktop"), "{out}");
    assert_eq!(home.setup(&["--remove", "claude-desktop", "--yes"]).0, 0);
    assert_eq!(home.files()[&home.config("claude-desktop")], before[&home.config("claude-desktop")]);
}

/// A client that is named is connected although there is no sign of it; what was made for it goes again.
#[test]
fn a_client_that_is_not_there() {
    let home = Home::new();
    let (status, out, _) = home.setup(&["codex", "--yes"]);
    assert!(status == 0 && out.contains("it seems not to be on this machine"), "{out}");
    assert_eq!(
        home.read("codex"),
        format!("[mcp_servers.blender]\ncommand = \"{}\"\nargs = [\"mcp\"]\n", home.installed().display())
    );
    let (status, out, _) = home.setup(&["codex", "--remove", "--yes"]);
    assert!(status == 0 && out.contains("is deleted") && home.files().is_empty(), "{out}");
}

/// What is printed can be pasted, and works: the program is where it says.
#[test]
fn printed() {
    let home = Home::new();
    let (status, out, err) = home.setup(&["--print", "vscode"]);
    let snippet: Value = serde_json::from_str(&out).expect("JSON");
    let program = json!(home.installed());
    assert_eq!(
        (status, &snippet),
        (0, &json!({"servers": {"blender": {"type": "stdio", "command": program, "args": ["mcp"]}}}))
    );
    assert!(home.installed().is_file() && err.contains("VS Code: into ") && err.contains("mcp.json"), "{err}");
    let (status, printed) = home.json(&["--print", "codex", "claude-desktop"]);
    assert_eq!((status, &printed["binary"]["installed"]), (0, &json!(false)));
    assert!(printed["clients"][0]["snippet"].as_str().expect("a text").starts_with("[mcp_servers.blender]\n"));
    assert_eq!(home.files().len(), 0, "nothing is written but the program");
}

/// A newer program takes the place of the one before, for the clients that are connected already.
#[test]
fn a_newer_program() {
    let home = Home::with_clients();
    assert_eq!(home.setup(&["cursor", "--yes"]).0, 0);
    let connected = home.files();
    fs::write(home.installed(), "an older version").expect("written");
    assert_eq!(home.json(&[]).1["binary"]["is_due"], true);
    let (status, _, err) = home.setup(&["cursor"]);
    assert!(status == 1 && err.contains("--yes"), "{err}");
    let (status, done) = home.json(&["cursor", "--yes"]);
    assert_eq!((status, &done["binary"]["installed"], column(&done, "action")), (0, &json!(true), vec!["nothing"]));
    assert!(Command::new(home.installed()).arg("--version").output().expect("it runs").status.success());
    assert_eq!(home.files(), connected);
}

/// A command line that means nothing.
#[test]
fn usage() {
    let home = Home::new();
    let rows: [&[&str]; 7] = [
        &["emacs"],
        &["--remove"],
        &["--yes"],
        &["--all", "cursor"],
        &["cursor", "--remove", "--replace"],
        &["cursor", "--print", "--yes"],
        &["cursor", "--dry-run", "--yes"],
    ];
    for arguments in rows {
        assert_eq!(home.setup(arguments).0, 64, "{arguments:?}");
    }
    let (_, _, err) = home.setup(&["emacs"]);
    assert!(err.contains("claude-desktop") && err.contains("zed"), "the clients are named: {err}");
}
