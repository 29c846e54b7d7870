//! Devices: whether they make sense, and which one node has each.
//!
//! A device is bound in its status. Another node has it only after the first said that it let go, or once it is certain that the
//! first has stopped by itself ([`fence`]). What a node says of a device that it has is that node's; of one that no node serves,
//! this controller says how it stands.

mod apply;
mod build;
mod dereference;
mod fence;
mod update_status;
mod validate;

use std::sync::Arc;
use std::time::Duration;

use aion_api::Device;
use kube::runtime::controller::Action;

use self::build::Prepared;
use self::dereference::Dereferenced;

use crate::caches::Found;
use crate::context::Context;
use crate::failure::controller_error;

controller_error! {
    /// Why a device was not reconciled.
    Error {
        /// Step 4.
        Apply(apply::Error),
        /// Step 5.
        UpdateStatus(update_status::Error),
    }
}

/// When a device is looked at again that is held as it is.
const HELD: Duration = Duration::from_secs(60);

/// Brings one device to one node.
pub(crate) async fn reconcile(device: Arc<Device>, context: Arc<Context>) -> Result<Action, Error> {
    let Some(prepared) = prepare(&device, &context) else {
        // What goes away unread is not told.
        return Ok(Action::requeue(HELD));
    };
    let applied = apply::apply(&context, prepared).await?;
    let again = applied.again;
    update_status::update(&context, applied).await?;
    Ok(again.map_or_else(Action::await_change, Action::requeue))
}

/// The three steps that only think, and the node that is chosen counted at once. Nothing, where what decides about the device
/// cannot be read: it is held as it is.
fn prepare(device: &Device, context: &Context) -> Option<Prepared> {
    let _placing = context.placing();
    let dereferenced = dereference::dereference(device, &context.caches)?;
    let validated = validate::validate(dereferenced);
    let prepared = build::build(validated);
    let Dereferenced { key, .. } = &prepared.input;
    let bindings = &context.caches.bindings;
    bindings.note(
        key,
        Found {
            looks_at: prepared.judged.looks_at.clone(),
            sound: prepared.judged.resolved.is_some(),
            waits: prepared.bound.unserved.is_some(),
        },
    );
    if let Some(node) = prepared.chosen() {
        bindings.put(key, Some(node.to_owned()));
    }
    Some(prepared)
}
