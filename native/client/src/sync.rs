//! The locks of [`crate::line`] and [`crate::breaker`]: the standard library's, or loom's while their models are
//! checked.

#[cfg(not(all(loom, test)))]
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard};

#[cfg(all(loom, test))]
pub(crate) use loom::sync::{Arc, Condvar, Mutex, MutexGuard};

use std::sync::PoisonError;

/// Lock. No code here panics while it holds a lock, and what is locked is whole at every moment.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
