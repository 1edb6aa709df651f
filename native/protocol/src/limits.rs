//! Every limit of the wire, with its reason. What a user may set is in the server's settings; these
//! are what both ends may rely on.

use std::time::Duration;

/// The protocol versions this build speaks, lowest and highest.
pub const PROTOCOL_VERSIONS: [u32; 2] = [1, 1];

/// The frame header: two big-endian `u32` lengths.
pub const HEADER_BYTES: usize = 8;

/// The JSON part before `hello` has succeeded. A hello takes about 400 bytes; a stranger can make
/// the server hold no more than this.
pub const UNAUTHENTICATED_JSON_BYTES: u32 = 4 * 1024;

/// The JSON part of any later frame. A 64 MiB tree of small objects was measured at 5.9 s and 2 GiB
/// in `serde_json::Value`; bulk data belongs in the blob. Under 16 MiB, so that a first byte other
/// than zero can never start a valid frame.
pub const JSON_BYTES: u32 = 8 * 1024 * 1024;

/// The blob part of a frame: a 4K picture as 32-bit floats is 132 MiB, one channel of it 33 MiB.
/// More data travels in several frames.
pub const BLOB_BYTES: u32 = 64 * 1024 * 1024;

/// Nesting of `params` and of `meta`. `serde_json` itself stops at 128; nothing honest comes near, and
/// Python code that walks a value by recursion stays well inside its own limit.
pub const JSON_DEPTH: usize = 64;

/// One string anywhere in a message, in bytes: half a message, far above any script.
pub const STRING_BYTES: usize = 4 * 1024 * 1024;

/// Items of one array anywhere in a message. Larger ones belong in the blob.
pub const ARRAY_ITEMS: usize = 1_000_000;

/// Keys of one object anywhere in a message.
pub const OBJECT_KEYS: usize = 10_000;

/// A request id given as a string, in characters.
pub const ID_CHARS: usize = 128;

/// The largest integer that JSON numbers carry exactly in every language, 2^53 - 1.
pub const ID_INTEGER: u64 = (1 << 53) - 1;

/// The free `meta` object of a request, in bytes of JSON.
pub const META_BYTES: usize = 1024;

/// A method name, in bytes; the longest of ours is 16.
pub const METHOD_BYTES: usize = 64;

/// A client, session or instance id: letters, digits and hyphens.
pub const CLIENT_ID_CHARS: usize = 128;

/// A client's name or version, a label: what a person reads in a panel.
pub const LABEL_CHARS: usize = 64;

/// A data-block's name. Blender keeps 63 bytes up to 4.5 and 255 from 5.0 on
/// (`MAX_ID_NAME` in DNA_ID.h, less the two bytes of the type code and the terminator).
pub const NAME_BYTES: usize = 255;

/// A script, in bytes: what the guard reads at all. How much of it a server allows is its setting `max_script_bytes`.
pub const SCRIPT_BYTES: usize = 256 * 1024;

/// Findings about one script that are told; the rest is counted.
pub const FINDINGS: usize = 50;

/// A file path, in bytes: Blender's own `FILE_MAX` is 1024.
pub const PATH_BYTES: usize = 1023;

/// What somebody looks for, in characters: a long sentence.
pub const QUERY_CHARS: usize = 200;

/// The text of an error on the wire, in characters. A traceback has its own field and limit.
pub const ERROR_TEXT_CHARS: usize = 500;

/// Random bytes in each side's nonce.
pub const NONCE_BYTES: usize = 32;

/// A deadline that a request may ask for: 1 ms to one day.
pub const DEADLINE_MS: [u64; 2] = [1, 24 * 60 * 60 * 1000];

/// An idempotency key, in characters: room for any UUID or digest with a prefix.
pub const KEY_CHARS: usize = 128;

/// The oldest kept answer that a request may ask for: one day, as the longest any is kept.
pub const MAX_AGE_MS: u64 = 24 * 60 * 60 * 1000;

/// The longest that one `job.wait` may wait; a client that wants to wait longer asks again, and so
/// shows that it is still there.
pub const JOB_WAIT_MS: u64 = 10 * 60 * 1000;

/// From accepting a connection to a completed hello.
pub const HELLO_DEADLINE: Duration = Duration::from_secs(5);
