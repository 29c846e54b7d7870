//! Chat completions: `model.chat`, by any OpenAI-compatible endpoint.
//!
//! The caller names the models that may answer, in order; whether the agent may use them was decided
//! before. Nothing is sent to a second model, or a second time, once the first event of an answer was
//! given out: a caller never sees two beginnings. What may not enter: a key in an error, a log or an
//! event; decisions about quotas (the driver says what was used, the kernel settles it).

mod answer;
mod attempt;
mod bounds;
mod calls;
mod chunk;
mod estimate;
mod fit;
mod known;
mod local;
mod names;
mod nearby;
mod openai;
mod reader;
mod refusal;
mod relay;
mod request;
mod thoughts;

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
#[cfg(test)]
mod corpus_tests;
#[cfg(any(test, feature = "conformance"))]
mod fake;
#[cfg(test)]
mod openai_tests;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod stream_tests;

use std::time::Duration;

use aion_abi::{
    problem::Problem,
    syscall::model::{ChatEvent, ChatRequest, Usage},
};
use futures::future::BoxFuture;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use super::outbound::Endpoint;

pub use estimate::of_text as estimate;
#[cfg(any(test, feature = "conformance"))]
pub use fake::{FakeModels, Script};
pub use fit::prompt;
pub use local::LocalPorts;
pub use openai::OpenAiModels;

/// Events that wait for a slow reader; after that the endpoint is read no further.
pub(crate) const EVENTS_AHEAD: usize = 32;

/// A model that may answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// Where it is: the address before `/chat/completions`.
    pub endpoint: Endpoint,
    /// Whether it is looked for on this machine; then the endpoint's address is not used.
    pub local: bool,
    /// Its name there; with `local`, `any` is the first that there is.
    pub model: String,
    /// Tokens that fit into its context; the oldest messages that do not fit are left out.
    pub context_tokens: Option<u32>,
    /// How long a call to it may take, retries included.
    pub timeout: Duration,
}

impl Candidate {
    /// `endpoint/model`, for people.
    pub fn name(&self) -> String {
        format!("{}/{}", self.endpoint.name, self.model)
    }
}

/// How patient the driver is with an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until the first byte of an answer: a local server may load the model first.
    pub first_byte: Duration,
    /// Between two bytes of an answer.
    pub idle: Duration,
    /// Tries of one model, the first included.
    pub tries: u32,
    /// The longest first pause between two tries; it doubles with each.
    pub backoff: Duration,
    /// The longest pause, also where the endpoint asks for a longer one: then the next model is tried.
    pub backoff_most: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(60),
            idle: Duration::from_secs(30),
            tries: 3,
            backoff: Duration::from_millis(250),
            backoff_most: Duration::from_secs(8),
        }
    }
}

/// An answer under way. Dropping it ends it, up to the connection to the endpoint.
#[derive(Debug)]
pub struct ChatStream {
    /// First `start`, then deltas and tool calls, last exactly one `end` or `error`; then it closes.
    pub events: mpsc::Receiver<ChatEvent>,
    /// What was used so far, only ever the newest figure: estimated while the answer runs, the endpoint's
    /// own at its end where it gives one. Holds after `error` too: what was begun was used.
    pub usage: watch::Receiver<Usage>,
}

/// Carries out `model.chat`.
pub trait ModelDriver: Send + Sync {
    /// Asks the candidates in order until one begins to answer.
    ///
    /// # Errors
    /// Only before the first event: `bad-request`; `unreachable`, `upstream-failed`, `offline`, `denied`
    /// or `not-found` as the first candidate failed, with what each of them said; `deadline-exceeded`.
    fn chat<'a>(
        &'a self,
        candidates: &'a [Candidate],
        request: ChatRequest,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<ChatStream, Problem>>;
}
