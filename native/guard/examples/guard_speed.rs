//! What a check costs: nanoseconds a byte of ordinary scripts, and of some that repeat one thing. How the time grows with
//! the length of every family of hard scripts is shown by the example `guard_growth`, and tested by counting the guard's
//! own work.
//!
//! `cargo run --release -p spindle-guard --example guard_speed [FILE ...]`

use std::hint::black_box;
use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use spindle_guard::check;

/// Bytes at which growth is measured: twice the length should take twice the time.
const LENGTHS: [usize; 2] = [50_000, 100_000];

/// How often each is measured; the fastest counts, since a machine with other work only ever adds.
const TRIES: usize = 7;

/// A script as people write them, of about 1 KB.
const ORDINARY: &str = "import bpy, math\nfrom mathutils import Vector\n\nfor i in range(12):\n    angle = i * math.tau / 12\n    \
    bpy.ops.mesh.primitive_cube_add(size=0.5, location=(math.cos(angle) * 3, math.sin(angle) * 3, 0))\n    \
    obj = bpy.context.object\n    obj.name = f\"Cube_{i:02d}\"\n    obj.rotation_euler.z = angle\n    \
    mat = bpy.data.materials.new(name=f\"Material {i}\")\n    mat.use_nodes = True\n    \
    bsdf = mat.node_tree.nodes[\"Principled BSDF\"]\n    \
    bsdf.inputs[\"Base Color\"].default_value = (i / 12, 0.5, 1 - i / 12, 1)\n    obj.data.materials.append(mat)\n\n\
    def place(obj, offset):\n    obj.location += Vector(offset)\n    for prop in obj.bl_rna.properties:\n        \
    if not prop.is_readonly:\n            getattr(obj, prop.identifier)\n\nfor obj in bpy.context.selected_objects:\n    \
    place(obj, (0, 0, 1))\n\nprint(len(bpy.data.objects), [o.name for o in bpy.data.objects if o.type == 'MESH'])\n";

/// The check worker's stack.
const STACK: usize = 64 << 20;

fn main() -> io::Result<()> {
    let worker = thread::Builder::new().stack_size(STACK).spawn(table)?;
    worker.join().expect("no script makes it panic")
}

fn table() -> io::Result<()> {
    let mut out = io::stdout();
    row(&mut out, "ordinary script", ORDINARY)?;
    for path in std::env::args().skip(1) {
        row(&mut out, &path, &std::fs::read_to_string(&path)?)?;
    }
    for (name, unit) in families() {
        let times = LENGTHS.map(|length| fastest(&unit.repeat(length / unit.len() + 1)));
        let growth = times[1].as_secs_f64() / times[0].as_secs_f64();
        let per_byte = nanoseconds(times[1]) / LENGTHS[1] as f64;
        writeln!(out, "{name:<24}{:>10.2?}{per_byte:>8.1} ns/B   x{growth:.2} for twice the length", times[1])?;
    }
    Ok(())
}

fn row(out: &mut impl Write, name: &str, source: &str) -> io::Result<()> {
    let time = fastest(source);
    let per_byte = nanoseconds(time) / source.len() as f64;
    writeln!(out, "{name:<24}{time:>10.2?}{per_byte:>8.1} ns/B   {} bytes", source.len())
}

fn families() -> [(&'static str, &'static str); 12] {
    [
        ("ordinary, repeated", ORDINARY),
        ("names", "name\n"),
        ("fresh attributes", "bpy.data.x.y.z\n"),
        ("dangers", "eval(1)\n"),
        ("dangers in a line", "eval(1);"),
        ("f-strings", "f'{a}{b!r:>{c}}'\n"),
        ("folded text", "x = 'a' 'b' + 'c' % 1 * 99\n"),
        ("alternatives", "a = [a, 'b']; b = a[0] + 'c'\n"),
        ("functions", "def f(a, b=1):\n    return g(a)\n"),
        ("lambdas", "f(lambda a: a + 1)\n"),
        ("dynamic names", "getattr(obj, a + 'x')\n"),
        ("numbers", "(0.5, 1.25, -3.0), "),
    ]
}

fn fastest(source: &str) -> Duration {
    let once = || {
        let start = Instant::now();
        black_box(check(black_box(source)));
        start.elapsed()
    };
    (0..TRIES).map(|_| once()).min().unwrap_or_default()
}

fn nanoseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}
