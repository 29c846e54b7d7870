//! Births of edge nodes of Sparkplug, and of their devices, as announcements: kept as they were sent, and read when somebody asks.
//!
//! A broker does not keep births, so that they stay here when it is connected to anew; and an edge node that says something, and of
//! which no birth is known, may be asked for it once for each connection.

mod draft;
mod metric;

use std::collections::BTreeSet;

use aion_api::SparkplugDiscovery;

use super::{Announcements, Draft, LeftOut, MAX_ANNOUNCEMENTS};
use crate::{
    edge::{self, Said, Topic},
    moment::Moment,
    sparkplug::{self, RebirthRequest},
};

/// Milliseconds between two edge nodes that are asked.
const PACE: u64 = 100;

/// See the module.
#[derive(Debug)]
pub struct Births {
    groups: Vec<String>,
    kept: Announcements,
    asks: bool,
    /// By the topics that they were asked by.
    asked: BTreeSet<Box<str>>,
    last: Option<u64>,
}

impl Births {
    /// None yet, of the groups that are listened to.
    #[must_use]
    pub fn new(of: &SparkplugDiscovery) -> Self {
        Self {
            groups: of.groups.clone(),
            kept: Announcements::births(&of.groups, of.rebirth),
            asks: of.rebirth.is_asked(),
            asked: BTreeSet::new(),
            last: None,
        }
    }

    /// What is subscribed to: births, and data where edge nodes are asked for their births.
    #[must_use]
    pub fn filters(&self) -> Vec<String> {
        let all = self.groups.iter().flat_map(|it| edge::filters(it, "+"));
        all.filter(|it| it.contains("BIRTH/") || (self.asks && it.contains("DATA/")))
            .collect()
    }

    /// Takes a message, which may be anything. Gives what its edge node is asked by, where its birth is not known.
    /// What the broker kept from before is no birth.
    pub fn take(
        &mut self,
        topic: &str,
        payload: &[u8],
        retained: bool,
        now: Moment,
    ) -> Option<RebirthRequest> {
        let of = Topic::of(topic).filter(|_| !retained)?;
        if of.is_of_nobody() || !self.groups.iter().any(|it| it == of.group) {
            return None;
        }
        match of.said {
            Said::Birth if !payload.is_empty() => self.kept.take(topic, payload),
            Said::Data => self.kept.heard_of(&of.birth()),
            _ => {}
        }
        let birth = edge::birth(of.group, of.node);
        let topic = edge::node_command(of.group, of.node);
        let known = self.kept.has(&birth) || self.asked.contains(topic.as_str());
        let soon = self.last.is_some_and(|it| now.at < it.saturating_add(PACE));
        if !self.asks || known || soon || self.asked.len() >= MAX_ANNOUNCEMENTS {
            return None;
        }
        self.asked.insert(topic.as_str().into());
        self.last = Some(now.at);
        Some(RebirthRequest {
            topic,
            payload: sparkplug::rebirth(now.wall),
        })
    }

    /// An edge node was not asked after all, and may be later.
    pub fn put_off(&mut self, request: &RebirthRequest) {
        self.asked.remove(request.topic.as_str());
    }

    /// The broker is connected to anew.
    pub fn anew(&mut self) {
        self.asked.clear();
    }

    /// The groups that are listened to.
    #[must_use]
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// Another number whenever something changed.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.kept.revision()
    }

    /// What is kept, to be read elsewhere.
    #[must_use]
    pub fn kept(&self) -> &Announcements {
        &self.kept
    }

    /// What was not kept.
    #[must_use]
    pub fn left_out(&self) -> &LeftOut {
        self.kept.left_out()
    }

    /// The devices that were born at a broker of this name.
    #[must_use]
    pub fn drafts(broker: &str, kept: &Announcements) -> Vec<Draft> {
        let all = kept.payloads();
        all.filter_map(|(topic, payload)| draft::draft(broker, kept.rebirth(), topic, payload))
            .collect()
    }
}

#[cfg(test)]
mod tests;
