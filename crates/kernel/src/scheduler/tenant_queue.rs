//! What one tenant has waiting in one lane: least attained service first, aged.
//!
//! Program-level least attained service of Luo et al., *Autellix: An Efficient
//! Serving Engine for LLM Agents as General Programs* (2025): of a tenant's
//! programs, the one that has had least service goes first, so that short ones do
//! not wait behind long ones. Who has waited longer than the aging time goes before
//! all that, oldest first, so that a long program is not starved by newcomers.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::Millis;

#[derive(Debug)]
pub(super) struct Item<T> {
    pub(super) id: T,
    /// Service that the item's program had when it queued.
    pub(super) attained: u64,
    /// Its cost, where it can be told before; else the resource's mean is taken.
    pub(super) cost: Option<u64>,
    pub(super) queued_at: Millis,
}

#[derive(Debug)]
pub(super) struct TenantQueue<T> {
    by_age: BTreeMap<u64, Item<T>>,
    by_attained: BTreeSet<(u64, u64)>,
}

impl<T> Default for TenantQueue<T> {
    fn default() -> Self {
        Self {
            by_age: BTreeMap::new(),
            by_attained: BTreeSet::new(),
        }
    }
}

impl<T> TenantQueue<T> {
    pub(super) fn push(&mut self, seq: u64, item: Item<T>) {
        self.by_attained.insert((item.attained, seq));
        self.by_age.insert(seq, item);
    }

    pub(super) fn remove(&mut self, seq: u64) -> Option<Item<T>> {
        let item = self.by_age.remove(&seq)?;
        self.by_attained.remove(&(item.attained, seq));
        Some(item)
    }

    pub(super) fn pop(&mut self, now: Millis, aging_ms: u64) -> Option<Item<T>> {
        let (oldest, item) = self.by_age.first_key_value()?;
        let seq = if now.since(item.queued_at) > aging_ms {
            *oldest
        } else {
            self.by_attained.first()?.1
        };
        self.remove(seq)
    }

    pub(super) fn len(&self) -> usize {
        self.by_age.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: u32, attained: u64, queued_at: u64) -> Item<u32> {
        Item {
            id,
            attained,
            cost: None,
            queued_at: Millis(queued_at),
        }
    }

    fn order(items: Vec<Item<u32>>, now: u64) -> Vec<u32> {
        let mut queue = TenantQueue::default();
        for (seq, item) in items.into_iter().enumerate() {
            queue.push(seq as u64, item);
        }
        std::iter::from_fn(|| queue.pop(Millis(now), 100))
            .map(|item| item.id)
            .collect()
    }

    #[test]
    fn the_program_that_had_least_goes_first() {
        assert_eq!(
            order(
                vec![item(1, 50, 0), item(2, 7, 0), item(3, 7, 0), item(4, 0, 0)],
                10
            ),
            [4, 2, 3, 1]
        );
    }

    #[test]
    fn who_has_waited_too_long_goes_before_newcomers() {
        assert_eq!(
            order(vec![item(1, 50, 0), item(2, 70, 1), item(3, 0, 90)], 102),
            [1, 2, 3]
        );
    }

    #[test]
    fn a_removed_item_is_not_popped() {
        let mut queue = TenantQueue::default();
        queue.push(1, item(1, 0, 0));
        queue.push(2, item(2, 0, 0));
        assert_eq!(queue.remove(1).map(|item| item.id), Some(1));
        assert_eq!(queue.remove(1).map(|item| item.id), None);
        assert_eq!(queue.pop(Millis(0), 1).map(|item| item.id), Some(2));
        assert_eq!((queue.len(), queue.by_attained.len()), (0, 0));
    }
}
