//! Guardrails of a device and its model → what the kernel holds writes and commands against.
//!
//! | part | what it is for |
//! |---|---|
//! | `imposed` | which guardrails policies put upon a device |
//! | `points` | what can be written or commanded, and of which type |
//! | `rule` | one guardrail, for the points that it is about |
//! | `expression`, `operand` | `forbidWhen`: CEL that compares what a device is, and nothing else of CEL |
//! | `number` | decimals and values as the kernel has them |
//! | `hours` | hours of days as minutes of the week |
//! | `watchdog` | the safe state, and when it is brought about |
//! | `fault` | what is wrong, where, and what to do |
//!
//! The model's guardrails, the device's and those of policies all hold. Whatever is wrong with any of them is said at once, and a device of
//! which anything is wrong has no guards: the kernel then refuses what would be done to it.

#[cfg(test)]
mod agreement_tests;
mod expression;
mod fault;
mod hours;
mod imposed;
mod number;
mod operand;
mod points;
mod rule;
mod watchdog;

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use aion_api::Device;
use aion_api::{DeviceModel, DeviceModelSpec};
use aion_device::{Fault, Of};
use aion_kernel::{Guards, Rule};

pub use imposed::Imposed;
pub use number::measure;

use fault::Faults;
use points::Points;
use rule::Fit;

/// The devices of a namespace, as expressions refer to them.
pub trait Devices {
    /// The model of the device, where both are there.
    fn model(&self, device: &str) -> Option<&DeviceModelSpec>;

    /// Names of devices, as many as may help somebody who misspelled one.
    fn names(&self) -> Vec<String>;
}

impl<M: Borrow<DeviceModelSpec>> Devices for BTreeMap<String, M> {
    fn model(&self, device: &str) -> Option<&DeviceModelSpec> {
        self.get(device).map(Borrow::borrow)
    }

    fn names(&self) -> Vec<String> {
        self.keys().take(fault::NAMED).cloned().collect()
    }
}

/// What the kernel is to hold against whatever is done to `device`, which is of `model` and belongs to `tenant`: the
/// device is `<tenant>/<name>` there, and so are those that its expressions refer to. `imposed` are the guardrails of policies for
/// the devices of `tenant`: those that do not select this one do not count.
///
/// # Errors
/// All that is wrong with its guardrails, its model's, and those that policies put upon it.
pub fn guards(
    tenant: &str,
    device: &Device,
    model: &DeviceModel,
    others: &dyn Devices,
    imposed: &[Imposed<'_>],
) -> Result<Guards, Vec<Fault>> {
    let own = device.metadata.name.as_deref().unwrap_or_default();
    let place = Place {
        tenant,
        own,
        model: &model.spec,
        others,
    };
    let points = Points::of(&model.spec);
    let mut faults = Faults::default();
    let mut names = BTreeSet::new();
    let mut rules: Vec<Rule> = Vec::new();
    let of_model = model.spec.guardrails.iter().enumerate();
    let of_device = device.spec.guardrails.iter().enumerate();
    let all = of_model
        .map(|it| (Of::Model, it))
        .chain(of_device.map(|it| (Of::Device, it)));
    for (of, (at, guardrail)) in all {
        faults.at(of, format!("spec.guardrails[{at}]"));
        if !names.insert(guardrail.name.as_str()) {
            faults.add(
                ".name",
                format!("there are two guardrails {}", guardrail.name),
                "give one of them another name: the model's and the device's hold side by side",
            );
        }
        rules.extend(rule::lower(
            guardrail,
            Fit::Owned,
            &points,
            &place,
            &mut faults,
        ));
    }
    for it in imposed.iter().filter(|it| it.selects(device)) {
        for (field, guardrail) in it.rules() {
            faults.at(Of::Policy, field);
            let lowered = rule::lower(guardrail, it.fit(), &points, &place, &mut faults);
            rules.extend(lowered.into_iter().map(|rule| it.names(rule)));
        }
    }
    faults.none()?;
    faults.at(Of::Device, "spec.guardrails".to_owned());
    let guards = Guards::new(points.of_kernel(), rules).map_err(|error| {
        faults.add("", error.to_string(), "change or remove it");
        faults.all()
    })?;
    let guards = watchdog::watched(guards, device, model, &mut faults);
    faults.none()?;
    Ok(guards)
}

/// Where an expression stands.
struct Place<'a> {
    tenant: &'a str,
    own: &'a str,
    model: &'a DeviceModelSpec,
    others: &'a dyn Devices,
}

impl Place<'_> {
    fn model(&self, device: &str) -> Option<&DeviceModelSpec> {
        match device == self.own {
            true => Some(self.model),
            false => self.others.model(device),
        }
    }

    /// The device as the kernel calls it.
    fn called(&self, device: &str) -> aion_kernel::Name {
        format!("{}/{device}", self.tenant).into()
    }
}
