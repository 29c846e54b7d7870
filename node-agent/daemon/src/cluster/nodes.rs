//! Watches the cluster's Nodes for their addresses, which no agent may reach.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    pin::pin,
};

use aion_drivers::outbound::NodeAddresses;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, Client, ResourceExt,
    runtime::{WatchStreamExt, watcher, watcher::Event},
};

/// Keeps `addresses` as the Nodes have them. A watch that breaks is taken up again, with growing pauses;
/// until it is back, what was known counts.
pub(super) async fn watch(client: Client, addresses: NodeAddresses) {
    let nodes = watcher(Api::<Node>::all(client), watcher::Config::default()).default_backoff();
    let mut nodes = pin!(nodes);
    let mut known = Known::default();
    while let Some(event) = nodes.next().await {
        match event {
            Ok(event) => {
                if known.take(event) {
                    addresses.set(known.all());
                }
            }
            Err(error) => tracing::debug!(%error, "the Nodes cannot be watched for now"),
        }
    }
}

#[derive(Default)]
struct Known {
    of: HashMap<String, Vec<IpAddr>>,
    coming: HashMap<String, Vec<IpAddr>>,
}

impl Known {
    /// Whether the addresses may be others now. A node's status changes often, its addresses do not.
    fn take(&mut self, event: Event<Node>) -> bool {
        match event {
            Event::Init => {
                self.coming.clear();
                false
            }
            Event::InitApply(node) => {
                self.coming.insert(node.name_any(), addresses(&node));
                false
            }
            Event::InitDone => {
                self.of = std::mem::take(&mut self.coming);
                true
            }
            Event::Apply(node) => {
                let now = addresses(&node);
                self.of.insert(node.name_any(), now.clone()) != Some(now)
            }
            Event::Delete(node) => self.of.remove(&node.name_any()).is_some(),
        }
    }

    fn all(&self) -> HashSet<IpAddr> {
        self.of.values().flatten().copied().collect()
    }
}

fn addresses(node: &Node) -> Vec<IpAddr> {
    let status = node.status.as_ref();
    let all = status
        .and_then(|it| it.addresses.as_ref())
        .into_iter()
        .flatten();
    all.filter_map(|it| it.address.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn node(name: &str, address: &str) -> Node {
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
        assert!(known.take(Event::Delete(node("a", "10.0.0.1"))));
        assert_eq!(known.all().len(), 1);
    }
}
