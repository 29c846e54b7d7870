//! The end of a turn: its record, then the last event. Whoever sees that finds the record.
//!
//! The kernel lets go of a turn with a fact; what is done here comes after it, and may be cut short between any
//! two steps. Nothing is lost then: the fact, or else the events, lead to the same record at the next start.

use std::{io, sync::Arc};

use aion_abi::admin::{TurnEvent, TurnOutcome, TurnRecord};
use aion_kernel::{Millis, TurnId, Usage};

use super::{
    kept::Ended,
    live::{Last, Live},
    outcome,
};
use crate::shell::TurnEnd;

/// How a turn ended, as its caller is told.
#[derive(Debug, Clone)]
pub(super) struct Over {
    turn: TurnId,
    pub(super) outcome: TurnOutcome,
    at_ms: u64,
}

impl Live {
    /// Writes the record, then the last event. Blocks on the disk.
    ///
    /// # Errors
    /// The record is not kept; the caller is told of the end all the same, and [`Live::keep`] tries again.
    pub(super) fn end(&self, end: &TurnEnd) -> io::Result<Ended> {
        let problem = outcome::problem(&end.outcome, self.last().as_ref());
        let (notices, notices_beyond, incomplete) = self.notices();
        let outcome = TurnOutcome {
            ok: problem.is_none(),
            problem,
            notices,
            notices_beyond,
            incomplete,
            files: self.folder.outputs(),
            tokens: end.usage.total(),
            output_tokens: end.usage.output_tokens,
            sent_bytes: end.usage.sent_bytes,
            received_bytes: end.usage.received_bytes,
            syscalls: end.calls,
            resources: self.used.lock().clone(),
            elapsed_ms: end.at.0.saturating_sub(self.asked_at_ms),
        };
        self.be_over(Over {
            turn: end.turn,
            outcome: outcome.clone(),
            at_ms: end.at.0,
        });
        let kept = self.keep();
        if let Err(error) = self.add(TurnEvent::Ended(Box::new(outcome)), false) {
            tracing::warn!(turn = %end.turn, %error, "the last event of a turn is in its record alone");
        }
        kept
    }

    /// Writes the record of a turn that is over.
    ///
    /// # Errors
    /// The disk's; or it is not over.
    pub(super) fn keep(&self) -> io::Result<Ended> {
        let over = self
            .over()
            .ok_or_else(|| io::Error::other("the turn has not ended"))?;
        let bytes = self.folder.size();
        let record = self.record(over.turn)?;
        let ended = Ended {
            folder: self.folder.name(),
            agent: Arc::clone(&self.agent),
            at_ms: over.at_ms,
            bytes,
            nonce: Some(self.nonce),
            cpu_ms: record.outcome.as_ref().map_or(0, cpu_ms),
        };
        self.folder.keep_record(&record, &ended)?;
        Ok(ended)
    }

    /// The record as far as it goes.
    pub(super) fn record(&self, turn: TurnId) -> io::Result<TurnRecord> {
        let asked = self.folder.asked()?;
        let outcome = self.over().map(|over| over.outcome);
        let (steps, steps_beyond) = self.steps();
        Ok(TurnRecord {
            turn: turn.0,
            trace: Some(asked.trace()),
            asked_at_ms: Some(asked.at_ms),
            agent: asked.agent,
            caller: asked.caller,
            input: asked.input,
            context: asked.context,
            trigger: asked.trigger.map(|it| it.name),
            answer: match self.last() {
                Some(Last::Final(text)) => Some(text),
                _ => None,
            },
            running: outcome.is_none() && self.has_started(),
            steps,
            steps_beyond,
            outcome,
        })
    }

    /// Ends a turn that kernel and journal have forgotten, by its events. `None` where it never began: its first
    /// event is on the disk before anything else of it is. `now` is the kernel's.
    pub(super) fn end_forgotten(&self, now: Millis) -> Option<(TurnId, io::Result<Ended>)> {
        let events = self.events();
        let turn = events.iter().find_map(|event| match event {
            TurnEvent::Queued { turn } => Some(TurnId(*turn)),
            _ => None,
        })?;
        if let Some(TurnEvent::Ended(outcome)) = events.last() {
            self.be_over(Over {
                turn,
                outcome: TurnOutcome::clone(outcome),
                at_ms: self.asked_at_ms.saturating_add(outcome.elapsed_ms),
            });
            return Some((turn, self.keep()));
        }
        let end = TurnEnd {
            turn,
            outcome: aion_kernel::TurnOutcome::WorkerLost,
            usage: Usage::default(),
            calls: 0,
            at: self.heard_at(now),
        };
        Some((turn, self.end(&end)))
    }

    /// When it was heard of last, by the kernel's time: so long after the question as the dates of both are apart,
    /// which a clock that was set between them makes no later than `now`.
    fn heard_at(&self, now: Millis) -> Millis {
        let asked = Millis(self.asked_at_ms);
        let dates = self.folder.asked().ok().zip(self.folder.last_heard());
        let apart = dates.map_or(0, |(asked, heard)| heard.0.saturating_sub(asked.at_ms.0));
        asked.plus(apart.min(now.since(asked)))
    }
}

fn cpu_ms(outcome: &TurnOutcome) -> u64 {
    outcome.resources.as_ref().map_or(0, |used| used.cpu_ms)
}
