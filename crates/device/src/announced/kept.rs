//! What is announced at one broker, as it was sent. Bounded in count and bytes, of all and of each that announces.

use std::collections::BTreeMap;

use aion_api::Rebirth;

use super::topic::Topic;
use crate::edge::{self, Said};

/// Announcements that are kept of one broker.
pub const MAX_ANNOUNCEMENTS: usize = 4096;
/// Bytes that are kept of one broker, with topics and what keeping them takes.
pub const MAX_BYTES: usize = 8 << 20;
/// Announcements that are kept of one node: as many as a device can have properties and commands.
pub const MAX_OF_ONE: usize = 128;
/// Bytes that are kept of one node.
const MAX_BYTES_OF_ONE: usize = 512 << 10;
/// What an announcement takes beside its topic and payload.
const OVERHEAD: usize = 128;
/// Characters of a topic that was left out.
const TOLD: usize = 120;

/// See the module.
#[derive(Debug, Clone)]
pub struct Announcements {
    by: By,
    kept: BTreeMap<Box<str>, Kept>,
    /// Topics in the order in which they were heard of last, and the number of the next.
    heard: BTreeMap<u64, Box<str>>,
    next: u64,
    shares: BTreeMap<Box<str>, Share>,
    bytes: usize,
    left_out: LeftOut,
    revision: u64,
}

/// By what devices announce themselves.
#[derive(Debug, Clone)]
enum By {
    /// Home Assistant's discovery, behind a prefix.
    HomeAssistant(Box<str>),
    /// Births of Sparkplug, of these groups; and whether edge nodes are asked for them.
    Births(Vec<Box<str>>, Rebirth),
}

impl By {
    /// Who announces by a topic: what is bounded together. Nothing where it is no announcement.
    fn source(&self, topic: &str) -> Option<String> {
        match self {
            Self::HomeAssistant(prefix) => Some(Topic::of(prefix, topic)?.source().to_owned()),
            Self::Births(groups, _) => {
                let topic = edge::Topic::of(topic)?;
                let is = topic.said == Said::Birth && groups.iter().any(|it| **it == *topic.group);
                is.then(|| topic.of_node())
            }
        }
    }
}

#[derive(Debug, Clone)]
struct Kept {
    payload: Box<[u8]>,
    /// Its number in the order in which topics were heard of.
    heard: u64,
}

#[derive(Debug, Clone, Default)]
struct Share {
    count: usize,
    bytes: usize,
}

/// Announcements that were not kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// How many messages.
    pub count: u64,
    /// The newest of them: its topic and the reason.
    pub last: Option<(String, &'static str)>,
}

