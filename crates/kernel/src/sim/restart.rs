//! Ends and new beginnings: what is lost, what must not be, and that facts are the state.

use super::{
    model::{Admitted, Check, Model, Told, ensure},
    world::World,
};
use crate::{
    Barrier, CallId, Class, Event, FORMAT, Fact, Incarnation, Kernel, Kind, LiveWorker, Outcome,
    Phase, Snapshot, State, TurnId,
};

impl World {
    /// The daemon ends here: with `power`, the whole machine does.
    pub(super) fn crash(&mut self, power: bool) -> Check {
        self.crashes += 1;
        let certain = if power { self.durable } else { self.written };
        let kept = certain + self.random.below((self.written - certain) as u64 + 1) as usize;
        let nothing_lost = kept == self.journal.len();
        self.journal.truncate(kept);
        self.pending.clear();
        self.drivers.clear();
        self.safe.clear();
        if power {
            self.workers.clear();
        } else {
            self.workers.retain(|_, worker| !worker.killed);
        }
        self.rebuild_model()?;
        self.replies_survive(power)?;
        let full = fold(&self.journal)?;
        if nothing_lost {
            ensure!(
                *self.kernel.state() == full,
                "live state differs from the folded facts"
            );
        }
        self.kernel = self.restore(kept)?;
        ensure!(
            *self.kernel.state() == full,
            "snapshot and tail differ from all facts folded"
        );
        (self.written, self.durable) = (kept, kept);
        self.told = Told::default();
        self.draining = false;
        let lives = |key: &(TurnId, Incarnation)| LiveWorker {
            turn: key.0,
            incarnation: key.1,
        };
        let workers: Vec<_> = self.workers.keys().map(lives).collect();
        let open = |(call, row): (&CallId, &Admitted)| row.ended.is_none().then_some(*call);
        let in_flight: Vec<_> = self.model.calls.iter().filter_map(open).collect();
        self.feed(Event::Recovered { workers })?;
        for call in in_flight {
            let settled = self
                .model
                .calls
                .get(&call)
                .and_then(|row| Some((row.kind, &row.ended.as_ref()?.0)));
            // A call that begins a turn finds it again by its key.
            let found = |kind: Kind| kind.begins_a_turn() && self.keys.contains_key(&call);
            let changes = |kind: Kind| kind.class() == Class::Effect;
            let expected =
                settled.is_some_and(|(kind, outcome)| match changes(kind) && !found(kind) {
                    true => *outcome == Outcome::Unknown,
                    false => *outcome == Outcome::Interrupted,
                });
            ensure!(
                expected,
                "call {call} was in flight and is settled as {settled:?}"
            );
        }
        for (turn, row) in self.kernel.state().turns() {
            let key = row
                .phase
                .incarnation()
                .map(|incarnation| (turn, incarnation));
            let adopted = matches!(row.phase, Phase::Running { .. });
            let lives = key.is_some_and(|key| self.workers.contains_key(&key));
            ensure!(
                !adopted || lives,
                "turn {turn} goes on with a worker that is gone"
            );
        }
        for (uid, profile) in self.desired.clone() {
            self.feed(Event::Apply(crate::InstanceSpec { uid, profile }))?;
        }
        self.say_what_is_there()
    }

    fn restore(&mut self, kept: usize) -> Result<Kernel, String> {
        let usable = self.snapshot.take().filter(|(at, _)| *at <= kept);
        let (from, snapshot) = usable.unwrap_or((0, Snapshot::of(&State::default())));
        let as_text = self.random.chance(20);
        let snapshot = if as_text {
            through_json(&snapshot)?
        } else {
            snapshot
        };
        let mut kernel = Kernel::restore(snapshot, self.limits.clone())
            .map_err(|error| format!("{error} (this is {FORMAT})"))?;
        for fact in &self.journal[from..] {
            let applied = if as_text {
                kernel.apply(&through_json(fact)?)
            } else {
                kernel.apply(fact)
            };
            applied.map_err(|error| error.to_string())?;
        }
        Ok(kernel)
    }

    fn rebuild_model(&mut self) -> Check {
        let town = std::mem::take(&mut self.model.town);
        self.model = Model::default();
        self.model.town = town.after_a_crash();
        for fact in &self.journal {
            self.model.fact(fact)?;
        }
        self.model.town.goes_on();
        self.keys
            .retain(|call, _| self.model.calls.contains_key(call));
        Ok(())
    }

    /// What anybody was told is still in the journal: after the end of the machine what had
    /// to be durable, after the end of the process everything.
    fn replies_survive(&mut self, power: bool) -> Check {
        if power {
            self.replies.retain(|(_, _, class)| *class == Class::Effect);
        }
        for (call, answer, _) in &self.replies {
            self.model
                .answer_is_recorded(*call, answer, Barrier::Durable)
                .map_err(|lost| format!("lost: {lost}"))?;
        }
        Ok(())
    }

    pub(super) fn live_equals_folded(&self) -> Check {
        ensure!(
            *self.kernel.state() == fold(&self.journal)?,
            "live state differs from the folded facts"
        );
        Ok(())
    }
}

fn fold(facts: &[Fact]) -> Result<State, String> {
    let mut state = State::default();
    for fact in facts {
        state.apply(fact).map_err(|error| error.to_string())?;
    }
    Ok(state)
}

fn through_json<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> Result<T, String> {
    let text = serde_json::to_string(value).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))
}
