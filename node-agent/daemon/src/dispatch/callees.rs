//! `agent.ask`, `agent.spawn` and `agent.wait`: the kernel began the turn, and here its end is waited for.

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::agent::{EndedResponse, SpawnResponse},
};
use aion_kernel::{Kind, TurnId};
use tokio_util::sync::CancellationToken;

use super::{Dispatch, ending, json};
use crate::{call::Begin, callees::nobody, shell::Driven};

impl Dispatch {
    /// A turn that the kernel began for the call, or found that it had.
    pub(super) async fn begun(
        &self,
        begin: Begin,
        kind: Kind,
        turn: Option<TurnId>,
        cancel: &CancellationToken,
    ) -> Result<Option<Vec<u8>>, Problem> {
        let Some(turn) = turn else {
            return Err(begin
                .missing
                .unwrap_or_else(|| nobody(&begin.request.agent)));
        };
        if let Some(prepared) = begin.prepared.filter(|it| it.is_kept()) {
            let folder = self.turns.folder(turn, prepared.input.digest).await;
            folder.map_err(|error| unreadable(turn, &error))?;
        }
        match kind {
            Kind::AgentSpawn => json(SpawnResponse { turn: turn.0 }).map(Some),
            _ => self.end_of(turn, cancel).await,
        }
    }

    /// How a turn ended, once it has; `None` where that is waited for no longer.
    pub(super) async fn end_of(
        &self,
        turn: TurnId,
        cancel: &CancellationToken,
    ) -> Result<Option<Vec<u8>>, Problem> {
        let follow = self.turns.follow(turn).await;
        let follow = follow.map_err(|error| unreadable(turn, &error))?;
        let mut follow = follow.ok_or_else(|| gone(turn))?;
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Ok(None),
                event = follow.next() => if event.is_none() {
                    break;
                }
            }
        }
        let record = self.turns.record(turn).await;
        let record = record.map_err(|error| unreadable(turn, &error))?;
        let record = record.ok_or_else(|| gone(turn))?;
        // The node is being stopped: the call is made again.
        let Some(outcome) = record.outcome else {
            return Ok(None);
        };
        json(EndedResponse {
            turn: turn.0,
            ok: outcome.ok,
            answer: record.answer.filter(|_| outcome.ok),
            problem: outcome.problem,
            incomplete: outcome.incomplete,
            notices: outcome.notices,
        })
        .map(Some)
    }
}

/// An answer, or that nobody waits for it any more.
pub(super) fn driven(answer: Option<Vec<u8>>, keyed: bool) -> Driven {
    answer.map_or_else(ending::stopped, |whole| ending::of(Ok(whole), keyed))
}

fn gone(turn: TurnId) -> Problem {
    let what = format!("how turn {turn} ended is no longer kept");
    Problem::new(Code::OutcomeUnknown, what)
        .remedy("look whether what it was asked for was done; wait for turns soon after they end")
}

fn unreadable(turn: TurnId, error: &std::io::Error) -> Problem {
    let what = format!("the folder of turn {turn} cannot be read: {error}");
    Problem::new(Code::Internal, what)
}
