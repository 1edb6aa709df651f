//! How much memory the limits amount to at worst, when authenticated clients fill everything at once
//! that they can fill. What scripts and Blender itself use is not in it.

use spindle_protocol::limits::{BLOB_BYTES, HEADER_BYTES, JSON_BYTES};

use crate::limits::Limits;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// One largest frame, in whole MiB: 73.
const FRAME: u64 = (HEADER_BYTES as u64 + JSON_BYTES as u64 + BLOB_BYTES as u64).next_multiple_of(MIB);

/// Bytes that parsed parameters take for each byte of JSON: 126 for objects in objects with an empty key
/// each, the most that was found, and a little for the allocator. Numbers take up to 19, texts and blobs 1.
const PARSED: u64 = 128;

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
        // The oldest frame is read on beyond the limit; small parts, and what one reading brings, do not count.
        what: "Frames of which a part has arrived",
        formula: "max_receiving_mib + 73 MiB + max_connections × 576 KiB",
        bytes: |limits| {
            u64::from(limits.max_receiving_mib) * MIB + FRAME + u64::from(limits.max_connections) * 576 * KIB
        },
    },
    Part {
        // The limit is looked at when a reply is there, and where more than 1 MiB is unread.
        what: "Replies that are not read",
        formula: "max_all_unread_mib + 73 MiB + max_connections × 1 MiB",
        bytes: |limits| u64::from(limits.max_all_unread_mib) * MIB + FRAME + u64::from(limits.max_connections) * MIB,
    },
    Part {
        what: "Parameters and blobs of requests that wait",
        formula: "max_queued_mib",
        bytes: |limits| u64::from(limits.max_queued_mib) * MIB,
    },
    Part {
        // They wait as text. One request at a time is read to be checked, and one to be run.
        what: "Parameters that are being read",
        formula: "2 × 8 MiB × 128",
        bytes: |_| 2 * u64::from(JSON_BYTES) * PARSED,
    },
    Part {
        what: "What else is known of requests that wait",
        formula: "max_queued × 8 KiB",
        bytes: |limits| u64::from(limits.max_queued) * 8 * KIB,
    },
    Part {
        // 50 findings with their excerpts, or with the message of a syntax error.
        what: "Findings in scripts that wait, or are remembered",
        formula: "(max_queued + max_verdicts) × 64 KiB",
        bytes: |limits| (u64::from(limits.max_queued) + u64::from(limits.max_verdicts)) * 64 * KIB,
    },
    Part {
        what: "Scripts that the user is shown, or that are looked at",
        formula: "max_asking × 256 KiB + 25 MiB",
        bytes: |limits| u64::from(limits.max_asking) * 256 * KIB + 25 * MIB,
    },
    Part {
        // Each connection runs one request at a time, and pieces take as much again as they are told.
        what: "Output that is not told yet",
        formula: "max_connections × 512 KiB",
        bytes: |limits| u64::from(limits.max_connections) * 512 * KIB,
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
