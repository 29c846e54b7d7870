//! Follows one turn to its end: shows the answer as it streams and progress beside it, comes back to the turn when
//! the node restarts, cancels it on Ctrl-C. What `ask` and `run` share.

use aion_abi::admin::{TurnEvent, TurnOutcome};
use aion_abi::code::Code;
use aion_client::{ClientError, Node};

use crate::{
    asked::Asked,
    context::Context,
    failure::{Failure, Status},
    render::{age, screen::Tone},
};

use super::{question::Question, shown::Shown};

/// A turn that came to its end.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(crate) turn: u64,
    pub(crate) answer: String,
    pub(crate) outcome: TurnOutcome,
}

/// Asks, and follows the turn. The answer goes to standard output as it comes, unless `quiet`. Gives the node that has
/// the turn, too.
///
/// # Errors
/// Where the node refuses, or goes away and does not come back, and on Ctrl-C. A turn that ended badly is not an error
/// here.
pub(super) async fn follow(
    context: &Context,
    mut asked: Asked,
    question: &mut Question,
    quiet: bool,
) -> Result<(Followed, Node), Failure> {
    let mut shown = Shown::new(context, quiet);
    let ended = tokio::select! {
        ended = attend(context, &mut asked, question, &mut shown) => ended,
        _ = tokio::signal::ctrl_c() => Err(cancel(context, &asked.node, shown.turn).await),
    };
    shown.clear_progress();
    shown.finish()?;
    let outcome = ended?;
    shown.notices_of(&outcome);
    let followed = Followed {
        turn: shown.turn.unwrap_or_default(),
        answer: shown.answer().to_owned(),
        outcome,
    };
    Ok((followed, asked.node))
}

/// What the end of a turn means to the person who asked: that it ended badly, or that its answer is incomplete.
pub(crate) fn verdict(followed: &Followed) -> Result<(), Failure> {
    if followed.outcome.ok && followed.outcome.incomplete {
        return Err(Failure::new(
            "answered, but a part of what was given is not in the answer: see the notices above",
        )
        .at(format!("turn {}", followed.turn))
        .status(Status::Incomplete));
    }
    if followed.outcome.ok {
        return Ok(());
    }
    let Some(problem) = &followed.outcome.problem else {
        return Err(Failure::new(format!("turn {} failed", followed.turn)));
    };
    let status = match problem.code {
        Code::Denied
        | Code::ApprovalRequired
        | Code::ApprovalDenied
        | Code::ApprovalExpired
        | Code::Guarded
        | Code::Offline => Status::Refused,
        _ => Status::Failed,
    };
    Err(Failure::new(&problem.detail)
        .at(format!("turn {}", followed.turn))
        .remedy(&problem.remedy)
        .status(status))
}

/// One line about what the turn cost, for a person who watches.
pub(crate) fn cost(context: &Context, followed: &Followed) {
    if !context.screen.live {
        return;
    }
    let outcome = &followed.outcome;
    let mut parts = vec![
        format!("turn {}", followed.turn),
        age::duration(outcome.elapsed_ms),
        format!("{} syscalls", outcome.syscalls),
    ];
    if outcome.tokens > 0 {
        parts.push(format!("{} tokens", outcome.tokens));
    }
    let moved = [
        ("sent", outcome.sent_bytes),
        ("received", outcome.received_bytes),
    ];
    for (what, bytes) in moved.into_iter().filter(|(_, bytes)| *bytes > 0) {
        parts.push(format!("{bytes} bytes {what}"));
    }
    let line = parts.join(context.screen.pick(" · ", ", "));
    eprintln!("{}", context.screen.paint_err(&line, Tone::Faint));
}

async fn attend(
    context: &Context,
    asked: &mut Asked,
    question: &mut Question,
    shown: &mut Shown<'_>,
) -> Result<TurnOutcome, Failure> {
    loop {
        let mut stream = question.events(context, asked, shown).await?;
        shown.start_again();
        loop {
            match stream.next().await {
                Ok(Some(TurnEvent::Ended(outcome))) => return Ok(*outcome),
                Ok(Some(event)) => shown.take(event)?,
                Err(error @ ClientError::Unexpected { .. }) => return Err(error.into()),
                // Where it ended at once, it may do so again.
                Ok(None) | Err(_) => break question.rest().await,
            }
        }
    }
}

async fn cancel(context: &Context, node: &Node, turn: Option<u64>) -> Failure {
    let interrupted = Failure::new("interrupted").status(Status::Interrupted);
    let Some(turn) = turn else {
        return interrupted;
    };
    // A second Ctrl-C does not wait for the answer.
    let cancelled = tokio::select! {
        cancelled = node.cancel_turn(turn) => cancelled,
        _ = tokio::signal::ctrl_c() => return interrupted,
    };
    match cancelled {
        Ok(_) => eprintln!(
            "\n{}",
            context
                .screen
                .paint_err(&format!("turn {turn} cancelled"), Tone::Faint)
        ),
        Err(error) => eprintln!("\nturn {turn} could not be cancelled: {error}"),
    }
    interrupted
}
