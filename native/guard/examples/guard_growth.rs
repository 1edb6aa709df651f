//! How the guard's time grows with a script's length, for sources that are hard on it: the milliseconds at an eighth, a
//! quarter, a half and the whole of the largest script there can be, and how much longer the last takes than the one
//! before. Twice is linear.
//!
//! `cargo run --release -p spindle-guard --example guard_growth [FAMILY]`

#[path = "../tests/common/families.rs"]
mod families;

use std::time::{Duration, Instant};
use std::{env, process, thread};

use families::families;
use spindle_guard::check;

/// What a family makes is a little longer than it was asked for, and what is over 256 KiB is not read.
const LARGEST: usize = 248 << 10;
const STACK: usize = 64 << 20;
const SIZES: [usize; 4] = [LARGEST / 8, LARGEST / 4, LARGEST / 2, LARGEST];
/// The best of so many: others share the machine.
const TRIES: usize = 7;
/// What is over in less is noise.
const LEAST: Duration = Duration::from_millis(5);
/// From this on it is not linear.
const MOST_GROWTH: f64 = 3.0;

#[expect(clippy::print_stdout, reason = "the table is what it is for")]
fn main() {
    let wanted = env::args().nth(1).unwrap_or_default();
    println!("{:<36}{:>9}{:>9}{:>9}{:>9} ms{:>8}", "family", "31 KiB", "62", "124", "248", "ratio");
    let worker = thread::Builder::new().stack_size(STACK).spawn(move || {
        let mut steep = 0;
        for (name, source) in families().into_iter().filter(|(name, _)| name.contains(&wanted)) {
            let times = SIZES.map(|bytes| time(&source(bytes)));
            let growth = times[3].as_secs_f64() / times[2].max(LEAST).as_secs_f64();
            let columns: String = times.iter().map(|it| format!("{:>9.2}", it.as_secs_f64() * 1e3)).collect();
            println!("{name:<36}{columns}   {growth:>8.1}{}", if growth > MOST_GROWTH { "  STEEP" } else { "" });
            steep += i32::from(growth > MOST_GROWTH);
        }
        steep
    });
    let steep = worker.expect("a thread").join().expect("no family makes it panic");
    process::exit(steep.min(1));
}

fn time(source: &str) -> Duration {
    let trial = |_| {
        let start = Instant::now();
        std::hint::black_box(check(source));
        start.elapsed()
    };
    (0..TRIES).map(trial).min().expect("there are some")
}
