//! Agents in a cluster: the operator as a process with its own rights, nodes with theirs.

use aion_e2e::cluster::BOUND;
use aion_e2e::story::{on, story};
use aion_testkit::until;
use serde_json::{Value, json};

#[test]
fn agent_becomes_ready_when_its_instance_reports_ready() {
    let Some(story) = story("ready") else { return };
    let node = story.node("node-ready");
    story.apply(
        "Agent",
        "librarian",
        on("node-ready", json!({"limits": {"maxSteps": 4}})),
    );
    let [instance] = story.instances(&node, 1).try_into().unwrap();
    assert_eq!(instance["spec"]["limits"]["maxSteps"], 4);
    assert_eq!(instance["metadata"]["ownerReferences"][0]["kind"], "Agent");
    story.condition("agent", "librarian", "Ready", "False InstancesNotReady");
    story.condition("agent", "librarian", "Verified", "True Inline");
    node.ready(&instance).unwrap();
    story
        .cluster
        .kubectl(&[
            "-n",
            "ready",
            "wait",
            "--for=condition=Ready",
            "--timeout=180s",
            "agent/librarian",
        ])
        .unwrap();
    story.condition("agent", "librarian", "SandboxEnforced", "True Enforced");
    story.condition("agent", "librarian", "Reconciling", "False Stable");
    let table = story
        .cluster
        .kubectl(&["-n", "ready", "get", "agents", "-o", "wide"])
        .unwrap();
    for word in ["True", "InstancesReady", "1/1", "node-ready"] {
        assert!(table.contains(word), "no {word} in\n{table}");
    }
    assert!(story.event("InstancesReady").contains("1 of 1"));
}

#[test]
fn what_flaps_is_one_event_with_a_count() {
    let Some(story) = story("flaps") else { return };
    let node = story.node("node-flaps");
    story.apply("Agent", "a", on("node-flaps", json!({})));
    let [instance] = story.instances(&node, 1).try_into().unwrap();
    for _ in 0..3 {
        node.ready(&instance).unwrap();
        story.condition("agent", "a", "Ready", "True InstancesReady");
        let starts = [("Ready", "False", "Pending", "it starts anew")];
        node.report(&instance, "Preparing", &starts).unwrap();
        story.condition("agent", "a", "Ready", "False InstancesNotReady");
    }
    let events = ["-n", "flaps", "get", "events.events.k8s.io", "-o", "json"];
    until("a series", BOUND, || {
        let list = story.cluster.kubectl(&events).map_err(|e| e.to_string())?;
        let list: Value = serde_json::from_str(&list).map_err(|e| e.to_string())?;
        let told = list["items"].as_array().cloned().unwrap_or_default();
        let told: Vec<&Value> = told
            .iter()
            .filter(|it| it["reason"] == "InstancesReady")
            .collect();
        match told.as_slice() {
            [one] if one["series"]["count"].as_i64() >= Some(2) => Ok(()),
            told => Err(format!("{told:?}")),
        }
    })
    .unwrap();
}

#[test]
fn a_new_revision_comes_up_before_the_old_one_goes() {
    let Some(story) = story("rollout") else {
        return;
    };
    let node = story.node("node-rollout");
    story.apply("Agent", "a", on("node-rollout", json!({})));
    let [old] = story.instances(&node, 1).try_into().unwrap();
    node.ready(&old).unwrap();
    story.condition("agent", "a", "Ready", "True InstancesReady");

    story.apply(
        "Agent",
        "a",
        on("node-rollout", json!({"instructions": "Be thorough."})),
    );
    let both = story.instances(&node, 2);
    story.condition("agent", "a", "Progressing", "True RollingOut");
    story.condition("agent", "a", "Ready", "True InstancesReady");
    let new = both
        .iter()
        .find(|i| i["metadata"]["name"] != old["metadata"]["name"])
        .unwrap();
    node.ready(new).unwrap();
    let leaving = story.draining(&node);
    assert_eq!(leaving["metadata"]["name"], old["metadata"]["name"]);
    node.drained(&leaving).unwrap();
    story.instances(&node, 1);
    story.condition("agent", "a", "Progressing", "False Stable");
}

/// Somebody's.
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEMDBU5lw13RlV87ONL7Ob5OR7yLfe
L4vclV377G91p/bDb1WbFJPFvdlOpK/YeD8D4ZwiytpBN/SGPV5qf4nD8g==
-----END PUBLIC KEY-----
";

