//! NetworkPolicies in force: what the charts' default deny lets through, and what it does not.

use aion_cluster_tests::{HOME, Installed, SYSTEM, installed};
use aion_testkit::Component;
use serde_json::json;

use crate::pods::{SAMPLE, sample};

/// Where Prometheus is.
const MONITORING: &str = "monitoring";

/// A pod of `namespace` on the first node, from which others are visited.
fn visitor(it: &Installed, namespace: &str) {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "visitor", "namespace": namespace},
        "spec": {
            "nodeName": "node-0", "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "pod", "image": SAMPLE, "imagePullPolicy": "Never", "args": ["pause"],
            }],
        },
    });
    it.cluster.apply(&pod.to_string()).unwrap();
    let ready = [
        "wait",
        "--for=condition=Ready",
        "pod/visitor",
        "--timeout=120s",
    ];
    it.kubectl(&[&["-n", namespace], &ready[..]].concat());
}

/// What the visitor of `namespace` got of `url`, or why it got nothing.
fn get(it: &Installed, namespace: &str, url: &str) -> Result<String, String> {
    let visit = ["exec", "visitor", "--", "/pod", "get", url];
    let visit = it
        .cluster
        .kubectl(&[&["-n", namespace], &visit[..]].concat());
    visit.map_err(|error| error.to_string())
}

/// Whether a visit to `url` came to its end where the visitor dials that address: nothing of it arrived. A way that is cut
/// looks so: kube-router rejects what no policy lets through, and then the kernel says to who dials that the connection is
/// refused; of a packet that is dropped it says nothing until the time is up. One where nobody listens looks the same.
fn is_not_let_through(visit: &Result<String, String>, url: &str) -> bool {
    let dialled = format!("dial tcp {}: ", address(url));
    visit.as_ref().is_err_and(|said| said.contains(&dialled))
}

/// Host and port.
fn address(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    rest.split('/').next().unwrap_or_default()
}

/// Whether somebody answers at `url`, asked from the nodes: no policy is between a pod and the node that it is on. An
/// answer with a certificate that is not known is one.
fn serves(it: &Installed, url: &str) -> Result<(), String> {
    let mut said = Vec::new();
    for node in it.cluster.nodes() {
        let command = node.command(Component::Pod.find().unwrap());
        let Some(mut command) = command else { continue };
        let visit = command.args(["get", url]).output().unwrap();
        let words = String::from_utf8_lossy(&visit.stderr).into_owned();
        if visit.status.success() || words.contains("x509") {
            return Ok(());
        }
        said.push(format!("{}: {words}", node.name()));
    }
    Err(format!("nobody answers at {url}: {}", said.join("; ")))
}

/// The addresses of the operator's pods, one on each node.
fn operators(it: &Installed) -> Vec<String> {
    let which = "app.kubernetes.io/name=aion-operator";
    let pods = it.get(&["-n", SYSTEM, "pods", "-l", which]).unwrap();
    let pods = pods["items"].as_array().unwrap().iter();
    pods.filter_map(|pod| pod["status"]["podIP"].as_str())
        .map(|address| format!("http://{address}:8080"))
        .collect()
}

/// Until a visit is not let through while somebody serves there.
fn until_cut(it: &Installed, namespace: &str, url: &str) {
    it.until(&format!("{url} to be cut off from {namespace}"), || {
        serves(it, url)?;
        let visit = get(it, namespace, url);
        if !is_not_let_through(&visit, url) {
            return Err(format!("{visit:?}"));
        }
        serves(it, url)
    });
}

fn until_reached(it: &Installed, namespace: &str, url: &str) {
    it.until(&format!("{url} to be reached from {namespace}"), || {
        get(it, namespace, url).map(drop)
    });
}

#[test]
fn who_is_not_let_in_or_out_by_the_charts_policies_reaches_nothing_and_who_is_does() {
    let Some(it) = installed() else { return };
    if !it.enforces_network_policies() {
        return;
    }
    it.cluster.import(&sample()).unwrap();
    it.until_rolled_out();
    let operators = operators(&it);
    assert_eq!(operators.len(), 2, "{operators:?}");
    visitor(&it, HOME);
    visitor(&it, SYSTEM);
    // From one node: one operator is beside the visitor, the other elsewhere.
    for operator in &operators {
        until_cut(&it, HOME, &format!("{operator}/healthz"));
    }
    // No policy is for a node's own network, and its node agent answers whoever may go out: with its certificate, which this
    // visitor does not know. A pod beside the operators may not go out.
    let node_agent = format!("https://{}:7443/healthz", it.cluster.nodes()[1].address());
    let met = get(&it, HOME, &node_agent).unwrap_err();
    assert!(met.contains("x509"), "{met}");
    until_cut(&it, SYSTEM, &node_agent);
    // To the API server and to the node of the agent, as these pods must: the operator led all the while.
    it.helm(&["test", "aion", "--namespace", SYSTEM]);

    // Who scrapes is let in by a policy of its own.
    it.kubectl(&["create", "namespace", MONITORING]);
    visitor(&it, MONITORING);
    let scraped = it.helm(&[
        "template",
        "aion",
        "charts/aion",
        "--namespace",
        SYSTEM,
        "--kube-version=1.36",
        "--show-only",
        "templates/network-policy.yaml",
        "--set",
        "serviceMonitor.enabled=true,nodeAgent.tlsSecretName=aion-node-tls",
    ]);
    it.cluster.apply(&scraped).unwrap();
    let metrics = format!("{}/metrics", operators[0]);
    until_reached(&it, MONITORING, &metrics);
    until_cut(&it, HOME, &metrics);
    let own = ["networkpolicy", "aion-operator-metrics"];
    it.kubectl(&[&["-n", SYSTEM, "delete"], &own[..]].concat());
    until_cut(&it, MONITORING, &metrics);
    it.kubectl(&["delete", "namespace", MONITORING]);

    // It is the policies that do this.
    let open = ["--set", "networkPolicy.enabled=false"];
    it.helm(&[&["upgrade"], &Installed::release()[..], &open].concat());
    until_reached(&it, HOME, &format!("{}/healthz", operators[0]));
    it.helm(&[&["upgrade"], &Installed::release()[..]].concat());
    until_cut(&it, HOME, &format!("{}/healthz", operators[0]));
    for namespace in [HOME, SYSTEM] {
        it.kubectl(&["-n", namespace, "delete", "pod", "visitor"]);
    }
}

#[test]
fn a_visit_is_not_let_through_where_it_fails_at_the_address_that_it_dials_and_nowhere_else() {
    let url = "http://10.1.0.5:8080/healthz";
    let failed = |why: &str| is_not_let_through(&Err(format!("pod: Get \"{url}\": {why}")), url);
    for cut in [
        "dial tcp 10.1.0.5:8080: connect: connection refused",
        "dial tcp 10.1.0.5:8080: connect: no route to host",
        "dial tcp 10.1.0.5:8080: i/o timeout (Client.Timeout exceeded while awaiting headers)",
    ] {
        assert!(failed(cut), "{cut}");
    }
    for arrived in [
        "context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
        "read tcp 10.1.0.9:3:->10.1.0.5:8080: read: connection reset by peer",
        "tls: failed to verify certificate: x509: certificate signed by unknown authority",
        "dial tcp 10.1.0.6:10250: connect: connection refused",
    ] {
        assert!(!failed(arrived), "{arrived}");
    }
    assert!(!is_not_let_through(&Ok("ok".to_owned()), url));
}
