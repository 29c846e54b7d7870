//! One edge node: born, in order, dead; and which of its devices are.

mod said;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use aion_abi::code::Code;

use super::{
    EdgeCounts, Word,
    ask::Ask,
    session::{self, Order, Session},
};
use crate::{
    compiled::Key,
    edge::{self, Edge, Said, Topic},
    registry::{Limits, rate::Share},
    sparkplug::{self, Metric, Payload},
};

/// Messages of one edge node, with all of its devices, that are read a second; twice as many at once.
const SHARE: Limits = Limits {
    messages_per_second: 1000,
    kept_bytes: 0,
};
/// Milliseconds in which a birth of a session before the last one is that of another edge node of the same name.
const CONTEST: u64 = 600_000;
/// Milliseconds after that in which no birth is believed.
const QUARREL: u64 = 60_000;
/// Characters of what was wrong.
const TOLD: usize = 300;

/// See the module.
#[derive(Debug)]
pub(super) struct Node {
    group: Box<str>,
    name: Box<str>,
    /// Those that devices of the registry are, by name; the edge node itself without one.
    devices: BTreeMap<Box<str>, Followed>,
    session: Option<Session>,
    /// The number of the last birth, as far as it had one, and of the one before with another.
    birth: Option<Option<u64>>,
    birth_before: Option<(Option<u64>, u64)>,
    /// The last session ended by its death.
    ended: bool,
    /// How often in a row a birth had the number of the last but one.
    turns: u8,
    /// Until then two edge nodes have one name.
    quarrel: u64,
    ask: Ask,
    share: Share,
    counts: EdgeCounts,
}

/// A device of the edge node, or that itself.
#[derive(Debug)]
struct Followed {
    name: Arc<str>,
    /// Who it is in the registry, what each wants, and whether it lets the edge node be asked.
    by: BTreeMap<Key, (BTreeSet<Arc<str>>, bool)>,
    born: bool,
    /// Metrics that are wanted, as its birth has them.
    metrics: HashMap<Arc<str>, Born>,
}

#[derive(Debug)]
struct Born {
    alias: Option<u64>,
    datatype: u32,
}

impl Followed {
    /// A metric that anybody wants.
    fn wanted(&self, metric: &str) -> Option<&Arc<str>> {
        self.by.values().find_map(|(wants, _)| wants.get(metric))
    }
}

impl Node {
    pub(super) fn new(edge: &Edge) -> Self {
        Self {
            group: edge.group.clone(),
            name: edge.node.clone(),
            devices: BTreeMap::new(),
            session: None,
            birth: None,
            birth_before: None,
            ended: false,
            turns: 0,
            quarrel: 0,
            ask: Ask::default(),
            share: Share::default(),
            counts: EdgeCounts::default(),
        }
    }

    /// A device of the registry is one of its devices. What its birth said of new metrics is not known.
    pub(super) fn follow(&mut self, edge: &Edge, key: &Key, metrics: BTreeSet<Arc<str>>) {
        let name = edge.device.clone().unwrap_or_default();
        let device = self
            .devices
            .entry(name.clone())
            .or_insert_with(|| Followed {
                name: name.as_ref().into(),
                by: BTreeMap::new(),
                born: false,
                metrics: HashMap::new(),
            });
        let is_new = !device.by.contains_key(key);
        let known = metrics.iter().all(|it| device.metrics.contains_key(it));
        device.by.insert(key.clone(), (metrics, edge.asks));
        if is_new || !known {
            self.ask.want(0);
        }
    }

    /// A device of the registry is its no longer. Whether any is left.
    pub(super) fn forget(&mut self, edge: &Edge, key: &Key) -> bool {
        let name = edge.device.as_deref().unwrap_or_default();
        if let Some(device) = self.devices.get_mut(name) {
            device.by.remove(key);
            if device.by.is_empty() {
                self.devices.remove(name);
            }
        }
        !self.devices.is_empty()
    }

    pub(super) fn filters(&self) -> [String; 6] {
        edge::filters(&self.group, &self.name)
    }

    pub(super) fn counts(&self) -> &EdgeCounts {
        &self.counts
    }

    /// When it is asked for its birth, if it may be.
    pub(super) fn due(&self) -> Option<u64> {
        let mut by = self.devices.values().flat_map(|it| it.by.values());
        self.ask.due().filter(|_| by.all(|(_, asks)| *asks))
    }

    /// Its birth is wanted.
    pub(super) fn want(&mut self, now: u64) {
        self.ask.want(now);
    }

