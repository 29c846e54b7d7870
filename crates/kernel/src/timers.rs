//! One alarm for everything that must happen by some time: there is no tick.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{AccountId, ApprovalId, CallId, Millis, TurnId};

/// What a timer is about. What is due is read from the thing's own state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    Call(CallId),
    Turn(TurnId),
    /// A person's word is waited for no longer.
    Approval(ApprovalId),
    /// An account that nobody uses any more may be forgotten.
    Account(AccountId),
}

/// At most one time for each timer.
#[derive(Debug)]
pub(crate) struct Timers<T = Timer> {
    by_time: BTreeSet<(Millis, T)>,
    times: BTreeMap<T, Millis>,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self {
            by_time: BTreeSet::new(),
            times: BTreeMap::new(),
        }
    }
}

impl<T: Clone + Ord> Timers<T> {
    pub(crate) fn set(&mut self, timer: T, at: Millis) {
        if let Some(old) = self.times.insert(timer.clone(), at) {
            self.by_time.remove(&(old, timer.clone()));
        }
        self.by_time.insert((at, timer));
    }

    pub(crate) fn clear(&mut self, timer: T) {
        if let Some(old) = self.times.remove(&timer) {
            self.by_time.remove(&(old, timer));
        }
    }

    /// Takes out one that is due.
    pub(crate) fn due(&mut self, now: Millis) -> Option<T> {
        let (at, timer) = self.by_time.first()?.clone();
        if at > now {
            return None;
        }
        self.clear(timer.clone());
        Some(timer)
    }

    pub(crate) fn next(&self) -> Option<Millis> {
        self.by_time.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
impl<T: Clone + Ord> Timers<T> {
    pub(crate) fn is_set(&self, timer: T) -> bool {
        self.times.contains_key(&timer)
    }

    pub(crate) fn first(&self, which: impl Fn(&T) -> bool) -> Option<Millis> {
        self.by_time
            .iter()
            .find(|(_, timer)| which(timer))
            .map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_fires_once_at_its_last_time() {
        let mut timers = Timers::default();
        let call = Timer::Call(CallId(1));
        timers.set(call, Millis(10));
        timers.set(call, Millis(30));
        timers.set(Timer::Turn(TurnId(1)), Millis(20));
        assert_eq!(timers.next(), Some(Millis(20)));
        assert_eq!(timers.due(Millis(19)), None);
        assert_eq!(timers.due(Millis(30)), Some(Timer::Turn(TurnId(1))));
        assert_eq!(timers.due(Millis(30)), Some(call));
        assert_eq!((timers.due(Millis(99)), timers.next()), (None, None));
    }

    #[test]
    fn a_cleared_timer_does_not_fire() {
        let mut timers = Timers::default();
        timers.set(Timer::Account(AccountId(1)), Millis(10));
        timers.clear(Timer::Account(AccountId(1)));
        assert_eq!(timers.due(Millis(99)), None);
    }
}
