//! What flags and files come to.
#![allow(clippy::unwrap_used, clippy::panic)]
use std::{fs, path::Path};

use aion_bundle::Place;

use super::*;

fn resolve(arguments: &[&str]) -> Result<Task, ArgsError> {
    let arguments = std::iter::once("aion-node").chain(arguments.iter().copied());
    Cli::try_parse_from(arguments).unwrap().resolve()
}

fn config(home: &Path, arguments: &[&str]) -> Config {
    let mut all = vec!["--home", home.to_str().unwrap()];
    all.extend(arguments);
    match resolve(&all).unwrap() {
        Task::Run { config, .. } => *config,
        Task::Dump { .. } => panic!("not a dump"),
    }
}

#[test]
fn a_flag_wins_over_the_file() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("config")).unwrap();
    fs::write(
        home.path().join("config/node.yaml"),
        "nodeName: from-file\nworkers: 3\noffline: true\nsources: [{layout: /srv/b}]\n",
    )
    .unwrap();
    let config = config(home.path(), &["--node-name", "from-flag"]);
    assert_eq!(config.node, "from-flag");
    assert_eq!(config.limits.worker_slots, 3);
    assert!(config.offline);
    assert_eq!(config.sources.sources.len(), 1);
}

#[test]
fn settings_lie_where_they_are_said_to() {
    let (home, settings) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(settings.path().join("node.yaml"), "workers: 5\n").unwrap();
    let folder = settings.path().to_str().unwrap();
    let config = config(home.path(), &["--settings", folder]);
    assert_eq!(config.limits.worker_slots, 5);
}

#[test]
fn agents_get_what_their_launchers_container_has_but_for_a_reserve() {
    let home = tempfile::tempdir().unwrap();
    let flags = ["--agent-memory-mib", "1024", "--agent-cpu-millis", "1500"];
    let capacity = config(home.path(), &flags).capacity;
    assert_eq!((capacity.memory_mib, capacity.cpu_millis), (992, 1500));
    let home = home.path().to_str().unwrap();
    let refused = resolve(&["--home", home, "--agent-memory-mib", "32"]).unwrap_err();
    assert!(
        refused.to_string().contains("--agent-memory-mib"),
        "{refused}"
    );
}

#[test]
fn a_misspelt_setting_is_refused_by_file_and_name() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("config")).unwrap();
    fs::write(home.path().join("config/node.yaml"), "worker: 3\n").unwrap();
    let error = resolve(&["--home", home.path().to_str().unwrap()]).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("node.yaml") && text.contains("worker"),
        "{text}"
    );
}

#[test]
fn values_out_of_bounds_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().to_str().unwrap();
    assert!(matches!(
        resolve(&["--home", home, "--workers", "0"]),
        Err(ArgsError::Bound {
            name: "workers",
            ..
        })
    ));
}

#[test]
fn without_sources_the_nodes_own_layout_serves() {
    let home = tempfile::tempdir().unwrap();
    let config = config(home.path(), &[]);
    assert_eq!(
        config.sources.sources[0].place,
        Place::Layout(home.path().join("bundles"))
    );
}

#[cfg(feature = "kubernetes")]
#[test]
fn an_interface_that_others_reach_says_where() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().to_str().unwrap();
    let cluster = ["--home", home, "--kubernetes", "--listen", "0.0.0.0:7443"];
    assert!(matches!(resolve(&cluster), Err(ArgsError::NoUrl(_))));
    let named = [&cluster[..], &["--api-url", "https://10.0.0.7:7443"]].concat();
    assert!(resolve(&named).is_ok());
}

#[test]
fn a_certificate_without_its_key_is_refused() {
    let arguments = [
        "aion-node",
        "--listen",
        "127.0.0.1:1",
        "--api-tls-cert",
        "c",
    ];
    assert!(Cli::try_parse_from(arguments).is_err());
}

#[test]
fn standing_alone_there_is_no_certificate() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().to_str().unwrap();
    let tls = ["--api-tls-cert", "c", "--api-tls-key", "k"];
    let arguments = [&["--home", home, "--listen", "127.0.0.1:1"], &tls[..]].concat();
    assert!(matches!(resolve(&arguments), Err(ArgsError::AloneWithTls)));
}

#[test]
fn offline_is_said_in_one_of_two_ways_and_not_in_a_cluster() {
    let home = tempfile::tempdir().unwrap();
    assert!(config(home.path(), &["--offline", "1"]).offline);
    assert!(config(home.path(), &["--offline"]).offline);
    assert!(!config(home.path(), &["--offline", "0"]).offline);
    let refused = Cli::try_parse_from(["aion-node", "--offline", "yes"]).unwrap_err();
    assert!(refused.to_string().contains("write true or 1"), "{refused}");
    #[cfg(feature = "kubernetes")]
    assert!(matches!(
        resolve(&[
            "--home",
            home.path().to_str().unwrap(),
            "--kubernetes",
            "--offline"
        ]),
        Err(ArgsError::OfflineInCluster)
    ));
}
