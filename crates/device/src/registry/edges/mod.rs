//! Edge nodes of Sparkplug that devices of the registry are of: what each message comes to for those devices, and when an edge node is
//! asked for its birth. Messages are taken in order or not at all; nothing is believed of an edge node that was not born.
//!
//! What may not enter: properties and their values, a connection.

mod ask;
mod node;
mod session;

use std::collections::{BTreeSet, HashMap};

use aion_abi::{code::Code, problem::Problem};

use super::{Limits, Subscriptions, difference, rate::Share};
use crate::{
    compiled::{Compiled, Key},
    edge::{self, Edge, Topic},
    moment::Moment,
    sparkplug::{self, RebirthRequest},
};
use node::Node;

/// How often all edge nodes of a broker together are asked for their births, a second.
const ASKS: Limits = Limits {
    messages_per_second: 10,
    kept_bytes: 0,
};

/// What a message of an edge node comes to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Word {
    /// A metric says this. A birth says what is, and not that anything was done.
    Says {
        place: String,
        text: String,
        birth: bool,
    },
    /// What a metric is, is not known.
    Unknown { place: String, why: String },
    /// Nothing that a device said is believed any longer.
    Doubt { device: Key, why: String },
    /// Whether a device is there, where that is known.
    There { device: Key, there: Option<bool> },
}

/// Whether discovery asks an edge node for its birth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayAsk {
    /// It does.
    Yes,
    /// It does not: devices are of the edge node, and it is asked as they let it be.
    No,
    /// It does, once there is room in the share of all that are asked.
    Later,
}

/// What happened to an edge node's messages, and to those of its devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EdgeCounts {
    /// Births of the edge node.
    pub births: u64,
    /// Messages that came out of order, or after one that was missed.
    pub gaps: u64,
    /// Messages that came twice.
    pub duplicates: u64,
    /// Data and births of devices of which no birth came before.
    pub unborn: u64,
    /// Deaths of a session before the one there is.
    pub old_deaths: u64,
    /// Births while another edge node of the same name was there.
    pub contested: u64,
    /// Messages and metrics that could not be read.
    pub unread: u64,
    /// Metrics of before, which are left out.
    pub historical: u64,
    /// Messages beyond the edge node's share, and those that the broker kept.
    pub left_out: u64,
    /// How often it was asked for its birth.
    pub asked: u64,
    /// What was wrong last.
    pub last: Option<String>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Edges {
    /// By group and name.
    nodes: HashMap<Box<str>, Node>,
    of: HashMap<Key, Edge>,
    /// When which is asked for its birth.
    due: BTreeSet<(u64, Box<str>)>,
    share: Share,
}

impl Edges {
    /// Follows the edge node of a device, and that of what it was before no longer.
    pub(super) fn follow(&mut self, device: &Compiled) -> Subscriptions {
        let key = device.key();
        let before = self.of.get(key).cloned();
        let moved = before.filter(|it| {
            device
                .edge
                .as_ref()
                .is_none_or(|is| is.of_node() != it.of_node() || is.device != it.device)
        });
        let remove = moved.map(|_| self.forget(key)).unwrap_or_default();
        let Some(edge) = &device.edge else {
            return Subscriptions {
                add: Vec::new(),
                remove,
            };
        };
        let of_node: Box<str> = edge.of_node().into();
        let is_new = !self.nodes.contains_key(&of_node);
        let node = self
            .nodes
            .entry(of_node.clone())
            .or_insert_with(|| Node::new(edge));
        let was = node.due();
        node.follow(edge, key, device.metrics());
        let is = node.due();
        self.of.insert(key.clone(), edge.clone());
        self.reschedule(&of_node, was, is);
        let add = match is_new {
            true => edge.filters().into(),
            false => Vec::new(),
        };
        difference(add, remove)
    }

    /// Follows the edge node of a device no longer. Gives what nobody hears any more.
    pub(super) fn forget(&mut self, key: &Key) -> Vec<String> {
        let Some(edge) = self.of.remove(key) else {
            return Vec::new();
        };
        let of_node: Box<str> = edge.of_node().into();
        let Some(node) = self.nodes.get_mut(&of_node) else {
            return Vec::new();
        };
        let was = node.due();
        if node.forget(&edge, key) {
            let is = node.due();
            self.reschedule(&of_node, was, is);
            return Vec::new();
        }
        self.nodes.remove(&of_node);
        self.reschedule(&of_node, was, None);
        edge.filters().into()
    }

    /// What is subscribed to.
    pub(super) fn filters(&self) -> Vec<String> {
        self.nodes.values().flat_map(Node::filters).collect()
    }

    /// Takes a message, if it is one of an edge node that is followed.
    pub(super) fn take(
        &mut self,
        topic: &str,
        payload: &[u8],
        retained: bool,
        now: Moment,
    ) -> Option<Vec<Word>> {
        self.with(topic, |node, topic, words| {
            node.take(topic, payload, retained, now.at, words);
        })
    }

