//! How agents stand, kept small: what they say alike is there once, and each has its revision and its times.

use std::collections::BTreeMap;
use std::sync::Arc;

use aion_api::{AgentStatus, condition::Condition};
use aion_resolve::Key;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

use crate::instances::alike::Alike;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct AgentStandings {
    all: BTreeMap<Key, Row>,
    conditions: Alike<Condition>,
    rests: Alike<AgentStatus>,
}

#[derive(Debug)]
struct Row {
    revision: Option<Box<str>>,
    /// Each without its time, and that.
    conditions: Box<[(Arc<Condition>, Time)]>,
    /// All that is not above.
    rest: Arc<AgentStatus>,
}

impl AgentStandings {
    pub(super) fn insert(&mut self, agent: Key, mut status: AgentStatus) {
        let conditions = std::mem::take(&mut status.conditions).into_iter();
        let conditions = conditions.map(|mut it| {
            let never = Time(Timestamp::UNIX_EPOCH);
            let since = std::mem::replace(&mut it.last_transition_time, never);
            (self.conditions.one(it), since)
        });
        let row = Row {
            conditions: conditions.collect(),
            revision: status.revision.take().map(String::into_boxed_str),
            rest: self.rests.one(status),
        };
        self.all.insert(agent, row);
    }

    pub(super) fn get(&self, agent: &Key) -> Option<AgentStatus> {
        let row = self.all.get(agent)?;
        let conditions = row.conditions.iter().map(|(condition, since)| Condition {
            last_transition_time: since.clone(),
            ..Condition::clone(condition)
        });
        Some(AgentStatus {
            conditions: conditions.collect(),
            revision: row.revision.as_deref().map(str::to_owned),
            ..AgentStatus::clone(&row.rest)
        })
    }

    pub(super) fn remove(&mut self, agent: &Key) {
        self.all.remove(agent);
    }

    pub(super) fn agents(&self) -> impl Iterator<Item = &Key> {
        self.all.keys()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_api::condition::{self, Judgement, READY, reason};

    use super::*;

    #[test]
    fn what_is_kept_small_is_given_whole() {
        let mut standings = AgentStandings::default();
        let status = |second| {
            let now = Time(Timestamp::from_second(second).unwrap());
            let ready = Judgement::new(READY, true, reason::OK, "it can be asked");
            AgentStatus {
                observed_generation: Some(3),
                conditions: condition::write(&[], &[ready], Some(3), &now),
                revision: Some(format!("revision {second}")),
                replicas: 1,
                summary: Some("1/1".to_owned()),
                nodes: vec!["here".to_owned()],
                granted: vec!["memory.recall".to_owned()],
                ..AgentStatus::default()
            }
        };
        let keys = [Key::new("home", "a"), Key::new("home", "b")];
        for (second, key) in (0..).zip(&keys) {
            standings.insert(key.clone(), status(second));
        }
        for (second, key) in (0..).zip(&keys) {
            assert_eq!(standings.get(key), Some(status(second)));
        }
        let rows: Vec<_> = standings.all.values().collect();
        assert!(Arc::ptr_eq(&rows[0].rest, &rows[1].rest));
        assert!(Arc::ptr_eq(
            &rows[0].conditions[0].0,
            &rows[1].conditions[0].0
        ));
        standings.remove(&keys[0]);
        assert_eq!(standings.get(&keys[0]), None);
    }
}
