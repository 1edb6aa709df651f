//! What is written into a configuration, and what an entry that is there already amounts to.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::clients::Client;
use crate::error::Error;

/// The subcommand that serves MCP.
const SUBCOMMAND: &str = "mcp";

/// The names of our program.
const PROGRAMS: [&str; 2] = ["spindle", "spindle.exe"];

/// Parts of an entry that often hold keys: their values are not shown.
const SECRETS: [&str; 3] = ["env", "headers", "http_headers"];

/// What a client is to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    command: String,
}

/// What is there under our name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing.
    Absent,
    /// Our entry, as it is to be.
    Present,
    /// Our entry, with another path or other arguments.
    Outdated,
    /// Something that starts another program, or none.
    Foreign,
}

/// A value of an entry's field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// A text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
}

impl Launch {
    /// Start this program with the argument `mcp`.
    ///
    /// # Errors
    /// [`Error::NotUnicode`].
    pub fn new(program: &Path) -> Result<Launch, Error> {
        let command = program.to_str().ok_or_else(|| Error::NotUnicode { path: program.to_owned() })?;
        Ok(Launch { command: command.to_owned() })
    }

    /// The program, an absolute path.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// The entry's fields for a client, in their order.
    pub fn fields(&self, client: &Client) -> Vec<(&'static str, Field)> {
        let own = client.fields.iter().map(|(name, value)| (*name, Field::Text((*value).to_owned())));
        let command = ("command", Field::Text(self.command.clone()));
        own.chain([command, ("args", Field::List(vec![SUBCOMMAND.to_owned()]))]).collect()
    }

    /// What an entry amounts to. What users have added to it, such as variables or a timeout, is theirs; a field that a
    /// client also takes for granted may be missing.
    pub fn judge(&self, client: &Client, entry: Option<&Value>) -> State {
        let Some(entry) = entry else { return State::Absent };
        if program(entry).is_none() {
            return State::Foreign;
        }
        let agrees = |(name, wanted): &(&str, Field)| match entry.get(name) {
            Some(found) => *found == wanted.to_json(),
            None => client.fields.iter().any(|(own, _)| own == name),
        };
        if self.fields(client).iter().all(agrees) { State::Present } else { State::Outdated }
    }
}

impl Field {
    /// The same as JSON.
    pub fn to_json(&self) -> Value {
        match self {
            Field::Text(text) => Value::from(text.as_str()),
            Field::List(list) => Value::from(list.clone()),
        }
    }
}

/// The program that an entry of ours starts; none of an entry that is not ours.
pub fn program(entry: &Value) -> Option<&str> {
    let command = entry.get("command")?.as_str()?;
    // Of a path of whatever system: a home folder may be shared by several.
    let name = command.rsplit(['/', '\\']).next()?;
    let first = entry.get("args")?.as_array()?.first()?.as_str()?;
    (PROGRAMS.contains(&name) && first == SUBCOMMAND).then_some(command)
}

/// An entry to be shown: the values of variables and headers are left out.
pub fn shown(entry: &Value) -> Value {
    let Value::Object(fields) = entry else { return entry.clone() };
    let hide = |value: &Value| match value {
        Value::Object(secrets) => {
            secrets.keys().map(|name| (name.clone(), Value::from("..."))).collect::<Map<_, _>>().into()
        }
        _ => Value::from("..."),
    };
    let show = |(name, value): (&String, &Value)| {
        (name.clone(), if SECRETS.contains(&name.as_str()) { hide(value) } else { value.clone() })
    };
    fields.iter().map(show).collect::<Map<_, _>>().into()
}

/// The texts in a list of servers that are not shown, as JSON and TOML have them between quotation marks. What is
/// shorter than a few characters is no key, and occurs everywhere.
pub(crate) fn secrets(servers: &Value) -> Vec<String> {
    let entries = servers.as_object().into_iter().flat_map(|servers| servers.values());
    let hidden = entries.flat_map(|entry| SECRETS.iter().filter_map(|name| entry.get(name)));
    let mut found = Vec::new();
    let mut open: Vec<&Value> = hidden.collect();
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) if text.len() >= 4 => {
                found.push(value.to_string().trim_matches('"').to_owned());
                found.push(text.clone());
            }
            Value::Array(values) => open.extend(values),
            Value::Object(fields) => open.extend(fields.values()),
            _ => {}
        }
    }
    // One may be a part of another.
    found.sort_by_key(|text| std::cmp::Reverse(text.len()));
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_an_entry_amounts_to() {
        let launch = Launch::new(Path::new("/a/spindle")).expect("Unicode");
        let (plain, typed) = (Client::named("cursor").expect("known"), Client::named("vscode").expect("known"));
        let rows = [
            (plain, json!({"command": "/a/spindle", "args": ["mcp"]}), State::Present),
            (
                plain,
                json!({"args": ["mcp"], "env": {"A": "1"}, "command": "/a/spindle", "disabled": true}),
                State::Present,
            ),
            (plain, json!({"command": "/b/spindle", "args": ["mcp"]}), State::Outdated),
            (plain, json!({"command": "C:\\b\\spindle.exe", "args": ["mcp"]}), State::Outdated),
            (plain, json!({"command": "/a/spindle", "args": ["mcp", "--http"]}), State::Outdated),
            (plain, json!({"command": "/a/spindle", "args": ["ls"]}), State::Foreign),
            (plain, json!({"command": "/a/spindle"}), State::Foreign),
            (plain, json!({"command": "uvx", "args": ["blender-mcp"]}), State::Foreign),
            (plain, json!({"url": "http://127.0.0.1:1/mcp"}), State::Foreign),
            (plain, json!("spindle"), State::Foreign),
            (typed, json!({"type": "stdio", "command": "/a/spindle", "args": ["mcp"]}), State::Present),
            (typed, json!({"command": "/a/spindle", "args": ["mcp"]}), State::Present),
            (typed, json!({"type": "http", "command": "/a/spindle", "args": ["mcp"]}), State::Outdated),
        ];
        for (client, entry, state) in rows {
            assert_eq!(launch.judge(client, Some(&entry)), state, "{entry}");
        }
        assert_eq!(launch.judge(plain, None), State::Absent);
    }

    #[test]
    fn secrets_are_not_shown() {
        let entry = json!({"command": "x", "env": {"TOKEN": "secret"}, "headers": ["secret"]});
        assert_eq!(shown(&entry), json!({"command": "x", "env": {"TOKEN": "..."}, "headers": "..."}));
        let servers = json!({"a": entry, "b": {"env": {"A": "1", "B": ["C:\\key"], "C": "my secret"}}, "c": 1});
        assert_eq!(
            secrets(&servers),
            ["my secret", "my secret", "C:\\\\key", "C:\\key", "secret", "secret", "secret", "secret"]
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_not_unicode() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        let refused = Launch::new(Path::new(OsStr::from_bytes(b"/a/\xff/spindle"))).expect_err("not Unicode");
        assert_eq!(refused.kind(), "not_unicode");
    }
}
