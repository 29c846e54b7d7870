//! API keys of a node that stands alone, and tokens of issuers that it trusts: what programs show to its gateway. The node keeps and judges
//! them, and a gateway only says in whose name it asks (docs/adr/0044).
//!
//! Of a key its SHA-256 is kept: it has more than 176 random bits, so nobody finds it by its digest. What may not enter: what
//! agents may, and which calls there are.

mod bounds;
mod issuers;
mod pace;
mod table;

use std::{collections::BTreeMap, sync::Arc};

use aion_abi::{
    date::UnixMillis,
    key::{Door, Right, Scope},
};

pub(crate) use issuers::{Issuers, SettingsError};
pub(crate) use table::{KeyError, Keys};

/// In whose name a gateway asks.
#[derive(Debug)]
pub(crate) struct Holder {
    /// The same for one key, and another for every other.
    pub(crate) id: String,
    /// For people.
    pub(crate) name: String,
    pub(crate) scope: Scope,
    pub(crate) doors: Vec<Door>,
    pub(crate) may: Vec<Right>,
    pub(crate) requests_per_minute: Option<u32>,
    pub(crate) tokens_per_hour: Option<u64>,
    /// It is one of the keys that are kept here, of which there are only so many.
    pub(crate) is_listed: bool,
    /// What is said by it counts no longer than it does.
    pub(crate) expires: UnixMillis,
}

/// What somebody may whom a gateway names.
pub(crate) type Held = Arc<Holder>;

impl Holder {
    /// Whether the agent is one of those it may ask.
    pub(crate) fn covers(
        &self,
        namespace: &str,
        name: &str,
        labels: impl FnOnce() -> BTreeMap<String, String>,
    ) -> bool {
        self.scope.covers(namespace, name, labels)
    }

    pub(crate) fn may(&self, right: Right) -> bool {
        self.may.contains(&right)
    }

    pub(crate) fn comes_by(&self, door: Door) -> bool {
        self.doors.is_empty() || self.doors.contains(&door)
    }
}
