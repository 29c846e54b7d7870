//! From an answer under way to its reader: bounded, and over when either side is gone.

use std::{sync::Arc, time::Duration};

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::model::{ChatEvent, Usage},
};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use super::{
    ChatStream, EVENTS_AHEAD,
    answer::Answer,
    attempt::Begun,
    chunk::Chunk,
    known::{Known, Which},
    reader::{ReadError, Reader},
    request::Quirks,
};
use crate::secrets::Secret;

/// How long figures are waited for once the model said that it is done.
const FIGURES: Duration = Duration::from_secs(5);

/// Who answers, and what the caller is told of it.
pub(super) struct Teller {
    /// `endpoint/model`.
    pub(super) model: String,
    /// What of the request was left out.
    pub(super) left_out: Vec<String>,
    /// Never shown.
    pub(super) secret: Option<Secret>,
    /// Where is kept what its answers show of the model.
    pub(super) known: Arc<Known>,
    pub(super) which: Which,
}

/// Passes the answer on in a task, which ends with the answer, with the reader of the stream or at the
/// deadline.
pub(super) fn start(begun: Begun, answer: Answer, teller: Teller, deadline: Instant) -> ChatStream {
    let (events, read) = mpsc::channel(EVENTS_AHEAD);
    let (usage, used) = watch::channel(answer.usage());
    let relay = Relay {
        events,
        usage,
        teller,
        deadline,
    };
    tokio::spawn(relay.run(begun, answer));
    ChatStream {
        events: read,
        usage: used,
    }
}

struct Relay {
    events: mpsc::Sender<ChatEvent>,
    usage: watch::Sender<Usage>,
    teller: Teller,
    deadline: Instant,
}

/// The stream's reader went away.
struct Gone;

impl Relay {
    async fn run(self, begun: Begun, answer: Answer) {
        // Whoever reads knows by the closed channel; there is nobody left to tell.
        let _gone = self.pass_on(begun, answer).await;
    }

    async fn pass_on(&self, begun: Begun, mut answer: Answer) -> Result<(), Gone> {
        self.send(ChatEvent::Start {
            model: self.teller.model.clone(),
            left_out: self.teller.left_out.clone(),
        })
        .await?;
        let mut reader = begun.reader;
        let mut next = Some(begun.first);
        while let Some(chunk) = next {
            match answer.take(chunk) {
                Ok(events) => {
                    for event in events {
                        self.send_in_time(event).await?;
                    }
                }
                Err(problem) => return self.fail(problem).await,
            }
            self.usage.send_replace(answer.usage());
            if answer.is_finished() {
                reader.set_idle(FIGURES);
            }
            next = match self.read(&mut reader).await? {
                Ok(chunk) => chunk,
                // All that was wanted is there; the figures are estimated then.
                Err(_) if answer.is_finished() => None,
                Err(error) => return self.fail(broke_off(&error)).await,
            };
        }
        if answer.was_withdrawn() {
            self.thinks_first();
        }
        if !answer.is_finished() {
            return self
                .fail(Problem::new(
                    Code::UpstreamFailed,
                    "it closed the connection in the middle of its answer",
                ))
                .await;
        }
        match answer.finish() {
            Ok(last) => {
                for event in last {
                    self.send(event).await?;
                }
                Ok(())
            }
            Err(problem) => self.fail(problem).await,
        }
    }

    /// From the next answer on, what it thinks is not given out.
    fn thinks_first(&self) {
        let Teller {
            known,
            which,
            model,
            ..
        } = &self.teller;
        let quirks = Quirks {
            thinks_first: true,
            ..known.of(which)
        };
        known.learn(which, quirks);
        tracing::warn!(
            model,
            "the model thinks aloud without saying that it begins to: from now on its answers are given out once it ended that, and not as they come"
        );
    }

    async fn read(&self, reader: &mut Reader) -> Result<Result<Option<Chunk>, ReadError>, Gone> {
        tokio::select! {
            () = self.events.closed() => Err(Gone),
            read = reader.next() => Ok(read),
        }
    }

    async fn send(&self, event: ChatEvent) -> Result<(), Gone> {
        self.events.send(event).await.map_err(|_| Gone)
    }

    /// A reader that is too slow for the call's time is told so, when it reads on.
    async fn send_in_time(&self, event: ChatEvent) -> Result<(), Gone> {
        match tokio::time::timeout_at(self.deadline, self.events.send(event)).await {
            Ok(sent) => sent.map_err(|_| Gone),
            Err(_) => {
                self.fail(broke_off(&ReadError::Deadline)).await?;
                Err(Gone)
            }
        }
    }

    async fn fail(&self, mut problem: Problem) -> Result<(), Gone> {
        let said = self.teller.secret.as_ref().map_or_else(
            || problem.detail.clone(),
            |secret| secret.redact(&problem.detail),
        );
        problem.detail = format!("{}: {said}", self.teller.model);
        self.send(ChatEvent::Error(problem)).await
    }
}

fn broke_off(error: &ReadError) -> Problem {
    let code = match error {
        ReadError::Deadline => Code::DeadlineExceeded,
        ReadError::Silent(_) | ReadError::Broken(_) | ReadError::Form(_) => Code::UpstreamFailed,
    };
    Problem::new(code, format!("its answer broke off: {error}"))
}
