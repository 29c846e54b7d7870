//! What is read of a Node: nothing else of it is kept, and a change of nothing else is one.

use aion_api::metadata::TAINT_OUT_OF_SERVICE;
use k8s_openapi::api::core::v1::Node;

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
