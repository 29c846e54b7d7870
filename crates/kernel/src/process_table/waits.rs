//! Who waits for whom: a turn for those that its calls ask, and one without a worker for those that its instance works
//! on before it. Nobody may come to wait for itself: all of them would, until their time is over.

use std::collections::BTreeMap;

use crate::{
    ids::{InstanceUid, TurnId},
    kernel::Kernel,
    live::CallPhase,
    state::Phase,
};

impl Kernel {
    /// The way on which `turn` would wait for itself, if it waited for the `first`: from one of these to itself.
    pub(crate) fn waits_for_itself(&self, turn: TurnId, first: &[TurnId]) -> Option<Vec<TurnId>> {
        let mut before: BTreeMap<TurnId, Option<TurnId>> = BTreeMap::new();
        let mut next = Vec::new();
        for it in first {
            before.insert(*it, None);
            next.push(*it);
        }
        while let Some(at) = next.pop() {
            if at == turn {
                let up = |it: &TurnId| before.get(it).copied().flatten();
                let mut way: Vec<TurnId> = std::iter::successors(Some(turn), up).collect();
                way.reverse();
                return Some(way);
            }
            for other in self.waited_for_by(at) {
                before.entry(other).or_insert_with(|| {
                    next.push(other);
                    Some(at)
                });
            }
        }
        None
    }

    /// The turns of an instance that come before one that is queued now.
    pub(crate) fn at_work(&self, instance: InstanceUid) -> Vec<TurnId> {
        let row = self.state.instances.get(&instance);
        let works = row.and_then(|row| row.turn);
        let waiting = self.live.waiting_turns.get(&instance);
        let waiting = waiting.into_iter().flatten().copied();
        works.into_iter().chain(waiting).collect()
    }

    /// What `turn` waits for. One that is parked will have to wait as it is resumed.
    fn waited_for_by(&self, turn: TurnId) -> Vec<TurnId> {
        let Some(row) = self.state.turns.get(&turn) else {
            return Vec::new();
        };
        match row.phase {
            _ if row.stopping.is_some() => Vec::new(),
            _ if row.pausing => Vec::new(),
            Phase::Starting { .. } => Vec::new(),
            Phase::Running { .. } => self.asked_by(turn),
            Phase::Queued => {
                let mut before = self.at_work(row.instance);
                before.retain(|it| self.has_worker(*it) || *it < turn);
                before
            }
            Phase::Parked => {
                let row = self.state.instances.get(&row.instance);
                row.and_then(|row| row.turn).into_iter().collect()
            }
        }
    }

    /// The turns that calls under way of `turn` wait for, and that have not ended.
    pub(crate) fn asked_by(&self, turn: TurnId) -> Vec<TurnId> {
        let calls = self.live.turns.get(&turn).map(|live| &live.calls);
        let calls = calls.into_iter().flatten();
        let waits = calls.filter_map(|id| {
            let call = self.live.calls.get(id)?;
            let started = matches!(call.phase, CallPhase::Running(_) | CallPhase::Stopping(..));
            let waits = started && call.kind.waits_for_a_turn();
            call.waits_for.filter(|_| waits)
        });
        waits
            .filter(|it| self.state.turns.contains_key(it))
            .collect()
    }

    fn has_worker(&self, turn: TurnId) -> bool {
        let row = self.state.turns.get(&turn);
        row.is_some_and(|row| row.phase.incarnation().is_some())
    }
}
