//! What Linux tells of processes in its folder `/proc`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Listener, Process};

/// More ancestors than any process has; numbers that are used again must not make a circle.
const ANCESTORS: usize = 64;

/// The state of a socket that listens, as `/proc/net/tcp` has it.
const LISTENS: &str = "0A";

/// All processes; `None` where the system does not tell.
pub fn all() -> Option<Vec<Process>> {
    let entries = fs::read_dir("/proc").ok()?;
    // One may end while it is looked at.
    Some(entries.flatten().filter_map(|entry| process(entry.file_name().to_str()?.parse().ok()?)).collect())
}

fn process(pid: u32) -> Option<Process> {
    let folder = format!("/proc/{pid}");
    let name = fs::read_to_string(format!("{folder}/comm")).ok()?.trim_end().to_owned();
    let own = fs::metadata(&folder).ok()?.uid() == rustix::process::geteuid().as_raw();
    Some(Process { pid, name, own })
}

/// Whether a process was started by another, directly or not.
pub fn is_below(pid: u32, ancestor: u32) -> Option<bool> {
    let line = std::iter::successors(Some(pid), |pid| stat(*pid)?.1.parse().ok());
    Some(line.take(ANCESTORS).any(|pid| pid == ancestor))
}

/// Whether only a process's status is left, for its parent to ask for.
pub fn has_ended(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state == "Z")
}

/// A process's state and its parent.
fn stat(pid: u32) -> Option<(String, String)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before them may hold anything, also parentheses.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
}

/// Who listens on a loopback port; `None` where nobody does.
pub fn listener(port: u16) -> Option<Listener> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let (uid, inode) = tables.iter().find_map(|table| find_listener(table, port))?;
    let socket = format!("socket:[{inode}]");
    let process = all()?.into_iter().filter(|process| process.own).find(|process| holds(process.pid, &socket));
    Some(Listener { process, uid })
}

/// The user and the socket that listens on a port, from one of the system's tables.
fn find_listener(table: &str, port: u16) -> Option<(u32, String)> {
    let port = format!("{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, local, _, state, _, _, _, uid, _, inode, ..] = fields[..] else { return None };
        let fits = state == LISTENS && local.rsplit_once(':').is_some_and(|(_, local)| local == port);
        fits.then_some((uid.parse().ok()?, inode.to_owned()))
    })
}

fn holds(pid: u32, socket: &str) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|target| target == Path::new(socket)))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn this_process_and_its_port() {
        let (listening, pid) = (TcpListener::bind("127.0.0.1:0").expect("bound"), std::process::id());
        let port = listening.local_addr().expect("bound").port();
        let found = listener(port).and_then(|listener| listener.process).expect("found");
        assert_eq!((found.pid, found.own), (pid, true));
        drop(listening);
        assert_eq!(listener(port), None);
        assert!(all().expect("told").contains(&found));
    }

    #[test]
    fn descent() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("it runs");
        assert_eq!(is_below(child.id(), std::process::id()), Some(true));
        assert_eq!(is_below(std::process::id(), child.id()), Some(false));
        child.kill().and_then(|()| child.wait()).expect("it ends");
    }
}
