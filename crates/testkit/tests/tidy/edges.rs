//! The dependency edges of the design: what may not enter a crate, directly or by
//! way of another.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{cargo, none};

/// Runtimes, sockets, clients: what turns a pure crate into one that does things.
const IO: &[&str] = &[
    "async-std",
    "axum",
    "cap-std",
    "hyper",
    "kube-client",
    "kube-runtime",
    "mio",
    "nix",
    "oci-client",
    "reqwest",
    "rusqlite",
    "rustix",
    "rustls",
    "socket2",
    "tempfile",
    "tokio",
    "tower",
];

/// Everything that crate is built from, itself not included, with its own features
/// alone: the features that the rest of the workspace asks for are not its doing.
fn built_from(package: &str) -> BTreeSet<String> {
    let tree = cargo(&[
        "tree",
        "--package",
        package,
        "--edges=normal",
        "--prefix=none",
        "--format={p}",
    ]);
    let mut names: BTreeSet<String> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect();
    assert!(names.remove(package), "cargo tree knows no {package}");
    names
}

fn none_of(package: &str, unwanted: &[&str]) -> Vec<String> {
    let names = built_from(package);
    let found = unwanted.iter().filter(|name| names.contains(**name));
    found
        .map(|name| format!("{package} is built from {name}"))
        .collect()
}

/// Our packages, each with those of ours that it depends on outside its tests.
fn ours() -> BTreeMap<String, BTreeSet<String>> {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version=1"])).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let normal = |package: &Value| -> BTreeSet<String> {
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        dependencies
            .filter(|one| one["kind"].is_null() && !one["path"].is_null())
            .map(name)
            .collect()
    };
    packages
        .iter()
        .map(|package| (name(package), normal(package)))
        .collect()
}

#[test]
fn the_kernel_is_built_from_no_crate_of_ours_no_runtime_and_no_io() {
    let mut broken = none_of("aion-kernel", IO);
    let names = built_from("aion-kernel");
    broken.extend(
        names
            .iter()
            .filter(|name| name.starts_with("aion-"))
            .cloned(),
    );
    broken.extend(
        names
            .iter()
            .filter(|name| name.starts_with("kube"))
            .cloned(),
    );
    none("the kernel is pure", &broken);
}

#[test]
fn the_api_crate_is_types_without_a_client() {
    none("crates/api is types alone", &none_of("aion-api", IO));
}

#[test]
fn the_wire_contracts_do_no_io_and_know_no_kubernetes() {
    let mut broken = none_of("aion-abi", IO);
    broken.extend(none_of(
        "aion-abi",
        &["kube", "kube-core", "k8s-openapi", "aion-api"],
    ));
    none("crates/abi is what every SDK has to say again", &broken);
}

#[test]
fn what_a_word_is_depends_on_nothing_of_ours() {
    let ours = built_from("aion-words");
    let ours = ours.iter().filter(|name| name.starts_with("aion-"));
    let mut broken: Vec<String> = ours.cloned().collect();
    broken.extend(none_of("aion-words", IO));
    none("crates/words is text in, words out", &broken);
}

#[test]
fn who_is_asked_is_decided_from_words_alone() {
    let names = built_from("aion-route");
    let ours = names.iter().filter(|name| name.starts_with("aion-"));
    let mut broken: Vec<String> = ours
        .filter(|name| *name != "aion-words")
        .map(|name| format!("aion-route is built from {name}"))
        .collect();
    broken.extend(none_of("aion-route", IO));
    none(
        "crates/route is a question and agents in, one agent out",
        &broken,
    );
}

#[test]
fn what_starts_a_turn_is_decided_from_texts_and_dates() {
    let names = built_from("aion-trigger");
    let ours = names.iter().filter(|name| name.starts_with("aion-"));
    let mut broken: Vec<String> = ours
        .filter(|name| *name != "aion-abi")
        .map(|name| format!("aion-trigger is built from {name}"))
        .collect();
    broken.extend(none_of("aion-trigger", IO));
    none("crates/trigger holds no clock and does no IO", &broken);
}

