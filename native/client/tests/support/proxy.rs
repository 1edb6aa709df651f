//! A forwarder between a client and a server that harms each connection once, at one byte: it delays, cuts, resets,
//! corrupts, duplicates or stalls.
//!
//! It listens on the server's own port at another loopback address, since both proofs hold the port that was dialled.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::net::connect_unspec;

/// What is done to the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Harm {
    /// They come later.
    Delay,
    /// Both sides see an orderly end.
    Cut,
    /// Both sides see a reset.
    Reset,
    /// One bit is another one.
    Corrupt,
    /// Up to 16 bytes come twice, never a whole frame.
    Duplicate,
    /// No further byte comes, and the connection stays.
    Stall,
}

/// Bytes that still pass on a connection that survived its fault; then it is cut, so that there are always new ones.
const AFTERLIFE: usize = 500;

/// All kinds of harm.
pub const HARMS: [Harm; 6] = [Harm::Delay, Harm::Cut, Harm::Reset, Harm::Corrupt, Harm::Duplicate, Harm::Stall];

/// One fault: what happens, in which direction, at which byte of the session.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub harm: Harm,
    pub to_server: bool,
    pub at: usize,
}

/// A proxy, and the faults that are still to come: one for each connection, in turn.
pub struct Proxy {
    pub host: Ipv4Addr,
    /// How many faults have happened.
    pub struck: Arc<AtomicUsize>,
    port: u16,
    closing: Arc<AtomicBool>,
}

impl Proxy {
    /// Forward from `host` to 127.0.0.1 on the same port, harming the connections by these faults.
    pub fn start(host: Ipv4Addr, port: u16, faults: impl Iterator<Item = Fault> + Send + 'static) -> Proxy {
        let listener = TcpListener::bind(SocketAddr::from((host, port))).expect("another address, the same port");
        let (struck, closing) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, end) = (Arc::clone(&struck), Arc::clone(&closing));
        let faults = Arc::new(Mutex::new(faults));
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.expect("a connection");
                if end.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { continue };
                let fault = faults.lock().expect("whole").next();
                forward(client, server, fault, &count);
            }
        });
        Proxy { host, struck, port, closing }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        // So that it looks.
        TcpStream::connect((self.host, self.port)).ok();
    }
}

fn forward(client: TcpStream, server: TcpStream, fault: Option<Fault>, struck: &Arc<AtomicUsize>) {
    for stream in [&client, &server] {
        stream.set_nodelay(true).expect("a socket");
    }
    let (to_client, to_server) = (client.try_clone().expect("a handle"), server.try_clone().expect("a handle"));
    let mine = |to_server| fault.filter(|fault| fault.to_server == to_server);
    let (up, down) = (mine(true), mine(false));
    let (count, other) = (Arc::clone(struck), Arc::clone(struck));
    thread::spawn(move || pump(client, to_server, up, &count));
    thread::spawn(move || pump(server, to_client, down, &other));
}

/// Move bytes one way, until either end has enough.
fn pump(mut from: TcpStream, mut to: TcpStream, mut fault: Option<Fault>, struck: &AtomicUsize) {
    let mut chunk = [0; 16 * 1024];
    let (mut passed, mut last) = (0, usize::MAX);
    while passed < last {
        let Ok(count @ 1..) = from.read(&mut chunk) else { break };
        let bytes = &chunk[..count];
        let due = fault.take_if(|fault| fault.at < passed + count);
        let sent = match due {
            None => to.write_all(bytes).is_ok(),
            Some(fault) => {
                struck.fetch_add(1, Ordering::Relaxed);
                last = passed + AFTERLIFE;
                harm(fault.harm, bytes, fault.at - passed, &mut to, &mut from)
            }
        };
        if !sent {
            break;
        }
        passed += count;
    }
    // Either may be closed already.
    from.shutdown(Shutdown::Both).ok();
    to.shutdown(Shutdown::Both).ok();
}

/// Pass the bytes on with a fault at one of them; whether more may follow.
fn harm(harm: Harm, bytes: &[u8], at: usize, to: &mut TcpStream, from: &mut TcpStream) -> bool {
    let (before, after) = bytes.split_at(at);
    let mut send = |bytes: &[u8]| to.write_all(bytes).is_ok();
    if !send(before) {
        return false;
    }
    match harm {
        Harm::Delay => {
            thread::sleep(Duration::from_millis(20));
            send(after)
        }
        Harm::Cut => false,
        Harm::Reset => {
            // On Linux this resets a connection at once, whoever else reads from it.
            for stream in [to, from] {
                connect_unspec(&*stream).ok();
            }
            false
        }
        Harm::Corrupt => {
            // The lowest bit makes another letter, the highest no text at all.
            let bit = if at.is_multiple_of(2) { 0x01 } else { 0x80 };
            send(&[after[0] ^ bit]) && send(&after[1..])
        }
        Harm::Duplicate => send(&after[..after.len().min(1 + at % 16)]) && send(after),
        Harm::Stall => {
            // Until its reader gives up.
            let mut rest = [0; 1024];
            while let Ok(1..) = from.read(&mut rest) {}
            false
        }
    }
}
