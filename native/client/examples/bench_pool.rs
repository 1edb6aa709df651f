//! What the pool and the client cost, against the server of `spindle-core` in this very process, so that nothing but a
//! machine is needed. Prints one JSON object: nanoseconds.
//!
//! - `take`: taking an idle pooled connection, from 64 threads at once;
//! - `client`: `ping` through [`Client`]; `connection`: through one [`Connection`]; `bare`: the same bytes over a bare
//!   socket, written and read by blocking calls. All three in turns, one call each.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use spindle_client::{Client, ClientSettings, Connection, Options, Settings};
use spindle_core::handle::{BlenderFacts, Handle};
use spindle_core::settings::Settings as ServerSettings;
use spindle_protocol::envelope::Incoming;
use spindle_protocol::frame;
use spindle_protocol::hello::{Greeting, Nonce, Role, Token, Transcript};
use spindle_protocol::instance::Instance;
use spindle_protocol::limits::{HEADER_BYTES, PROTOCOL_VERSIONS};
use spindle_protocol::methods::Nothing;
use spindle_protocol::methods::control::Ping;

const THREADS: usize = 64;
const TAKES: usize = 5_000;
const WARM_UP: usize = 1_000;
const CALLS: usize = 20_000;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Serialize)]
struct Figures {
    p50: u64,
    p99: u64,
    most: u64,
}

fn figures(mut ns: Vec<u64>) -> Figures {
    ns.sort_unstable();
    let at = |share: f64| ns[((ns.len() - 1) as f64 * share) as usize];
    Figures { p50: at(0.5), p99: at(0.99), most: at(1.0) }
}

fn timed<T>(ns: &mut Vec<u64>, act: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let start = Instant::now();
    let outcome = act();
    ns.push(start.elapsed().as_nanos() as u64);
    outcome
}

/// Take and give back, from all threads at once. Every connection is open before the clock starts.
fn take(instance: &Instance) -> Outcome<Figures> {
    let mut settings = ClientSettings::default();
    (settings.choices.pool_size, settings.choices.probe_s) = (THREADS as u32, Duration::ZERO);
    let client = Client::of(instance.clone(), settings)?;
    drop((0..THREADS).map(|_| client.take()).collect::<Result<Vec<_>, _>>()?);
    let loops = || -> Outcome<Vec<u64>> {
        let mut ns = Vec::with_capacity(TAKES);
        for _ in 0..TAKES {
            drop(timed(&mut ns, || Ok(client.take()?))?);
        }
        Ok(ns)
    };
    let all: Outcome<Vec<Vec<u64>>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(loops)).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked")?).collect()
    });
    Ok(figures(all?.concat()))
}

/// A socket after hello, and the bytes of one `ping`.
struct Bare {
    stream: TcpStream,
    ping: Vec<u8>,
}

impl Bare {
    fn open(instance: &Instance) -> Outcome<Bare> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, instance.port))?;
        stream.set_nodelay(true)?;
        let mut bare = Bare { stream, ping: Vec::new() };
        let greeting: Greeting = read(&bare.receive()?)?;
        let transcript = Transcript {
            server_nonce: Nonce::from_hex(&greeting.nonce).ok_or("a malformed nonce")?,
            client_nonce: Nonce([7; 32]),
            instance: &greeting.instance,
            port: instance.port,
            client_id: "bare",
        };
        let token = Token::from_hex(&instance.token).ok_or("a malformed token")?;
        let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "hello", "params": {
            "protocol": PROTOCOL_VERSIONS[1],
            "client": {"id": "bare", "name": "bare", "version": "1"},
            "nonce": transcript.client_nonce.to_hex(),
            "proof": transcript.prove(Role::Client, &token),
        }});
        bare.stream.write_all(&frame::encode(hello.to_string().as_bytes(), &[])?)?;
        bare.receive()?;
        let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {}});
        bare.ping = frame::encode(ping.to_string().as_bytes(), &[])?;
        Ok(bare)
    }

    fn call(&mut self) -> Outcome<Vec<u8>> {
        self.stream.write_all(&self.ping)?;
        self.receive()
    }

    /// The next message; replies to one request at a time come alone.
    fn receive(&mut self) -> Outcome<Vec<u8>> {
        let mut header = [0; HEADER_BYTES];
        self.stream.read_exact(&mut header)?;
        let [a, b, c, d, ..] = header;
        let mut json = vec![0; u32::from_be_bytes([a, b, c, d]) as usize];
        self.stream.read_exact(&mut json)?;
        Ok(json)
    }
}

fn read<T: DeserializeOwned>(message: &[u8]) -> Outcome<T> {
    match Incoming::parse(message)? {
        Incoming::Notification { params, .. } => Ok(serde_json::from_str(params.get())?),
        Incoming::Reply { .. } => Err("no greeting".into()),
    }
}

/// `ping` in all three ways, in turns.
fn ping(instance: &Instance) -> Outcome<[Figures; 3]> {
    let mut settings = ClientSettings::default();
    settings.choices.probe_s = Duration::ZERO;
    let client = Client::of(instance.clone(), settings)?;
    let mut connection = Connection::open(instance, &Settings::default())?;
    let mut bare = Bare::open(instance)?;
    let options = Options::default();
    let mut ns: [Vec<u64>; 3] = Default::default();
    for round in 0..WARM_UP + CALLS {
        if round == WARM_UP {
            ns.iter_mut().for_each(Vec::clear);
        }
        timed(&mut ns[0], || Ok(client.call_typed::<Ping>(&Nothing {}, &[], &options)?))?;
        timed(&mut ns[1], || Ok(connection.call_typed::<Ping>(&Nothing {}, &[], &options)?))?;
        timed(&mut ns[2], || bare.call())?;
    }
    Ok(ns.map(figures))
}

fn main() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let settings = ServerSettings {
        port: 0,
        runtime_dir: Some(folder.path().to_owned()),
        log: false,
        ..ServerSettings::default()
    };
    let facts = BlenderFacts { version: "none".to_owned(), window: false, file: String::new() };
    let server = Handle::start(settings, facts)?;
    let instance = server.instance();
    let take = take(&instance)?;
    let [client, connection, bare] = ping(&instance)?;
    let report = json!({"take": take, "client": client, "connection": connection, "bare": bare});
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}
