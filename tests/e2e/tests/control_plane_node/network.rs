//! A node agent says whether it sees the network of its machine, without which it dials nothing for agents.

use std::net::IpAddr;

use aion_e2e::{cluster::BOUND, node_agent::NodeAgent, story::Story};
use aion_testkit::{skip, until};
use serde_json::{Value, json};

use crate::{documents, get};

const NODE: &str = "node-apart";

/// An address of this machine that is not everybody's.
fn own_address() -> Option<IpAddr> {
    let interfaces = nix::ifaddrs::getifaddrs().unwrap();
    let mut found = interfaces.filter_map(|it| Some(it.address?.as_sockaddr_in()?.ip()));
    found.find(|it| !it.is_loopback()).map(IpAddr::V4)
}

/// The node's status, as its kubelet has it, which there is none of here.
fn addressed(story: &Story, addresses: &[&str]) {
    let listed: Vec<Value> = addresses
        .iter()
        .map(|it| json!({"type": "InternalIP", "address": it}))
        .collect();
    let patch = json!({"status": {"addresses": listed}}).to_string();
    let patched = [
        "patch",
        "node",
        NODE,
        "--subresource=status",
        "--type=merge",
        "-p",
        &patch,
    ];
    story.cluster.kubectl(&patched).unwrap();
}

/// Waits until the condition Degraded is so, with these words in its message.
fn until_told(story: &Story, node: &NodeAgent, so: &str, words: &str) {
    until("the condition of the KernelNode", BOUND, || {
        let found = get(story.cluster, &["kernelnode", NODE])?;
        let conditions = found["status"]["conditions"].as_array();
        let degraded = conditions.into_iter().flatten();
        let degraded = degraded.clone().find(|it| it["type"] == "Degraded");
        let told = |field: &str| degraded.map_or("", |it| it[field].as_str().unwrap());
        match format!("{} {}", told("status"), told("reason")) == so
            && told("message").contains(words)
        {
            true => Ok(()),
            false => Err(format!("{found:#}\n{}", node.tail())),
        }
    })
    .unwrap()
}

#[test]
fn a_node_agent_that_does_not_see_its_machines_network_says_so_on_its_kernel_node() {
    let Some(story) = Story::with_policies("apart") else {
        return;
    };
    let docs = documents();
    let node = story.node_agent(NODE, docs.path());
    const UNSEEN: &str = "True NetworkNotSeen";
    until_told(&story, &node, UNSEEN, "has no address");
    // As in the network of a pod: no interface here has it.
    addressed(&story, &["198.51.100.7"]);
    until_told(&story, &node, UNSEEN, "hostNetwork: true");
    let Some(own) = own_address() else {
        skip("network", "this machine has loopback alone");
        return;
    };
    addressed(&story, &["198.51.100.7", &own.to_string()]);
    until_told(&story, &node, "False Ok", "sees its machine's network");
}
