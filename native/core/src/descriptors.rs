//! How many connections this process can hold. Desktop soft limits are 1,024 (Linux) and 256
//! (macOS), and Blender needs descriptors for its own files.

use thiserror::Error;

/// Descriptors that are always left to Blender.
pub const KEPT_FOR_BLENDER: u64 = 128;

/// The process may not open enough files for the connections asked for.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "the setting max_connections is {wanted}; this process may open {limit} files, of which {KEPT_FOR_BLENDER} \
     are kept for Blender. Lower it{}", if *raisable { ", or allow the limit to be raised" } else { "" }
)]
pub struct TooFewDescriptors {
    /// The setting.
    pub wanted: u32,
    /// The process's soft limit.
    pub limit: u64,
    /// Whether raising the soft limit would help.
    pub raisable: bool,
}

/// Make sure that `wanted` connections fit, raising the soft limit only where `raise` allows it.
///
/// # Errors
/// When they do not fit.
#[cfg(unix)]
pub fn provide(wanted: u32, raise: bool) -> Result<(), TooFewDescriptors> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let needed = u64::from(wanted) + KEPT_FOR_BLENDER;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let soft = current.unwrap_or(u64::MAX);
    if needed <= soft {
        return Ok(());
    }
    let raisable = maximum.is_none_or(|hard| needed <= hard);
    let raised = raise && raisable && setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum }).is_ok();
    if raised { Ok(()) } else { Err(TooFewDescriptors { wanted, limit: soft, raisable: raisable && !raise }) }
}

/// Windows sockets are no file descriptors, and have no such limit.
#[cfg(not(unix))]
pub fn provide(_wanted: u32, _raise: bool) -> Result<(), TooFewDescriptors> {
    Ok(())
}
