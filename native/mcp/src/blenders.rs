//! The connections to Blender: one client for each program that asks and each Blender it chose. A client finds Blender
//! when it appears, and again after a restart.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use spindle_client::{Client, ClientSettings, Error, Selector, Server, discovery};
use tokio_util::sync::CancellationToken;

/// Programs and Blenders that are kept apart; beyond, connections are made anew.
const MOST: usize = 32;

/// The longest name that a program may have (`check_label`).
const NAME_CHARS: usize = 64;

thread_local! {
    /// What may end the wait of this thread.
    static CANCELLED: RefCell<Option<CancellationToken>> = const { RefCell::new(None) };
}

/// Run something whose waits for Blender end when the token is cancelled; the request is cancelled in Blender, too.
pub fn until_cancelled<T>(token: &CancellationToken, work: impl FnOnce() -> T) -> T {
    CANCELLED.set(Some(token.clone()));
    let outcome = work();
    CANCELLED.set(None);
    outcome
}

fn is_cancelled() -> bool {
    CANCELLED.with_borrow(|token| token.as_ref().is_some_and(CancellationToken::is_cancelled))
}

/// All clients of this process.
pub struct Blenders {
    settings: ClientSettings,
    clients: Mutex<HashMap<(String, String), Arc<Client>>>,
}

impl Blenders {
    /// None yet; they will have these settings, of which the instance is the default choice.
    pub fn new(mut settings: ClientSettings) -> Blenders {
        settings.connection.interrupt = Some(Arc::new(is_cancelled));
        Blenders { settings, clients: Mutex::default() }
    }

    /// The client by which a program of this name talks to the Blender of its choice.
    ///
    /// # Errors
    /// Where the settings cannot be used.
    pub fn client(&self, program: &str, instance: Option<&str>) -> Result<Arc<Client>, Error> {
        let key = (program.to_owned(), instance.unwrap_or_default().to_owned());
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(Arc::clone(client));
        }
        let mut settings = self.settings.clone();
        settings.connection.name = label(program);
        settings.connection.client_id = None;
        if let Some(instance) = instance {
            let Ok(wanted) = instance.parse::<Selector>();
            settings.instance = Some(wanted);
        }
        let client = Arc::new(Client::new(settings)?);
        if clients.len() >= MOST {
            clients.clear();
        }
        clients.insert(key, Arc::clone(&client));
        Ok(client)
    }

    /// The Blenders that run.
    ///
    /// # Errors
    /// Where the folder of their instance files cannot be read.
    pub fn running(&self) -> Result<Vec<Server>, Error> {
        let folder = self.settings.runtime_dir.clone().map_or_else(discovery::folder, Ok)?;
        Ok(discovery::list(&folder)?.instances.iter().map(Server::from).collect())
    }

    /// Let what runs come to its end for a while, and close everything.
    pub fn shutdown(&self) {
        let clients: Vec<_> = self.clients.lock().unwrap_or_else(PoisonError::into_inner).drain().collect();
        for (_, client) in clients {
            client.shutdown();
        }
    }
}

/// What people read of a program in Blender: its name without what a label may not have.
fn label(program: &str) -> String {
    let name: String = program.chars().filter(|letter| !letter.is_control()).collect();
    let name = format!("{} (MCP)", if name.trim().is_empty() { "AI client" } else { name.trim() });
    if name.chars().count() <= NAME_CHARS {
        name
    } else {
        name.chars().take(NAME_CHARS - 6).chain(" (MCP)".chars()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_becomes_a_label() {
        let long = "x".repeat(100);
        for (name, expected) in [("claude-code", "claude-code (MCP)"), ("", "AI client (MCP)"), ("a\nb", "ab (MCP)")] {
            assert_eq!(label(name), expected);
        }
        assert_eq!(label(&long).chars().count(), NAME_CHARS);
    }
}
