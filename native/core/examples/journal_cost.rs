//! What the request log costs a request: prints the time that writing down a small script's begin and end
//! takes, in the folder given, or in a temporary one.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use spindle_core::journal::{Journal, JournalSettings};
use spindle_protocol::instance::Instance;
use spindle_protocol::log::{Call, End, Millis, OK, Script};

const ROUNDS: usize = 200_000;

fn main() -> io::Result<()> {
    let temporary = tempfile::tempdir()?;
    let dir = std::env::args_os().nth(1).map_or_else(|| temporary.path().join("log"), PathBuf::from);
    let settings = JournalSettings { dir: Some(dir), ..JournalSettings::default() };
    let server = Instance {
        instance: "0123456789abcdef0123456789abcdef".to_owned(),
        port: 27182,
        token: String::new(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        blender: "5.2.2".to_owned(),
        window: true,
        file: String::new(),
    };
    let (journal, _) = Journal::open(&settings, &server).map_err(io::Error::other)?;
    let script = Script::of("chair.py", &"import bpy\nbpy.ops.mesh.primitive_cube_add()\n".repeat(5));
    let call = Call {
        client: "a program".to_owned(),
        session: 7,
        method: "script.run".into(),
        label: "make a chair".to_owned(),
        file: "/home/somebody/models/chair.blend".to_owned(),
        script: Some(script),
        waited: Millis(Duration::from_micros(34)),
    };
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let call = call.clone();
            let start = Instant::now();
            let begun = journal.begin(call);
            journal.end(begun, End { ran: Some(Millis(Duration::from_micros(34))), ..End::new(OK) });
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let at = |share: f64| times[(ROUNDS as f64 * share) as usize].as_secs_f64() * 1e6;
    let mean = times.iter().sum::<Duration>().as_secs_f64() * 1e6 / ROUNDS as f64;
    let mut stdout = io::stdout();
    writeln!(stdout, "begin and end, in µs: mean {mean:.1}, median {:.1}, p99 {:.1}", at(0.5), at(0.99))?;
    if let Some(fault) = journal.fault() {
        writeln!(stdout, "{}; {} lines lost", fault.text, journal.lost())?;
    }
    Ok(())
}
