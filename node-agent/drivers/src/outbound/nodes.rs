//! The addresses of a cluster's nodes and of this machine, which no agent reaches. Kept by whoever watches the
//! nodes, read by the rule.

use std::{collections::HashSet, net::IpAddr, sync::Arc};

use parking_lot::RwLock;

/// See the module. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct NodeAddresses(Arc<RwLock<Known>>);

#[derive(Debug, Default)]
struct Known {
    nodes: Option<HashSet<IpAddr>>,
    own: Option<HashSet<IpAddr>>,
}

impl NodeAddresses {
    /// There are no nodes: a machine that stands alone.
    pub fn none() -> Self {
        let addresses = Self::default();
        addresses.set(HashSet::new());
        addresses.set_own(HashSet::new());
        addresses
    }

    /// These are all of them, as the cluster has them.
    pub fn set(&self, all: HashSet<IpAddr>) {
        self.0.write().nodes = Some(all);
    }

    /// These are this machine's: more than the cluster knows of, since what listens on a machine answers on its
    /// bridges and its floating addresses too.
    pub fn set_own(&self, all: HashSet<IpAddr>) {
        self.0.write().own = Some(all);
    }

    /// Whether one of them is this; `None` as long as they are not known.
    pub(super) fn hold(&self, address: IpAddr) -> Option<bool> {
        let known = self.0.read();
        let (nodes, own) = (known.nodes.as_ref()?, known.own.as_ref()?);
        Some(nodes.contains(&address) || own.contains(&address))
    }
}
