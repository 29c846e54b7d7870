//! Messages beyond a device's share: of each topic the last, in the order in which the topics came.

use std::collections::VecDeque;

use super::{
    Heard, Limits, Message,
    entry::{Entry, News, Parsed},
};

/// Messages that wait for the device's share.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    bytes: usize,
}

#[derive(Debug)]
struct Waiting {
    number: usize,
    payload: Box<[u8]>,
    retained: bool,
    birth: bool,
    at: u64,
}

impl Entry {
    /// Whether messages wait: what comes has to wait after them.
    pub(super) fn has_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// The bytes that wait.
    pub(super) fn kept_bytes(&self) -> usize {
        self.kept.as_ref().map_or(0, |it| it.bytes)
    }

    /// Keeps a message, in place of an earlier one of its topic. Where there is no room for it, it is lost.
    pub(super) fn keep(
        &mut self,
        number: usize,
        message: Message<'_>,
        (birth, at): (bool, u64),
        room: usize,
    ) {
        let queue = self.kept.get_or_insert_default();
        let old = queue.waiting.iter().position(|it| it.number == number);
        let freed = old.map_or(0, |at| queue.waiting[at].payload.len());
        if message.payload.len() > room + freed {
            self.counts.lost += 1;
            return self.forget_empty();
        }
        queue.bytes = queue.bytes - freed + message.payload.len();
        let waiting = Waiting {
            number,
            payload: message.payload.into(),
            retained: message.retained,
            birth,
            at,
        };
        match old {
            Some(at) => {
                queue.waiting[at] = waiting;
                self.counts.left_out += 1;
            }
            None => queue.waiting.push_back(waiting),
        }
    }

    /// Takes what waits, as far as the device's share goes.
    pub(super) fn take_kept(
        &mut self,
        limits: &Limits,
        (at, whole_since): (u64, u64),
        heard: &mut Vec<Heard>,
    ) {
        let is_metric = self.device().edge.is_some();
        while let Some(queue) = &mut self.kept {
            if queue.waiting.is_empty() || !self.share.take(limits, at) {
                break;
            }
            let Some(next) = queue.waiting.pop_front() else {
                break;
            };
            queue.bytes -= next.payload.len();
            let reading = Parsed::of(&next.payload, self.listen(next.number), is_metric);
            self.take(
                next.number,
                &reading,
                News {
                    retained: next.retained,
                    birth: next.birth,
                    at: next.at,
                    whole_since,
                },
                heard,
            );
        }
        self.forget_empty();
    }

    /// When the next of what waits may be taken.
    pub(super) fn next_kept(&self, limits: &Limits) -> Option<u64> {
        self.kept.as_ref().map(|_| self.share.next(limits))
    }

    /// Drops what waits of one topic.
    pub(super) fn drop_kept_of(&mut self, number: usize) {
        if let Some(queue) = &mut self.kept
            && let Some(at) = queue.waiting.iter().position(|it| it.number == number)
            && let Some(dropped) = queue.waiting.remove(at)
        {
            queue.bytes -= dropped.payload.len();
            self.counts.left_out += 1;
        }
        self.forget_empty();
    }

    /// Drops what waits.
    pub(super) fn drop_kept(&mut self) {
        let dropped = self.kept.take().map_or(0, |it| it.waiting.len());
        self.counts.lost += dropped as u64;
    }

    fn forget_empty(&mut self) {
        if self.kept.as_ref().is_some_and(|it| it.waiting.is_empty()) {
            self.kept = None;
        }
    }
}
