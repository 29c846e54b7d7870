//! An object that this release cannot read, as after a step back to an older one: it is held, and nothing else is.

use aion_e2e::cluster::{BOUND, furnish, namespace, policies};
use aion_e2e::node_double::NodeDouble;
use aion_e2e::operator::Operator;
use aion_e2e::story::on;
use aion_testkit::{ControlPlane, or_skip, until};
use serde_json::{Value, json};

const SPACE: &str = "newer";

/// What a newer release's definition lets a field be besides.
fn widen(cluster: &ControlPlane, crd: &str, field: &str, word: &str) {
    let field = field.replace('.', "/properties/");
    let path = format!("/spec/versions/0/schema/openAPIV3Schema/properties/{field}/enum/-");
    let patch = json!([{"op": "add", "path": path, "value": word}]).to_string();
    kubectl(cluster, &["patch", "crd", crd, "--type=json", "-p", &patch]);
}

fn kubectl(cluster: &ControlPlane, args: &[&str]) -> String {
    cluster.kubectl(args).unwrap()
}

/// Patches until the API server knows of the wider definition.
fn say(cluster: &ControlPlane, object: &str, spec: &Value) {
    let patch = json!({"spec": spec}).to_string();
    let args = ["-n", SPACE, "patch", object, "--type=merge", "-p", &patch];
    until("the wider definition to be in force", BOUND, || {
        let patched = cluster.kubectl(&args);
        patched.map_err(|error| error.to_string())
    })
    .unwrap();
}

fn condition(cluster: &ControlPlane, agent: &str, type_: &str, expect: &str) -> String {
    until(&format!("{agent} to tell {type_} {expect}"), BOUND, || {
        let path = format!("jsonpath={{.status.conditions[?(@.type==\"{type_}\")]}}");
        let found = cluster.kubectl(&["-n", SPACE, "get", "agent", agent, "-o", &path]);
        let found = found.map_err(|error| error.to_string())?;
        let found: Value = serde_json::from_str(&found).map_err(|error| error.to_string())?;
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        match format!("{} {}", text("status"), text("reason")) == expect {
            true => Ok(text("message")),
            false => Err(found.to_string()),
        }
    })
    .unwrap()
}

fn apply(cluster: &ControlPlane, name: &str, spec: Value) {
    let agent = json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "Agent",
        "metadata": {"name": name, "namespace": SPACE}, "spec": spec,
    });
    cluster.apply(&agent.to_string()).unwrap();
}

