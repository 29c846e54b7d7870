//! The control plane: who may do what, and what a node's token says.

use std::{process::Command, time::Duration};

use aion_testkit::{
    ApiProxy, ControlPlane, ControlPlaneOptions, Moment, Process, StartError, or_skip, until,
};
use serde_json::{Value, json};

#[test]
fn the_admin_may_do_all_and_a_user_nothing_until_a_role_is_bound() {
    let options = ControlPlaneOptions {
        users: vec![("alice".to_owned(), vec!["devs".to_owned()])],
        ..ControlPlaneOptions::default()
    };
    let Some(cluster) = or_skip(ControlPlane::with(&options)) else {
        return;
    };
    let version: Value =
        serde_json::from_str(&cluster.kubectl(&["get", "--raw", "/version"]).unwrap()).unwrap();
    assert_eq!(
        version["gitVersion"],
        aion_testkit::Component::KubeApiserver.version()
    );

    let alice = cluster.user("alice");
    let refused = cluster
        .kubectl_as(&alice, &["get", "namespaces"])
        .unwrap_err();
    assert!(matches!(refused, StartError::Command { .. }), "{refused}");
    assert!(
        refused.to_string().contains("User \"alice\" cannot list"),
        "{refused}"
    );
    for binding in [
        ["clusterrole", "see", "--verb=list", "--resource=namespaces"],
        [
            "clusterrolebinding",
            "see",
            "--clusterrole=see",
            "--group=devs",
        ],
    ] {
        cluster
            .kubectl(&[&["create"], &binding[..]].concat())
            .unwrap();
    }
    until("the binding", Duration::from_secs(30), || {
        cluster
            .kubectl_as(&alice, &["get", "namespaces"])
            .map_err(|error| error.to_string())
    })
    .unwrap();
}

#[test]
fn a_token_bound_to_a_node_says_the_node_to_the_api_server() {
    let Some(cluster) = or_skip(ControlPlane::start()) else {
        return;
    };
    for node in ["node-a", "node-b"] {
        let token = cluster
            .token_bound_to_node(node, "aion-system", "node-agent")
            .unwrap();
        let kubeconfig = cluster.kubeconfig_for_token(node, &token).unwrap();
        let who: Value = serde_json::from_str(
            &cluster
                .kubectl_as(&kubeconfig, &["auth", "whoami", "-o", "json"])
                .unwrap(),
        )
        .unwrap();
        let user = &who["status"]["userInfo"];
        assert_eq!(
            user["username"],
            "system:serviceaccount:aion-system:node-agent"
        );
        assert_eq!(
            user["extra"]["authentication.kubernetes.io/node-name"],
            json!([node])
        );
    }
}

#[test]
fn on_the_shared_one_a_deleted_namespace_is_gone() {
    let Some(cluster) = ControlPlane::shared() else {
        return;
    };
    cluster
        .kubectl(&["create", "namespace", "short-lived"])
        .unwrap();
    let content = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "content", "namespace": "short-lived"},
    });
    cluster.apply(&content.to_string()).unwrap();
    cluster
        .kubectl(&["delete", "namespace", "short-lived", "--timeout=120s"])
        .unwrap();
    cluster
        .kubectl(&["get", "namespace", "short-lived"])
        .expect_err("it is deleted");
}

#[test]
fn on_the_shared_one_what_an_owner_owns_is_deleted_with_it() {
    let Some(cluster) = ControlPlane::shared() else {
        return;
    };
    cluster.kubectl(&["create", "namespace", "owners"]).unwrap();
    let of = |name: &str| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "owners"},
        })
    };
    cluster.apply(&of("owner").to_string()).unwrap();
    let get = |name: &str, path: &str| {
        cluster.kubectl(&["-n", "owners", "get", "configmap", name, "-o", path])
    };
    let mut owned = of("owned");
    owned["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": "owner",
        "uid": get("owner", "jsonpath={.metadata.uid}").unwrap(),
    }]);
    cluster.apply(&owned.to_string()).unwrap();
    cluster
        .kubectl(&["-n", "owners", "delete", "configmap", "owner"])
        .unwrap();
    until(
        "the collection of what it owned",
        Duration::from_secs(120),
        || match get("owned", "name") {
            Ok(_) => Err("it is still there".to_owned()),
            Err(_) => Ok(()),
        },
    )
    .unwrap();
}

#[test]
fn who_calls_by_the_proxy_is_killed_at_the_call_that_was_chosen() {
    let Some(cluster) = or_skip(ControlPlane::start()) else {
        return;
    };
    let account = ["create", "serviceaccount", "maker"];
    cluster.kubectl(&account).unwrap();
    let may = [
        "--clusterrole=cluster-admin",
        "--serviceaccount=default:maker",
    ];
    let bind = [&["create", "clusterrolebinding", "maker"], &may[..]].concat();
    cluster.kubectl(&bind).unwrap();
    let token = cluster.kubectl(&["create", "token", "maker"]).unwrap();
    let proxy = ApiProxy::start(&cluster, "maker", token.trim()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, kill| {
        proxy.reset(kill);
        // kubectl tells its token to nobody without TLS.
        let mut curl = Command::new("curl");
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        curl.arg("--fail").args(["--json", &namespace.to_string()]);
        curl.args(["--oauth2-bearer", token.trim()]);
        curl.arg(format!("{}/api/v1/namespaces", proxy.url()));
        let log = folder.path().join(format!("{name}.log"));
        let mut curl = Process::spawn(&curl, &log).unwrap();
        proxy.called_by(&curl);
        curl.wait(Duration::from_secs(60)).unwrap()
    };
    let there = |name: &str| cluster.kubectl(&["get", "namespace", name]).is_ok();

    assert_eq!((make("whole", None), there("whole")), (0, true));
    assert_eq!((proxy.killed(), proxy.calls()), (None, 1));
    assert_eq!(make("unheard", Some((1, Moment::Unheard))), 137);
    assert_eq!(proxy.killed().as_deref(), Some("POST /api/v1/namespaces"));
    assert!(!there("unheard"));
    assert_eq!(make("unanswered", Some((1, Moment::Unanswered))), 137);
    assert!(there("unanswered"));
    assert_eq!(make("later", Some((2, Moment::Unheard))), 0);
}
