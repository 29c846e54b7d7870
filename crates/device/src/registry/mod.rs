//! What the devices of one broker are, as far as messages have said: the last value of each property, whether a device is
//! there, what was before, and how much of its share each device used.
//!
//! What may not enter: a connection, a clock, what agents may do, orders under way.

mod ask;
mod asked;
mod edges;
mod entry;
mod heard;
mod kept;
mod of_edges;
mod rate;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

pub use edges::{EdgeCounts, MayAsk};
pub use entry::Counts;
pub use heard::{Change, Heard};

use crate::{
    compiled::{Compiled, Key},
    edge,
    moment::Moment,
};
use edges::Edges;
use entry::{Entry, News, Parsed};

/// What is taken of each device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Messages a second; twice as many at once.
    pub messages_per_second: u32,
    /// Bytes of messages beyond that which are kept for later, of all devices together.
    pub kept_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            messages_per_second: 50,
            kept_bytes: 16 << 20,
        }
    }
}

/// A message of the broker.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its payload.
    pub payload: &'a [u8],
    /// The broker kept it from before.
    pub retained: bool,
}

/// Whether the broker is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Link {
    /// It is not.
    #[default]
    Away,
    /// It is, and every message that was sent while it was not is coming: it kept the session.
    Resumed,
    /// It is, and what was sent while it was not is lost but for what it retains.
    New,
}

/// The topics to subscribe to, and those that nobody needs any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscriptions {
    /// New ones.
    pub add: Vec<String>,
    /// Old ones.
    pub remove: Vec<String>,
}

/// The number of a device, as long as it is there.
type Id = u32;

/// The live state of the devices of one broker.
#[derive(Debug)]
pub struct Registry {
    limits: Limits,
    link: Link,
    /// When the registry began to hear, and since when nothing was missed.
    since: u64,
    whole_since: u64,
    entries: Vec<Option<Box<Entry>>>,
    free: Vec<Id>,
    by_key: HashMap<Key, Id>,
    /// Who hears a topic, and by which of its own.
    topics: HashMap<Box<str>, Vec<(Id, u16)>>,
    /// When a device that has messages kept may take one.
    due: BTreeSet<(u64, Id)>,
    kept_bytes: usize,
    /// Edge nodes of Sparkplug that devices are of.
    edges: Edges,
}

impl Registry {
    /// A registry without devices, of a broker that is not reached yet.
    #[must_use]
    pub fn new(limits: Limits, now: Moment) -> Self {
        Self {
            limits,
            link: Link::Away,
            since: now.at,
            whole_since: now.at,
            entries: Vec::new(),
            free: Vec::new(),
            by_key: HashMap::new(),
            topics: HashMap::new(),
            due: BTreeSet::new(),
            kept_bytes: 0,
            edges: Edges::default(),
        }
    }

    /// Adds a device, or replaces it. What is known of a property that stays as it was is kept.
    pub fn insert(&mut self, device: Arc<Compiled>) -> Subscriptions {
        let of_edge = self.edges.follow(&device);
        let of_device = self.insert_device(device);
        let both = |these: Vec<String>, those| these.into_iter().chain(those).collect();
        difference(
            both(of_device.add, of_edge.add),
            both(of_device.remove, of_edge.remove),
        )
    }

    fn insert_device(&mut self, device: Arc<Compiled>) -> Subscriptions {
        let Some(id) = self.by_key.get(device.key()).copied() else {
            let id = self.free.pop().unwrap_or_else(|| {
                self.entries.push(None);
                Id::try_from(self.entries.len() - 1).unwrap_or(Id::MAX)
            });
            self.by_key.insert(device.key().clone(), id);
            let add = self.hear(id, &device);
            self.entries[id as usize] = Some(Box::new(Entry::new(device)));
            return Subscriptions {
                add,
                remove: Vec::new(),
            };
        };
        let Some(mut entry) = self.entries[id as usize].take() else {
            return Subscriptions::default();
        };
        let old = entry.replace(Arc::clone(&device));
        let same = old.shape == device.shape && old.parameters == device.parameters;
        let mut changed = Subscriptions::default();
        if !same {
            // Topics are numbered anew, and what was kept is of the old numbers.
            self.forget_kept(id, &mut entry);
            let remove = self.unhear(id, &old);
            let add = self.hear(id, &device);
            changed = difference(add, remove);
        }
        self.entries[id as usize] = Some(entry);
        changed
    }

