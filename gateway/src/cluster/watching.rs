//! The watches that fill the table. Of an object only what the table keeps is read, so that one of another version, or that is
//! wrong elsewhere, stops no watch.

use std::{fmt::Debug, pin::pin, sync::Arc};

use aion_api::{
    GROUP, NodeApi, VERSION,
    condition::{self, Condition},
    crd,
};
use aion_client::Address;
use futures::TryStreamExt as _;
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{ApiResource, Object},
    core::GroupVersionKind,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use parking_lot::RwLock;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::sync::watch;

use super::table::{Instance, Table, Where};
use crate::numbers::Tag;

/// So many objects at once in a list.
const PAGE: u32 = 200;

/// Of an AgentInstance.
type Placed = Object<PlacedSpec, Status>;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PlacedSpec {
    agent: Named,
    node_name: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Named {
    name: String,
}

/// Of either.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Status {
    conditions: Vec<Condition>,
    api: Option<NodeApi>,
}

/// Of a KernelNode.
type Reached = Object<Nothing, Status>;

#[derive(Debug, Clone, Default, Deserialize)]
struct Nothing {}

/// Fills `table` for ever. What is given says when everything was listed once.
pub(super) fn fill(
    client: &Client,
    table: &Arc<RwLock<Table>>,
    plain: bool,
) -> watch::Receiver<bool> {
    let (nodes, instances) = (Arc::clone(table), Arc::clone(table));
    // Nodes first: their names are kept once, and not with each instance.
    let nodes = follow(all(client, "KernelNode"), move |event| {
        take_node(&nodes, event, plain)
    });
    let placed = all(client, "AgentInstance");
    let instances = follow(placed, move |event| take_instance(&instances, event));
    let (tell, told) = watch::channel(false);
    tokio::spawn(async move {
        for mut filled in [nodes, instances] {
            if filled.wait_for(|it| *it).await.is_err() {
                return;
            }
        }
        tell.send_replace(true);
        // As long as anybody wants to know.
        tell.closed().await;
    });
    told
}

fn all<K>(client: &Client, kind: &str) -> Api<K>
where
    K: Resource<DynamicType = ApiResource>,
{
    Api::all_with(client.clone(), &resource(kind))
}

pub(super) fn resource(kind: &str) -> ApiResource {
    let gvk = GroupVersionKind::gvk(GROUP, VERSION, kind);
    match crd::kind(kind) {
        Some(known) => ApiResource::from_gvk_with_plural(&gvk, known.plural),
        None => ApiResource::from_gvk(&gvk),
    }
}

/// A watch that breaks is taken up again; what the table has stays meanwhile.
fn follow<K>(api: Api<K>, take: impl Fn(Event<K>) + Send + 'static) -> watch::Receiver<bool>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let (tell, filled) = watch::channel(false);
    tokio::spawn(async move {
        let config = watcher::Config::default().page_size(PAGE);
        let events = watcher(api, config).default_backoff();
        let mut events = pin!(events);
        loop {
            match events.try_next().await {
                Ok(Some(event)) => {
                    let is_listed = matches!(event, Event::InitDone);
                    take(event);
                    if is_listed {
                        tell.send_replace(true);
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, "a watch broke; it is taken up again");
                }
            }
        }
    });
    filled
}

fn take_instance(table: &RwLock<Table>, event: Event<Placed>) {
    let mut table = table.write();
    match event {
        Event::Init => table.begins_instances(),
        Event::InitDone => table.ends_instances(),
        Event::Apply(it) | Event::InitApply(it) => {
            let status = it.status.as_ref();
            let is_ready =
                status.is_some_and(|it| condition::is_true(&it.conditions, condition::READY));
            let instance = Instance {
                name: it.name_any().into(),
                node: it.spec.node_name.as_str().into(),
                is_ready,
                is_leaving: it.metadata.deletion_timestamp.is_some(),
            };
            let namespace = it.namespace().unwrap_or_default();
            table.instance((&namespace, &it.spec.agent.name), instance);
        }
        Event::Delete(it) => {
            let namespace = it.namespace().unwrap_or_default();
            table.no_instance((&namespace, &it.spec.agent.name), &it.name_any());
        }
    }
}

