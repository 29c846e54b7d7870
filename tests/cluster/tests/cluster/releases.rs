//! Releases of the charts: upgraded, uninstalled and installed again.

use aion_cluster_tests::{HOME, Installed, SYSTEM, installed};

use crate::asked::QUESTION;

#[test]
fn an_upgrade_and_an_uninstall_keep_definitions_agents_and_memory() {
    let Some(it) = installed() else { return };
    it.apply_shipped("librarian");
    it.until_ready("librarian");
    it.until_answered("librarian", QUESTION, "every Thursday");
    it.helm(
        &[
            &["upgrade"],
            &Installed::release()[..],
            &["--set", "nodeAgent.log=debug"],
        ]
        .concat(),
    );
    it.until_rolled_out();
    it.until_answered("librarian", QUESTION, "every Thursday");

    it.helm(&[
        "uninstall",
        "aion",
        "--namespace",
        SYSTEM,
        "--wait",
        "--timeout=150s",
    ]);
    it.helm(&["uninstall", "aion-crds"]);
    let agents = it.get(&["-n", HOME, "agents"]).unwrap();
    assert_eq!(agents["items"].as_array().unwrap().len(), 1, "{agents:#}");
    for node in it.cluster.nodes() {
        assert!(
            node.path("/var/lib/aion/node/state").is_dir(),
            "{} lost its state",
            node.name()
        );
    }

    it.helm(&["install", "aion-crds", "charts/aion-crds"]);
    it.install();
    it.until_rolled_out();
    it.until_ready("librarian");
    it.until_answered("librarian", QUESTION, "every Thursday");
    it.delete_shipped("librarian");
}
