//! One approval as whoever says a person's word sees it, and the word, said of what was shown. What may not enter: the form in which it is
//! asked and said.

use std::time::Duration;

use aion_abi::{
    approval::{Answer, Approval, Scope, Verdict, Word},
    code::Code,
    problem::Problem,
};
use aion_client::ClientError;
use tokio::time::{Instant, sleep};

use crate::{gateway::problem, nodes::Nodes, unanswered::PATIENCE};

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// The approval, where it is of this turn and whoever asks may see it.
///
/// # Errors
/// The node does not say.
pub(crate) async fn seen(
    nodes: &Nodes,
    approval: u64,
    turn: u64,
) -> Result<Option<Approval>, ClientError> {
    match nodes.approval(approval).await {
        Ok(it) => Ok(Some(it).filter(|it| it.turn == turn)),
        Err(ClientError::Refused(it)) if matches!(it.code, Code::Denied | Code::NotFound) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The same, also where the node cannot say it just now: it asked a moment ago, and who is not told waits in vain.
pub(crate) async fn seen_soon(
    nodes: &Nodes,
    approval: u64,
    turn: u64,
) -> Result<Option<Approval>, ClientError> {
    let until = Instant::now() + PATIENCE;
    loop {
        match seen(nodes, approval, turn).await {
            Err(error) if Instant::now() < until => {
                tracing::info!(approval, %error, "the node does not show an approval yet");
                sleep(PAUSE).await;
            }
            seen => return seen,
        }
    }
}

/// Whether it waits, and all of it is shown: what cannot be shown, or not all of it, is not agreed to by way of a protocol.
pub(crate) fn may_be_asked(it: &Approval) -> bool {
    it.answered.is_none() && it.shown.as_ref().is_some_and(|shown| !shown.cut)
}

/// Says it, once, of what was shown.
///
/// # Errors
/// The node refuses the word, or does not come back in time; `already-answered` where another was first.
pub(crate) async fn say(
    nodes: &Nodes,
    approval: u64,
    (turn, digest): (u64, &str),
    verdict: Verdict,
) -> Result<(), Problem> {
    let answer = Answer {
        turn,
        digest: digest.to_owned(),
        verdict,
        scope: Scope::Once,
        until_ms: None,
    };
    // A word is not lost where the node starts again. Said twice it counts once.
    let until = Instant::now() + PATIENCE;
    let mut is_first = true;
    loop {
        match nodes.answer(approval, &answer).await {
            Ok(_) => return Ok(()),
            // It may be this word, of a try before whose answer was lost.
            Err(ClientError::Refused(it)) if it.code == Code::AlreadyAnswered && !is_first => {
                return match nodes.approval(approval).await {
                    Ok(now) if says(&now, verdict) => Ok(()),
                    _ => Err(*it),
                };
            }
            Err(error) if comes_back(&error) && Instant::now() < until => sleep(PAUSE).await,
            Err(error) => return Err(problem(error)),
        }
        is_first = false;
    }
}

/// Whether it has this word, whoever said it.
fn says(it: &Approval, verdict: Verdict) -> bool {
    let word = it.answered.as_ref().map(|it| it.word);
    word == Some(match verdict {
        Verdict::Approve => Word::Approved,
        Verdict::Deny => Word::Denied,
    })
}

/// Whether another try is worth it: it was there a moment ago.
fn comes_back(error: &ClientError) -> bool {
    match error {
        ClientError::Refused(problem) => problem.code == Code::Restarting,
        ClientError::Unreachable { .. } | ClientError::Broken { .. } => true,
        _ => false,
    }
}
