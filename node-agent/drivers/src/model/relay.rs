//! From an answer under way to its reader: bounded, and over when either side is gone.

use std::time::Duration;

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
    reader::{ReadError, Reader},
};
use crate::secrets::Secret;

/// How long figures are waited for once the model said that it is done.
const FIGURES: Duration = Duration::from_secs(5);

/// Passes the answer on in a task, which ends with the answer, with the reader of the stream or at the
/// deadline.
pub(super) fn start(
    begun: Begun,
    answer: Answer,
    model: String,
    secret: Option<Secret>,
    deadline: Instant,
) -> ChatStream {
    let (events, read) = mpsc::channel(EVENTS_AHEAD);
    let (usage, used) = watch::channel(answer.usage());
    let relay = Relay {
        events,
        usage,
        model,
        secret,
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
    model: String,
    secret: Option<Secret>,
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
            model: self.model.clone(),
        })
        .await?;
        let mut reader = begun.reader;
        let mut next = Some(begun.first);
        while let Some(chunk) = next {
            match answer.take(chunk) {
                Ok(Some(event)) => self.send_in_time(event).await?,
                Ok(None) => {}
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

    async fn read(
        &self,
        reader: &mut Reader,
    ) -> Result<Result<Option<super::answer::Chunk>, ReadError>, Gone> {
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
        let said = self.secret.as_ref().map_or_else(
            || problem.detail.clone(),
            |secret| secret.redact(&problem.detail),
        );
        problem.detail = format!("{}: {said}", self.model);
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
