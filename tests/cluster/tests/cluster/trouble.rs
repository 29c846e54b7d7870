//! What happens to a cluster: nodes are drained and die, kubelets and the API server are away. Agents
//! answer all the while, or again.

use aion_cluster_tests::{HOME, Installed, SYSTEM, agents::condition, installed};
use serde_json::json;

use crate::asked::QUESTION;

/// Where the instance of the librarian is.
fn place(it: &Installed) -> Result<u8, String> {
    let instances = it.get(&["-n", HOME, "agentinstances"])?;
    let node = instances["items"][0]["spec"]["nodeName"]
        .as_str()
        .unwrap_or_default();
    let number = node
        .strip_prefix("node-")
        .and_then(|number| number.parse().ok());
    number.ok_or_else(|| format!("it is on {node:?}"))
}

/// Where the instances of an agent are.
fn nodes_of(it: &Installed, agent: &str) -> Vec<String> {
    let found = it.get(&["-n", HOME, "agent", agent]).unwrap();
    let nodes = found["status"]["nodes"].as_array().cloned();
    let nodes = nodes.unwrap_or_default().into_iter();
    nodes
        .filter_map(|node| node.as_str().map(str::to_owned))
        .collect()
}

/// Starts of the containers of the pods on a node, which change when one is started anew.
fn starts(it: &Installed, node: u8) -> Vec<String> {
    let pods = it
        .get(&[
            "-n",
            SYSTEM,
            "pods",
            "--field-selector",
            &format!("spec.nodeName=node-{node}"),
        ])
        .unwrap();
    let pods = pods["items"].as_array().unwrap().iter();
    let statuses = pods.flat_map(|pod| {
        let of = |list: &str| pod["status"][list].as_array().cloned().unwrap_or_default();
        [of("containerStatuses"), of("initContainerStatuses")].concat()
    });
    let mut all: Vec<_> = statuses
        .map(|status| format!("{} {}", status["name"], status["containerID"]))
        .collect();
    all.sort();
    all
}

#[test]
fn a_kubelet_that_is_started_again_leaves_agents_and_containers_as_they_were() {
    let Some(mut it) = installed() else { return };
    it.apply_shipped("librarian");
    it.until_ready("librarian");
    let node = place(&it).unwrap();
    let before = starts(&it, node);
    it.cluster.node_mut(node).stop_kubelet();
    it.until_answered("librarian", QUESTION, "every Thursday");
    it.cluster.node_mut(node).start_kubelet().unwrap();
    it.cluster.until_ready(node).unwrap();
    it.until_answered("librarian", QUESTION, "every Thursday");
    assert_eq!(starts(&it, node), before);
    it.delete_shipped("librarian");
}

#[test]
fn without_the_api_server_an_agent_is_asked_on_its_node_and_its_status_arrives_later() {
    let Some(mut it) = installed() else { return };
    it.apply_shipped("librarian");
    it.until_ready("librarian");
    let node = place(&it).unwrap();
    // The operator that leads ends where it cannot renew its lease in time, and stands for it anew.
    let of_node = |mut all: Vec<String>| {
        all.retain(|it| !it.starts_with("\"operator\""));
        all
    };
    let before = of_node(starts(&it, node));
    it.cluster.control_plane_mut().stop_api_server().unwrap();
    it.until("an answer on the node itself", || {
        match it.ask_on_node(node, "librarian", QUESTION)? {
            answer if answer.contains("every Thursday") => Ok(()),
            answer => Err(answer),
        }
    });
    it.cluster.control_plane_mut().start_api_server().unwrap();
    it.cluster.until_ready(node).unwrap();
    it.until_answered("librarian", QUESTION, "every Thursday");
    it.until_rolled_out();
    assert_eq!(
        of_node(starts(&it, node)),
        before,
        "the node agent was started anew"
    );
    it.delete_shipped("librarian");
}

