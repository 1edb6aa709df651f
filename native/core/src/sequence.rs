//! Numbers that are given once.

use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

/// Gives 1, 2, and so on to the last of a `u64`, each once, to any number of threads.
#[derive(Debug, Default)]
pub struct Sequence {
    last: AtomicU64,
}

/// There is no next number: the sequence never starts again (SEQUENCE).
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("all sequence numbers up to {} are used up; start the server again", u64::MAX)]
pub struct Exhausted;

impl Sequence {
    /// The sequence that goes on after this number.
    pub fn after(last: u64) -> Sequence {
        Sequence { last: AtomicU64::new(last) }
    }

    /// The next number.
    ///
    /// # Errors
    /// [`Exhausted`] after the last one, at every call.
    pub fn next(&self) -> Result<u64, Exhausted> {
        let step = |last: u64| last.checked_add(1);
        self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).map(|last| last + 1).map_err(|_| Exhausted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SEQUENCE: the whole range is used, and the step past its end is an error, not a wrap.
    #[test]
    fn the_last_number_is_given_and_no_other_follows() {
        let start = Sequence::default();
        assert_eq!([start.next(), start.next()], [Ok(1), Ok(2)]);
        let end = Sequence::after(u64::MAX - 2);
        assert_eq!([end.next(), end.next()], [Ok(u64::MAX - 1), Ok(u64::MAX)]);
        assert_eq!([end.next(), end.next()], [Err(Exhausted), Err(Exhausted)]);
    }
}