    /// It is asked now, by this topic.
    pub(super) fn ask(&mut self, now: u64) -> String {
        self.ask.asked(now);
        self.counts.asked += 1;
        edge::node_command(&self.group, &self.name)
    }

    /// Nothing is known of it.
    pub(super) fn anew(&mut self, now: u64, out: &mut Vec<Word>) {
        self.session = None;
        self.ask.anew(now);
        for device in self.devices.values_mut() {
            device.born = false;
            there(device, None, out);
        }
    }

    pub(super) fn take(
        &mut self,
        topic: &Topic<'_>,
        payload: &[u8],
        retained: bool,
        now: u64,
        out: &mut Vec<Word>,
    ) {
        if retained {
            self.counts.left_out += 1;
            return self
                .note("the broker keeps a message of it: what Sparkplug says is not retained");
        }
        let name = topic.device.unwrap_or_default();
        let hash = session::hash(&format!("{:?} {name}", topic.said), payload);
        if self.is_again(topic, hash) {
            self.counts.duplicates += 1;
            return;
        }
        // A death is of no share: who is gone is gone, however loud it was.
        if topic.said != Said::Death && !self.share.take(&SHARE, now) {
            self.counts.left_out += 1;
            return self.lose(
                "it sends more messages than are read of one edge node",
                now,
                out,
            );
        }
        let read = match sparkplug::read(payload) {
            Ok(read) => read,
            Err(why) => {
                self.counts.unread += 1;
                self.lose(&why, now, out);
                return self.missed(topic, out);
            }
        };
        match (topic.said, topic.device) {
            (Said::Death, None) => self.death(&read, out),
            (Said::Birth, None) => self.birth(&read, hash, now, out),
            (said, device) => {
                let device = device.unwrap_or_default();
                if self.in_order(&read, hash, now, out) {
                    if topic.is_of_nobody() {
                        self.counts.left_out += 1;
                        return self.note("the name of a device has more than 128 characters");
                    }
                    match said {
                        Said::Birth => self.device_birth(device, &read, out),
                        Said::Data => self.data(device, &read, now, out),
                        Said::Death => self.device_death(device, out),
                    }
                } else if self.session.is_none() {
                    self.missed(topic, out);
                }
            }
        }
    }

    /// Whether it is the last message again, and no birth that was asked for meanwhile: that may be as the last one was.
    fn is_again(&self, topic: &Topic<'_>, hash: u64) -> bool {
        let of_node = topic.said == Said::Birth && topic.device.is_none();
        let last = self.session.as_ref().is_some_and(|it| it.is_last(hash));
        last && !(of_node && self.ask.due().is_some())
    }

    /// A message was too large to be handed on: it has a number, and nobody knows what it said.
    pub(super) fn too_large(
        &mut self,
        topic: &Topic<'_>,
        why: &str,
        now: u64,
        out: &mut Vec<Word>,
    ) {
        self.counts.unread += 1;
        self.lose(why, now, out);
        self.missed(topic, out);
    }

    /// A message counted for nothing. Where it was a death, nobody knows who is there.
    fn missed(&mut self, topic: &Topic<'_>, out: &mut Vec<Word>) {
        if topic.said != Said::Death {
            return;
        }
        let all = self.devices.values_mut();
        let of = all.filter(|it| topic.device.is_none_or(|name| *it.name == *name));
        for device in of.filter(|it| it.born) {
            device.born = false;
            there(device, None, out);
        }
    }

    /// Something was missed, or nobody knows what: nothing holds until it is born again.
    fn lose(&mut self, why: &str, now: u64, out: &mut Vec<Word>) {
        self.note(why);
        self.ask.want(now);
        if self.session.take().is_none() {
            return;
        }
        let why = format!("edge node {}/{}: {why}", self.group, self.name);
        for device in self.devices.values() {
            doubt(device, &why, out);
        }
    }

    fn birth(&mut self, read: &Payload, hash: u64, now: u64, out: &mut Vec<Word>) {
        let seq = read.seq.and_then(|it| u8::try_from(it).ok());
        let Some(seq) = seq else {
            self.counts.unread += 1;
            return self.lose("its birth has no number from 0 to 255", now, out);
        };
        self.counts.births += 1;
        let number = read.bd_seq();
        if self.is_contested(number, now) {
            self.counts.contested += 1;
            self.ask.not_before(self.quarrel);
            return self.lose(
                "two edge nodes have this name: give one of them another",
                now,
                out,
            );
        }
        self.ask.satisfied();
        self.session = Some(Session::new(seq, hash));
        for device in self.devices.values_mut().filter(|it| !it.name.is_empty()) {
            device.born = false;
            let why = "its edge node was born anew, and it itself was not yet";
            doubt(device, why, out);
            there(device, None, out);
        }
        self.device_birth("", read, out);
    }

