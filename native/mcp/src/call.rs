//! What a tool has at hand while it is called.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::to_raw_value;
use spindle_client::{Client, Error, Listener, Notice, Options, Reply};
use spindle_protocol::method::Method;
use spindle_protocol::value::BlobRef;
use tokio::sync::mpsc::UnboundedSender;

use crate::blenders::Blenders;
use crate::failure::Failure;
use crate::kept::Kept;

/// How far a call has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What is done.
    pub done: f64,
    /// Of so much, where that is known.
    pub total: Option<f64>,
    /// For people.
    pub message: String,
}

/// One call of a tool, on a thread that may wait.
pub struct Call {
    /// The connections to Blender.
    pub blenders: Arc<Blenders>,
    /// What outlives the call.
    pub kept: Arc<Kept>,
    /// The program that calls, by its own name.
    pub program: String,
    /// Who is told how far it has come.
    pub steps: UnboundedSender<Step>,
}

impl Call {
    /// The client for the Blender that was chosen.
    ///
    /// # Errors
    /// Where the settings cannot be used.
    pub fn blender(&self, instance: Option<&str>) -> Result<Arc<Client>, Failure> {
        Ok(self.blenders.client(&self.program, instance)?)
    }

    /// Call a method of Blender's; its output and progress are told as it comes.
    ///
    /// # Errors
    /// All of the client's.
    pub fn ask<M: Method>(
        &self,
        blender: &Client,
        params: &impl Serialize,
        options: Options,
    ) -> Result<Answered<M>, Failure>
    where
        M::Result: DeserializeOwned,
    {
        let params = to_raw_value(params).map_err(|error| Error::Invalid(error.to_string()))?;
        let options = Options { listener: Some(self.listener()), ..options };
        let reply = blender.call(M::NAME, &params, &[], &options)?;
        Ok(Answered { result: reply.read()?, reply })
    }

    fn listener(&self) -> Listener {
        let steps = self.steps.clone();
        Listener(Arc::new(move |notice| {
            let step = match notice {
                Notice::Progress(progress) => {
                    Step { done: progress.done, total: progress.total, message: progress.message.clone() }
                }
                Notice::Output(output) => Step { done: 0.0, total: None, message: output.text.trim_end().to_owned() },
            };
            // Nobody listens any more where the program is gone.
            steps.send(step).ok();
        }))
    }
}

/// What a method has answered, and the bytes that came with it.
pub struct Answered<M: Method> {
    /// The result.
    pub result: M::Result,
    /// The reply that it came in.
    pub reply: Reply,
}

impl<M: Method> Answered<M> {
    /// The bytes that a reference in the result names.
    ///
    /// # Errors
    /// Where it lies outside of those that came.
    pub fn bytes(&self, reference: &BlobRef) -> Result<&[u8], Failure> {
        let outside = || Error::Malformed {
            reason: "the picture lies outside the reply's bytes".to_owned(),
            shown: format!("{:?}", reference.range),
        };
        Ok(reference.slice(&self.reply.blob).ok_or_else(outside)?)
    }
}

/// A deadline that a model has named, in seconds.
///
/// # Errors
/// [`Failure::Arguments`] beyond a day, or for no time at all.
pub fn deadline(seconds: Option<f64>) -> Result<Option<Duration>, Failure> {
    match seconds {
        None => Ok(None),
        Some(seconds) if (0.001..=86_400.0).contains(&seconds) => Ok(Some(Duration::from_secs_f64(seconds))),
        Some(seconds) => {
            Err(Failure::Arguments(format!("timeout_s is {seconds}; the allowed range is 0.001 to 86400")))
        }
    }
}
