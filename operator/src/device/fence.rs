//! Whether a node has stopped that was told to let a device go and says nothing.
//!
//! A node serves devices while its Lease was renewed within [`aion_api::metadata::DEVICES_SECONDS`], by its own clock from before
//! the renewal was sent, and after that only by a list that it asks for anew. So a node has stopped whose Lease was seen to say the
//! same for longer, read from the API server after the device was released: whatever it renews later, it finds the device
//! released. What a Lease says of time is compared with nothing.

use std::time::{Duration, Instant};

use aion_api::metadata::node_lease;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;

use crate::context::Context;
use crate::failure::Failure;

/// How much longer `node` has to be silent until it has stopped; nothing where it has.
///
/// # Errors
/// The API server does not tell the node's Lease.
pub(super) async fn silence(context: &Context, node: &str) -> Result<Option<Duration>, Failure> {
    let leases: Api<Lease> = Api::namespaced(context.client.clone(), &context.system);
    let lease = leases.get_opt(&node_lease(node)).await;
    let lease = lease.map_err(Failure::of(format!("reading the Lease of node {node}")))?;
    // A Lease that is gone says nothing either.
    let said = lease.and_then(|it| it.spec).unwrap_or_default();
    let seconds = said.lease_duration_seconds.unwrap_or_default();
    let holds = Duration::from_secs(seconds.try_into().unwrap_or_default());
    let holds = holds.max(context.node_lease);
    let now = Instant::now();
    let witnessed = context.heard.witnessed(node, &said, now);
    let silent = context.fences.silent(node, &said, Duration::ZERO, now);
    let silent = silent.max(witnessed.unwrap_or_default());
    Ok((silent <= holds).then(|| holds.saturating_sub(silent) + Duration::from_secs(1)))
}