    /// Whether this birth is one of another edge node than that of the last birth: a number that was there before comes again. Who counts
    /// from nothing when it starts does that once after a death.
    fn is_contested(&mut self, number: Option<u64>, now: u64) -> bool {
        let most = 1 + u8::from(std::mem::take(&mut self.ended));
        let Some(last) = self.birth.replace(number) else {
            return false;
        };
        if last == number {
            return now < self.quarrel;
        }
        let before = self.birth_before.replace((last, now));
        let again = before.is_some_and(|(it, at)| it == number && now - at < CONTEST);
        self.turns = match again {
            true => self.turns.saturating_add(1),
            false => 0,
        };
        if self.turns >= most || now < self.quarrel {
            self.quarrel = now + QUARREL;
        }
        now < self.quarrel
    }

    fn death(&mut self, read: &Payload, out: &mut Vec<Word>) {
        if self.birth != Some(read.bd_seq()) {
            self.counts.old_deaths += 1;
            return self.note("a death came of another session than the one that was born");
        }
        self.session = None;
        self.ended = true;
        self.ask.satisfied();
        for device in self.devices.values_mut() {
            dies(device, out);
        }
    }

    fn in_order(&mut self, read: &Payload, hash: u64, now: u64, out: &mut Vec<Word>) -> bool {
        let Some(session) = &mut self.session else {
            self.counts.unborn += 1;
            self.ask.want(now);
            return false;
        };
        match session.order(read.seq, hash) {
            Order::Next => true,
            Order::Again => {
                self.counts.duplicates += 1;
                false
            }
            Order::Broken(due) => {
                self.counts.gaps += 1;
                let came = read
                    .seq
                    .map_or_else(|| "none".to_owned(), |it| it.to_string());
                let why = format!("message {came} came where {due} was due: some were missed");
                self.lose(&why, now, out);
                false
            }
        }
    }

    fn device_death(&mut self, name: &str, out: &mut Vec<Word>) {
        if let Some(device) = self.devices.get_mut(name) {
            dies(device, out);
        }
    }

    /// What is written for a metric, and how a device of that type says it.
    pub(super) fn written(
        &self,
        edge: &Edge,
        metric: &str,
        text: &str,
    ) -> Result<(Metric, String), (Code, String)> {
        let name = edge.device.as_deref().unwrap_or_default();
        let away = |why: &str| (Code::Unreachable, why.to_owned());
        let session = self.session.as_ref();
        let session = session
            .ok_or_else(|| away("its edge node was not born, or messages of it were missed"))?;
        let device = self.devices.get(name).filter(|it| it.born);
        let device = device.ok_or_else(|| away("the device was not born, or it died"))?;
        let born = device.metrics.get(metric);
        let born = born.ok_or_else(|| away("it is not in the device's birth"))?;
        let written =
            sparkplug::written(text, born.datatype).map_err(|why| (Code::BadRequest, why))?;
        let reads = sparkplug::text(&written, born.datatype).unwrap_or_else(|_| text.to_owned());
        Ok((
            match born
                .alias
                .filter(|it| session.stands_for(*it, name, metric))
            {
                // The specification wants the alias alone, where there is one.
                Some(alias) => Metric {
                    alias: Some(alias),
                    ..written
                },
                None => Metric {
                    name: Some(metric.to_owned()),
                    ..written
                },
            },
            reads,
        ))
    }

    fn note(&mut self, why: &str) {
        let told = why.chars().take(TOLD).flat_map(char::escape_debug);
        self.counts.last = Some(told.collect());
    }
}

fn doubt(device: &Followed, why: &str, out: &mut Vec<Word>) {
    out.extend(device.by.keys().map(|it| Word::Doubt {
        device: it.clone(),
        why: why.to_owned(),
    }));
}

/// Nothing that it said holds, nor what of it was kept for later.
fn dies(device: &mut Followed, out: &mut Vec<Word>) {
    device.born = false;
    doubt(device, "it died, and was not born since", out);
    there(device, Some(false), out);
}

fn there(device: &Followed, there: Option<bool>, out: &mut Vec<Word>) {
    out.extend(device.by.keys().map(|it| Word::There {
        device: it.clone(),
        there,
    }));
}
