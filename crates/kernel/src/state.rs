//! Durable state.

use serde::{Deserialize, Serialize};

use crate::fact::Fact;

/// What the facts fold to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {}

/// A state and the format it is written in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// See [`crate::FORMAT`].
    pub format: u32,
    /// The state.
    pub state: State,
}

/// A fact or snapshot that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Written by a newer build.
    #[error("snapshot has format {found}, this build reads up to {known}: start the newer build")]
    NewerFormat {
        /// In the snapshot.
        found: u32,
        /// Of this build.
        known: u32,
    },
}

impl State {
    /// Folds one fact in.
    ///
    /// # Errors
    /// When the fact does not follow from those before it.
    pub fn apply(&mut self, _fact: &Fact) -> Result<(), ApplyError> {
        Ok(())
    }
}