#[test]
fn what_devices_say_is_decided_from_resources_and_messages() {
    let names = built_from("aion-device");
    let ours = names.iter().filter(|name| name.starts_with("aion-"));
    let mut broken: Vec<String> = ours
        .filter(|name| !["aion-abi", "aion-api"].contains(&name.as_str()))
        .map(|name| format!("aion-device is built from {name}"))
        .collect();
    broken.extend(none_of("aion-device", IO));
    none("crates/device holds no clock and does no IO", &broken);
}

#[test]
fn how_an_expression_is_read_depends_on_nothing_of_ours() {
    let ours = built_from("aion-cel");
    let ours = ours.iter().filter(|name| name.starts_with("aion-"));
    let mut broken: Vec<String> = ours.cloned().collect();
    broken.extend(none_of("aion-cel", IO));
    none("crates/cel is text in, an expression out", &broken);
}

#[test]
fn what_a_workflow_does_next_is_decided_from_steps_and_answers() {
    let names = built_from("aion-steps");
    let ours = names.iter().filter(|name| name.starts_with("aion-"));
    let mut broken: Vec<String> = ours
        .filter(|name| !["aion-abi", "aion-cel"].contains(&name.as_str()))
        .map(|name| format!("aion-steps is built from {name}"))
        .collect();
    broken.extend(none_of("aion-steps", IO));
    none("crates/steps holds no clock and does no IO", &broken);
}

#[test]
fn policy_and_resolve_are_pure() {
    let broken = [none_of("aion-policy", IO), none_of("aion-resolve", IO)].concat();
    none(
        "what operator, node agent and aionctl share decides, it does nothing",
        &broken,
    );
}

#[test]
fn api_and_kernel_meet_only_in_policy_resolve_and_the_daemon() {
    let meet = |uses: &BTreeSet<String>| uses.contains("aion-api") && uses.contains("aion-kernel");
    let allowed = ["aion-policy", "aion-resolve", "aion-daemon"];
    let broken: Vec<String> = ours()
        .into_iter()
        .filter(|(package, uses)| meet(uses) && !allowed.contains(&package.as_str()))
        .map(|(package, _)| format!("{package} depends on both"))
        .collect();
    none(
        "resource types and kernel types meet in policy, resolve and the daemon",
        &broken,
    );
}

#[test]
fn the_client_of_the_admin_interface_knows_neither_kubernetes_nor_a_screen() {
    let unwanted = [
        "aion-api",
        "clap",
        "k8s-openapi",
        "kube-client",
        "kube-core",
    ];
    none(
        "crates/client is calls and their answers",
        &none_of("aion-client", &unwanted),
    );
}

#[test]
fn the_gateway_asks_a_node_and_holds_nothing_of_it() {
    let unwanted = [
        "aion-daemon",
        "aion-drivers",
        "aion-journal",
        "aion-kernel",
        "aion-policy",
        "aion-sandbox",
        "kube-client",
    ];
    none(
        "what parses the network shares no memory with what decides",
        &none_of("aion-gateway", &unwanted),
    );
}

#[test]
fn what_serves_http_knows_no_resource_and_no_node() {
    let unwanted = [
        "aion-api",
        "aion-daemon",
        "aion-kernel",
        "clap",
        "kube-client",
    ];
    none(
        "crates/serve is connections, refusals and headers",
        &none_of("aion-serve", &unwanted),
    );
}

#[test]
fn names_of_metrics_come_without_a_server() {
    none(
        "crates/telemetry names, counts and renders",
        &none_of("aion-telemetry", IO),
    );
}

#[test]
fn the_journal_knows_facts_by_their_bytes_and_holds_no_client() {
    let unwanted = [
        "aion-abi",
        "aion-api",
        "aion-daemon",
        "aion-drivers",
        "cap-std",
        "hyper",
        "kube-client",
        "reqwest",
        "rusqlite",
        "rustls",
    ];
    none(
        "the journal is bytes, marks and syncs",
        &none_of("aion-journal", &unwanted),
    );
}