    /// A message of an edge node that is followed was too large to be handed on.
    pub(super) fn too_large(&mut self, topic: &str, why: &str, now: Moment) -> Option<Vec<Word>> {
        self.with(topic, |node, topic, words| {
            node.too_large(topic, why, now.at, words);
        })
    }

    fn with(
        &mut self,
        topic: &str,
        take: impl FnOnce(&mut Node, &Topic<'_>, &mut Vec<Word>),
    ) -> Option<Vec<Word>> {
        if self.nodes.is_empty() {
            return None;
        }
        let topic = Topic::of(topic)?;
        let of_node = topic.of_node();
        let node = self.nodes.get_mut(of_node.as_str())?;
        let was = node.due();
        let mut words = Vec::new();
        take(node, &topic, &mut words);
        let is = node.due();
        self.reschedule(&of_node, was, is);
        Some(words)
    }

    /// The broker is connected to anew: what was said meanwhile is lost, and no birth comes again by itself.
    pub(super) fn anew(&mut self, now: Moment) -> Vec<Word> {
        let (mut words, mut due) = (Vec::new(), BTreeSet::new());
        for (name, node) in &mut self.nodes {
            node.anew(now.at, &mut words);
            due.extend(node.due().map(|at| (at, name.clone())));
        }
        self.due = due;
        words
    }

    /// When the next is asked for its birth.
    pub(super) fn due(&self) -> Option<u64> {
        let (at, _) = self.due.first()?;
        Some(self.share.next(&ASKS).max(*at))
    }

    /// Those that are asked for their birth now.
    pub(super) fn asks(&mut self, now: Moment) -> Vec<RebirthRequest> {
        let mut asks = Vec::new();
        while let Some((at, _)) = self.due.first()
            && *at <= now.at
            && self.share.take(&ASKS, now.at)
        {
            let Some((_, name)) = self.due.pop_first() else {
                break;
            };
            let Some(node) = self.nodes.get_mut(&name) else {
                continue;
            };
            asks.push(RebirthRequest {
                topic: node.ask(now.at),
                payload: sparkplug::rebirth(now.wall),
            });
            self.due.extend(node.due().map(|at| (at, name)));
        }
        asks
    }

    /// Whether an edge node is asked by this topic now, for discovery.
    pub(super) fn may_ask(&mut self, command: &str, now: Moment) -> MayAsk {
        let Some(of_node) = edge::of_node_command(command) else {
            return MayAsk::No;
        };
        let Some(node) = self.nodes.get_mut(of_node.as_str()) else {
            return match self.share.take(&ASKS, now.at) {
                true => MayAsk::Yes,
                false => MayAsk::Later,
            };
        };
        let was = node.due();
        node.want(now.at);
        let is = node.due();
        self.reschedule(&of_node, was, is);
        MayAsk::No
    }

    /// What is sent for a metric of a device, by its birth, which says its type; and how that reads.
    pub(super) fn command(
        &self,
        key: &Key,
        metric: &str,
        text: &str,
        now: Moment,
    ) -> Result<(Vec<u8>, String), Problem> {
        let of = self.of.get(key);
        let node = of.and_then(|it| self.nodes.get(it.of_node().as_str()));
        let Some((edge, node)) = of.zip(node) else {
            let what = format!("device {} is reached by no edge node here", key.name);
            return Err(Problem::new(Code::Unreachable, what));
        };
        let (written, reads) = node.written(edge, metric, text).map_err(|(code, why)| {
            let what = format!("device {}: metric {metric}: {why}", key.name);
            Problem::new(code, what).remedy(match code {
                Code::Unreachable => {
                    "nothing was sent: aionctl device describe says what is known of its edge node"
                }
                _ => "nothing was sent: give a value that its type holds",
            })
        })?;
        Ok((sparkplug::command(written, now.wall), reads))
    }

    /// What happened to the messages of a device's edge node.
    pub(super) fn counts(&self, key: &Key) -> Option<(String, &EdgeCounts)> {
        let edge = self.of.get(key)?;
        let node = self.nodes.get(edge.of_node().as_str())?;
        Some((edge.of_node(), node.counts()))
    }

    /// Devices whose edge node a filter is of.
    pub(super) fn hearers(&self, filter: &str) -> Vec<Key> {
        let all = self
            .of
            .iter()
            .filter(|(_, it)| it.filters().iter().any(|it| it == filter));
        all.map(|(key, _)| key.clone()).collect()
    }

    fn reschedule(&mut self, name: &str, was: Option<u64>, is: Option<u64>) {
        if was == is {
            return;
        }
        if let Some(at) = was {
            self.due.remove(&(at, name.into()));
        }
        self.due.extend(is.map(|at| (at, name.into())));
    }
}

#[cfg(test)]
mod tests;
