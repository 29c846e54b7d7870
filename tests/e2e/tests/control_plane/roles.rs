//! What the service accounts may do, as the API server itself counts it: exactly this and nothing besides.
//! That it is enough, every other story shows: the operator and the nodes run with these roles in them.

use std::collections::BTreeSet;

use aion_e2e::cluster::cluster;
use aion_e2e::story::Story;
use aion_testkit::ControlPlane;
use serde_json::{Value, json};

/// What anybody who is logged in may do: ask about themselves, and look at the API's own description.
const OF_EVERYBODY: [&str; 2] = ["authorization.k8s.io/self", "authentication.k8s.io/self"];

/// The rights of `account` in `namespace`, one line each: `verb resource[/name]`.
fn rights(cluster: &ControlPlane, account: &str, namespace: &str) -> BTreeSet<String> {
    let token = cluster
        .kubectl(&["-n", "aion-system", "create", "token", account])
        .unwrap();
    let me = cluster
        .kubeconfig_for_token(&format!("roles-{account}"), token.trim())
        .unwrap();
    let ask = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace},
    });
    let file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    std::fs::write(file.path(), ask.to_string()).unwrap();
    let path = file.path().to_string_lossy();
    let answer = cluster
        .kubectl_as(
            &me,
            &["create", "--validate=false", "-o", "json", "-f", &path],
        )
        .unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_ne!(answer["status"]["incomplete"], true, "{answer:#}");
    let words = |value: &Value| -> Vec<String> {
        let list = value.as_array().cloned().unwrap_or_default();
        list.iter()
            .map(|word| word.as_str().unwrap().to_owned())
            .collect()
    };
    let mut rights = BTreeSet::new();
    for rule in answer["status"]["resourceRules"].as_array().unwrap() {
        let mut names = words(&rule["resourceNames"]);
        if names.is_empty() {
            names.push(String::new());
        }
        for group in words(&rule["apiGroups"]) {
            for resource in words(&rule["resources"]) {
                let at = format!("{group}/{resource}");
                if OF_EVERYBODY.iter().any(|free| at.starts_with(free)) {
                    continue;
                }
                for (verb, name) in words(&rule["verbs"])
                    .iter()
                    .flat_map(|v| names.iter().map(move |n| (v, n)))
                {
                    let name = if name.is_empty() {
                        String::new()
                    } else {
                        format!(" {name}")
                    };
                    rights.insert(format!("{verb} {at}{name}"));
                }
            }
        }
    }
    rights
}

fn expected(rules: &[(&str, &str)]) -> BTreeSet<String> {
    let each = rules.iter().flat_map(|(verbs, resources)| {
        verbs
            .split(' ')
            .flat_map(move |verb| resources.split(' ').map(move |at| format!("{verb} {at}")))
    });
    each.collect()
}

fn same(account: &str, has: &BTreeSet<String>, should: &BTreeSet<String>) {
    let more: Vec<_> = has.difference(should).collect();
    let less: Vec<_> = should.difference(has).collect();
    assert!(
        more.is_empty() && less.is_empty(),
        "{account} may too much: {more:?}, too little: {less:?}"
    );
}

const OPERATOR: [(&str, &str); 7] = [
    (
        "get list watch",
        "aion.dev/agents aion.dev/agentpolicies aion.dev/clusteragentpolicies aion.dev/trustpolicies aion.dev/memorypools aion.dev/modelendpoints aion.dev/tools aion.dev/kernelnodes aion.dev/devices aion.dev/devicemodels aion.dev/devicebrokers",
    ),
    (
        "patch",
        "aion.dev/agents aion.dev/memorypools aion.dev/kernelnodes",
    ),
    (
        "patch",
        "aion.dev/agents/status aion.dev/memorypools/status aion.dev/kernelnodes/status aion.dev/devices/status",
    ),
    ("update", "aion.dev/agents/finalizers"),
    (
        "get list watch create patch delete",
        "aion.dev/agentinstances",
    ),
    ("get list watch", "/nodes /namespaces"),
    ("create patch", "events.k8s.io/events"),
];

