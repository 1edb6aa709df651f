//! How much memory the limits amount to at worst, when authenticated clients fill everything at once
//! that they can fill. What scripts and Blender itself use is not in it.

use spindle_protocol::limits::{BLOB_BYTES, HEADER_BYTES, JSON_BYTES};

use crate::limits::Limits;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// One largest frame, in whole MiB: 73.
const FRAME: u64 = (HEADER_BYTES as u64 + JSON_BYTES as u64 + BLOB_BYTES as u64).next_multiple_of(MIB);

/// Bytes that parsed parameters take for each byte of JSON: 84 for an array of `{"a":0}`, the most that
/// was found; numbers take up to 19, texts and blobs 1.
const PARSED: u64 = 84;

/// A part of the memory.
#[derive(Debug)]
pub struct Part {
    /// What it is.
    pub what: &'static str,
    /// How it comes from the limits, for people.
    pub formula: &'static str,
    /// The same in bytes.
    pub bytes: fn(&Limits) -> u64,
}

/// Everything that the limits bound.
pub static PARTS: &[Part] = &[
    Part {
        what: "Frames of which a part has arrived",
        formula: "max_connections × 73 MiB",
        bytes: |limits| u64::from(limits.max_connections) * FRAME,
    },
    Part {
        what: "Replies that are not read",
        formula: "max_connections × max_unread_mib",
        bytes: |limits| u64::from(limits.max_connections) * u64::from(limits.max_unread_mib) * MIB,
    },
    Part {
        what: "Parameters of requests that wait",
        formula: "max_queued_mib × 84",
        bytes: |limits| u64::from(limits.max_queued_mib) * PARSED * MIB,
    },
    Part {
        what: "What else is known of requests that wait",
        formula: "max_queued × 8 KiB",
        bytes: |limits| u64::from(limits.max_queued) * 8 * KIB,
    },
    Part {
        // The newest is kept even where it is too large by itself.
        what: "Kept outcomes",
        formula: "max_kept_mib + 73 MiB",
        bytes: |limits| u64::from(limits.max_kept_mib) * MIB + FRAME,
    },
    Part {
        what: "What else is known of kept outcomes",
        formula: "max_sessions × max_session_kept × 2 KiB",
        bytes: |limits| u64::from(limits.max_sessions) * u64::from(limits.max_session_kept) * 2 * KIB,
    },
    Part {
        what: "Kept answers",
        formula: "max_cache_mib + max_cached × 1 KiB",
        bytes: |limits| u64::from(limits.max_cache_mib) * MIB + u64::from(limits.max_cached) * KIB,
    },
    Part {
        what: "What is known of clients",
        formula: "max_sessions × 2 KiB",
        bytes: |limits| u64::from(limits.max_sessions) * 2 * KIB,
    },
    Part { what: "Samples", formula: "max_samples × 48 bytes", bytes: |limits| u64::from(limits.max_samples) * 48 },
    Part {
        // A result, its frame, and the frame that is being read.
        what: "On the way between threads",
        formula: "4 × 73 MiB",
        bytes: |_| 4 * FRAME,
    },
    Part { what: "The server itself", formula: "16 MiB", bytes: |_| 16 * MIB },
];

/// All parts together, in bytes.
pub fn worst_case(limits: &Limits) -> u64 {
    PARTS.iter().map(|part| (part.bytes)(limits)).sum()
}