impl Announcements {
    /// Those behind a prefix, none yet.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self::by(By::HomeAssistant(prefix.into()))
    }

    /// Births of edge nodes of these groups, none yet.
    #[must_use]
    pub(super) fn births(groups: &[String], rebirth: Rebirth) -> Self {
        let groups = groups.iter().map(|it| it.as_str().into()).collect();
        Self::by(By::Births(groups, rebirth))
    }

    fn by(by: By) -> Self {
        Self {
            by,
            kept: BTreeMap::new(),
            heard: BTreeMap::new(),
            next: 0,
            shares: BTreeMap::new(),
            bytes: 0,
            left_out: LeftOut::default(),
            revision: 0,
        }
    }

    /// Takes a message, if it is an announcement. One that is empty takes back what its topic announced; one that finds no room
    /// leaves what its topic announced before. Nobody takes a birth back: the one that was not heard of longest makes room.
    pub fn take(&mut self, topic: &str, payload: &[u8]) {
        let Some(source) = self.by.source(topic) else {
            // Of no other topic is anything asked for but what a filter matches and Home Assistant does not take.
            if let By::HomeAssistant(prefix) = &self.by
                && topic.starts_with(&**prefix)
                && topic.ends_with("/config")
            {
                self.leave_out(topic, "its topic is none of Home Assistant's discovery");
            }
            return;
        };
        let source = source.as_str();
        if payload.is_empty() {
            self.remove(topic, source);
            return;
        }
        self.heard_of(topic);
        let before = self.kept.get(topic).map(|it| &it.payload);
        if before.is_some_and(|it| **it == *payload) {
            return;
        }
        let was = before.map_or(0, |it| it.len() + topic.len() + OVERHEAD);
        let added = usize::from(before.is_none());
        let size = payload.len() + topic.len() + OVERHEAD;
        if matches!(self.by, By::Births(..)) && self.has_share(source, (was, added, size)) {
            self.make_room(topic, (was, added, size));
        }
        let share = self.shares.get(source);
        let (count, bytes) = share.map_or((0, 0), |it| (it.count, it.bytes));
        let why = match () {
            () if self.kept.len() + added > MAX_ANNOUNCEMENTS => {
                Some("the broker has more announcements than are kept")
            }
            () if self.bytes - was + size > MAX_BYTES => {
                Some("the broker has more bytes of announcements than are kept")
            }
            () if count + added > MAX_OF_ONE => {
                Some("its node has more announcements than are kept of one")
            }
            () if bytes - was + size > MAX_BYTES_OF_ONE => {
                Some("its node has more bytes of announcements than are kept of one")
            }
            () => None,
        };
        if let Some(why) = why {
            self.leave_out(topic, why);
            return;
        }
        let share = self.shares.entry(source.into()).or_default();
        share.count += added;
        share.bytes = share.bytes - was + size;
        self.bytes = self.bytes - was + size;
        let heard = match added {
            0 => self.kept.get(topic).map_or(0, |it| it.heard),
            _ => self.number(topic),
        };
        let payload = payload.into();
        self.kept.insert(topic.into(), Kept { payload, heard });
        self.revision += 1;
    }

    /// Notes that what announced by a topic is still there.
    pub(super) fn heard_of(&mut self, topic: &str) {
        let Some(was) = self.kept.get(topic).map(|it| it.heard) else {
            return;
        };
        self.heard.remove(&was);
        let heard = self.number(topic);
        if let Some(it) = self.kept.get_mut(topic) {
            it.heard = heard;
        }
    }

    fn number(&mut self, topic: &str) -> u64 {
        let number = self.next;
        self.next += 1;
        self.heard.insert(number, topic.into());
        number
    }

    /// Whether an announcement is within what is kept of its node.
    fn has_share(&self, source: &str, (was, added, size): (usize, usize, usize)) -> bool {
        let share = self.shares.get(source);
        let (count, bytes) = share.map_or((0, 0), |it| (it.count, it.bytes));
        count + added <= MAX_OF_ONE && bytes - was + size <= MAX_BYTES_OF_ONE
    }

    /// Drops what was not heard of longest, until there is room.
    fn make_room(&mut self, topic: &str, (was, added, size): (usize, usize, usize)) {
        while self.kept.len() + added > MAX_ANNOUNCEMENTS || self.bytes - was + size > MAX_BYTES {
            let mut oldest = self.heard.values();
            let Some(oldest) = oldest.find(|it| ***it != *topic).cloned() else {
                return;
            };
            let Some(source) = self.by.source(&oldest) else {
                return;
            };
            self.leave_out(&oldest, "others were heard of since, and more are not kept");
            self.remove(&oldest, &source);
        }
    }

    fn remove(&mut self, topic: &str, source: &str) {
        let Some(Kept { payload, heard }) = self.kept.remove(topic) else {
            return;
        };
        self.heard.remove(&heard);
        let size = payload.len() + topic.len() + OVERHEAD;
        self.bytes -= size;
        if let Some(share) = self.shares.get_mut(source) {
            share.count -= 1;
            share.bytes -= size;
            if share.count == 0 {
                self.shares.remove(source);
            }
        }
        self.revision += 1;
    }

    fn leave_out(&mut self, topic: &str, why: &'static str) {
        self.left_out.count += 1;
        let told = topic.chars().take(TOLD).flat_map(char::escape_debug);
        self.left_out.last = Some((told.collect(), why));
    }

    /// Forgets all of it: a broker that is connected to anew says again what it retains.
    pub fn clear(&mut self) {
        let revision = self.revision + 1;
        *self = Self::by(self.by.clone());
        self.revision = revision;
    }

    /// Another number whenever something changed.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Bytes that they take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What was not kept since the broker was connected to.
    #[must_use]
    pub fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// Topics and payloads, in the order of topics.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Topic<'_>, &str, &[u8])> {
        self.payloads()
            .filter_map(|(topic, payload)| match &self.by {
                By::HomeAssistant(prefix) => Some((Topic::of(prefix, topic)?, topic, payload)),
                By::Births(..) => None,
            })
    }

    /// What was announced, by topic.
    pub(super) fn payloads(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.kept.iter().map(|(topic, it)| (&**topic, &*it.payload))
    }

    /// Whether edge nodes are asked for their births.
    pub(super) fn rebirth(&self) -> Rebirth {
        match self.by {
            By::HomeAssistant(_) => Rebirth::default(),
            By::Births(_, rebirth) => rebirth,
        }
    }

    /// Whether something is kept of a topic.
    pub(super) fn has(&self, topic: &str) -> bool {
        self.kept.contains_key(topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(node: usize, object: usize) -> String {
        format!("ha/sensor/n{node}/o{object}/config")
    }

    #[test]
    fn a_flood_is_bounded_and_counted_and_what_was_there_stays() {
        let mut all = Announcements::new("ha");
        all.take("ha/light/lamp/light/config", b"{}");
        for node in 0..100_000 {
            all.take(&topic(node, 0), b"{}");
        }
        assert_eq!(all.len(), MAX_ANNOUNCEMENTS);
        assert_eq!(all.left_out().count as usize, 100_001 - MAX_ANNOUNCEMENTS);
        assert!(all.iter().any(|(it, ..)| it.node == Some("lamp")));
        // What is announced may change and go, however full it is.
        all.take("ha/light/lamp/light/config", b"{\"a\": 1}");
        assert!(all.iter().any(|(_, _, it)| it == b"{\"a\": 1}"));
        all.take("ha/light/lamp/light/config", b"");
        assert_eq!(all.len(), MAX_ANNOUNCEMENTS - 1);
        all.take("ha/light/other/light/config", b"{}");
        assert_eq!(all.len(), MAX_ANNOUNCEMENTS);
    }

    #[test]
    fn one_node_takes_the_room_of_no_other() {
        let mut all = Announcements::new("ha");
        for object in 0..10_000 {
            all.take(&topic(1, object), b"{}");
        }
        assert_eq!(all.len(), MAX_OF_ONE);
        let large = vec![b' '; 60_000];
        for object in 0..100 {
            all.take(&topic(2, object), &large);
        }
        assert!(all.bytes() < 600 << 10, "{}", all.bytes());
        all.take(&topic(3, 0), b"{}");
        assert!(all.iter().any(|(it, ..)| it.node == Some("n3")));
        let (topic, why) = all.left_out().last.clone().unwrap_or_default();
        assert!(
            why.contains("of one") && topic.contains("n2"),
            "{topic} {why}"
        );
    }

    #[test]
    fn bytes_are_bounded_and_given_back() {
        let mut all = Announcements::new("ha");
        let large = vec![b' '; 60_000];
        for node in 0..1000 {
            all.take(&topic(node, 0), &large);
        }
        assert!(all.bytes() <= MAX_BYTES);
        assert!(all.left_out().count > 0);
        for node in 0..1000 {
            all.take(&topic(node, 0), b"");
        }
        assert_eq!((all.bytes(), all.len(), all.shares.len()), (0, 0, 0));
        let before = all.revision();
        all.clear();
        assert!(all.revision() > before && all.left_out().count == 0);
    }
}