#[test]
fn the_operator_may_do_what_it_does_and_nothing_besides() {
    let Some(cluster) = cluster().unwrap() else {
        return;
    };
    let everywhere = expected(&OPERATOR);
    same(
        "aion-operator",
        &rights(cluster, "aion-operator", "default"),
        &everywhere,
    );
    // At home its own Lease besides, and a look at the nodes'.
    let mut home = expected(&[("get list watch create", "coordination.k8s.io/leases")]);
    home.insert("update coordination.k8s.io/leases aion-operator".to_owned());
    home.extend(everywhere);
    same(
        "aion-operator",
        &rights(cluster, "aion-operator", "aion-system"),
        &home,
    );
}

#[test]
fn a_gateway_may_see_where_agents_are_and_ask_none() {
    let Some(cluster) = cluster().unwrap() else {
        return;
    };
    let may = expected(&[
        ("get list", "aion.dev/agents"),
        ("list watch", "aion.dev/agentinstances aion.dev/kernelnodes"),
        // As everybody who is known to the cluster.
        ("get", "aion.dev/kernelnodes"),
        ("create", "authentication.k8s.io/tokenreviews"),
        ("create", "authorization.k8s.io/subjectaccessreviews"),
    ]);
    for namespace in ["default", "aion-system"] {
        let has = rights(cluster, "aion-gateway", namespace);
        same("aion-gateway", &has, &may);
    }
}

const NODE: [(&str, &str); 10] = [
    (
        "get list watch",
        "aion.dev/agents aion.dev/agentinstances aion.dev/agentpolicies aion.dev/clusteragentpolicies aion.dev/trustpolicies aion.dev/memorypools aion.dev/devices aion.dev/devicemodels aion.dev/devicebrokers",
    ),
    ("patch", "aion.dev/agentinstances"),
    ("patch", "aion.dev/devices/status"),
    (
        "get patch",
        "aion.dev/agentinstances/status aion.dev/memorypools/status",
    ),
    (
        "get create patch",
        "aion.dev/kernelnodes aion.dev/kernelnodes/status",
    ),
    // As everybody who is known to the cluster.
    ("list", "aion.dev/kernelnodes"),
    ("get list watch", "/nodes /namespaces"),
    ("create patch", "events.k8s.io/events"),
    ("create", "authentication.k8s.io/tokenreviews"),
    ("create", "authorization.k8s.io/subjectaccessreviews"),
];

#[test]
fn a_node_agent_may_do_what_it_does_and_nothing_besides() {
    let Some(cluster) = cluster().unwrap() else {
        return;
    };
    let everywhere = expected(&NODE);
    same(
        "aion-node",
        &rights(cluster, "aion-node", "default"),
        &everywhere,
    );
    let mut home = expected(&[("get create update patch", "coordination.k8s.io/leases")]);
    home.extend(everywhere);
    same(
        "aion-node",
        &rights(cluster, "aion-node", "aion-system"),
        &home,
    );
}

#[test]
fn neither_reads_a_secret_until_a_namespace_lets_a_node_read_that_one() {
    let Some(story) = Story::bare("secrets") else {
        return;
    };
    let cluster = story.cluster;
    let may = |account: &str, name: &str| {
        let who = format!("--as=system:serviceaccount:aion-system:{account}");
        let what = format!("secret/{name}");
        // `can-i` ends with 1 where the answer is no.
        let answer = cluster.kubectl(&["-n", "secrets", "auth", "can-i", "get", &what, &who]);
        answer.is_ok_and(|answer| answer.trim() == "yes")
    };
    assert!(!may("aion-operator", "keys") && !may("aion-node", "keys"));
    let sample = aion_e2e::cluster::root().join("policies/rbac/secrets-sample.yaml.txt");
    let sample = std::fs::read_to_string(sample)
        .unwrap()
        .replace("NAME-OF-THE-SECRET", "keys");
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::fs::write(file.path(), sample).unwrap();
    let path = file.path().to_string_lossy();
    cluster
        .kubectl(&["-n", "secrets", "apply", "-f", &path])
        .unwrap();
    assert!(may("aion-node", "keys"));
    assert!(!may("aion-node", "others") && !may("aion-operator", "keys"));
}
