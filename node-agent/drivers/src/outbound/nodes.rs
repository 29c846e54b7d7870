//! The addresses of a cluster's nodes, which no agent reaches. Kept by whoever watches the nodes, read by
//! the rule.

use std::{
    collections::HashSet,
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
};

/// See the module. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct NodeAddresses(Arc<RwLock<Option<HashSet<IpAddr>>>>);

impl NodeAddresses {
    /// There are no nodes: a machine that stands alone.
    pub fn none() -> Self {
        let addresses = Self::default();
        addresses.set(HashSet::new());
        addresses
    }

    /// These are all of them.
    pub fn set(&self, all: HashSet<IpAddr>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(all);
    }

    /// Whether one of them is this; `None` as long as they are not known.
    pub(super) fn hold(&self, address: IpAddr) -> Option<bool> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().map(|all| all.contains(&address))
    }
}
