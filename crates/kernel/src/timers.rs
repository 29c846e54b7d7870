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
#[derive(Debug, Default)]
pub(crate) struct Timers {
    by_time: BTreeSet<(Millis, Timer)>,
    times: BTreeMap<Timer, Millis>,
}

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, at: Millis) {
        if let Some(old) = self.times.insert(timer, at) {
            self.by_time.remove(&(old, timer));
        }
        self.by_time.insert((at, timer));
    }

    pub(crate) fn clear(&mut self, timer: Timer) {
        if let Some(old) = self.times.remove(&timer) {
            self.by_time.remove(&(old, timer));
        }
    }

    /// Takes out one that is due.
    pub(crate) fn due(&mut self, now: Millis) -> Option<Timer> {
        let (at, timer) = *self.by_time.first()?;
        if at > now {
            return None;
        }
        self.clear(timer);
        Some(timer)
    }

    pub(crate) fn next(&self) -> Option<Millis> {
        self.by_time.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
impl Timers {
    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.times.contains_key(&timer)
    }

    pub(crate) fn first(&self, which: impl Fn(&Timer) -> bool) -> Option<Millis> {
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
