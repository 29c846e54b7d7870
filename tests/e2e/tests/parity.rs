//! One set of manifests, two ways: a real API server with the operator, and the folder of a machine
//! standing alone. What is accepted, which instances there are and what the conditions say is the same.
//!
//! Each case is a file under `manifests/parity`; its first line says what is expected of both.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use aion_api::condition::Condition;
use aion_api::{Agent, AgentInstance, KernelNode, NodeCapacity};
use aion_e2e::cluster::{BOUND, cluster, root};
use aion_e2e::node_double::NodeDouble;
use aion_e2e::operator::Operator;
use aion_resolve::node_status::node_view;
use aion_resolve::{Key, NodeState, Setting, Universe, parse_manifests, resolve_all};
use aion_testkit::{ControlPlane, until};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::de::DeserializeOwned;
use serde_json::Value;

const NODE: &str = "node-parity";

struct Case {
    name: String,
    path: PathBuf,
    text: String,
    /// Words of the refusal, where it is expected.
    refused: Option<String>,
}

fn cases() -> Vec<Case> {
    let folder = root().join("tests/e2e/manifests/parity");
    let mut cases: Vec<Case> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let first = text.lines().next().unwrap_or_default();
            let refused = first.strip_prefix("# refused: ").map(str::to_owned);
            assert!(
                refused.is_some() || first.starts_with("# accepted"),
                "{}: what is expected?",
                path.display()
            );
            Case {
                name: path
                    .file_stem()
                    .unwrap()
                    .to_string_lossy()
                    .replace('_', "-"),
                path,
                text,
                refused,
            }
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(cases.len() >= 20, "only {} cases", cases.len());
    cases
}

/// What became of a case.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// By name: the spec, labels and finalizers.
    instances: BTreeMap<String, Value>,
    /// By agent: type, status, reason, message.
    conditions: BTreeMap<String, Vec<String>>,
}

fn outcome<'a>(
    agents: impl IntoIterator<Item = (&'a str, Vec<Condition>)>,
    instances: impl IntoIterator<Item = AgentInstance>,
) -> Outcome {
    let line = |c: Condition| format!("{}={} {}: {}", c.type_, c.status, c.reason, c.message);
    Outcome {
        instances: instances
            .into_iter()
            .map(|instance| {
                let metadata = &instance.metadata;
                let owners: Vec<_> = metadata.owner_references.iter().flatten().map(|o| (&o.kind, &o.name, &o.uid)).collect();
                let value = serde_json::json!({
                    "spec": instance.spec, "labels": metadata.labels, "finalizers": metadata.finalizers, "owners": owners,
                });
                (metadata.name.clone().unwrap(), value)
            })
            .collect(),
        conditions: agents
            .into_iter()
            .map(|(name, conditions)| (name.to_owned(), conditions.into_iter().map(line).collect()))
            .collect(),
    }
}

fn list<T: DeserializeOwned>(
    cluster: &ControlPlane,
    namespace: &str,
    kind: &str,
) -> Result<Vec<T>, String> {
    let text = cluster
        .kubectl(&["-n", namespace, "get", kind, "-o", "json"])
        .map_err(|e| e.to_string())?;
    let list: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| serde_json::from_value(item.clone()).map_err(|e| e.to_string()))
        .collect()
}