#[test]
fn the_drivers_reach_neither_resources_nor_the_kernel() {
    let unwanted = [
        "aion-api",
        "aion-daemon",
        "aion-journal",
        "aion-kernel",
        "aion-launcher",
        "aion-policy",
        "aion-resolve",
        "kube-client",
    ];
    let mut broken = none_of("aion-drivers", &unwanted);
    let ours = ours();
    let allowed = ["aion-abi", "aion-backoff", "aion-words"];
    let used = ours["aion-drivers"]
        .iter()
        .filter(|it| !allowed.contains(&it.as_str()));
    broken.extend(used.map(|it| format!("aion-drivers depends on {it}")));
    none(
        "a driver takes plain types and carries out what the kernel allowed",
        &broken,
    );
}

#[test]
fn the_launcher_has_no_network_and_no_runtime() {
    let unwanted = [
        "axum",
        "hyper",
        "kube-client",
        "oci-client",
        "reqwest",
        "rmcp",
        "rustls",
        "tokio",
    ];
    none(
        "the launcher speaks its own protocol only",
        &none_of("aion-launcher", &unwanted),
    );
}

#[test]
fn the_worker_holds_no_client_but_its_socket() {
    let unwanted = [
        "aion-daemon",
        "aion-kernel",
        "aion-launcher",
        "kube-client",
        "oci-client",
        "reqwest",
        "rustls",
    ];
    none(
        "a worker reaches the daemon and nothing else",
        &none_of("aion-worker", &unwanted),
    );
}

#[test]
fn only_the_worker_runs_compiled_modules() {
    let holders = ["aion-daemon", "aion-launcher", "aion-cli"];
    let broken: Vec<String> = holders
        .iter()
        .flat_map(|package| none_of(package, &["wasmtime"]))
        .collect();
    none("untrusted modules run in confined processes", &broken);
}

#[test]
fn the_sandbox_library_is_for_both_sides_and_holds_neither() {
    let names = built_from("aion-sandbox");
    let ours = names.iter().filter(|name| name.starts_with("aion-"));
    let mut broken: Vec<String> = ours
        .filter(|name| *name != "aion-abi")
        .map(|name| format!("aion-sandbox is built from {name}"))
        .collect();
    broken.extend(none_of("aion-sandbox", &["tokio", "hyper", "reqwest"]));
    none("what confines itself needs nothing privileged", &broken);
}

#[test]
fn folders_know_owners_and_modes_and_nothing_of_what_is_in_them() {
    let names = built_from("aion-folders");
    let meaning = |name: &&String| name.starts_with("aion-") || name.starts_with("serde");
    let mut broken: Vec<String> = names
        .iter()
        .filter(meaning)
        .map(|name| format!("aion-folders is built from {name}"))
        .collect();
    broken.extend(none_of("aion-folders", &["nix", "tempfile", "tokio"]));
    none("crates/folders is handles, owners, modes, names", &broken);
}

#[test]
fn the_standalone_daemon_is_built_without_a_kubernetes_client() {
    none(
        "kube's client is a feature that is off",
        &none_of("aion-daemon", &["kube-client"]),
    );
}

#[test]
fn the_testkit_is_for_tests_and_depends_on_none_of_ours() {
    let ours = ours();
    let mut broken: Vec<String> = ours["aion-testkit"]
        .iter()
        .map(|name| format!("aion-testkit depends on {name}"))
        .collect();
    let tests = ["aion-cluster-tests", "aion-e2e", "aion-bench"];
    for (package, uses) in ours {
        if uses.contains("aion-testkit") && !tests.contains(&package.as_str()) {
            broken.push(format!(
                "{package} depends on aion-testkit outside its tests"
            ));
        }
    }
    none("the testkit is for tests", &broken);
}

#[test]
fn there_is_one_backend_for_cryptography() {
    let tree = cargo(&[
        "tree",
        "--workspace",
        "--edges=normal",
        "--prefix=none",
        "--format={p}",
    ]);
    let broken: BTreeSet<String> = tree
        .lines()
        .filter(|line| {
            ["ring", "openssl-sys", "native-tls"].contains(&line.split(' ').next().unwrap())
        })
        .map(str::to_owned)
        .collect();
    none(
        "cryptography is aws-lc-rs's",
        &broken.into_iter().collect::<Vec<_>>(),
    );
}
