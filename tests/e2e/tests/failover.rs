//! Operators that come and go: one leads, the next takes over, nothing is done twice, and at rest nothing is
//! done at all.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Instant;

use aion_e2e::cluster::BOUND;
use aion_e2e::crowd::Crowd;
use aion_e2e::node_double::NodeDouble;
use aion_e2e::operator::Operator;
use aion_e2e::story::Story;
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
    let Some(story) = Story::with_policies("failover") else {
        return;
    };
    let cluster = story.cluster;
    let node = story.node("node-a");

    let mut first = story.operator("first");
    until_leads(&first);
    let second = story.operator("second");
    assert_eq!(leads(&second), Ok(false), "two lead at once");
    apply(cluster, "before");
    let before = names(&node, 1);
    let (_, metrics) = second.get("/metrics").unwrap();
    assert!(
        !metrics.contains("controller_runtime_reconcile_total{"),
        "a standby reconciles:\n{metrics}"
    );
    // A reconciliation is counted once it is over, which is after what it made can be seen.
    until("the leader's count", BOUND, || {
        let (_, metrics) = first.get("/metrics").map_err(|error| error.to_string())?;
        let counted = r#"controller_runtime_reconcile_total{controller="agent",result="success"}"#;
        if metrics.contains(counted) {
            Ok(())
        } else {
            Err(metrics)
        }
    })
    .unwrap();

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
    let third = story.operator("third");
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

#[test]
fn a_leader_that_was_frozen_leads_no_more_when_it_wakes() {
    let Some(story) = Story::with_policies("frozen") else {
        return;
    };
    let mut first = story.operator("frozen");
    until_leads(&first);
    let second = story.operator("awake");
    first.process.signal(Signal::SIGSTOP);
    until_leads(&second);
    first.process.signal(Signal::SIGCONT);
    // It ends, to be started again as one that waits.
    let code = first.process.wait(BOUND).unwrap();
    assert_eq!(code, 1, "{}", first.process.tail());
    assert!(
        first.process.log().contains("lost the lease"),
        "{}",
        first.process.tail()
    );
    assert_eq!(leads(&second), Ok(true));
}

/// How often anybody wrote something of ours, as the API server counts: objects and events.
fn writes(cluster: &ControlPlane) -> Vec<String> {
    let text = cluster.kubectl(&["get", "--raw", "/metrics"]).unwrap();
    text.lines()
        .filter(|line| line.starts_with("apiserver_request_total{"))
        .filter(|line| {
            ["aion.dev", "events.k8s.io"]
                .iter()
                .any(|g| line.contains(&format!("group=\"{g}\"")))
        })
        .filter(|line| {
            !["GET", "LIST", "WATCH"]
                .iter()
                .any(|v| line.contains(&format!("verb=\"{v}\"")))
        })
        .map(str::to_owned)
        .collect()
}

/// How many reconciliations of agents ended well.
fn looks(operator: &Operator) -> Result<u64, String> {
    let (_, metrics) = operator
        .get("/metrics")
        .map_err(|error| error.to_string())?;
    let name = r#"controller_runtime_reconcile_total{controller="agent",result="success"} "#;
    let count = metrics.lines().find_map(|line| line.strip_prefix(name));
    count.and_then(|count| count.parse().ok()).ok_or(metrics)
}

#[test]
fn at_rest_nothing_is_written_however_often_everything_is_looked_at() {
    const AGENTS: u64 = 400;
    let Some(story) = Story::with_policies("rest") else {
        return;
    };
    let cluster = story.cluster;
    let names = ["node-rest-0", "node-rest-1", "node-rest-2", "node-rest-3"];
    let _nodes = names.map(|name| story.working_node(name, &[], &[]));
    let operator = story.operator("rest");
    story.apply("MemoryPool", "p", json!({}));
    // One that cannot be resolved: it says so once.
    let nowhere = json!({"instructions": "Be brief.", "model": {"use": "none"}});
    story.apply("Agent", "lacking", nowhere);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let from = Instant::now();
    let crowd = runtime.block_on(async {
        let crowd = Crowd::of(cluster.admin(), "rest").await.unwrap();
        let (pooled, free) = (json!({"memory": {"pool": "p"}}), json!({}));
        let names = |of: &'static str| (0..AGENTS / 2).map(move |n| format!("{of}{n}"));
        crowd.make(names("pooled-"), &pooled).await.unwrap();
        crowd.make(names("free-"), &free).await.unwrap();
        crowd
    });
    for part in 1..=10 {
        let wanted = AGENTS * part / 10;
        until(&format!("{wanted} to be ready"), BOUND, || {
            match crowd.ready() as u64 {
                ready if ready >= wanted => Ok(()),
                ready => Err(format!(
                    "{ready} are ready, one is {}\n{}",
                    runtime.block_on(crowd.first_that_waits()),
                    operator.process.tail()
                )),
            }
        })
        .unwrap();
    }
    println!("{AGENTS} agents were ready after {:?}", from.elapsed());
    // Nobody else's end is counted: what a namespace's last things are is deleted by Kubernetes, and counted too.
    until("the namespaces before this one to be gone", BOUND, || {
        let going = [
            "get",
            "namespaces",
            "-o",
            "jsonpath={.items[*].status.phase}",
        ];
        let phases = cluster.kubectl(&going).map_err(|e| e.to_string())?;
        match phases.contains("Terminating") {
            false => Ok(()),
            true => Err(phases),
        }
    })
    .unwrap();
    // Until the last event is written.
    let mut last = writes(cluster);
    until("it to be at rest", BOUND, || {
        let now = writes(cluster);
        let rests = now == last;
        last.clone_from(&now);
        match rests {
            true => Ok(()),
            false => Err("something was written just now".to_owned()),
        }
    })
    .unwrap();

    let (from, first) = (Instant::now(), looks(&operator).unwrap());
    for round in 1..=10_u64 {
        let before = looks(&operator).unwrap();
        let mark = format!("round={round}");
        cluster
            .kubectl(&["label", "--overwrite", "namespace", "rest", &mark])
            .unwrap();
        until("every agent to be looked at", BOUND, || {
            match looks(&operator)? - before {
                seen if seen > AGENTS => Ok(()),
                seen => Err(format!("{seen} were")),
            }
        })
        .unwrap();
    }
    let (looked, took) = (looks(&operator).unwrap() - first, from.elapsed());
    println!("{:.0} looks a second", looked as f64 / took.as_secs_f64());
    assert_eq!(writes(cluster), last, "something was written at rest");

    // Nor by one that is started anew and looks at everything for the first time.
    drop(operator);
    let operator = story.operator("rest-again");
    until(
        "the new one to look at everything",
        BOUND,
        || match looks(&operator)? {
            seen if seen > AGENTS => Ok(()),
            seen => Err(format!("{seen} were")),
        },
    )
    .unwrap();
    assert_eq!(writes(cluster), last, "a new operator wrote what was there");

    // One by one, as the end of a story has it, would take long.
    until("all to be deleted", BOUND, || {
        // Its connection may have been closed: nothing was asked for so long.
        runtime
            .block_on(crowd.delete())
            .map_err(|error| error.to_string())
    })
    .unwrap();
    for part in (0..10).rev() {
        let wanted = AGENTS * part / 10;
        until(&format!("all but {wanted} to be gone"), BOUND, || {
            let left = runtime.block_on(crowd.left());
            match left.map_err(|error| error.to_string())? as u64 {
                left if left <= wanted => Ok(()),
                left => Err(format!("{left} are left\n{}", operator.process.tail())),
            }
        })
        .unwrap();
    }
}