    /// Removes a device, and all that is known of it.
    pub fn remove(&mut self, key: &Key) -> Subscriptions {
        let Some(id) = self.by_key.remove(key) else {
            return Subscriptions::default();
        };
        let Some(mut entry) = self.entries[id as usize].take() else {
            return Subscriptions::default();
        };
        self.forget_kept(id, &mut entry);
        self.free.push(id);
        let mut remove = self.unhear(id, entry.device());
        remove.extend(self.edges.forget(key));
        Subscriptions {
            add: Vec::new(),
            remove,
        }
    }

    /// What is to be subscribed to: the topics that somebody hears, and those of edge nodes.
    pub fn topics(&self) -> impl Iterator<Item = String> {
        let topics = self.topics.keys().filter(|it| !edge::is_place(it));
        topics.map(|it| it.to_string()).chain(self.edges.filters())
    }

    /// The devices.
    pub fn devices(&self) -> impl Iterator<Item = &Arc<Compiled>> {
        self.entries.iter().flatten().map(|it| it.device())
    }

    /// How many devices there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Whether the broker is reached, from now on.
    pub fn link(&mut self, link: Link, now: Moment) {
        self.link = link;
        if link == Link::New {
            self.whole_since = now.at;
            let words = self.edges.anew(now);
            // Whoever hears of the link asks how each device stands.
            self.obey(words, now);
        }
    }

    /// Takes a message, and says what is heard by it.
    pub fn take(&mut self, message: Message<'_>, now: Moment) -> Vec<Heard> {
        let Message {
            topic,
            payload,
            retained,
        } = message;
        match self.edges.take(topic, payload, retained, now) {
            Some(words) => self.obey(words, now),
            None if edge::is_place(topic) => Vec::new(),
            None => self.hear_at(message, false, now),
        }
    }

    /// A message came that is larger than the broker's messages may be, so that nobody has what it said.
    pub fn too_large(&mut self, topic: &str, bytes: u64, now: Moment) -> Vec<Heard> {
        let why = format!(
            "a message of {bytes} bytes is more than maxMessageKiB of its DeviceBroker: raise it"
        );
        if let Some(words) = self.edges.too_large(topic, &why, now) {
            return self.obey(words, now);
        }
        let mut heard = Vec::new();
        for (id, number) in self.topics.get(topic).into_iter().flatten() {
            let entry = self.entries.get_mut(*id as usize);
            if let Some(entry) = entry.and_then(Option::as_deref_mut) {
                entry.unread(usize::from(*number), &why, &mut heard);
            }
        }
        heard
    }

    /// Takes what is said at a topic, or the place of a metric; of that maybe by a birth.
    fn hear_at(&mut self, message: Message<'_>, birth: bool, now: Moment) -> Vec<Heard> {
        let mut heard = Vec::new();
        let Self {
            topics,
            entries,
            limits,
            due,
            kept_bytes,
            whole_since,
            ..
        } = self;
        let Some(hearers) = topics.get(message.topic) else {
            return heard;
        };
        // Devices of a model that hear one topic read it once.
        let mut parsed: Option<(usize, Parsed<'_>)> = None;
        for (id, number) in hearers {
            let Some(entry) = entries.get_mut(*id as usize).and_then(Option::as_deref_mut) else {
                continue;
            };
            let number = usize::from(*number);
            if entry.has_kept() || !entry.may(limits, now.at) {
                let left = limits.kept_bytes.saturating_sub(*kept_bytes);
                let before = entry.kept_bytes();
                entry.keep(number, message, (birth, now.at), left);
                entry.take_kept(limits, (now.at, *whole_since), &mut heard);
                *kept_bytes = *kept_bytes + entry.kept_bytes() - before;
                reschedule(due, *id, entry, limits);
                continue;
            }
            let listen = entry.listen(number);
            let which = std::ptr::from_ref(&listen.wanted).addr();
            let reading = match parsed.take() {
                Some((of, reading)) if of == which => reading,
                _ => Parsed::of(message.payload, listen, edge::is_place(message.topic)),
            };
            entry.take(
                number,
                &reading,
                News {
                    retained: message.retained,
                    birth,
                    at: now.at,
                    whole_since: *whole_since,
                },
                &mut heard,
            );
            parsed = Some((which, reading));
        }
        heard
    }

    /// A device said on a topic what it said before.
    pub fn again(&mut self, topic: &str, now: Moment) -> Vec<Heard> {
        let mut heard = Vec::new();
        for (id, number) in self.topics.get(topic).into_iter().flatten() {
            let entry = self.entries.get_mut(*id as usize);
            if let Some(entry) = entry.and_then(Option::as_deref_mut) {
                entry.again(usize::from(*number), now.at, &mut heard);
            }
        }
        heard
    }

    /// Whether a device that cannot say so itself is there: it answered what it was asked, or it did not.
    pub fn answers(&mut self, key: &Key, there: bool) -> Vec<Heard> {
        let mut heard = Vec::new();
        let id = self.by_key.get(key).copied();
        let entry = id.and_then(|it| self.entries.get_mut(it as usize));
        if let Some(entry) = entry.and_then(Option::as_deref_mut) {
            entry.answers(there, &mut heard);
        }
        heard
    }

    /// When [`Registry::take_due`] or [`Registry::rebirths`] has something to do: an instant of the steady clock.
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        let kept = self.due.first().map(|(at, _)| *at);
        let asks = self.edges.due().filter(|_| self.link != Link::Away);
        kept.into_iter().chain(asks).min()
    }

