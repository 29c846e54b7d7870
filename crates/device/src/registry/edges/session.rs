//! What an edge node is at since it was born: the number of its last message, and what its aliases stand for.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

/// Aliases of one edge node.
pub(super) const MAX_ALIASES: usize = 16_384;

/// See the module.
#[derive(Debug)]
pub(super) struct Session {
    seq: u8,
    /// Of the last message.
    hash: u64,
    aliases: HashMap<u64, Alias>,
}

#[derive(Debug)]
struct Alias {
    /// The device whose birth said it.
    owner: Arc<str>,
    /// Its metric, where anybody wants it and no other has the alias.
    metric: Option<Arc<str>>,
}

/// How a message follows the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Next,
    /// It is the last one again.
    Again,
    /// One was missed, or it is an earlier one. What was due.
    Broken(u8),
}

impl Session {
    /// A session that begins with this message.
    pub(super) fn new(seq: u8, hash: u64) -> Self {
        Self {
            seq,
            hash,
            aliases: HashMap::new(),
        }
    }

    /// Whether this is the last message again.
    pub(super) fn is_last(&self, hash: u64) -> bool {
        self.hash == hash
    }

    /// Takes the number of a message.
    pub(super) fn order(&mut self, seq: Option<u64>, hash: u64) -> Order {
        let due = self.seq.wrapping_add(1);
        if seq == Some(u64::from(due)) {
            self.seq = due;
            self.hash = hash;
            return Order::Next;
        }
        match seq == Some(u64::from(self.seq)) && hash == self.hash {
            true => Order::Again,
            false => Order::Broken(due),
        }
    }

    /// Forgets the aliases of a device, which is born anew.
    pub(super) fn born_anew(&mut self, owner: &str) {
        self.aliases.retain(|_, it| *it.owner != *owner);
    }

    /// Notes an alias of a metric.
    ///
    /// # Errors
    /// Why it stands for nothing: there are too many, or it is another metric's.
    pub(super) fn name(
        &mut self,
        alias: u64,
        owner: &Arc<str>,
        metric: Option<&Arc<str>>,
    ) -> Result<(), String> {
        if let Some(other) = self.aliases.get_mut(&alias) {
            other.metric = None;
            return Err(format!(
                "alias {alias} is of two metrics, and neither is read by it"
            ));
        }
        if self.aliases.len() >= MAX_ALIASES {
            return Err(format!("it has more than {MAX_ALIASES} aliases"));
        }
        let alias_of = Alias {
            owner: Arc::clone(owner),
            metric: metric.map(Arc::clone),
        };
        self.aliases.insert(alias, alias_of);
        Ok(())
    }

    /// The metric that an alias stands for in a message of a device; nothing where nobody wants it.
    ///
    /// # Errors
    /// Why it stands for none of that device.
    pub(super) fn metric(&self, alias: u64, owner: &str) -> Result<Option<Arc<str>>, String> {
        match self.aliases.get(&alias) {
            Some(it) if *it.owner == *owner => Ok(it.metric.clone()),
            Some(_) => Err(format!("alias {alias} is a metric of another device")),
            None => Err(format!("alias {alias} was not in its birth")),
        }
    }

    /// Whether an alias stands for this metric of a device alone.
    pub(super) fn stands_for(&self, alias: u64, owner: &str, metric: &str) -> bool {
        let is = self.metric(alias, owner).ok().flatten();
        is.is_some_and(|it| *it == *metric)
    }
}

/// What a message is told by from another.
pub(super) fn hash(topic: &str, payload: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (topic, payload).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn messages_follow_one_another_round_255_and_one_that_comes_again_is_no_gap() {
        let mut it = Session::new(254, hash("t", b"birth"));
        assert_eq!(it.order(Some(255), hash("t", b"a")), Order::Next);
        assert_eq!(it.order(Some(0), hash("t", b"b")), Order::Next);
        assert_eq!(it.order(Some(0), hash("t", b"b")), Order::Again);
        assert_eq!(it.order(Some(0), hash("t", b"c")), Order::Broken(1));
        assert_eq!(it.order(Some(2), hash("t", b"c")), Order::Broken(1));
        assert_eq!(it.order(Some(257), hash("t", b"c")), Order::Broken(1));
        assert_eq!(it.order(None, hash("t", b"c")), Order::Broken(1));
        assert_eq!(it.order(Some(1), hash("t", b"c")), Order::Next);
    }

    #[test]
    fn an_alias_of_two_metrics_is_of_neither_and_one_of_another_device_is_not_believed() {
        let mut it = Session::new(0, hash("t", b""));
        let (one, two): (Arc<str>, Arc<str>) = ("one".into(), "two".into());
        let speed: Arc<str> = "Speed".into();
        it.name(7, &one, Some(&speed)).unwrap();
        assert_eq!(it.metric(7, "one").unwrap().as_deref(), Some("Speed"));
        assert!(it.metric(7, "two").unwrap_err().contains("another device"));
        assert!(it.metric(8, "one").is_err());
        assert!(
            it.name(7, &two, Some(&speed))
                .unwrap_err()
                .contains("two metrics")
        );
        assert_eq!(it.metric(7, "one").unwrap(), None);
        it.born_anew("one");
        it.name(7, &two, Some(&speed)).unwrap();
        assert!(it.stands_for(7, "two", "Speed"));
        for alias in 100..100 + MAX_ALIASES as u64 {
            let _ = it.name(alias, &one, None);
        }
        assert_eq!(it.aliases.len(), MAX_ALIASES);
    }
}
