//! API keys that turns are begun by, and their budgets. What may not enter: whose a key is, and what it may.

use serde::{Deserialize, Serialize};

use crate::{ids::AccountId, name::Name, spec::Quota};

/// An API key that a turn is begun by, and its budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payer {
    /// The same for one key, and another for every other.
    pub name: Name,
    /// Model tokens in any 60 minutes, of all turns that were begun by it together.
    pub tokens_per_hour: u64,
    /// It is one of a list that is bounded where it is kept, and finds a place however many others there are.
    pub is_listed: bool,
}

/// The key of a turn and of those that it calls, with the budget that it had when the first of them began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaidBy {
    /// The key's account.
    pub account: AccountId,
    /// See [`Payer::tokens_per_hour`].
    pub tokens_per_hour: u64,
}

impl PaidBy {
    /// As a quota of its account.
    pub(crate) fn quota(self) -> Quota {
        Quota {
            tokens_per_hour: Some(self.tokens_per_hour),
            ..Quota::default()
        }
    }
}
