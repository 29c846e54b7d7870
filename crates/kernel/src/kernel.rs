//! The kernel's one door.

use crate::{
    effect::Step,
    event::Event,
    fact::{FORMAT, Fact},
    ids::Millis,
    spec::Limits,
    state::{ApplyError, Snapshot, State},
};

/// Durable state, and what is waiting and running right now.
#[derive(Debug)]
pub struct Kernel {
    state: State,
    limits: Limits,
}

impl Kernel {
    /// With nothing in it.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            state: State::default(),
            limits,
        }
    }

    /// As it was at a snapshot. The facts behind it follow by [`Kernel::apply`], then
    /// [`Event::Recovered`].
    ///
    /// # Errors
    /// [`ApplyError::NewerFormat`].
    pub fn restore(snapshot: Snapshot, limits: Limits) -> Result<Self, ApplyError> {
        if snapshot.format > FORMAT {
            return Err(ApplyError::NewerFormat {
                found: snapshot.format,
                known: FORMAT,
            });
        }
        Ok(Self {
            state: snapshot.state,
            limits,
        })
    }

    /// Folds a fact of the journal in, between [`Kernel::restore`] and [`Event::Recovered`].
    /// Facts of [`Kernel::handle`]'s own steps are applied already.
    ///
    /// # Errors
    /// When the fact does not follow from those before it.
    pub fn apply(&mut self, fact: &Fact) -> Result<(), ApplyError> {
        self.state.apply(fact)
    }

    /// Takes one event in. The step's facts are applied when this returns.
    pub fn handle(&mut self, event: Event, _now: Millis) -> Step {
        if let Event::SetLimits(limits) = event {
            self.limits = limits;
        }
        Step::default()
    }

    /// When [`Event::Alarm`] is due; `None`: not needed.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        None
    }

    /// The durable state as it is now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            format: FORMAT,
            state: self.state.clone(),
        }
    }

    /// Read-only view of durable state.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }
}