#[test]
fn an_unsigned_bundle_stays_out_with_the_reason() {
    let Some(story) = story("unsigned") else {
        return;
    };
    let node = story.node("node-unsigned");
    let digest = format!("sha256:{}", "a".repeat(64));
    let trust = json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "TrustPolicy", "metadata": {"name": "unsigned"},
        "spec": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "unsigned"}},
            "keys": [{"name": "team", "publicKey": PUBLIC_KEY}],
        },
    });
    story.apply_everywhere(&trust.to_string());
    let spec = json!({"runtime": "wasm", "bundle": {"name": "analyst", "digest": digest}, "nodeSelector": {"test/node": "node-unsigned"}});
    story.apply("Agent", "analyst", spec);
    let [instance] = story.instances(&node, 1).try_into().unwrap();
    node.report(
        &instance,
        "Failed",
        &[
            (
                "Verified",
                "False",
                "Unsigned",
                "bundle analyst carries no signature: sign it with a trusted key",
            ),
            ("Ready", "False", "Unsigned", "not verified"),
        ],
    )
    .unwrap();
    let message = story.condition("agent", "analyst", "Verified", "False Unsigned");
    assert!(message.contains("carries no signature"), "{message}");
    let message = story.condition("agent", "analyst", "Ready", "False InstanceFailed");
    assert!(
        message.contains("on node node-unsigned: Unsigned: bundle analyst carries no signature"),
        "{message}"
    );
    story.condition("agent", "analyst", "Stalled", "True InstanceFailed");
    story.event("Unsigned");
}

#[test]
fn a_missing_reference_is_named_and_mended_when_it_is_applied() {
    let Some(story) = story("missing") else {
        return;
    };
    let node = story.node("node-missing");
    story.apply(
        "Agent",
        "a",
        on(
            "node-missing",
            json!({"model": {"use": "local/qwen3"}, "memory": {"pool": "p"}}),
        ),
    );
    let message = story.condition("agent", "a", "ResolvedRefs", "False NotFound");
    assert!(
        message.contains("spec.model.use: there is no ModelEndpoint local in namespace missing"),
        "{message}"
    );
    assert!(
        message.contains("spec.memory.pool: there is no MemoryPool p in namespace missing"),
        "{message}"
    );
    story.condition("agent", "a", "Stalled", "True NotFound");
    story.apply("MemoryPool", "p", json!({}));
    story.condition("memorypool", "p", "Ready", "True WaitingForFirstUse");
    story.apply(
        "ModelEndpoint",
        "local",
        json!({"baseUrl": "http://127.0.0.1:1/v1", "models": [{"name": "qwen3"}]}),
    );
    story.condition("agent", "a", "ResolvedRefs", "True Resolved");
    story.instances(&node, 1);
    let message = story.condition("memorypool", "p", "Ready", "True Bound");
    assert_eq!(message, "on node node-missing");
}

#[test]
fn agents_that_share_a_pool_share_its_node() {
    let Some(story) = story("together") else {
        return;
    };
    let node = story.node("node-together");
    story.apply("MemoryPool", "p", json!({}));
    story.apply(
        "Agent",
        "first",
        on("node-together", json!({"memory": {"pool": "p"}})),
    );
    story.condition("memorypool", "p", "Ready", "True Bound");
    // These could go anywhere, and one of them must not.
    for name in ["second", "third"] {
        story.apply(
            "Agent",
            name,
            json!({"instructions": "x", "memory": {"pool": "p"}}),
        );
    }
    story.apply(
        "Agent",
        "elsewhere",
        on("node-nowhere", json!({"memory": {"pool": "p"}})),
    );
    story.instances(&node, 3);
    let message = story.condition("agent", "elsewhere", "Ready", "False NoNodeFits");
    assert!(
        message.contains("does not have the label test/node=node-nowhere"),
        "{message}"
    );
}

#[test]
fn deleting_an_agent_waits_until_its_node_has_drained_it() {
    let Some(story) = story("deleting") else {
        return;
    };
    let node = story.node("node-deleting");
    story.apply("Agent", "a", on("node-deleting", json!({})));
    let [instance] = story.instances(&node, 1).try_into().unwrap();
    node.ready(&instance).unwrap();
    story.condition("agent", "a", "Ready", "True InstancesReady");
    story.delete("agent", "a");
    let leaving = story.draining(&node);
    assert!(
        story.get("agent", "a").is_ok(),
        "it went before its node had drained it"
    );
    node.drained(&leaving).unwrap();
    story.gone("agent", "a");
    assert_eq!(node.instances("deleting").unwrap().len(), 0);
}

