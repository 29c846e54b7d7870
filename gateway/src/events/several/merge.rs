//! What several nodes tell, in the order in which it comes, kept for one reader that goes at its own pace. Nodes wait for nobody: what
//! is not read in time is let go of, and counted.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use aion_abi::{
    event::{Because, Cursor, Event, Item, Missed, Told},
    problem::Problem,
};
use aion_serve::{Bounds, Read, Ring};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::marks::Marks;
use crate::{cluster::FeedOf, events::wire::Frame, numbers::Tag};

/// What is kept for a reader that is behind.
const KEPT: Bounds = Bounds {
    count: 4_096,
    bytes: 1 << 20,
};
/// What a line takes beside its text, in bytes.
const LINE: usize = 256;

/// See the module.
pub(super) struct Merge {
    ring: Ring<Arc<Line>>,
    now: Mutex<Now>,
    end: watch::Sender<Option<Problem>>,
}

/// Something that was told.
#[derive(Debug)]
pub(super) struct Line {
    /// Where the feed is behind it, and where it was before.
    pub(super) cursor: Option<Arc<str>>,
    pub(super) before: Option<Arc<str>>,
    /// What happened, where it is that.
    pub(super) event: Option<Event>,
    /// Its object, without the braces.
    pub(super) members: String,
}

/// How the feed stands.
#[derive(Default)]
struct Now {
    marks: Marks,
    /// The same as a text.
    cursor: Option<Arc<str>>,
    /// Whether each node answers, by its name.
    here: HashMap<Arc<str>, bool>,
    /// Those of which something may have happened that nobody heard, by name, until they tell.
    unheard: HashSet<Arc<str>>,
}

impl Now {
    fn moves(&mut self, change: impl FnOnce(&mut Marks)) {
        change(&mut self.marks);
        let text = (!self.marks.is_empty()).then(|| self.marks.to_string().into());
        self.cursor = text;
    }
}

impl Merge {
    /// One that is behind these.
    pub(super) fn behind(marks: Marks) -> Self {
        let mut now = Now::default();
        now.moves(|it| *it = marks);
        Self {
            ring: Ring::new(KEPT),
            now: Mutex::new(now),
            end: watch::Sender::new(None),
        }
    }

    /// Where it is at a node.
    pub(super) fn at(&self, tag: Tag) -> Option<Cursor> {
        self.now.lock().marks.of(tag)
    }

    /// Takes what a node told. That its feed is followed is told where it was not before: after something that nobody heard, where there
    /// may be such.
    pub(super) fn take(&self, (node, tag): (&Arc<str>, Tag), told: Told, is_unheard: bool) {
        let mut now = self.now.lock();
        let was_here = now.here.insert(Arc::clone(node), true) == Some(true);
        let is_standing = told.what == Item::Listening {};
        let is_unheard = now.unheard.remove(node) || is_unheard;
        if is_standing && is_unheard {
            let missed = Missed {
                events: None,
                because: Because::Unheard,
            };
            self.push(&mut now, (node, tag), told.cursor, Item::Missed(missed));
        }
        match is_standing && was_here {
            true => now.moves(|it| it.put(tag, told.cursor)),
            false => self.push(&mut now, (node, tag), told.cursor, told.what),
        }
        drop(now);
        self.ring.wake();
    }

    /// Tells that a node does not answer, or is not one of these any more: once, until it answers.
    pub(super) fn away(&self, node: &Arc<str>) {
        let mut now = self.now.lock();
        if now.here.insert(Arc::clone(node), false) == Some(false) {
            return;
        }
        let cursor = now.cursor.clone();
        let line = line(cursor.clone(), cursor, node, Item::Away {});
        self.keep(line);
        drop(now);
        self.ring.wake();
    }

    /// Whether each of these has told where it is, or is away.
    pub(super) fn has_all(&self, nodes: &[FeedOf]) -> bool {
        let now = self.now.lock();
        nodes.iter().all(|it| now.here.contains_key(&it.name))
    }

    /// Of those that told nothing yet it is not known what happens until they do, but behind a cursor, which they go on from.
    pub(super) fn unheard(&self, nodes: &[FeedOf]) {
        let mut now = self.now.lock();
        for it in nodes {
            let is_behind = it.tag.is_some_and(|tag| now.marks.of(tag).is_some());
            if !is_behind && !now.here.contains_key(&it.name) {
                now.unheard.insert(Arc::clone(&it.name));
            }
        }
    }

    /// Where it is at nodes.
    pub(super) fn tags(&self) -> Vec<Tag> {
        self.now.lock().marks.tags()
    }

    /// Leaves where it is at nodes that are there.
    pub(super) fn only(&self, tags: &[Tag], names: &[Arc<str>]) {
        let mut now = self.now.lock();
        now.moves(|it| it.keep(tags));
        now.here.retain(|name, _| names.contains(name));
        now.unheard.retain(|name| names.contains(name));
    }

    /// Ends it: why, whoever asks again is told.
    pub(super) fn end(&self, why: Problem) {
        self.end.send_replace(Some(why));
    }

    /// Returns when it has ended, with the reason.
    pub(super) async fn ended(&self) -> Problem {
        let mut end = self.end.subscribe();
        loop {
            if let Some(why) = end.borrow_and_update().clone() {
                return why;
            }
            // It has a sender for as long as this is there.
            let _ = end.changed().await;
        }
    }

    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.ring.news()
    }

    pub(super) fn read(&self, after: u64, most: Bounds) -> Read<Arc<Line>> {
        self.ring.read(after, most)
    }

    /// Where the feed is, for who has read all of it, and some node answers.
    pub(super) fn standing(&self, at: u64) -> Option<Arc<str>> {
        let now = self.now.lock();
        let has_all = self.ring.end() <= at;
        let is_heard = now.here.values().any(|it| *it);
        now.cursor.clone().filter(|_| has_all && is_heard)
    }

    fn push(&self, now: &mut Now, (node, tag): (&Arc<str>, Tag), cursor: Cursor, what: Item) {
        let before = now.cursor.clone();
        now.moves(|it| it.put(tag, cursor));
        self.keep(line(before, now.cursor.clone(), node, what));
    }

    fn keep(&self, line: Line) {
        let bytes = LINE + 2 * line.members.len();
        self.ring.push(Arc::new(line), bytes);
    }
}

fn line(before: Option<Arc<str>>, cursor: Option<Arc<str>>, node: &str, what: Item) -> Line {
    let event = match &what {
        Item::Event(event) => Some(event.clone()),
        _ => None,
    };
    let frame = Frame::of_node(cursor.as_deref(), Some(node), what);
    Line {
        cursor,
        before,
        event,
        members: members(&frame),
    }
}

/// The members of its object.
pub(super) fn members(frame: &Frame) -> String {
    let text = frame.text();
    let inner = text.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
    inner.unwrap_or_default().to_owned()
}
