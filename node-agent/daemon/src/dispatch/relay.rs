//! `agent.message`, what a tool says while it works, and `agent.checkpoint`: what the daemon itself carries out.

use std::pin::pin;

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::agent::{CheckpointResponse, MessageKind, MessageRequest, MessageResponse},
};
use tokio::sync::mpsc;

use super::{Dispatch, json};
use crate::{call::Caller, instance::Instance};

impl Dispatch {
    pub(super) async fn say(
        &self,
        caller: &Caller,
        message: MessageRequest,
    ) -> Result<Vec<u8>, Problem> {
        let inline = caller.instance.spec().inline.as_ref();
        if !message.steps.is_empty() && inline.is_none_or(|it| it.steps.is_empty()) {
            let what = "steps are told of by the runner of spec.steps, and this agent has none";
            return Err(Problem::new(Code::BadRequest, what).remedy("leave steps out"));
        }
        if let Some(noted) = self.turns.message(caller.turn, message).await? {
            let (logs, agent) = (self.logs.clone(), caller.instance.agent());
            let text = format!("turn {}: notice: {}", caller.turn, noted.text);
            let logged = tokio::task::spawn_blocking(move || {
                logs.add_whole(&agent, noted.incarnation, "node", &text);
            });
            // A line that is lost is told of by the log itself.
            let _ = logged.await;
        }
        json(MessageResponse {})
    }

    /// Shows whoever waits for the turn what is said while `doing` is under way. That is not worth failing it.
    pub(super) async fn telling<T>(
        &self,
        caller: &Caller,
        doing: impl Future<Output = T>,
        mut said: mpsc::Receiver<String>,
    ) -> T {
        let mut doing = pin!(doing);
        loop {
            let text = tokio::select! {
                biased;
                done = &mut doing => return done,
                Some(text) = said.recv() => text,
            };
            let message = MessageRequest {
                kind: MessageKind::Progress,
                text,
                problem: None,
                steps: Vec::new(),
            };
            if let Err(problem) = self.say(caller, message).await {
                tracing::debug!(%problem, "a tool's progress is not shown");
            }
        }
    }

    pub(super) async fn keep(
        &self,
        instance: &Instance,
        state: String,
    ) -> Result<Vec<u8>, Problem> {
        self.room("the checkpoint was not kept")?;
        let (checkpoints, instance) = (self.checkpoints.clone(), instance.clone());
        let kept = tokio::task::spawn_blocking(move || checkpoints.keep(&instance, &state)).await;
        let kept = kept.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        kept.map_err(|error| failed("the checkpoint was not kept", &error))?;
        json(CheckpointResponse {})
    }

    /// Whether what an agent wants kept may be written; else `what` was not done.
    pub(super) fn room(&self, what: &str) -> Result<(), Problem> {
        let room = self.reserve.check(0);
        room.map_err(|error| failed(what, &error))
    }
}

fn failed(what: &str, error: &std::io::Error) -> Problem {
    let code = match aion_journal::is_full(error) {
        true => Code::StorageFull,
        false => Code::Internal,
    };
    Problem::new(code, format!("{what}: {error}"))
}
