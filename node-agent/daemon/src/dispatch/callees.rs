//! `agent.ask`, `agent.spawn` and `agent.wait`: the kernel began the turn, and here its end is waited for.

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::agent::{EndedResponse, SpawnResponse},
};
use aion_kernel::{Failure, Finish, Kind, PeerTurn, TurnId};
use tokio_util::sync::CancellationToken;

use super::{Dispatch, ending, json};
use crate::shell::Driven;

impl Dispatch {
    /// A turn that the kernel began for the call, or found that it had.
    pub(super) async fn begun(
        &self,
        kind: Kind,
        peer: Option<PeerTurn>,
        cancel: &CancellationToken,
    ) -> Result<Option<Vec<u8>>, Problem> {
        let peer = peer.ok_or_else(|| Problem::new(Code::Internal, "no turn was begun"))?;
        match kind {
            Kind::AgentSpawn => {
                self.adopt(peer).await?;
                json(SpawnResponse { turn: peer.turn.0 }).map(Some)
            }
            _ => self.end_of(peer, cancel).await,
        }
    }

    /// The folder of a turn that has not ended is known from now on, whoever had it begun: that may have gone meanwhile,
    /// and its worker has not been started.
    async fn adopt(&self, PeerTurn { turn, input }: PeerTurn) -> Result<(), Problem> {
        if let Some(input) = input {
            let folder = self.turns.folder(turn, input).await;
            folder.map_err(|error| unreadable(turn, &error))?;
        }
        Ok(())
    }

    /// How a turn ended, once it has; `None` where that is waited for no longer.
    pub(super) async fn end_of(
        &self,
        peer: PeerTurn,
        cancel: &CancellationToken,
    ) -> Result<Option<Vec<u8>>, Problem> {
        self.adopt(peer).await?;
        let turn = peer.turn;
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

/// That nobody knows how a turn ended is how waiting for it ends: it is not made again, as what was interrupted is.
pub(super) fn waited(answer: Result<Option<Vec<u8>>, Problem>, keyed: bool) -> Driven {
    let problem = match answer {
        Ok(answer) => return driven(answer, keyed),
        Err(problem) => problem,
    };
    let failure = Failure {
        code: problem.code.as_str().into(),
        detail: problem.detail.as_str().into(),
    };
    Driven {
        finish: Finish::Failed(failure),
        ..ending::of(Err(problem), keyed)
    }
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
