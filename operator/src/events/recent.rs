//! What is remembered of those that were heard of last: a table that never holds more than it may, and gives up what was
//! used longest ago. What may not enter: what is remembered.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// A bounded table.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    at_most: usize,
    uses: u64,
    values: HashMap<K, (u64, V)>,
    /// By the last use, the oldest first.
    order: BTreeMap<u64, K>,
}

impl<K: Clone + Eq + Hash, V> Recent<K, V> {
    pub(super) fn new(at_most: usize) -> Self {
        Self {
            at_most,
            uses: 0,
            values: HashMap::new(),
            order: BTreeMap::new(),
        }
    }

    /// The value of `key`, which is used.
    pub(super) fn get(&mut self, key: &K) -> Option<&mut V> {
        let (used, value) = self.values.get_mut(key)?;
        if let Some(key) = self.order.remove(used) {
            self.uses += 1;
            *used = self.uses;
            self.order.insert(self.uses, key);
        }
        Some(value)
    }

    /// Remembers `value`; gives what is given up for it.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.remove(&key);
        let full = self.values.len() >= self.at_most;
        let oldest = self.order.first_key_value().filter(|_| full);
        let given_up = match oldest.map(|(_, key)| key.clone()) {
            Some(oldest) => self.remove(&oldest),
            None => None,
        };
        self.uses += 1;
        self.order.insert(self.uses, key.clone());
        self.values.insert(key, (self.uses, value));
        given_up
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let (used, value) = self.values.remove(key)?;
        self.order.remove(&used);
        Some(value)
    }

    /// Those that are remembered, in no order.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.values.values_mut().map(|(_, value)| value)
    }

    /// Keeps those of which `stays` says so.
    pub(super) fn retain(&mut self, mut stays: impl FnMut(&mut V) -> bool) {
        let order = &mut self.order;
        self.values.retain(|_, (used, value)| {
            let stays = stays(value);
            if !stays {
                order.remove(used);
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_is_given_up_and_there_is_never_more_than_may_be() {
        let mut recent = Recent::new(2);
        assert_eq!(recent.insert("a", 1), None);
        assert_eq!(recent.insert("b", 2), None);
        assert_eq!(recent.get(&"a"), Some(&mut 1));
        assert_eq!(recent.insert("c", 3), Some(2));
        assert_eq!(recent.insert("c", 4), None, "it is there already");
        assert_eq!((recent.values.len(), recent.order.len()), (2, 2));
        recent.retain(|value| *value != 1);
        assert_eq!(recent.remove(&"c"), Some(4));
        assert_eq!((recent.values.len(), recent.order.len()), (0, 0));
    }
}
