//! Questions that are asked again: whoever lost the answer to a request asks under the same idempotency key, and gets
//! the turn that there is.
//!
//! The key is kept as the nonce of the turn's question, so it lives as long as the turn, restarts included.

use std::{collections::HashSet, sync::Arc};

use aion_abi::{
    code::Code,
    problem::Problem,
    turn::{MAX_MESSAGE_ID, TurnRequest},
};
use aion_kernel::{IdempotencyKey, TurnId};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use uuid::Uuid;

use super::table::Table;

/// The longest question, in bytes.
const MAX_INPUT: usize = 256 * 1024;

/// Whether a question is as long as one may be, and its context and name are such.
pub(super) fn fits(request: &TurnRequest) -> Result<(), Problem> {
    let wrong = |it: &&String| !TurnRequest::is_context(it);
    if request.context.as_ref().filter(wrong).is_some() {
        let what = "context is not 1 to 128 of A-Z a-z 0-9 - . _ ~";
        return Err(Problem::new(Code::BadRequest, what).remedy("leave it out, or give a UUID"));
    }
    let wrong = |it: &&String| !TurnRequest::is_message_id(it);
    if request.message_id.as_ref().filter(wrong).is_some() {
        let what =
            format!("messageId is not 1 to {MAX_MESSAGE_ID} bytes without control characters");
        return Err(Problem::new(Code::BadRequest, what).remedy("leave it out, or give a UUID"));
    }
    match request.input.len() > MAX_INPUT {
        true => Err(Problem::new(
            Code::TooLarge,
            format!("a question has at most {MAX_INPUT} bytes"),
        )
        .remedy("hand long texts in as a file")),
        false => Ok(()),
    }
}

/// The key of a question, as its turn keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QuestionKey(pub(super) Uuid);

impl QuestionKey {
    /// Of what a caller wrote. Who asks by an API key, which is `by` its id, has questions of its own.
    ///
    /// # Errors
    /// `bad-request` for what is no key.
    pub(crate) fn parse(text: &[u8], by: Option<&str>) -> Result<Self, Problem> {
        let key = str::from_utf8(text).ok().and_then(IdempotencyKey::new);
        let key = key.ok_or_else(|| {
            let most = IdempotencyKey::MAX_BYTES;
            Problem::new(
                Code::BadRequest,
                format!("an idempotency key has 1 to {most} bytes of text"),
            )
            .remedy("send a UUID, the same for each try of one question")
        })?;
        Ok(match by {
            None => Self::of(key.as_str()),
            Some(by) => Self::of(&format!("{}\0{by}", key.as_str())),
        })
    }

    /// Of an occasion of a trigger. No caller can write it.
    pub(crate) fn of_trigger(trigger: &str, occasion: &str) -> Self {
        Self::of(&format!("\0{trigger}\0{occasion}"))
    }

    fn of(text: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(text).into();
        let half = std::array::from_fn(|at| digest[at]);
        Self(uuid::Builder::from_custom_bytes(half).into_uuid())
    }
}

/// The questions with keys that are being taken right now, one of each agent and key. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Asking {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    now: Mutex<HashSet<(String, QuestionKey)>>,
    over: Notify,
}

/// One of them; over when dropped.
#[derive(Debug)]
pub(super) struct One {
    shared: Arc<Shared>,
    what: (String, QuestionKey),
}

impl Asking {
    /// Waits until nobody else asks the same.
    pub(super) async fn alone(&self, agent: &str, key: QuestionKey) -> One {
        let what = (agent.to_owned(), key);
        loop {
            let over = self.shared.over.notified();
            if self.shared.now.lock().insert(what.clone()) {
                let shared = Arc::clone(&self.shared);
                return One { shared, what };
            }
            over.await;
        }
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.shared.now.lock().remove(&self.what);
        self.shared.over.notify_waiters();
    }
}

impl Table {
    /// The turn of an agent that was asked under `key`, if it is kept.
    pub(super) fn asked_as(&self, agent: &str, key: QuestionKey) -> Option<TurnId> {
        let mut live = self.live.iter();
        let live = live.find(|(_, it)| *it.agent == *agent && it.nonce == key.0);
        let mut kept = self.kept.of_agent(agent);
        live.map(|(turn, _)| *turn).or_else(|| {
            kept.find(|turn| self.kept.get(*turn).and_then(|it| it.nonce) == Some(key.0))
        })
    }
}

#[cfg(test)]
#[path = "asking_tests.rs"]
mod tests;
