//! A state to store, and the format it is written in.

use serde::{Deserialize, Serialize};

use crate::{fact::FORMAT, state::State};

/// Durable state at a moment. Facts recorded later follow it in recovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    format: u32,
    state: State,
}

/// A snapshot that this build cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the snapshot has format {found}, this build reads up to {FORMAT}: start the build that wrote it"
)]
pub struct NewerFormat {
    /// The snapshot's format.
    pub found: u32,
}

impl Snapshot {
    pub(crate) fn of(state: &State) -> Self {
        Self {
            format: FORMAT,
            state: state.clone(),
        }
    }

    pub(crate) fn into_state(self) -> Result<State, NewerFormat> {
        if self.format > FORMAT {
            return Err(NewerFormat { found: self.format });
        }
        let mut state = self.state;
        state.recount_keys();
        Ok(state)
    }
}
