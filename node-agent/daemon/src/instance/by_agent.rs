//! What belongs to an agent, found without a look at what belongs to others.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, RandomState},
};

/// Keys of what agents have, of a kind whose default is the least. An agent goes by the hash of its name, so that a row is small: what is found may be
/// another agent's, if hardly ever, and whoever asks looks.
#[derive(Debug)]
pub(crate) struct ByAgent<K> {
    keys: BTreeSet<(u64, K)>,
    hasher: RandomState,
}

impl<K: Ord> Default for ByAgent<K> {
    fn default() -> Self {
        Self {
            keys: BTreeSet::new(),
            hasher: RandomState::new(),
        }
    }
}

impl<K: Ord + Clone + Default> ByAgent<K> {
    pub(crate) fn insert(&mut self, namespace: &str, agent: &str, key: K) {
        self.keys.insert((self.mark(namespace, agent), key));
    }

    pub(crate) fn remove(&mut self, namespace: &str, agent: &str, key: &K) {
        self.keys
            .remove(&(self.mark(namespace, agent), key.clone()));
    }

    /// Those of an agent, and hardly ever another's.
    pub(crate) fn of(&self, namespace: &str, agent: &str) -> impl Iterator<Item = &K> {
        let mark = self.mark(namespace, agent);
        let from = self.keys.range((mark, K::default())..);
        from.take_while(move |(at, _)| *at == mark)
            .map(|(_, key)| key)
    }

    fn mark(&self, namespace: &str, agent: &str) -> u64 {
        self.hasher.hash_one((namespace, agent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_agent_has_is_found_until_it_is_gone() {
        let mut found = ByAgent::default();
        for (agent, key) in [("a", 0), ("b", 1), ("a", 2)] {
            found.insert("home", agent, key);
        }
        found.insert("work", "a", 3);
        assert_eq!(found.of("home", "a").collect::<Vec<&u128>>(), [&0, &2]);
        found.remove("home", "a", &0);
        assert_eq!(found.of("home", "a").collect::<Vec<_>>(), [&2]);
        assert_eq!(found.of("home", "c").count(), 0);
    }
}