#[test]
fn standalone_and_a_cluster_take_the_same_and_make_the_same_of_it() {
    let Some(cluster) = cluster().unwrap() else {
        return;
    };
    let shared = root().join("tests/e2e/manifests/parity_policies.yaml");
    cluster
        .kubectl(&["apply", "-f", &shared.to_string_lossy()])
        .unwrap();
    let node = NodeDouble::register(cluster, NODE).unwrap();
    let operator = Operator::start(cluster, "parity").unwrap();
    let mut faults = Vec::new();
    for case in cases() {
        if let Err(fault) = compare(cluster, &node, &shared, &case) {
            faults.push(format!(
                "== {}\n{fault}\n{}",
                case.name,
                operator.process.tail()
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

fn compare(
    cluster: &ControlPlane,
    node: &NodeDouble<'_>,
    shared: &PathBuf,
    case: &Case,
) -> Result<(), String> {
    let namespace = format!("parity-{}", case.name);
    cluster
        .kubectl(&["create", "namespace", &namespace])
        .map_err(|e| e.to_string())?;
    let applied = cluster.kubectl(&[
        "-n",
        &namespace,
        "apply",
        "--validate=strict",
        "-f",
        &case.path.to_string_lossy(),
    ]);
    let parsed = parse_manifests(&case.text, &case.name);
    match (&case.refused, &applied, &parsed) {
        (Some(words), Err(cluster), Err(alone)) => {
            let alone: Vec<String> = alone.iter().map(ToString::to_string).collect();
            let said = |text: &str| words.split(" | ").any(|words| text.contains(words));
            return match said(&alone.join("\n")) && said(&cluster.to_string()) {
                true => Ok(()),
                false => Err(format!(
                    "refused, but not with {words:?}\ncluster: {cluster}\nstandalone: {alone:?}"
                )),
            };
        }
        (None, Ok(_), Ok(_)) => {}
        _ => {
            return Err(format!(
                "expected refused={:?}\ncluster: {applied:?}\nstandalone: {parsed:?}",
                case.refused
            ));
        }
    }
    let mut universe = universe(cluster, &namespace, shared, &case.text)?;

    // Both again and again, until they agree: each new instance reports ready.
    let alone = settle(&mut universe)?;
    until("both to agree", BOUND, || {
        for instance in node.instances(&namespace).map_err(|e| e.to_string())? {
            if instance["status"].is_null() {
                node.ready(&instance).map_err(|e| e.to_string())?;
            }
        }
        let agents: Vec<Agent> = list(cluster, &namespace, "agents")?;
        let instances: Vec<AgentInstance> = list(cluster, &namespace, "agentinstances")?;
        let told = agents.iter().map(|agent| {
            let status = agent.status.clone().unwrap_or_default();
            (
                agent.metadata.name.as_deref().unwrap_or_default(),
                status.conditions,
            )
        });
        let there = outcome(told, instances);
        if there == alone {
            Ok(())
        } else {
            Err(format!("cluster: {there:#?}\nstandalone: {alone:#?}"))
        }
    })
    .map_err(|error| error.to_string())
}

/// The folder of a machine that stands where the cluster's node stands, with the uids that the API server
/// gave, since they are part of what is resolved.
fn universe(
    cluster: &ControlPlane,
    namespace: &str,
    shared: &PathBuf,
    text: &str,
) -> Result<Universe, String> {
    let mut universe = Universe {
        setting: Setting::Standalone,
        ..Universe::default()
    };
    let kernel_nodes: Vec<KernelNode> = list(cluster, namespace, "kernelnodes")?;
    let kernel_node = kernel_nodes
        .iter()
        .find(|n| n.metadata.name.as_deref() == Some(NODE))
        .ok_or("no node")?;
    let view = node_view(kernel_node, NodeState::Ready, 0);
    assert_eq!(
        view.capacity,
        NodeCapacity {
            instances: 1000,
            memory_mib: 8192,
            cpu_millis: 8000
        }
    );
    universe.nodes.insert(NODE.to_owned(), view);
    let shared = fs::read_to_string(shared).map_err(|e| e.to_string())?;
    for text in [shared.as_str(), text] {
        for mut manifest in parse_manifests(text, "parity").map_err(|p| format!("{p:?}"))? {
            let kind = manifest.object.kind().to_lowercase();
            let name = manifest.object.name().to_owned();
            let uid = cluster.kubectl(&[
                "-n",
                namespace,
                "get",
                &kind,
                &name,
                "-o",
                "jsonpath={.metadata.uid}",
            ]);
            manifest.object.metadata_mut().uid =
                Some(uid.map_err(|e| e.to_string())?.trim().to_owned());
            universe.insert(manifest.object, namespace);
        }
    }
    Ok(universe)
}

/// Resolves, makes what is planned, lets it report ready, until nothing changes.
fn settle(universe: &mut Universe) -> Result<Outcome, String> {
    let now = Time(jiff::Timestamp::now());
    for _ in 0..5 {
        let resolved = resolve_all(universe).map_err(|e| e.to_string())?;
        let mut conditions = Vec::new();
        let mut changed = false;
        for (key, resolved) in &resolved {
            for name in &resolved.plan.retire {
                changed |= universe
                    .instances
                    .remove(&Key::new(&key.namespace, name))
                    .is_some();
            }
            for instance in &resolved.plan.create {
                let mut instance = instance.clone();
                let verified = if instance.spec.bundle.is_some() {
                    "Signed"
                } else {
                    "Inline"
                };
                let told = [
                    ("Verified", verified, "as it should be"),
                    ("SandboxEnforced", "Enforced", "all layers are enforced"),
                    ("Ready", "Ok", "can be asked"),
                ];
                let status = instance.status.get_or_insert_default();
                status.phase = aion_api::InstancePhase::Ready;
                status.conditions = told
                    .map(|(type_, reason, message)| Condition {
                        type_: type_.into(),
                        status: "True".into(),
                        reason: reason.into(),
                        message: message.into(),
                        last_transition_time: now.clone(),
                        observed_generation: None,
                    })
                    .to_vec();
                let name = instance.metadata.name.clone().unwrap_or_default();
                universe
                    .instances
                    .insert(Key::new(&key.namespace, &name), instance);
                changed = true;
            }
            let own: Vec<AgentInstance> = universe
                .instances
                .values()
                .filter(|i| i.spec.agent.name == key.name)
                .cloned()
                .collect();
            conditions.push((
                key.name.clone(),
                resolved
                    .status(&universe.agents[key], &own, &now)
                    .conditions,
            ));
        }
        if !changed {
            let told = conditions
                .iter()
                .map(|(name, conditions)| (name.as_str(), conditions.clone()));
            return Ok(outcome(told, universe.instances.values().cloned()));
        }
    }
    Err("standalone does not settle".to_owned())
}
