//! The condition of a KernelNode that says whether its node agent dials anything for agents. What may not enter: the
//! decision, which is the rule's (`drivers::outbound`).

use aion_api::condition::{DEGRADED, Judgement, Status, reason};
use aion_drivers::outbound::Sight;

/// The condition of `node`, by how much of its network is seen, and by the `failure` of who looks.
pub(super) fn judgement(sight: Sight, failure: Option<String>, node: &str) -> Judgement {
    let unseen = |why: String, remedy: &str| {
        let message = format!(
            "{why}, so the machine's bridges and floating addresses are not known and nothing is dialled for agents: {remedy}"
        );
        Judgement::new(DEGRADED, true, reason::NETWORK_NOT_SEEN, message)
    };
    match sight {
        Sight::Seen => Judgement::new(
            DEGRADED,
            false,
            reason::OK,
            "the node agent sees its machine's network",
        ),
        Sight::NotKnown => Judgement::new(
            DEGRADED,
            Status::Unknown,
            reason::PENDING,
            match failure {
                Some(why) => format!("nothing is dialled for agents, since {why}"),
                None => {
                    "nothing is dialled for agents until the cluster's Nodes and this machine's interfaces are known"
                        .to_owned()
                }
            },
        ),
        Sight::Apart => unseen(
            format!(
                "no interface of the node agent has an address of Node {node}, as in a pod without hostNetwork"
            ),
            "set hostNetwork: true in the node agent's pod",
        ),
        Sight::NoNode => unseen(
            format!("the cluster has no Node {node}"),
            "start the node agent with the name of its Node (--node-name)",
        ),
        Sight::NoAddress => unseen(
            format!("the status of Node {node} has no address"),
            "see why its kubelet, or the cloud's controller, has not written one",
        ),
    }
}
