//! The safe state that a watchdog names: each part is a message that the device can be sent.

use aion_api::{Device, DeviceModel, ValueType, Watchdog};

use super::{Fault, Of};
use crate::{
    compiled::Compiled,
    safe::{SafeStep, written},
};

pub(super) fn watch(
    compiled: &mut Compiled,
    device: &Device,
    model: &DeviceModel,
) -> Result<(), Vec<Fault>> {
    let Some(watchdog) = Watchdog::of(&device.spec.watchdog, &model.spec.watchdog) else {
        return Ok(());
    };
    let of = match device.spec.watchdog {
        Some(_) => Of::Device,
        None => Of::Model,
    };
    let mut faults = Vec::new();
    let mut safe = Vec::new();
    for (at, step) in watchdog.safe_state.iter().enumerate() {
        let step = match (&step.property, &step.command) {
            (Some(name), _) => {
                let kind = compiled.kind_of(name).map_or(ValueType::Text, |(it, _)| it);
                let value = written(kind, step.value.as_deref().unwrap_or_default());
                let name = name.clone();
                SafeStep::Property { name, value }
            }
            (None, command) => {
                let name = command.clone().unwrap_or_default();
                let arguments = step.arguments.iter().map(|(argument, text)| {
                    let kind = compiled.argument(&name, argument).unwrap_or_default();
                    (argument.clone(), written(kind, text))
                });
                let arguments = arguments.collect();
                SafeStep::Command { name, arguments }
            }
        };
        match compiled.safe_order(&step) {
            Ok(_) => safe.push(step),
            Err(problem) => faults.push(Fault {
                of,
                field: format!("spec.watchdog.safeState[{at}]"),
                what: problem.detail.clone(),
                remedy: "write what the model lets be written or commanded".to_owned(),
            }),
        }
    }
    compiled.safe = safe.into();
    match faults.is_empty() {
        true => Ok(()),
        false => Err(faults),
    }
}
