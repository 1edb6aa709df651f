//! The `script.check` requests that the check worker is to answer, as their scripts are large.

use std::collections::HashSet;

use serde_json::value::{RawValue, to_raw_value};
use spindle_protocol::error::{Kind, WireError};
use spindle_protocol::limits::SCRIPT_BYTES;
use spindle_protocol::methods::script::CheckResult;

use crate::admit::Origin;
use crate::checker::Checker;
use crate::frames::{error_frame, result_frame};
use crate::keys::{Address, ConnectionKey};
use crate::outbox::{Lane, Outgoing};

/// Those that may wait at once, over all clients. Each takes some ms.
const MOST: usize = 16;

/// The longest parameters that can hold a script that is short enough: each byte written as `\u0061`, and some space.
const LONGEST: usize = 6 * SCRIPT_BYTES + 4096;

/// The looks that are not answered.
#[derive(Debug, Default)]
pub struct Looks(HashSet<Address>);

impl Looks {
    /// Refuse an id that waits for a look.
    ///
    /// # Errors
    /// `duplicate_id`, as its answer.
    pub fn refuse_duplicate(&self, address: &Address) -> Result<(), WireError> {
        if self.0.contains(address) { Err(address.duplicate()) } else { Ok(()) }
    }

    /// Have the worker look at a script.
    ///
    /// # Errors
    /// `queue_full`, or `invalid_params` where it is longer than any script, as its answer.
    pub fn begin(
        &mut self,
        address: Address,
        origin: &Origin,
        params: &RawValue,
        checker: &Checker,
    ) -> Result<(), WireError> {
        let bytes = params.get().len();
        if bytes > LONGEST {
            let text = format!("params: {bytes} bytes, more than any script of {SCRIPT_BYTES} bytes takes");
            return Err(WireError::new(Kind::InvalidParams, text).with("path", "params"));
        }
        if self.0.len() >= MOST {
            let text = format!("{MOST} large scripts wait to be looked at, and no more may; wait for replies");
            return Err(WireError::new(Kind::QueueFull, text).with("limit", MOST).with("retry_after_ms", 10));
        }
        self.0.insert(address.clone());
        checker.look(address, origin.clone(), params.to_owned());
        Ok(())
    }

    /// The worker has looked; the answer, if somebody still waits for it.
    pub fn end(&mut self, address: &Address, result: &Result<CheckResult, WireError>) -> Option<Outgoing> {
        self.0.take(address)?;
        let bytes = match result {
            Ok(found) => {
                let found = to_raw_value(found).expect("what a check has found is plain JSON");
                result_frame(&address.id, &found, &[])
            }
            Err(error) => error_frame(Some(&address.id), error),
        };
        Some(Outgoing { connection: address.connection, lane: Lane::Control, bytes })
    }

    /// Whether a connection waits for any.
    pub fn has_waits(&self, connection: ConnectionKey) -> bool {
        self.0.iter().any(|address| address.connection == connection)
    }

    /// A connection is gone.
    pub fn disconnect(&mut self, connection: ConnectionKey) {
        self.0.retain(|address| address.connection != connection);
    }
}
