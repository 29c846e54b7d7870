//! Step 4: finds out whether a node that says nothing has stopped, where that decides who has the device.

use std::time::Duration;

use aion_api::DeviceBinding;
use aion_resolve::device_binding::Step;

use crate::context::Context;
use crate::failure::step_errors;

use super::build::Prepared;
use super::fence;

step_errors! {
    /// What the API server did not tell.
    Error {
        /// The Lease of the node that had the device.
        ReadLease,
    }
}

/// Who has a device from now on.
pub(super) struct Applied {
    pub(super) prepared: Prepared,
    /// The node, and what it is to do.
    pub(super) binding: Option<(String, DeviceBinding)>,
    /// When it is to be looked at again.
    pub(super) again: Option<Duration>,
}

/// Decides who has the device.
///
/// # Errors
/// The API server did not tell the Lease of the node that had it.
pub(super) async fn apply(context: &Context, prepared: Prepared) -> Result<Applied, Error> {
    let status = prepared.input.device.status.clone().unwrap_or_default();
    let now = status.node_name.zip(status.binding);
    let mut again = None;
    let binding = match &prepared.bound.step {
        Step::Keep => now,
        Step::Bind(node) => Some((node.clone(), DeviceBinding::Serve)),
        Step::Release => now.map(|(node, _)| (node, DeviceBinding::Release)),
        Step::Fence(other) => {
            let holder = now.as_ref().map(|(node, _)| node.as_str());
            let silence = fence::silence(context, holder.unwrap_or_default()).await;
            match silence.map_err(Error::ReadLease)? {
                None => other.clone().map(|node| (node, DeviceBinding::Serve)),
                Some(wait) => {
                    again = Some(wait);
                    now
                }
            }
        }
    };
    Ok(Applied {
        prepared,
        binding,
        again,
    })
}
