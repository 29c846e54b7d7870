//! Watches the cluster's Nodes for their addresses, which no agent may reach, and this machine for its own.
//!
//! A node answers at more addresses than those of its status: at the gateway of its pods, and at those that its
//! network notes in annotations. What may not enter: what is dialled, and whether this machine's network is seen
//! (`drivers::outbound`).

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    pin::pin,
    time::Duration,
};

use aion_api::{Readable, condition::Status};
use aion_drivers::outbound::{NodeAddresses, Own};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, Client, ResourceExt,
    runtime::{WatchStreamExt, watcher, watcher::Event},
};

use super::sight::judgement;

/// How often this machine's interfaces and routes are looked at: bridges and floating addresses come and go.
const LOOK: Duration = Duration::from_secs(10);

/// Keeps this machine's addresses as its interfaces and routes have them, and says where its network is not seen.
pub(super) async fn watch_own(node: String, addresses: NodeAddresses) {
    let mut was = None;
    loop {
        match Own::read() {
            Ok(own) => addresses.set_own(own),
            Err(error) => {
                tracing::warn!(%error, "this machine's addresses cannot be read; what was known counts");
                addresses.fail_own(error.to_string());
            }
        }
        let sight = addresses.sight();
        if was != Some(sight) {
            let judged = judgement(sight, addresses.failure(), &node);
            match judged.status {
                Status::True => tracing::error!(node, "{}", judged.message),
                Status::False | Status::Unknown => tracing::info!(node, "{}", judged.message),
            }
            was = Some(sight);
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
    while let Some(event) = nodes.next().await {
        match event {
            Ok(event) => {
                if known.take(event) {
                    addresses.set(known.all(), known.of_status(&node));
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the Nodes cannot be watched for now");
                addresses.fail_nodes(error.to_string());
            }
        }
    }
}

#[derive(Default)]
struct Known {
    of: HashMap<String, Addresses>,
    coming: HashMap<String, Addresses>,
}

/// Where a node answers.
#[derive(Clone, Default, PartialEq)]
struct Addresses {
    /// At its own addresses, as its status has them.
    status: Vec<IpAddr>,
    /// At those that its pods and its network have for it.
    others: Vec<IpAddr>,
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
    fn addresses(&self, node: &Readable<Node>) -> Addresses {
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
                let mut known = self.of.get(&node.name_any()).cloned().unwrap_or_default();
                for noted in addresses(&bare).others {
                    if !known.others.contains(&noted) {
                        known.others.push(noted);
                    }
                }
                known
            }
        }
    }

    fn all(&self) -> HashSet<IpAddr> {
        let all = self.of.values();
        all.flat_map(|it| it.status.iter().chain(&it.others))
            .copied()
            .collect()
    }

    /// Those that the status of `node` has, where it is there.
    fn of_status(&self, node: &str) -> Option<HashSet<IpAddr>> {
        let found = self.of.get(node)?;
        Some(found.status.iter().copied().collect())
    }
}

fn addresses(node: &Node) -> Addresses {
    let status = node.status.iter().flat_map(|it| &it.addresses).flatten();
    let spec = node.spec.iter();
    let of_pods = spec.flat_map(|it| it.pod_cidr.iter().chain(it.pod_cidrs.iter().flatten()));
    let gateways = of_pods.flat_map(|it| gateways(it));
    // Of tunnels and hosts, as Calico, Cilium, Flannel and K3s note them: alone or in a list, some with a prefix.
    let notes = node.annotations().values().flat_map(|it| it.split(','));
    let noted = notes.filter_map(|it| it.split('/').next()?.trim().parse().ok());
    Addresses {
        status: status.filter_map(|it| it.address.parse().ok()).collect(),
        others: gateways.chain(noted).collect(),
    }
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
    use aion_drivers::outbound::Sight;
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
    fn a_cluster_without_nodes_is_known_for_one() {
        let mut known = Known::default();
        assert!(!known.take(Event::Init));
        assert!(known.take(Event::InitDone), "the first list, though empty");
        let addresses = NodeAddresses::default();
        addresses.set(known.all(), known.of_status("a"));
        addresses.set_own(Own::default());
        assert_eq!(addresses.sight(), Sight::NoNode);
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
        let mut known = Known::default();
        known.take(Event::Apply(Readable(Ok(node))));
        let found = known.all();
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
    fn what_annotations_say_is_not_compared_with_this_machine() {
        let mut noting = node("a", "10.0.0.1").0.unwrap();
        noting.metadata.annotations = Some(
            [(
                "projectcalico.org/IPv4Address".to_owned(),
                "10.244.1.7/24".to_owned(),
            )]
            .into(),
        );
        let mut known = Known::default();
        known.take(Event::Apply(Readable(Ok(noting))));
        let of_status: HashSet<IpAddr> = ["10.0.0.1".parse().unwrap()].into();
        assert_eq!(known.of_status("a"), Some(of_status));
        assert!(known.all().contains(&"10.244.1.7".parse().unwrap()));
        assert_eq!(known.of_status("b"), None, "there is no such Node");
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
