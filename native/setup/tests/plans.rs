//! Every client's configuration on the disk: connected, connected again, and disconnected, byte for byte; and what is
//! refused.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use spindle_setup::document::MOST_BYTES;
use spindle_setup::plan::BACKUP;
use spindle_setup::{Action, CLIENTS, Error, Goal, Plan, State};
use support::{FILES, client, launch, parse, text, variants};

const CONNECT: Goal = Goal::Connect { replace: false };

/// A configuration in a folder of its own.
struct Folder {
    folder: tempfile::TempDir,
    id: &'static str,
}

impl Folder {
    fn new(id: &'static str, bytes: Option<&[u8]>) -> Folder {
        let folder = Folder { folder: tempfile::tempdir().expect("a folder"), id };
        if let Some(bytes) = bytes {
            fs::write(folder.config(), bytes).expect("written");
        }
        folder
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    fn backup(&self) -> Option<Vec<u8>> {
        fs::read(self.folder.path().join(format!("config{BACKUP}"))).ok()
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        fs::read(self.config()).ok()
    }

    fn plan(&self, goal: Goal, program: &str) -> Result<Plan, Error> {
        Plan::new(client(self.id), &self.config(), goal, &launch(program))
    }

    fn does(&self, goal: Goal, program: &str) -> Action {
        let plan = self.plan(goal, program).unwrap_or_else(|error| panic!("{}: {error}", self.id));
        plan.commit().unwrap_or_else(|error| panic!("{}: {error}", self.id));
        plan.action
    }

    fn names(&self) -> usize {
        fs::read_dir(self.folder.path()).expect("read").count()
    }
}

/// Connect, connect again, with another path, disconnect: the original, byte for byte, and nothing beside it.
#[test]
fn undone_byte_for_byte() {
    for (id, original) in FILES {
        for original in variants(original).into_iter().chain([b"".to_vec(), b"  \n".to_vec()]) {
            let folder = Folder::new(id, Some(&original));
            let shown = folder.plan(CONNECT, "/a/spindle").expect("a plan").diff().join("\n");
            assert!(shown.contains("/a/spindle") && !shown.contains("secret-of-ada"), "{id}: SECRETS in {shown}");
            assert_eq!(folder.does(CONNECT, "/a/spindle"), Action::Add, "{id}");
            let connected = folder.bytes();
            assert_eq!(folder.backup().as_ref(), Some(&original), "{id}");
            assert_eq!(folder.does(CONNECT, "/a/spindle"), Action::Nothing, "{id}");
            assert_eq!((folder.bytes(), folder.names()), (connected, 2), "{id}: twice is once");
            assert_eq!(folder.does(CONNECT, "/b/spindle"), Action::Update, "{id}");
            assert_eq!(folder.backup().as_ref(), Some(&original), "{id}: what is kept is the original");
            // The program that undoes it may have moved as well.
            assert_eq!(folder.does(Goal::Disconnect, "/c/spindle"), Action::Restore, "{id}");
            assert_eq!((folder.bytes(), folder.names()), (Some(original), 1), "{id}");
            assert_eq!(folder.does(Goal::Disconnect, "/c/spindle"), Action::Nothing, "{id}");
        }
        let folder = Folder::new(id, None);
        assert_eq!(folder.does(CONNECT, "/a/spindle"), Action::Add, "{id}");
        assert_eq!((folder.names(), folder.does(CONNECT, "/b/spindle")), (1, Action::Update), "{id}");
        assert_eq!((folder.does(Goal::Disconnect, "/b/spindle"), folder.names()), (Action::Delete, 0), "{id}");
    }
}

/// What was changed after connecting stays, and only our entry goes.
#[test]
fn undone_after_other_changes() {
    for (id, original) in FILES {
        let folder = Folder::new(id, Some(original.as_bytes()));
        folder.does(CONNECT, "/a/spindle");
        let connected = folder.bytes().expect("there");
        let comment = if *id == "codex" { "# later\n" } else { "\n" };
        fs::write(folder.config(), [comment.as_bytes(), &connected].concat()).expect("written");
        assert_eq!(folder.does(Goal::Disconnect, "/a/spindle"), Action::TakeOut, "{id}");
        let left = folder.bytes().expect("there");
        assert!(text(&left).starts_with(comment) && parse(id, &left).entry().is_none(), "{id}");
        assert_eq!(
            folder.backup(),
            Some([comment.as_bytes(), &connected].concat()),
            "{id}: what was there before is kept"
        );
        // And again from there.
        assert_eq!(
            (folder.does(CONNECT, "/a/spindle"), folder.does(Goal::Disconnect, "/a/spindle")),
            (Action::Add, Action::Restore)
        );
        assert_eq!(folder.bytes(), Some(left), "{id}");
    }
}

/// An entry that starts something else is left alone, and given up only when that is asked for.
#[test]
fn a_foreign_entry() {
    let json = r#"{"SECTION": {"blender": {"command": "uvx", "args": ["blender-mcp"], "env": {"KEY": "secret-of-ada"}}, "z": {}}}"#;
    let toml = "[mcp_servers.blender]\ncommand = \"uvx\"\nargs = [\"blender-mcp\"]\n\n[mcp_servers.blender.env]\nKEY = \"secret-of-ada\"\n\n[tui]\n";
    for client in CLIENTS {
        let id = client.id;
        let original = if id == "codex" { toml.to_owned() } else { json.replace("SECTION", client.section) };
        let folder = Folder::new(id, Some(original.as_bytes()));
        for goal in [CONNECT, Goal::Disconnect] {
            let refused = folder.plan(goal, "/a/spindle").map(|plan| plan.action).expect_err("foreign");
            assert_eq!(refused.kind(), "foreign", "{id}");
            let told = format!("{refused} {}", refused.to_json());
            assert!(told.contains("blender-mcp") && told.contains("KEY") && !told.contains("secret-of-ada"), "{told}");
        }
        assert_eq!((folder.bytes().as_deref(), folder.names()), (Some(original.as_bytes()), 1), "{id}: untouched");
        let replaces = Goal::Connect { replace: true };
        let shown = folder.plan(replaces, "/a/spindle").expect("a plan").diff().join("\n");
        assert!(shown.contains("blender-mcp") && !shown.contains("secret-of-ada"), "{id}: SECRETS in {shown}");
        assert_eq!(folder.does(replaces, "/a/spindle"), Action::Replace, "{id}");
        let replaced = folder.bytes().expect("there");
        assert_eq!(parse(id, &replaced).state(&launch("/a/spindle")), State::Present, "{id}");
        assert!(!text(&replaced).contains("secret-of-ada"), "{id}: nothing of the other is left\n{}", text(&replaced));
        assert_eq!(folder.does(Goal::Disconnect, "/a/spindle"), Action::Restore, "{id}");
        assert_eq!(folder.bytes().as_deref(), Some(original.as_bytes()), "{id}");
    }
}

/// What cannot be read or written is refused, and stays as it is.
#[cfg(unix)]
#[test]
fn files_that_are_refused() {
    use std::os::unix::fs::PermissionsExt;

    let refused = |folder: &Folder| folder.plan(CONNECT, "/a/spindle").map(|plan| plan.action).expect_err("refused");
    let large = Folder::new("cursor", Some(&b" ".repeat(MOST_BYTES as usize + 1)));
    let told = refused(&large);
    assert!(told.kind() == "too_large" && told.to_string().contains("4194304"), "{told}");
    let largest = Folder::new("cursor", Some(&b" ".repeat(MOST_BYTES as usize)));
    assert_eq!(largest.plan(CONNECT, "/a/spindle").expect("fits").action, Action::Add);
    let locked = Folder::new("cursor", Some(b"{}"));
    fs::set_permissions(locked.config(), fs::Permissions::from_mode(0o444)).expect("set");
    assert_eq!(refused(&locked).kind(), "unwritable");
    let folder = Folder::new("cursor", None);
    fs::create_dir(folder.config()).expect("made");
    let told = refused(&folder);
    assert!(told.kind() == "unreadable" && told.to_string().contains("no file"), "{told}");
    let dangling = Folder::new("cursor", None);
    std::os::unix::fs::symlink("nowhere", dangling.config()).expect("linked");
    let told = refused(&dangling);
    assert!(told.kind() == "unreadable" && told.to_string().contains("does not exist"), "{told}");
    let looped = Folder::new("cursor", None);
    std::os::unix::fs::symlink("config", looped.config()).expect("linked");
    assert_eq!(refused(&looped).kind(), "unreadable");
    let below = Folder::new("cursor", Some(b"{}"));
    let plan = Plan::new(client("cursor"), &below.config().join("mcp.json"), CONNECT, &launch("/a/spindle"));
    assert_eq!(plan.map(|plan| plan.action).expect_err("a file is no folder").kind(), "unreadable");
    for (folder, bytes) in [(&locked, b"{}".as_slice()), (&below, b"{}")] {
        assert_eq!((folder.bytes().as_deref(), folder.names()), (Some(bytes), 1));
    }
}

/// A link stays a link, and a file keeps its permissions; so does its backup, which holds the same keys.
#[cfg(unix)]
#[test]
fn links_and_permissions() {
    use std::os::unix::fs::PermissionsExt;

    for mode in [0o600, 0o640, 0o664] {
        let folder = Folder::new("cursor", None);
        let dotfiles = folder.folder.path().join("dotfiles");
        let real = dotfiles.join("mcp.json");
        fs::create_dir(&dotfiles).and_then(|()| fs::write(&real, "{\n}\n")).expect("written");
        fs::set_permissions(&real, fs::Permissions::from_mode(mode)).expect("set");
        std::os::unix::fs::symlink("dotfiles/mcp.json", folder.config()).expect("linked");
        let mode_of = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o7777;
        assert_eq!(folder.does(CONNECT, "/a/spindle"), Action::Add);
        assert!(folder.config().symlink_metadata().expect("there").is_symlink());
        assert!(fs::read_to_string(&real).expect("there").contains("/a/spindle"));
        let backup = dotfiles.join(format!("mcp.json{BACKUP}"));
        assert_eq!((mode_of(&real), mode_of(&backup)), (mode, mode));
        assert_eq!(folder.does(Goal::Disconnect, "/a/spindle"), Action::Restore);
        assert_eq!((fs::read(&real).expect("there"), mode_of(&real)), (b"{\n}\n".to_vec(), mode));
        assert!(folder.config().symlink_metadata().expect("there").is_symlink());
    }
}

/// A client that writes its file between the plan and the deed keeps what it wrote.
#[test]
fn changed_meanwhile() {
    let folder = Folder::new("claude-code", Some(b"{\"numStartups\": 1}"));
    let plan = folder.plan(CONNECT, "/a/spindle").expect("a plan");
    fs::write(folder.config(), b"{\"numStartups\": 2}").expect("written");
    assert_eq!(plan.commit().expect_err("changed").kind(), "changed");
    assert_eq!((folder.bytes().as_deref(), folder.names()), (Some(b"{\"numStartups\": 2}".as_slice()), 1));
    let folder = Folder::new("claude-code", None);
    let plan = folder.plan(CONNECT, "/a/spindle").expect("a plan");
    fs::write(folder.config(), b"{}").expect("written");
    assert_eq!(plan.commit().expect_err("made meanwhile").kind(), "changed");
}
