//! What many objects say alike, kept once: at rest ten thousand instances differ in little. What may not enter:
//! what it means.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Arc, Weak},
};

use aion_api::{AgentInstanceStatus, AgentStatus, DeviceStatus, condition::Condition};

/// How many are held before those that nobody has any more are looked for.
const FEW: usize = 64;

/// Values of one kind. Each stays as long as somebody has it.
#[derive(Debug)]
pub(super) struct Alike<T> {
    all: HashMap<u64, Weak<T>>,
    hasher: RandomState,
    /// How many are held when those that nobody has any more go.
    most: usize,
}

/// What can be kept once.
pub(super) trait Shared: PartialEq {
    /// What two that are equal have alike, and others hardly.
    fn mark(&self) -> impl Hash;
}

impl<T> Default for Alike<T> {
    fn default() -> Self {
        Self {
            all: HashMap::new(),
            hasher: RandomState::new(),
            most: FEW,
        }
    }
}

impl<T: Shared> Alike<T> {
    /// The value that is equal to this one, or this one from now on.
    pub(super) fn one(&mut self, value: T) -> Arc<T> {
        let mark = self.hasher.hash_one(value.mark());
        let there = self.all.get(&mark).and_then(Weak::upgrade);
        if let Some(there) = there.filter(|it| **it == value) {
            return there;
        }
        let value = Arc::new(value);
        self.all.insert(mark, Arc::downgrade(&value));
        if self.all.len() > self.most {
            self.all.retain(|_, it| it.strong_count() > 0);
            self.most = FEW.max(self.all.len() * 2);
        }
        value
    }
}

impl Shared for Condition {
    fn mark(&self) -> impl Hash {
        let time = self.last_transition_time.0;
        (&self.type_, &self.reason, &self.message, time)
    }
}

impl Shared for AgentInstanceStatus {
    fn mark(&self) -> impl Hash {
        let details = self.layers.iter().map(|it| it.detail.as_deref());
        let conditions: Vec<_> = self.conditions.iter().map(Shared::mark).collect();
        (conditions, details.collect::<Vec<_>>())
    }
}

impl Shared for AgentStatus {
    fn mark(&self) -> impl Hash {
        let conditions: Vec<_> = self.conditions.iter().map(Shared::mark).collect();
        (conditions, &self.revision, &self.granted, &self.summary)
    }
}

impl Shared for DeviceStatus {
    fn mark(&self) -> impl Hash {
        let conditions: Vec<_> = self.conditions.iter().map(Shared::mark).collect();
        (conditions, self.last_seen.as_ref().map(|it| it.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(summary: &str) -> AgentStatus {
        AgentStatus {
            summary: Some(summary.to_owned()),
            ..AgentStatus::default()
        }
    }

    #[test]
    fn equal_values_are_one_and_what_nobody_has_goes() {
        let mut alike = Alike::default();
        let first = alike.one(status("1/1"));
        assert!(Arc::ptr_eq(&first, &alike.one(status("1/1"))));
        assert!(!Arc::ptr_eq(&first, &alike.one(status("0/1"))));
        // Marked alike, and still two.
        let other = AgentStatus {
            replicas: 2,
            ..status("1/1")
        };
        assert_eq!(*alike.one(other.clone()), other);
        for number in 0..10 * FEW {
            alike.one(status(&number.to_string()));
        }
        assert!(alike.all.len() <= FEW + 1, "{}", alike.all.len());
    }
}
