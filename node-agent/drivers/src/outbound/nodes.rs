//! The addresses of a cluster's nodes and of this machine, which no agent reaches, and whether this machine's network
//! is seen from here. Kept by whoever watches the nodes, read by the rule.

use std::{collections::HashSet, net::IpAddr, sync::Arc};

use parking_lot::RwLock;

use super::Own;

/// See the module. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct NodeAddresses(Arc<RwLock<Known>>);

#[derive(Debug, Default)]
struct Known {
    nodes: Option<Nodes>,
    nodes_failed: Option<String>,
    own: Option<Own>,
    own_failed: Option<String>,
}

#[derive(Debug)]
enum Nodes {
    /// A machine that stands alone.
    Alone,
    /// A cluster's, and those that the status of this machine's own Node has, where it is there.
    Cluster {
        all: HashSet<IpAddr>,
        here: Option<HashSet<IpAddr>>,
    },
}

/// Whether this program sees its machine's network. Where it does not, any address may be one by which the machine
/// answers, and none is dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It does.
    Seen,
    /// Nodes or interfaces are not known yet.
    NotKnown,
    /// No interface here has an address of the Node, as in a pod's own network.
    Apart,
    /// The cluster has no Node for this machine, so nothing can be compared.
    NoNode,
    /// The Node has no address to compare with.
    NoAddress,
}

/// What is known of an address.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// It is a node's.
    Yes,
    /// It is nobody's, as far as is seen.
    No(Sight),
}

impl NodeAddresses {
    /// There are no nodes: a machine that stands alone.
    pub fn none() -> Self {
        Self(Arc::new(RwLock::new(Known {
            nodes: Some(Nodes::Alone),
            own: Some(Own::default()),
            ..Known::default()
        })))
    }

    /// These are all of them, as the cluster has them; `here` are those that the status of this machine's own Node has.
    pub fn set(&self, all: HashSet<IpAddr>, here: Option<HashSet<IpAddr>>) {
        let canonical = |it: HashSet<IpAddr>| it.iter().map(IpAddr::to_canonical).collect();
        let mut known = self.0.write();
        known.nodes = Some(Nodes::Cluster {
            all: canonical(all),
            here: here.map(canonical),
        });
        known.nodes_failed = None;
    }

    /// These are this machine's: more than the cluster knows of, since what listens on a machine answers on its
    /// bridges and its floating addresses too.
    pub fn set_own(&self, own: Own) {
        let mut known = self.0.write();
        known.own = Some(own);
        known.own_failed = None;
    }

    /// The nodes cannot be read, and why.
    pub fn fail_nodes(&self, why: String) {
        self.0.write().nodes_failed = Some(why);
    }

    /// This machine's addresses cannot be read, and why.
    pub fn fail_own(&self, why: String) {
        self.0.write().own_failed = Some(why);
    }

    /// Why one of them is not known yet, where that was said.
    pub fn failure(&self) -> Option<String> {
        let known = self.0.read();
        let nodes = known.nodes_failed.as_ref();
        let nodes = nodes.filter(|_| known.nodes.is_none());
        let nodes = nodes.map(|why| format!("the cluster's Nodes cannot be read: {why}"));
        let own = known.own_failed.as_ref();
        let own = own.filter(|_| known.own.is_none());
        nodes.or_else(|| own.map(|why| format!("this machine's addresses cannot be read: {why}")))
    }

    /// Whether this machine's network is seen from here.
    pub fn sight(&self) -> Sight {
        self.0.read().sight()
    }

    /// Whether one of them is this.
    pub(super) fn hold(&self, address: IpAddr) -> Held {
        let known = self.0.read();
        let of_node = match &known.nodes {
            Some(Nodes::Cluster { all, .. }) => all.contains(&address),
            Some(Nodes::Alone) | None => false,
        };
        match of_node || known.own.as_ref().is_some_and(|it| it.has(address)) {
            true => Held::Yes,
            false => Held::No(known.sight()),
        }
    }
}

impl Known {
    fn sight(&self) -> Sight {
        let (Some(nodes), Some(own)) = (&self.nodes, &self.own) else {
            return Sight::NotKnown;
        };
        let here = match nodes {
            Nodes::Alone => return Sight::Seen,
            Nodes::Cluster { here: None, .. } => return Sight::NoNode,
            Nodes::Cluster {
                here: Some(here), ..
            } => here,
        };
        // Loopback is everybody's.
        let mut here = here.iter().filter(|it| !it.is_loopback()).peekable();
        if here.peek().is_none() {
            return Sight::NoAddress;
        }
        match here.any(|it| own.interfaces.contains(it)) {
            true => Sight::Seen,
            false => Sight::Apart,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn addresses(all: &[&str]) -> HashSet<IpAddr> {
        all.iter().map(|it| it.parse().unwrap()).collect()
    }

    /// With a Node of these addresses, seen from a network with those interfaces.
    fn sight(node: Option<&[&str]>, interfaces: &[&str]) -> Sight {
        let nodes = NodeAddresses::default();
        assert_eq!(nodes.sight(), Sight::NotKnown);
        nodes.set(addresses(&["10.0.0.1", "10.244.1.7"]), node.map(addresses));
        assert_eq!(nodes.sight(), Sight::NotKnown);
        nodes.set_own(Own {
            interfaces: addresses(interfaces),
            gateways: addresses(&["10.0.0.1"]),
        });
        nodes.sight()
    }

    #[test]
    fn a_pod_in_a_network_of_its_own_is_told_from_its_node() {
        let node = Some(&["10.0.0.1"][..]);
        let machine = ["127.0.0.1", "10.0.0.1", "172.17.0.1"];
        assert_eq!(sight(node, &machine), Sight::Seen);
        assert_eq!(sight(Some(&["::ffff:10.0.0.1"]), &machine), Sight::Seen);
        // The node is the gateway of the pod's routes, and no interface of the pod.
        let pod = ["127.0.0.1", "10.244.1.7"];
        assert_eq!(sight(node, &pod), Sight::Apart);
        let with_loopback = Some(&["127.0.0.1", "10.0.0.1"][..]);
        assert_eq!(sight(with_loopback, &pod), Sight::Apart);
    }

    #[test]
    fn an_address_is_a_nodes_however_the_cluster_writes_it() {
        let nodes = NodeAddresses::default();
        nodes.set(addresses(&["::ffff:10.0.0.9"]), None);
        assert_eq!(nodes.hold("10.0.0.9".parse().unwrap()), Held::Yes);
    }

    #[test]
    fn why_nothing_is_known_is_told_until_it_is() {
        let nodes = NodeAddresses::default();
        assert_eq!(nodes.failure(), None);
        nodes.fail_own("no /proc".to_owned());
        assert!(nodes.failure().unwrap().ends_with("no /proc"));
        nodes.set_own(Own::default());
        nodes.fail_nodes("403".to_owned());
        assert!(nodes.failure().unwrap().ends_with("403"));
        nodes.set(HashSet::new(), None);
        nodes.fail_nodes("503".to_owned());
        assert_eq!(nodes.failure(), None, "what was known counts");
    }

    #[test]
    fn where_nothing_can_be_compared_the_network_is_not_taken_for_seen() {
        assert_eq!(sight(None, &["10.0.0.1"]), Sight::NoNode);
        assert_eq!(sight(Some(&[]), &["10.0.0.1"]), Sight::NoAddress);
        assert_eq!(
            sight(Some(&["127.0.0.1"]), &["127.0.0.1"]),
            Sight::NoAddress
        );
        assert_eq!(NodeAddresses::none().sight(), Sight::Seen);
    }
}