#[test]
fn deleting_a_pool_erases_it_and_waits_for_its_nodes_word() {
    let Some(story) = story("erasing") else {
        return;
    };
    let node = story.node("node-erasing");
    story.apply("MemoryPool", "p", json!({}));
    story.apply(
        "Agent",
        "a",
        on("node-erasing", json!({"memory": {"pool": "p"}})),
    );
    let [instance] = story.instances(&node, 1).try_into().unwrap();
    node.ready(&instance).unwrap();
    story.delete("memorypool", "p");
    let message = story.condition("memorypool", "p", "Erased", "False InUse");
    assert!(message.contains("agents a still use it"), "{message}");
    story.delete("agent", "a");
    node.drained(&story.draining(&node)).unwrap();
    story.condition("memorypool", "p", "Erased", "False Erasing");
    node.erased("erasing", "p", "NotErased").unwrap();
    story.condition("memorypool", "p", "Stalled", "True NotErased");
    node.erased("erasing", "p", "Erased").unwrap();
    story.gone("memorypool", "p");
}

#[test]
fn what_a_deleted_node_took_with_it_is_reported_as_not_erased() {
    let Some(story) = story("lost") else { return };
    let node = story.node("node-lost");
    story.apply("MemoryPool", "p", json!({}));
    story.apply(
        "Agent",
        "a",
        on("node-lost", json!({"memory": {"pool": "p"}})),
    );
    let [instance] = story.instances(&node, 1).try_into().unwrap();
    node.ready(&instance).unwrap();
    story.condition("agent", "a", "Ready", "True InstancesReady");
    story
        .cluster
        .kubectl(&["delete", "node", "node-lost"])
        .unwrap();
    // The pool pins its agents: nothing takes their place.
    let message = story.condition("agent", "a", "Ready", "False NoNodeFits");
    assert!(
        message.contains("its memory pool is on node node-lost, which is gone"),
        "{message}"
    );
    story.condition("memorypool", "p", "Ready", "False NodeGone");
    story.delete("agent", "a");
    story.gone("agent", "a");
    story.delete("memorypool", "p");
    story.gone("memorypool", "p");
    let told = story.event("NotErased");
    assert!(
        told.contains("node node-lost is gone, and what it held of the pool was not erased"),
        "{told}"
    );
}

#[test]
fn an_instance_is_replaced_only_when_its_node_is_known_to_be_out() {
    let Some(story) = story("replaced") else {
        return;
    };
    let (first, second) = (story.node("node-out"), story.node("node-spare"));
    // Both could take it; the label that decides is taken from the spare until the instance is placed.
    let agent = |node: &str| json!({"instructions": "x", "nodeSelector": {"test/node": node}});
    story.apply("Agent", "a", agent("node-out"));
    let [instance] = story.instances(&first, 1).try_into().unwrap();
    first.ready(&instance).unwrap();
    story.condition("agent", "a", "Ready", "True InstancesReady");
    // Silent: it may still run, so it stays.
    first.heartbeat(1).unwrap();
    until("the node to be silent", BOUND, || {
        let node = story.get("kernelnode", "node-out")?;
        let conditions = node["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let expired = conditions
            .iter()
            .any(|c| c["type"] == "Ready" && c["reason"] == "LeaseExpired");
        if expired {
            Ok(())
        } else {
            Err(format!("{conditions:?}"))
        }
    })
    .unwrap();
    assert_eq!(
        story.instances(&first, 1)[0]["metadata"]["name"],
        instance["metadata"]["name"]
    );
    story.condition("agent", "a", "Ready", "True InstancesReady");
    // Out of service: somebody has said that it is off.
    story
        .cluster
        .kubectl(&[
            "taint",
            "node",
            "node-out",
            "node.kubernetes.io/out-of-service=yes:NoExecute",
        ])
        .unwrap();
    story.condition("agent", "a", "Ready", "False NoNodeFits");
    until("the instance to be given up", BOUND, || {
        match first
            .instances("replaced")
            .map_err(|e| e.to_string())?
            .len()
        {
            0 => Ok(()),
            left => Err(format!("{left} are left")),
        }
    })
    .unwrap();
    story.apply("Agent", "a", agent("node-spare"));
    let [instance] = story.instances(&second, 1).try_into().unwrap();
    second.ready(&instance).unwrap();
    story.condition("agent", "a", "Ready", "True InstancesReady");
}

#[test]
fn an_agent_that_is_trusted_no_more_stops() {
    let Some(story) = story("untrusted") else {
        return;
    };
    let node = story.node("node-untrusted");
    story.apply("Agent", "a", on("node-untrusted", json!({})));
    let [instance] = story.instances(&node, 1).try_into().unwrap();
    node.ready(&instance).unwrap();
    story.condition("agent", "a", "Ready", "True InstancesReady");
    story
        .cluster
        .kubectl(&["label", "namespace", "untrusted", "aion.dev/inline-agents-"])
        .unwrap();
    story.condition("agent", "a", "Verified", "False NoTrustPolicy");
    node.drained(&story.draining(&node)).unwrap();
    story.instances(&node, 0);
    story.condition("agent", "a", "Ready", "False NoTrustPolicy");
}