#[test]
fn what_this_release_cannot_read_is_held_and_stops_nothing_else() {
    let Some(cluster) = or_skip(ControlPlane::start()) else {
        return;
    };
    furnish(&cluster).unwrap();
    policies(&cluster).unwrap();
    namespace(&cluster, SPACE).unwrap();
    let node = NodeDouble::register_with(&cluster, "node-newer", Value::Null).unwrap();
    apply(&cluster, "a", on("node-newer", json!({})));
    widen(
        &cluster,
        "trustpolicies.aion.dev",
        "spec.inline",
        "sometimes",
    );
    widen(&cluster, "kernelnodes.aion.dev", "spec.scheduling", "drain");
    let first = Operator::start(&cluster, "the-first").unwrap();
    let there = || {
        let all = node.instances(SPACE).map_err(|error| error.to_string())?;
        match all.as_slice() {
            [one] if one["metadata"]["deletionTimestamp"].is_null() => Ok(one.clone()),
            other => Err(format!("{other:?}")),
        }
    };
    let instance = until("an instance", BOUND, there).unwrap();
    node.ready(&instance).unwrap();
    condition(&cluster, "a", "Ready", "True InstancesReady");

    // While it runs: the policy that lets the agent in cannot be read any more.
    say(
        &cluster,
        "trustpolicy/inline",
        &json!({"inline": "sometimes"}),
    );
    let held = condition(&cluster, "a", "ResolvedRefs", "False Unreadable");
    for words in [
        "TrustPolicy inline cannot be read",
        "spec.inline: unknown variant `sometimes`",
    ] {
        assert!(held.contains(words), "no {words} in {held}");
    }
    // It is held: neither trusted nor told to go.
    condition(&cluster, "a", "Ready", "True InstancesReady");
    there().unwrap();
    let metrics = first.get("/metrics").unwrap().1;
    assert!(
        metrics.contains(r#"aion_unreadable_objects{kind="TrustPolicy"} 1"#),
        "{metrics}"
    );
    drop(first);

    // An operator that starts with it: its caches are filled all the same, and it leads.
    let _second = Operator::start(&cluster, "the-second").unwrap();
    apply(&cluster, "b", on("node-newer", json!({})));
    condition(&cluster, "b", "ResolvedRefs", "False Unreadable");
    there().unwrap();
    until("an event on the policy", BOUND, || {
        let events = [
            "get",
            "events",
            "-n",
            "default",
            "-o",
            "jsonpath={.items[*].message}",
        ];
        let told = cluster
            .kubectl(&events)
            .map_err(|error| error.to_string())?;
        match told.contains("TrustPolicy inline cannot be read") {
            true => Ok(()),
            false => Err(told),
        }
    })
    .unwrap();
    say(&cluster, "trustpolicy/inline", &json!({"inline": "allow"}));
    condition(&cluster, "b", "ResolvedRefs", "True Resolved");

    // A node that cannot be read is not gone: what is there stays, and nothing new comes.
    say(
        &cluster,
        "kernelnode/node-newer",
        &json!({"scheduling": "drain"}),
    );
    apply(&cluster, "c", on("node-newer", json!({})));
    let message = condition(&cluster, "c", "Ready", "False NoNodeFits");
    assert!(
        message.contains("KernelNode node-newer cannot be read"),
        "{message}"
    );
    condition(&cluster, "a", "Ready", "True InstancesReady");
    let all = node.instances(SPACE).unwrap();
    let staying = |it: &&Value| it["metadata"]["deletionTimestamp"].is_null();
    assert_eq!(all.iter().filter(staying).count(), 2, "{all:?}");
}

/// Waits until the object, or that it is gone, is as `as_it_should` says.
fn wait(cluster: &ControlPlane, object: &str, as_it_should: impl Fn(&Value) -> bool) {
    until(object, BOUND, || {
        let args = [
            "-n",
            SPACE,
            "get",
            object,
            "--ignore-not-found",
            "-o",
            "json",
        ];
        let found = cluster.kubectl(&args).map_err(|error| error.to_string())?;
        let found: Value = match found.trim() {
            "" => Value::Null,
            text => serde_json::from_str(text).map_err(|error| error.to_string())?,
        };
        match as_it_should(&found) {
            true => Ok(()),
            false => Err(format!("{:#}", found["status"])),
        }
    })
    .unwrap();
}

#[test]
fn a_node_that_is_forgotten_stays_until_what_its_pools_lose_can_be_recorded() {
    let Some(cluster) = or_skip(ControlPlane::start()) else {
        return;
    };
    furnish(&cluster).unwrap();
    policies(&cluster).unwrap();
    namespace(&cluster, SPACE).unwrap();
    let node = NodeDouble::register_with(&cluster, "node-held", Value::Null).unwrap();
    widen(
        &cluster,
        "memorypools.aion.dev",
        "spec.encryption",
        "sealed",
    );
    widen(
        &cluster,
        "agentinstances.aion.dev",
        "status.phase",
        "Dreaming",
    );
    let first = Operator::start(&cluster, "the-first").unwrap();
    for name in ["p", "q"] {
        let pool = json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "MemoryPool",
            "metadata": {"name": name, "namespace": SPACE}, "spec": {},
        });
        cluster.apply(&pool.to_string()).unwrap();
        let more = json!({"memory": {"pool": name}});
        apply(&cluster, name, on("node-held", more));
        let bound = |pool: &Value| pool["status"]["nodeName"] == "node-held";
        wait(&cluster, &format!("memorypool/{name}"), bound);
    }
    let instances = || node.instances(SPACE).map_err(|error| error.to_string());
    let instance = until("an instance", BOUND, || {
        instances()?.pop().ok_or_else(|| "none".to_owned())
    });
    // Neither the pools nor one of the instances can be read, and an operator that starts then never read them.
    let dreaming = json!({"phase": "Dreaming"});
    let instance = instance.unwrap();
    until("the wider definition to be in force", BOUND, || {
        let said = node.says(&instance, &dreaming);
        said.map_err(|error| error.to_string())
    })
    .unwrap();
    for pool in ["memorypool/p", "memorypool/q"] {
        say(&cluster, pool, &json!({"encryption": "sealed"}));
    }
    drop(first);
    let _second = Operator::start(&cluster, "the-second").unwrap();
    condition(&cluster, "p", "ResolvedRefs", "False Unreadable");
    kubectl(
        &cluster,
        &["delete", "kernelnode", "node-held", "--wait=false"],
    );
    let message = |node: &Value| node["status"]["conditions"][0]["message"].to_string();
    wait(&cluster, "kernelnode/node-held", |node| {
        message(node).contains("placed anew: none")
            && message(node).contains("cannot be read: 2 (newer/p, newer/q)")
    });
    assert_eq!(instances().unwrap(), [Value::Null; 0]);

    let mend = |pool: &str| {
        say(&cluster, pool, &json!({"encryption": "none"}));
        wait(&cluster, pool, |pool| {
            pool["status"]["timesLost"] == 1 && pool["status"]["losses"][0]["node"] == "node-held"
        });
    };
    mend("memorypool/p");
    wait(&cluster, "kernelnode/node-held", |node| {
        message(node).contains("cannot be read: 1 (newer/q)")
    });
    mend("memorypool/q");
    wait(&cluster, "kernelnode/node-held", Value::is_null);
}
