//! Step 5: writes who has the device, and what follows from it, in one patch of the object that was seen: whoever wrote it
//! meanwhile, its node among them, is not written over.

use aion_api::condition::{self, Condition};
use aion_api::metadata::MANAGER_DEVICE;
use aion_api::{Device, DeviceBinding};
use aion_resolve::device_binding::is_of_its_node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::{Value, json};

use crate::context::Context;
use crate::events::event;
use crate::events::reason::DEVICE_BOUND;
use crate::failure::{Failure, step_errors};

use super::apply::Applied;

step_errors! {
    /// Why what was decided is not told.
    Error {
        /// The API server did not take the status.
        WriteStatus,
    }
}

/// Writes what was decided where it changed, and tells so.
///
/// # Errors
/// The API server did not take it.
pub(super) async fn update(context: &Context, applied: Applied) -> Result<(), Error> {
    let Applied {
        prepared, binding, ..
    } = applied;
    let device = &prepared.input.device;
    let before = device.status.clone().unwrap_or_default();
    let generation = device.metadata.generation;
    let now = Time(crate::clock::now());
    let own = condition::write(&before.conditions, &prepared.judgements, generation, &now);
    let conditions = with_those_of_its_node(own, &before.conditions);
    let bound = before.node_name.clone().zip(before.binding);
    let same = before.conditions == conditions
        && before.observed_generation == generation
        && bound == binding;
    if same {
        return Ok(());
    }
    let (key, bindings) = (&prepared.input.key, &context.caches.bindings);
    let devices: Api<Device> = Api::namespaced(context.client.clone(), &key.namespace);
    let patch = Patch::Merge(patch(device, binding.as_ref(), &conditions));
    let params = PatchParams {
        field_manager: Some(MANAGER_DEVICE.to_owned()),
        ..PatchParams::default()
    };
    let written = devices.patch_status(&key.name, &params, &patch).await;
    match written {
        Ok(_) => {}
        // There is nobody to tell.
        Err(kube::Error::Api(status)) if status.code == 404 => {
            bindings.gone(key);
            return Ok(());
        }
        Err(error) => {
            // Nobody was given it.
            bindings.put(key, before.node_name);
            let what = format!("writing the status of Device {}", device.name_any());
            return Err(Error::WriteStatus(Failure::of(what)(error)));
        }
    }
    let object = device.object_ref(&());
    let announcer = &context.announcer;
    let (had, has) = (bound.map(|it| it.0), binding.map(|it| it.0));
    bindings.put(key, has.clone());
    if let Some(node) = has.filter(|it| had.as_ref() != Some(it)) {
        let note = match had {
            Some(had) => format!("node {node} has it now, and node {had} has stopped"),
            None => format!("node {node} has it now"),
        };
        announcer.tell(&object, vec![event(true, DEVICE_BOUND, &note, "Bind")]);
    }
    announcer.tell_changes(&object, &before.conditions, &conditions);
    Ok(())
}

/// What its node said stays, where this controller says nothing of it.
fn with_those_of_its_node(mut own: Vec<Condition>, before: &[Condition]) -> Vec<Condition> {
    let said = |type_: &str| own.iter().any(|it| *it.type_ == *type_);
    let kept = before.iter();
    let kept = kept.filter(|it| is_of_its_node(&it.type_) && !said(&it.type_));
    let kept: Vec<_> = kept.cloned().collect();
    own.extend(kept);
    own
}

fn patch(
    device: &Device,
    binding: Option<&(String, DeviceBinding)>,
    conditions: &[Condition],
) -> Value {
    json!({
        "metadata": {
            "uid": device.metadata.uid,
            "resourceVersion": device.metadata.resource_version,
        },
        "status": {
            "observedGeneration": device.metadata.generation,
            "conditions": conditions,
            "nodeName": binding.map(|(node, _)| node),
            "binding": binding.map(|(_, binding)| binding),
        },
    })
}

#[cfg(test)]
mod tests {
    use aion_api::condition::{ACCEPTED, Judgement, READY, reason};
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn written(type_: &'static str, message: &str) -> Vec<Condition> {
        let judged = Judgement::new(type_, true, reason::OK, message);
        condition::write(&[], &[judged], None, &Time(Timestamp::UNIX_EPOCH))
    }

    #[test]
    fn what_its_node_said_stays_and_what_is_said_anew_takes_the_place_of_it() {
        let before = [written(ACCEPTED, "before"), written(READY, "by its node")].concat();
        let kept = with_those_of_its_node(written(ACCEPTED, "now"), &before);
        let messages: Vec<&str> = kept.iter().map(|it| &*it.message).collect();
        assert_eq!(messages, ["now", "by its node"]);
        let own = [written(ACCEPTED, "now"), written(READY, "nobody has it")].concat();
        let kept = with_those_of_its_node(own, &before);
        let messages: Vec<&str> = kept.iter().map(|it| &*it.message).collect();
        assert_eq!(messages, ["now", "nobody has it"]);
    }

    #[test]
    fn a_device_is_bound_as_it_was_seen_and_unbound_by_name() {
        let mut device = Device::default();
        device.metadata.resource_version = Some("7".to_owned());
        let binding = ("a".to_owned(), DeviceBinding::Serve);
        let bound = patch(&device, Some(&binding), &[]);
        assert_eq!(bound["metadata"]["resourceVersion"], "7");
        assert_eq!(bound["status"]["binding"], "Serve");
        let none = patch(&device, None, &[]);
        assert!(none["status"]["nodeName"].is_null() && none["status"]["binding"].is_null());
        assert!(
            none["status"]
                .as_object()
                .is_some_and(|it| it.contains_key("nodeName"))
        );
    }
}
