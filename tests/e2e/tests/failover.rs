//! Operators that come and go: one leads, the next takes over, nothing is done twice.
#![allow(clippy::unwrap_used, clippy::panic)]

use aion_e2e::cluster::{BOUND, cluster, root};
use aion_e2e::node_double::NodeDouble;
use aion_e2e::operator::Operator;
use aion_testkit::{ControlPlane, until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

fn leads(operator: &Operator) -> Result<bool, String> {
    let (_, metrics) = operator
        .get("/metrics")
        .map_err(|error| error.to_string())?;
    Ok(metrics
        .lines()
        .any(|line| line == "aion_operator_leader_info 1"))
}

fn until_leads(operator: &Operator) {
    until("the operator to lead", BOUND, || match leads(operator)? {
        true => Ok(()),
        false => Err(operator.process.tail()),
    })
    .unwrap();
}

fn apply(cluster: &ControlPlane, name: &str) {
    let agent = json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "Agent", "metadata": {"name": name, "namespace": "failover"},
        "spec": {"instructions": "Be brief."},
    });
    cluster.apply(&agent.to_string()).unwrap();
}

fn names(node: &NodeDouble<'_>, count: usize) -> Vec<String> {
    until(&format!("{count} instances"), BOUND, || {
        let all: Vec<Value> = node
            .instances("failover")
            .map_err(|error| error.to_string())?;
        let names: Vec<String> = all
            .iter()
            .map(|i| i["metadata"]["name"].as_str().unwrap().to_owned())
            .collect();
        if names.len() == count {
            Ok(names)
        } else {
            Err(format!("{names:?}"))
        }
    })
    .unwrap()
}

#[test]
fn another_operator_takes_over_from_one_that_is_killed_or_stopped() {
    let Some(cluster) = cluster().unwrap() else {
        return;
    };
    cluster
        .kubectl(&[
            "apply",
            "-f",
            &root().join("policies/cluster.yaml").to_string_lossy(),
        ])
        .unwrap();
    cluster
        .kubectl(&["create", "namespace", "failover"])
        .unwrap();
    cluster
        .kubectl(&[
            "label",
            "namespace",
            "failover",
            "aion.dev/inline-agents=allowed",
        ])
        .unwrap();
    let node = NodeDouble::register(cluster, "node-a").unwrap();

    let mut first = Operator::start(cluster, "first").unwrap();
    until_leads(&first);
    let second = Operator::start(cluster, "second").unwrap();
    assert_eq!(leads(&second), Ok(false), "two lead at once");
    apply(cluster, "before");
    let before = names(&node, 1);
    let (_, metrics) = second.get("/metrics").unwrap();
    assert!(
        !metrics.contains("controller_runtime_reconcile_total{"),
        "a standby reconciles:\n{metrics}"
    );
    let (_, metrics) = first.get("/metrics").unwrap();
    assert!(
        metrics
            .contains(r#"controller_runtime_reconcile_total{controller="agent",result="success"}"#),
        "{metrics}"
    );

    // kill -9: the lease runs out, the next leads, and what is there stays.
    first.process.signal(Signal::SIGKILL);
    first.process.wait(BOUND).unwrap();
    until_leads(&second);
    apply(cluster, "between");
    let between = names(&node, 2);
    assert!(
        before.iter().all(|name| between.contains(name)),
        "{before:?} {between:?}"
    );

    // SIGTERM: it gives the lease up and ends well.
    let third = Operator::start(cluster, "third").unwrap();
    let mut second = second;
    second.process.signal(Signal::SIGTERM);
    assert_eq!(
        second.process.wait(BOUND).unwrap(),
        0,
        "{}",
        second.process.tail()
    );
    until_leads(&third);
    apply(cluster, "after");
    let after = names(&node, 3);
    assert!(
        between.iter().all(|name| after.contains(name)),
        "{between:?} {after:?}"
    );
}