fn take_node(table: &RwLock<Table>, event: Event<Reached>, plain: bool) {
    match event {
        Event::Init => table.write().begins_nodes(),
        Event::InitDone => table.write().ends_nodes(),
        Event::Apply(it) | Event::InitApply(it) => {
            let status = it.status.clone().unwrap_or_default();
            // An address has a client with its TLS, which takes its time to make.
            let at = Where {
                tag: Tag::of(&it.uid().unwrap_or_default()),
                is_alive: condition::is_true(&status.conditions, condition::READY),
                address: address(status.api.as_ref(), plain),
            };
            table.write().node(&it.name_any(), at);
        }
        Event::Delete(it) => table.write().no_node(&it.name_any()),
    }
}

/// By the authority that the KernelNode names, as `aionctl` does. Without TLS a node is its own machine's, and what listens at that address
/// where a gateway is would be somebody else; only tests have both in one place.
fn address(api: Option<&NodeApi>, plain: bool) -> Result<Address, Arc<str>> {
    let api = api.ok_or("start its aion-node with --listen")?;
    if !plain && !api.url.starts_with("https://") {
        let remedy = "have it started with a certificate: nodeAgent.tlsSecretName of the chart";
        return Err(format!("its aion-node serves its own machine alone; {remedy}").into());
    }
    Address::cluster(&api.url, api.ca_bundle.as_deref(), None)
        .map_err(|why| format!("its address {} cannot be used: {why}", api.url).into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_api::API_VERSION;
    use serde_json::json;

    use super::*;
    use crate::place::Key;

    #[test]
    fn an_instance_is_found_on_its_node_once_both_are_told_and_not_when_it_is_deleted() {
        let table = RwLock::new(Table::default());
        let placed = |status: serde_json::Value| -> Placed {
            serde_json::from_value(json!({
                "apiVersion": API_VERSION, "kind": "AgentInstance",
                "metadata": {"name": "keeper-0", "namespace": "home"},
                // What is not read may be whatever it is.
                "spec": {"agent": {"name": "keeper", "uid": 7}, "nodeName": "n1", "lane": {}},
                "status": status,
            }))
            .unwrap()
        };
        let node: Reached = serde_json::from_value(json!({
            "apiVersion": API_VERSION, "kind": "KernelNode",
            "metadata": {"name": "n1", "uid": "u1"}, "spec": {"scheduling": "pause"},
            "status": {"api": {"url": "http://127.0.0.1:7443"}, "layers": 7},
        }))
        .unwrap();
        let asked = || {
            let all = table.read().candidates(("home", "keeper"), Key::Ours("k"));
            all.map(|it| it.len())
        };
        take_instance(&table, Event::Apply(placed(json!(null))));
        assert!(asked().is_err());
        take_node(&table, Event::Apply(node), true);
        assert_eq!(asked(), Ok(1));
        take_instance(&table, Event::Delete(placed(json!({}))));
        assert!(asked().is_err());
    }

    #[test]
    fn an_address_without_an_authority_is_not_used() {
        let api = |url: &str| NodeApi {
            url: url.to_owned(),
            ca_bundle: None,
        };
        for url in ["https://10.0.0.7:7443", "http://10.0.0.7:7443", "x"] {
            let why = address(Some(&api(url)), true).unwrap_err();
            assert!(why.contains(url), "{why}");
        }
        assert!(address(None, true).unwrap_err().contains("--listen"));
    }

    #[test]
    fn a_node_that_serves_its_own_machine_alone_is_not_sought_on_that_of_the_gateway() {
        for url in ["http://127.0.0.1:7443", "http://localhost:7443"] {
            let api = NodeApi {
                url: url.to_owned(),
                ca_bundle: None,
            };
            let why = address(Some(&api), false).unwrap_err();
            assert!(why.contains("its own machine alone"), "{why}");
            assert!(address(Some(&api), true).is_ok());
        }
    }
}
