//! The feed: what happens on this node, told to whoever listens (`aion_abi::event`).
//!
//! Each part of the node tells what it decides. Where nobody listens that costs one look, and nothing is kept; what was told is kept for a
//! while behind the last listener, so that one whose connection broke goes on where it was. What may not enter: what was asked,
//! answered, or given to a syscall.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use aion_abi::event::{Because, Cursor, Event, Happened, Item, Missed, Told};
use aion_serve::{Bounds, Ring};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until},
};

use crate::clock;

/// What is kept, for listeners that are behind.
const KEPT: Bounds = Bounds {
    count: 65_536,
    bytes: 16 << 20,
};
/// What an event takes beside its texts, in bytes.
const EVENT: usize = 256;
/// How long it is kept behind the last listener.
const LINGERS: Duration = Duration::from_secs(60);
/// Items that a listener takes at a time.
const PART: Bounds = Bounds {
    count: 64,
    bytes: 256 << 10,
};

/// See the module. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Feed(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Which start of the node it is of.
    epoch: u64,
    ring: Ring<Arc<Event>>,
    heard: AtomicBool,
    /// Up to this number nobody listened.
    unheard: AtomicU64,
    listeners: Mutex<Listeners>,
    /// Somebody listens again.
    woken: Notify,
}

#[derive(Debug, Default)]
struct Listeners {
    here: usize,
    /// When the last one left.
    left: Option<Instant>,
    /// Somebody sees to it that nothing is kept for ever.
    is_resting: bool,
}

/// Somebody who listens.
pub(crate) struct Listener {
    feed: Feed,
    /// What it has, by its number.
    at: u64,
    /// Where it ends; nowhere where it follows.
    until: Option<u64>,
    news: watch::Receiver<u64>,
    /// What is told next.
    next: std::collections::VecDeque<Told>,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared {
            epoch: clock::date().0,
            ring: Ring::new(KEPT),
            heard: AtomicBool::new(false),
            unheard: AtomicU64::new(0),
            listeners: Mutex::default(),
            woken: Notify::new(),
        }))
    }

    /// Whether somebody listens, or did just now.
    pub(crate) fn is_heard(&self) -> bool {
        self.0.heard.load(Ordering::Relaxed)
    }

    /// Returns when somebody does.
    pub(crate) async fn heard(&self) {
        loop {
            // Whoever comes from here on wakes it.
            let mut woken = std::pin::pin!(self.0.woken.notified());
            woken.as_mut().enable();
            if self.is_heard() {
                return;
            }
            woken.await;
        }
    }

    /// Tells what happened; `agent` is `namespace/name`.
    pub(crate) fn tell(&self, agent: Option<String>, what: Happened) {
        if !self.is_heard() {
            return;
        }
        let texts = agent.as_ref().map_or(0, String::len) + texts(&what);
        let event = Event {
            at_ms: clock::date(),
            agent,
            what,
        };
        self.0.ring.push(Arc::new(event), EVENT + texts);
        self.0.ring.wake();
    }

    /// Listens from now on, or behind `after`; without `follow` up to now.
    pub(crate) fn listen(&self, after: Option<Cursor>, follow: bool) -> Listener {
        let shared = &self.0;
        {
            let mut listeners = shared.listeners.lock();
            listeners.here += 1;
            if !self.is_heard() {
                // Who was about to tell when the rest began has told into it.
                let unheard = shared.ring.clear();
                shared.unheard.store(unheard, Ordering::Relaxed);
                shared.heard.store(true, Ordering::Relaxed);
            }
        }
        shared.woken.notify_waiters();
        let news = shared.ring.news();
        let end = shared.ring.end();
        let (at, first) = self.begins(after, end);
        let first = Told {
            cursor: self.cursor(at),
            what: first,
        };
        Listener {
            feed: self.clone(),
            at,
            until: (!follow).then_some(end),
            news,
            next: [first].into(),
        }
    }

    /// Where somebody begins who has `after`, and what is told first.
    fn begins(&self, after: Option<Cursor>, end: u64) -> (u64, Item) {
        let Some(after) = after else {
            return (end, Item::Listening {});
        };
        let oldest = self.0.ring.read(0, PART).missed;
        if after.epoch != self.0.epoch || after.seq > end {
            let missed = Missed {
                events: None,
                because: Because::Restarted,
            };
            return (oldest, Item::Missed(missed));
        }
        match self.missed(after.seq, oldest.saturating_sub(after.seq)) {
            Some(missed) => (oldest, Item::Missed(missed)),
            None => (after.seq, Item::Listening {}),
        }
    }

    fn missed(&self, after: u64, missed: u64) -> Option<Missed> {
        let unheard = after < self.0.unheard.load(Ordering::Relaxed);
        (missed > 0).then_some(Missed {
            events: (!unheard).then_some(missed),
            because: match unheard {
                true => Because::Unheard,
                false => Because::Late,
            },
        })
    }

    fn cursor(&self, seq: u64) -> Cursor {
        Cursor {
            epoch: self.0.epoch,
            seq,
        }
    }

    /// Keeps nothing more, once nobody has been there for a while.
    async fn rest(self) {
        while let Some(until) = self.rests() {
            sleep_until(until).await;
        }
    }

    /// When to look again whether nobody is there any more; `None` where somebody is, or nothing is kept now.
    fn rests(&self) -> Option<Instant> {
        let mut listeners = self.0.listeners.lock();
        let until = listeners.left.unwrap_or_else(Instant::now) + LINGERS;
        let is_empty = listeners.here == 0;
        if is_empty && until > Instant::now() {
            return Some(until);
        }
        listeners.is_resting = false;
        if is_empty {
            self.0.heard.store(false, Ordering::Relaxed);
            self.0.ring.clear();
        }
        None
    }
}

/// Bytes of the texts in it.
fn texts(what: &Happened) -> usize {
    match what {
        Happened::Log { source, text, .. } => source.len() + text.len(),
        Happened::Agent { because, .. } => because.as_ref().map_or(0, String::len),
        Happened::Syscall(syscall) => syscall.capability.len(),
        Happened::Turn(_) | Happened::Queue(_) => 0,
    }
}

impl Listener {
    /// What is told next; `None` where it does not follow and has all.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some(told) = self.next.pop_front() {
                return Some(told);
            }
            self.news.borrow_and_update();
            self.take();
            if !self.next.is_empty() {
                continue;
            }
            if self.until.is_some_and(|until| self.at >= until) {
                return None;
            }
            self.news.changed().await.ok()?;
        }
    }

    fn take(&mut self) {
        let read = self.feed.0.ring.read(self.at, PART);
        if let Some(missed) = self.feed.missed(self.at, read.missed) {
            self.at += read.missed;
            self.tell(Item::Missed(missed));
        }
        for event in read.items {
            if self.until.is_some_and(|until| self.at >= until) {
                return;
            }
            self.at += 1;
            self.tell(Item::Event((*event).clone()));
        }
    }

    fn tell(&mut self, what: Item) {
        let cursor = self.feed.cursor(self.at);
        self.next.push_back(Told { cursor, what });
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut listeners = self.feed.0.listeners.lock();
        listeners.here -= 1;
        if listeners.here > 0 {
            return;
        }
        listeners.left = Some(Instant::now());
        // One waits for all that leave. Without a runtime the node is at its end.
        if !listeners.is_resting
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            listeners.is_resting = true;
            runtime.spawn(self.feed.clone().rest());
        }
    }
}

#[cfg(test)]
mod tests;