#[test]
fn a_cordoned_node_keeps_its_agents_and_gets_no_new_ones_until_it_is_uncordoned() {
    let Some(it) = installed() else { return };
    it.apply_shipped("librarian");
    it.until_ready("librarian");
    let number = place(&it).unwrap();
    let (node, other) = (format!("node-{number}"), format!("node-{}", 1 - number));
    it.kubectl(&["cordon", &node]);
    // These have no memory that would hold them to a node; as many as would be spread over both.
    let plain = |name: &str| {
        let spec = json!({"instructions": "Be brief."});
        json!({"apiVersion": "aion.dev/v1alpha1", "kind": "Agent",
            "metadata": {"name": name, "namespace": HOME}, "spec": spec})
    };
    for name in ["new-0", "new-1", "new-2"] {
        it.cluster.apply(&plain(name).to_string()).unwrap();
        it.until_ready(name);
    }
    for name in ["new-0", "new-1", "new-2"] {
        assert_eq!(nodes_of(&it, name), [other.as_str()], "{name}");
    }
    assert_eq!(nodes_of(&it, "librarian"), [node.as_str()]);
    it.until_answered("librarian", QUESTION, "every Thursday");
    // With both cordoned nothing is left, which is said; uncordoning brings it there.
    it.kubectl(&["cordon", &other]);
    it.cluster.apply(&plain("waits").to_string()).unwrap();
    it.until("an agent that waits for a node", || {
        let found = it.get(&["-n", HOME, "agent", "waits"])?;
        match condition(&found, "Ready") {
            said if said.contains(&format!("until kubectl uncordon {node}")) => Ok(()),
            said => Err(said),
        }
    });
    it.kubectl(&["uncordon", &node]);
    it.until_ready("waits");
    assert_eq!(nodes_of(&it, "waits"), [node.as_str()]);
    it.kubectl(&["uncordon", &other]);
    for name in ["new-0", "new-1", "new-2", "waits"] {
        let agent = format!("agent/{name}");
        it.kubectl(&["-n", HOME, "delete", &agent, "--timeout=120s"]);
    }
    it.delete_shipped("librarian");
}

#[test]
fn a_node_is_drained_killed_and_back_with_its_agents_and_what_they_knew() {
    let Some(mut it) = installed() else { return };
    it.apply_shipped("librarian");
    it.until_ready("librarian");
    it.until_answered("librarian", QUESTION, "every Thursday");
    let number = place(&it).unwrap();
    let node = format!("node-{number}");
    it.kubectl(&[
        "drain",
        &node,
        "--ignore-daemonsets",
        "--delete-emptydir-data",
        "--timeout=120s",
    ]);
    it.kubectl(&["uncordon", &node]);
    it.until_rolled_out();
    it.until_answered("librarian", QUESTION, "every Thursday");

    it.cluster.node_mut(number).kill();
    it.until("the loss of the node in its KernelNode", || {
        let found = it.get(&["kernelnode", &node])?;
        match condition(&found, "Ready") {
            said if said.starts_with("True") => Err(said),
            _ => Ok(()),
        }
    });
    it.cluster.start_node(number).unwrap();
    it.cluster.until_ready(number).unwrap();
    it.until("the node in its KernelNode again", || {
        match condition(&it.get(&["kernelnode", &node])?, "Ready") {
            said if said.starts_with("True") => Ok(()),
            said => Err(said),
        }
    });
    it.until_rolled_out();
    it.until_ready("librarian");
    it.until_answered("librarian", QUESTION, "every Thursday");
    it.delete_shipped("librarian");
}

#[test]
fn a_certificate_is_renewed_in_its_secret_and_agents_are_asked_from_outside_all_the_while() {
    let Some(it) = installed() else { return };
    it.apply_shipped("librarian");
    it.until_ready("librarian");
    it.until_answered("librarian", QUESTION, "every Thursday");
    let node = place(&it).unwrap();
    let before = starts(&it, node);
    let renewed = it.renew_certificate();
    it.until("the new certificate on every node", || {
        // It goes to the node by TLS, and no time of the change may refuse it.
        it.aionctl(&["ask", "librarian", QUESTION]).unwrap();
        let nodes = it.get(&["kernelnodes"])?;
        let nodes = nodes["items"].as_array().cloned().unwrap_or_default();
        let named = nodes.iter().map(|node| &node["status"]["api"]["caBundle"]);
        match named.filter(|it| **it == renewed).count() {
            2 => Ok(()),
            other => Err(format!("{other} nodes of {}", nodes.len())),
        }
    });
    it.until_answered("librarian", QUESTION, "every Thursday");
    assert_eq!(starts(&it, node), before, "the node agent was started anew");
    it.delete_shipped("librarian");
}
