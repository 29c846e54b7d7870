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
    apart: bool,
}

/// What is known of an address.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// It is a node's.
    Yes,
    /// It is nobody's.
    No,
    /// The cluster's nodes are not known yet.
    NotKnown,
    /// This machine may answer by it, whose network is not seen from here.
    NotSeen,
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

    /// Whether this program is in a network of its own, from which its machine's bridges and floating addresses are not
    /// seen: any address may be one of them then.
    pub fn set_apart(&self, apart: bool) {
        self.0.write().apart = apart;
    }

    /// Whether one of them is this.
    pub(super) fn hold(&self, address: IpAddr) -> Held {
        let known = self.0.read();
        let (Some(nodes), Some(own)) = (&known.nodes, &known.own) else {
            return Held::NotKnown;
        };
        match nodes.contains(&address) || own.contains(&address) {
            true => Held::Yes,
            false if known.apart => Held::NotSeen,
            false => Held::No,
        }
    }
}