    /// Takes the messages that were kept because their devices sent too many.
    pub fn take_due(&mut self, now: Moment) -> Vec<Heard> {
        let mut heard = Vec::new();
        while let Some((at, id)) = self.due.first().copied()
            && at <= now.at
        {
            self.due.pop_first();
            let Some(entry) = self
                .entries
                .get_mut(id as usize)
                .and_then(Option::as_deref_mut)
            else {
                continue;
            };
            entry.scheduled = None;
            let before = entry.kept_bytes();
            entry.take_kept(&self.limits, (now.at, self.whole_since), &mut heard);
            self.kept_bytes = self.kept_bytes + entry.kept_bytes() - before;
            reschedule(&mut self.due, id, entry, &self.limits);
        }
        heard
    }

    /// Has a device hear its topics; gives those that nobody heard before.
    fn hear(&mut self, id: Id, device: &Compiled) -> Vec<String> {
        let mut new = Vec::new();
        for number in 0..device.shape.listens.len() {
            let topic = device.topic(number);
            let Ok(number) = u16::try_from(number) else {
                break;
            };
            match self.topics.get_mut(topic.as_str()) {
                Some(hearers) => hearers.push((id, number)),
                None => {
                    self.topics
                        .insert(topic.as_str().into(), vec![(id, number)]);
                    if !edge::is_place(&topic) {
                        new.push(topic);
                    }
                }
            }
        }
        new
    }

    /// Has a device hear its topics no longer; gives those that nobody hears any more.
    fn unhear(&mut self, id: Id, device: &Compiled) -> Vec<String> {
        let mut gone = Vec::new();
        for topic in device.places() {
            let Some(hearers) = self.topics.get_mut(topic.as_str()) else {
                continue;
            };
            hearers.retain(|(it, _)| *it != id);
            if hearers.is_empty() {
                self.topics.remove(topic.as_str());
                if !edge::is_place(&topic) {
                    gone.push(topic);
                }
            }
        }
        gone
    }

    /// Drops what is kept of a device for later.
    fn forget_kept(&mut self, id: Id, entry: &mut Entry) {
        self.kept_bytes -= entry.kept_bytes();
        entry.drop_kept();
        if let Some(at) = entry.scheduled.take() {
            self.due.remove(&(at, id));
        }
    }
}

/// Notes when a device may take the next message that is kept of it.
fn reschedule(due: &mut BTreeSet<(u64, Id)>, id: Id, entry: &mut Entry, limits: &Limits) {
    let next = entry.next_kept(limits);
    if next == entry.scheduled {
        return;
    }
    if let Some(at) = entry.scheduled {
        due.remove(&(at, id));
    }
    entry.scheduled = next;
    due.extend(next.map(|at| (at, id)));
}

/// What is new and what is gone, without what is both.
fn difference(add: Vec<String>, remove: Vec<String>) -> Subscriptions {
    let (new, old): (HashSet<String>, HashSet<String>) =
        (add.into_iter().collect(), remove.into_iter().collect());
    let without = |these: &HashSet<String>, those: &HashSet<String>| {
        let mut left: Vec<String> = these.difference(those).cloned().collect();
        left.sort_unstable();
        left
    };
    Subscriptions {
        add: without(&new, &old),
        remove: without(&old, &new),
    }
}

#[cfg(test)]
mod kept_tests;
#[cfg(test)]
mod tests;
