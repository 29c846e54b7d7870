//! Watches the cluster's Nodes for their addresses, which no agent may reach, and this machine for its own.
//!
//! A node answers at more addresses than those of its status: at the gateway of its pods, and at those that its
//! network notes in annotations. What may not enter: what is dialled (`drivers::outbound`).

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    pin::pin,
    time::Duration,
};

use aion_api::Readable;
use aion_drivers::outbound::{NodeAddresses, interface_addresses, own_addresses};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, Client, ResourceExt,
    runtime::{WatchStreamExt, watcher, watcher::Event},
};

/// How often this machine's interfaces and routes are looked at: bridges and floating addresses come and go.
const LOOK: Duration = Duration::from_secs(10);

/// Keeps this machine's addresses as its interfaces and routes have them.
pub(super) async fn watch_own(addresses: NodeAddresses) {
    loop {
        match own_addresses() {
            Ok(own) => addresses.set_own(own),
            Err(error) => {
                tracing::warn!(%error, "this machine's addresses cannot be read; what was known counts");
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Keeps `addresses` as the Nodes have them; `node` is the one that this program speaks for. A watch that breaks is taken up again, with growing pauses;
/// until it is back, what was known counts.
pub(super) async fn watch(client: Client, node: String, addresses: NodeAddresses) {
    let nodes = watcher(
        Api::<Readable<Node>>::all(client),
        watcher::Config::default(),
    )
    .default_backoff();
    let mut nodes = pin!(nodes);
    let mut known = Known::default();
    let mut was_apart = false;
    while let Some(event) = nodes.next().await {
        match event {
            Ok(event) => {
                let others = known.take(event);
                // At each word of a Node: an interface here may come later than the Node's address.
                let apart = match interface_addresses() {
                    Ok(here) => is_apart(known.of.get(&node), &here),
                    Err(error) => {
                        tracing::warn!(%error, "this machine's interfaces cannot be read; what was known counts");
                        was_apart
                    }
                };
                if apart && !was_apart {
                    tracing::error!(
                        node,
                        "no interface here has an address of this node, as in a pod without hostNetwork: its bridges \
                         and floating addresses are not seen, so nothing is dialled for agents; set hostNetwork: true"
                    );
                }
                was_apart = apart;
                addresses.set_apart(apart);
                if others {
                    addresses.set(known.all());
                }
            }
            Err(error) => tracing::debug!(%error, "the Nodes cannot be watched for now"),
        }
    }
}

/// Whether this program is in another network than its node, whose addresses are these. Where the Node has none, as one
/// that no kubelet keeps, nothing speaks for it. Loopback is everybody's.
fn is_apart(of_node: Option<&Vec<IpAddr>>, here: &HashSet<IpAddr>) -> bool {
    let of_node = of_node.into_iter().flatten().map(IpAddr::to_canonical);
    let mut of_node = of_node.filter(|it| !it.is_loopback()).peekable();
    of_node.peek().is_some() && !of_node.any(|it| here.contains(&it))
}

#[derive(Default)]
struct Known {
    of: HashMap<String, Vec<IpAddr>>,
    coming: HashMap<String, Vec<IpAddr>>,
}

impl Known {
    /// Whether the addresses may be others now. A node's status changes often, its addresses do not.
    fn take(&mut self, event: Event<Readable<Node>>) -> bool {
        match event {
            Event::Init => {
                self.coming.clear();
                false
            }
            Event::InitApply(node) => {
                let now = self.addresses(&node);
                self.coming.insert(node.name_any(), now);
                false
            }
            Event::InitDone => {
                self.of = std::mem::take(&mut self.coming);
                true
            }
            Event::Apply(node) => {
                let now = self.addresses(&node);
                self.of.insert(node.name_any(), now.clone()) != Some(now)
            }
            Event::Delete(node) => self.of.remove(&node.name_any()).is_some(),
        }
    }

    /// Of one that cannot be read, those that were known, and what its metadata notes.
    fn addresses(&self, node: &Readable<Node>) -> Vec<IpAddr> {
        match &node.0 {
            Ok(node) => addresses(node),
            Err(unreadable) => {
                let words = unreadable.words("Node");
                tracing::error!(
                    why = words,
                    "held as unreadable: its addresses are those known before"
                );
                let bare = Node {
                    metadata: unreadable.metadata.clone(),
                    ..Node::default()
                };
                let known = self.of.get(&node.name_any()).into_iter().flatten();
                known.copied().chain(addresses(&bare)).collect()
            }
        }
    }

    fn all(&self) -> HashSet<IpAddr> {
        self.of.values().flatten().copied().collect()
    }
}

fn addresses(node: &Node) -> Vec<IpAddr> {
    let status = node.status.iter().flat_map(|it| &it.addresses).flatten();
    let told = status.filter_map(|it| it.address.parse().ok());
    let spec = node.spec.iter();
    let of_pods = spec.flat_map(|it| it.pod_cidr.iter().chain(it.pod_cidrs.iter().flatten()));
    let gateways = of_pods.flat_map(|it| gateways(it));
    // Of tunnels and hosts, as Calico, Cilium, Flannel and K3s note them: alone or in a list, some with a prefix.
    let notes = node.annotations().values().flat_map(|it| it.split(','));
    let noted = notes.filter_map(|it| it.split('/').next()?.trim().parse().ok());
    told.chain(gateways).chain(noted).collect()
}

/// Where a node stands in the network of its pods: its first address, as bridges have it, and the one before, as
/// tunnels have it.
fn gateways(cidr: &str) -> Vec<IpAddr> {
    let Some((address, length)) = cidr.split_once('/') else {
        return Vec::new();
    };
    let (Ok(address), Ok(length)) = (address.parse(), length.parse::<u32>()) else {
        return Vec::new();
    };
    match address {
        IpAddr::V4(four) => {
            let host = u32::MAX.checked_shr(length).unwrap_or(0);
            let base = four.to_bits() & !host;
            let all = [base, base | (1 & host)];
            all.map(|it| Ipv4Addr::from_bits(it).into()).to_vec()
        }
        IpAddr::V6(six) => {
            let host = u128::MAX.checked_shr(length).unwrap_or(0);
            let base = six.to_bits() & !host;
            let all = [base, base | (1 & host)];
            all.map(|it| Ipv6Addr::from_bits(it).into()).to_vec()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn node(name: &str, address: &str) -> Readable<Node> {
        serde_json::from_value(json!({
            "metadata": {"name": name},
            "status": {"addresses": [
                {"type": "Hostname", "address": name}, {"type": "InternalIP", "address": address},
            ]},
        }))
        .unwrap()
    }

    #[test]
    fn every_node_counts_as_long_as_it_is_there() {
        let mut known = Known::default();
        assert!(!known.take(Event::Init));
        assert!(!known.take(Event::InitApply(node("a", "10.0.0.1"))));
        assert!(known.take(Event::InitDone));
        assert!(
            !known.take(Event::Apply(node("a", "10.0.0.1"))),
            "nothing changed"
        );
        assert!(known.take(Event::Apply(node("b", "10.0.0.2"))));
        let all: HashSet<IpAddr> = ["10.0.0.1", "10.0.0.2"]
            .map(|it| it.parse().unwrap())
            .into();
        assert_eq!(known.all(), all);
        // Nobody takes the address of a Node that cannot be read for one that may be dialled.
        let unreadable = serde_json::from_value(json!({
            "metadata": {"name": "b"}, "status": {"addresses": "none"},
        }));
        known.take(Event::Apply(unreadable.unwrap()));
        assert_eq!(known.all(), all);
        assert!(known.take(Event::Delete(node("a", "10.0.0.1"))));
        assert_eq!(known.all().len(), 1);
    }

    #[test]
    fn a_node_is_refused_where_its_pods_and_its_network_reach_it() {
        let node: Node = serde_json::from_value(json!({
            "metadata": {"name": "a", "annotations": {
                "projectcalico.org/IPv4Address": "10.0.0.1/24",
                "projectcalico.org/IPv4VXLANTunnelAddr": "10.244.7.0",
                "k3s.io/internal-ip": "10.0.1.1,fd00:5::1",
                "flannel.alpha.coreos.com/backend-data": "{\"VNI\":1}",
                "note": "rack 7",
            }},
            "spec": {"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24", "fd00:1:2::/64"]},
            "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]},
        }))
        .unwrap();
        let found: HashSet<IpAddr> = addresses(&node).into_iter().collect();
        let expected = [
            "10.0.0.1",
            "10.0.1.1",
            "10.244.1.0",
            "10.244.1.1",
            "10.244.7.0",
            "fd00:1:2::",
            "fd00:1:2::1",
            "fd00:5::1",
        ];
        let expected: HashSet<IpAddr> = expected.map(|it| it.parse().unwrap()).into();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_pod_in_a_network_of_its_own_is_told_from_its_node() {
        let of_node = addresses(node("a", "10.0.0.1").0.as_ref().unwrap());
        let here = |all: &[&str]| all.iter().map(|it| it.parse().unwrap()).collect();
        let of_node = Some(&of_node);
        assert!(!is_apart(
            of_node,
            &here(&["127.0.0.1", "10.0.0.1", "172.17.0.1"])
        ));
        assert!(is_apart(of_node, &here(&["127.0.0.1", "10.244.1.7"])));
        // What an annotation says of loopback makes no pod the node.
        let with_loopback = ["127.0.0.1", "10.0.0.1"].map(|it| it.parse().unwrap());
        assert!(is_apart(
            Some(&with_loopback.to_vec()),
            &here(&["127.0.0.1"])
        ));
        // A Node that is not there, or that no kubelet keeps.
        assert!(!is_apart(None, &here(&["127.0.0.1"])));
        assert!(!is_apart(Some(&Vec::new()), &here(&["127.0.0.1"])));
    }

    #[test]
    fn what_is_no_network_has_no_gateway() {
        for cidr in ["", "10.0.0.0", "10.0.0.0/x", "x/24"] {
            assert!(gateways(cidr).is_empty(), "{cidr}");
        }
        let one: IpAddr = "10.0.0.9".parse().unwrap();
        assert_eq!(gateways("10.0.0.9/32"), [one, one]);
    }
}
