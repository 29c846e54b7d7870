//! What the kernel is told of a call to a device, before it decides.

use aion_abi::{problem::Problem, syscall::device::Value};
use aion_kernel::{Aim, Generation, Resource};
use aion_policy::{Capability, measure};

use super::Devices;
use crate::{
    call::{Lowered, Request},
    clock,
    instance::{Instance, is_granted, of_tenant},
};

/// What a call may take beside the time that the device has to say that it did it, in milliseconds.
const BESIDE_MS: u64 = 10_000;

impl Devices {
    /// Says what a call to a device aims at. Whoever has no right to it is told nothing of it: what is wrong with the call is
    /// found only for who has. It aims at the same also where it does not fit: a call that is made again is answered by
    /// what the first one did, though its device changed since.
    ///
    /// # Errors
    /// For a value or arguments that do not fit.
    pub(crate) fn aim(&self, instance: &Instance, lowered: &mut Lowered) -> Result<(), Problem> {
        let (device, point, value) = match &lowered.request {
            Request::DeviceRead(it) => (it.device.clone(), None, None),
            Request::DeviceHistory(it) => (it.device.clone(), None, None),
            Request::DeviceWrite(it) => (
                it.device.clone(),
                Some(it.property.clone()),
                Some(it.value.clone()),
            ),
            Request::DeviceCommand(it) => (it.device.clone(), Some(it.command.clone()), None),
            _ => return Ok(()),
        };
        let tenant = &instance.spec().tenant;
        let found = self.entry(tenant.as_str(), &device).ok();
        let by = found.as_ref().and_then(|it| it.device.reached.broker());
        let by = by.unwrap_or(&device);
        lowered.resource = Resource::Devices(of_tenant(tenant, by));
        let Some(point) = point else { return Ok(()) };
        let mut aim = Aim {
            device: of_tenant(tenant, &device),
            generation: Generation::default(),
            point: point.as_str().into(),
            value: None,
            safe: None,
            week_ms: 0,
        };
        let mut fits = Ok(());
        if let Some(entry) = found {
            let compiled = &entry.device.compiled;
            let right = Capability {
                syscall: lowered.kind.as_str().to_owned(),
                target: Some(device.clone()),
            };
            if is_granted(instance.spec(), &right) {
                let order = match &lowered.request {
                    Request::DeviceWrite(it) => compiled.set(&it.property, &it.value),
                    Request::DeviceCommand(it) => compiled.command(&it.command, &it.arguments),
                    _ => return Ok(()),
                };
                fits = order.map(|order| {
                    aim.safe = compiled.part_of(&order);
                    lowered.deadline_ms = Some(order.confirm_ms.saturating_add(BESIDE_MS));
                    lowered.repeatable = order.repeatable;
                });
            }
            aim.generation = entry.generation;
            aim.value = value.and_then(|value: Value| {
                let (of, choices) = compiled.kind_of(&point)?;
                measure(of, choices, &value)
            });
            // A time that no calendar knows is in no hours.
            aim.week_ms = entry.device.zone.week_ms(clock::date()).unwrap_or(u32::MAX);
        }
        lowered.aim = Some(aim);
        fits
    }
}
