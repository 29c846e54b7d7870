//! The definitions before a real API server: accepted without a warning, and read well.

use aion_e2e::cluster::cluster;
use aion_e2e::story::Story;
use aion_testkit::ControlPlane;
use serde_json::Value;

fn with_cluster(story: impl FnOnce(&ControlPlane)) {
    if let Some(cluster) = cluster().unwrap() {
        story(cluster);
    }
}

#[test]
fn every_definition_is_accepted_and_structural() {
    with_cluster(|cluster| {
        let text = cluster.kubectl(&["get", "crd", "-o", "json"]).unwrap();
        let list: Value = serde_json::from_str(&text).unwrap();
        let items = list["items"].as_array().unwrap();
        assert_eq!(items.len(), aion_api::crd::KINDS.len());
        for crd in items {
            let name = crd["metadata"]["name"].as_str().unwrap();
            for condition in crd["status"]["conditions"].as_array().unwrap() {
                let bad = [
                    "NonStructuralSchema",
                    "KubernetesAPIApprovalPolicyConformant",
                    "Terminating",
                ];
                assert!(
                    !(bad.contains(&condition["type"].as_str().unwrap())
                        && condition["status"] == "True"),
                    "{name}: {condition}"
                );
            }
        }
    });
}

#[test]
fn kubectl_explain_teaches() {
    with_cluster(|cluster| {
        // kubectl breaks lines where it likes.
        let explain = |path: &str| {
            let text = cluster.kubectl(&["explain", path]).unwrap();
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let spec = explain("agent.spec");
        for words in [
            "Either this, steps or bundle",
            "What a declarative agent is told before anything else",
            "Policy decides what it gets",
            "enum: realtime, interactive, batch, background",
        ] {
            assert!(spec.contains(words), "no {words:?} in\n{spec}");
        }
        assert!(explain("agent").contains("wait for the condition Ready"));
        assert!(explain("agent.spec.limits").contains("200000 unless said otherwise"));
        assert!(explain("memorypool").contains("Deleting it erases it"));
        assert!(explain("agentinstance.spec").contains("The node it runs on"));
    });
}

#[test]
fn agents_are_listed_with_their_story_and_found_by_short_name_category_and_field() {
    if let Some(story) = Story::bare("listing") {
        let cluster = story.cluster;
        for (name, lane) in [("first", "interactive"), ("second", "batch")] {
            let agent = serde_json::json!({
                "apiVersion": "aion.dev/v1alpha1", "kind": "Agent", "metadata": {"name": name, "namespace": "listing"},
                "spec": {"instructions": "Be brief.", "lane": lane, "model": {"use": "local/qwen3"}},
            });
            cluster.apply(&agent.to_string()).unwrap();
        }
        let get = |args: &[&str]| {
            cluster
                .kubectl(&[&["-n", "listing", "get"], args].concat())
                .unwrap()
        };
        let wide = get(&["ag", "-o", "wide"]);
        let header: Vec<&str> = wide.lines().next().unwrap().split_whitespace().collect();
        assert_eq!(
            header,
            [
                "NAME",
                "READY",
                "REASON",
                "INSTANCES",
                "LANE",
                "RUNTIME",
                "MODEL",
                "NODES",
                "AGE"
            ]
        );
        assert!(wide.contains("local/qwen3"), "{wide}");
        let batch = get(&[
            "agents",
            "--field-selector",
            "spec.lane=batch",
            "-o",
            "name",
        ]);
        assert_eq!(batch.trim(), "agent.aion.dev/second");
        assert!(get(&["aion", "-o", "name"]).contains("agent.aion.dev/first"));
        assert!(
            !get(&["all", "-o", "name"]).contains("aion.dev"),
            "nothing of ours is in the category all"
        );
        get(&["agentinstances", "--field-selector", "spec.nodeName=node-a"]);
    }
}
