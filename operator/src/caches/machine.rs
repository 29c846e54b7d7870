//! What is read of a Node: nothing else of it is kept, and a change of nothing else is one.

use aion_api::metadata::TAINT_OUT_OF_SERVICE;
use k8s_openapi::api::core::v1::{Node, NodeSpec};

/// Takes away what nobody here reads: images, addresses and conditions, which are most of a Node.
pub(super) fn lighten(node: &mut Node) {
    let spec = node.spec.take().unwrap_or_default();
    node.spec = Some(NodeSpec {
        unschedulable: spec.unschedulable,
        taints: spec.taints,
        ..NodeSpec::default()
    });
    node.status = None;
    node.metadata.annotations = None;
    node.metadata.labels = None;
}

/// Whether people have Kubernetes place nothing new there: `kubectl cordon`.
pub(crate) fn is_cordoned(node: &Node) -> bool {
    let spec = node.spec.as_ref();
    spec.and_then(|spec| spec.unschedulable) == Some(true)
}

/// Whether it is tainted out of service: nothing runs there.
pub(crate) fn is_out_of_service(node: &Node) -> bool {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
    let mut taints = taints.into_iter().flatten();
    taints.any(|taint| taint.key == TAINT_OUT_OF_SERVICE)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_kept_of_a_node_is_what_is_read_of_it_and_no_more() {
        let taints = json!([{"key": TAINT_OUT_OF_SERVICE, "effect": "NoExecute"}]);
        let mut node: Node = serde_json::from_value(json!({
            "metadata": {"name": "n", "labels": {"disk": "fast"}, "annotations": {"a": "b"}},
            "spec": {"unschedulable": true, "taints": taints, "podCIDR": "10.1.0.0/24"},
            "status": {"images": [{"names": ["an/image"], "sizeBytes": 1}]},
        }))
        .unwrap();
        lighten(&mut node);
        assert!(is_cordoned(&node) && is_out_of_service(&node));
        let light: Node = serde_json::from_value(json!({
            "metadata": {"name": "n"}, "spec": {"unschedulable": true, "taints": taints},
        }))
        .unwrap();
        assert_eq!(node, light);
    }
}
