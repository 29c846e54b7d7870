//! Publishes that are written, until the broker has them. However this ends, each of them has an end: by its packet's
//! last byte, it was written or it was not.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::request::Waiter;
use crate::device::{MAX_PUBLISHES, Qos, refused, refused::Refusal};

/// See the module.
pub(super) struct Flight {
    broker: String,
    /// By number, from one.
    slots: Vec<Option<Slot>>,
    free: Vec<u16>,
    /// Those without an acknowledgement, in order.
    plain: VecDeque<Slot>,
    /// Bytes that were handed to the connection since it began.
    written: u64,
}

struct Slot {
    waiter: Waiter,
    topic: String,
    stage: Stage,
    /// Where its packet ends among the bytes of the connection.
    ends: u64,
    since: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Plain,
    AwaitsAck,
    AwaitsReceived,
    AwaitsCompleted,
}

impl Flight {
    /// With as many at once as the broker takes.
    pub(super) fn new(broker: &str, receive_maximum: u16) -> Self {
        let most = usize::from(receive_maximum.max(1)).min(MAX_PUBLISHES);
        Self {
            broker: broker.to_owned(),
            slots: (0..most).map(|_| None).collect(),
            free: (1..=receive_maximum.max(1)).take(most).rev().collect(),
            plain: VecDeque::new(),
            written: 0,
        }
    }

    /// The number of the next one, where there may be another.
    pub(super) fn room(&self) -> Option<u16> {
        self.free.last().copied()
    }

    /// A publish is under way, whose packet ends at `ends`.
    pub(super) fn begin(&mut self, waiter: Waiter, topic: String, qos: Qos, ends: u64) {
        let stage = match qos {
            Qos::AtMostOnce => Stage::Plain,
            Qos::AtLeastOnce => Stage::AwaitsAck,
            Qos::ExactlyOnce => Stage::AwaitsReceived,
        };
        let slot = Slot {
            waiter,
            topic,
            stage,
            ends,
            since: Instant::now(),
        };
        if stage == Stage::Plain {
            self.plain.push_back(slot);
        } else if let Some(pkid) = self.free.pop() {
            self.slots[usize::from(pkid) - 1] = Some(slot);
        }
    }

    /// So many bytes more were handed to the connection.
    pub(super) fn wrote(&mut self, bytes: u64) {
        self.written += bytes;
    }

    /// What was handed over is on its way.
    pub(super) fn flushed(&mut self) {
        while self.plain.front().is_some_and(|it| it.ends <= self.written) {
            if let Some(slot) = self.plain.pop_front() {
                slot.waiter.end(Ok(()));
            }
        }
    }

    /// # Errors
    /// What is wrong with the acknowledgement.
    pub(super) fn acked(&mut self, pkid: u16, refused: Option<Refusal>) -> Result<(), String> {
        self.end(pkid, Stage::AwaitsAck, refused)
    }

    /// Whether the publish is to be released.
    ///
    /// # Errors
    /// As [`acked`](Self::acked).
    pub(super) fn received(&mut self, pkid: u16, refused: Option<Refusal>) -> Result<bool, String> {
        if refused.is_some() {
            return self
                .end(pkid, Stage::AwaitsReceived, refused)
                .map(|()| false);
        }
        let written = self.written;
        match self.slot(pkid) {
            Some(slot) if slot.stage == Stage::AwaitsReceived && slot.ends <= written => {
                slot.stage = Stage::AwaitsCompleted;
                Ok(true)
            }
            _ => Err(unasked(pkid)),
        }
    }

    /// # Errors
    /// As [`acked`](Self::acked).
    pub(super) fn completed(&mut self, pkid: u16, refused: Option<Refusal>) -> Result<(), String> {
        self.end(pkid, Stage::AwaitsCompleted, refused)
    }

    /// When the oldest of as many as may be under way began.
    pub(super) fn full_since(&self) -> Option<Instant> {
        match self.free.is_empty() {
            true => self.slots.iter().flatten().map(|it| it.since).min(),
            false => None,
        }
    }

    fn slot(&mut self, pkid: u16) -> Option<&mut Slot> {
        let at = usize::from(pkid).checked_sub(1)?;
        self.slots.get_mut(at)?.as_mut()
    }

    fn end(&mut self, pkid: u16, stage: Stage, refused: Option<Refusal>) -> Result<(), String> {
        let written = self.written;
        let due = |slot: &mut Slot| slot.stage == stage && slot.ends <= written;
        if !self.slot(pkid).is_some_and(due) {
            return Err(unasked(pkid));
        }
        if let Some(slot) = self.slots[usize::from(pkid) - 1].take() {
            self.free.push(pkid);
            slot.waiter.end(match refused {
                None => Ok(()),
                Some(refusal) => Err(refusal.of_topic(&self.broker, &slot.topic)),
            });
        }
        Ok(())
    }
}

fn unasked(pkid: u16) -> String {
    format!("it acknowledges the publish {pkid}, for which that was not due")
}

impl Drop for Flight {
    fn drop(&mut self) {
        let acknowledged = self.slots.drain(..).flatten();
        for slot in acknowledged.chain(self.plain.drain(..)) {
            slot.waiter.end(Err(match slot.ends <= self.written {
                true => refused::unknown(&self.broker),
                false => refused::unreachable(
                    &self.broker,
                    "the connection was lost before the message was written",
                ),
            }));
        }
    }
}
