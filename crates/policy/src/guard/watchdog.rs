//! Watchdogs: the safe state of a device as the kernel has it. It is its owner's word, and keeps within all ranges.

use aion_abi::canonical::body_digest;
use aion_api::{Device, DeviceModel, Retry, SafeStep, Watchdog};
use aion_device::{Of, written};
use aion_kernel::{BodyDigest, Guards, Measure, Name, SafePart};

use super::fault::Faults;
use super::measure;

pub(super) fn watched(
    guards: Guards,
    device: &Device,
    model: &DeviceModel,
    faults: &mut Faults,
) -> Guards {
    let Some(watchdog) = Watchdog::of(&device.spec.watchdog, &model.spec.watchdog) else {
        return guards;
    };
    let of = match device.spec.watchdog {
        Some(_) => Of::Device,
        None => Of::Model,
    };
    faults.at(of, "spec.watchdog".to_owned());
    let models = model.spec.watchdog.as_ref().map(|it| it.seconds);
    if models.is_some_and(|it| it < watchdog.seconds) {
        faults.add(
            ".seconds",
            format!(
                "{} are more than the model's {}",
                watchdog.seconds,
                models.unwrap_or_default()
            ),
            "wait no longer than the model does",
        );
    }
    let Some(after_ms) = super::rule::within(watchdog.seconds) else {
        faults.add(
            ".seconds",
            "they are not 1 to 86400",
            "change what they are",
        );
        return guards;
    };
    let mut safe = Vec::new();
    for (at, step) in watchdog.safe_state.iter().enumerate() {
        let (point, retry, value) = match (&step.property, &step.command) {
            (Some(name), _) => {
                let property = model.spec.properties.iter().find(|it| it.name == *name);
                let text = step.value.as_deref().unwrap_or_default();
                let value =
                    property.and_then(|it| measure(it.of, &it.choices, &written(it.of, text)));
                (name, property.map(|it| it.retry), value)
            }
            (None, Some(name)) => {
                let command = model.spec.commands.iter().find(|it| it.name == *name);
                (name, command.map(|it| it.retry), None)
            }
            (None, None) => continue,
        };
        let point = aion_kernel::Name::from(point.as_str());
        if let Some((rule, breach)) = value.and_then(|it: Measure| guards.out_of_range(&point, it))
        {
            faults.add(
                &format!(".safeState[{at}].value"),
                format!("guardrail {} does not admit it: {breach}", rule.name),
                "let the safe state be one that guardrails admit",
            );
        }
        safe.push(SafePart {
            point,
            value,
            repeatable: retry == Some(Retry::Safe),
        });
    }
    let watched = aion_kernel::Watchdog {
        after_ms,
        what: digest(&watchdog.safe_state, &safe),
        safe,
    };
    let watched = guards.clone().watched(watched);
    watched.unwrap_or_else(|error| {
        faults.add("", error.to_string(), "correct it");
        guards
    })
}

/// Tells a safe state from every other, in all builds alike: the kernel stores it.
fn digest(steps: &[SafeStep], parts: &[SafePart]) -> Name {
    // With its length, so that no two come to the same.
    let whole = |it: &str| format!("{}:{it}", it.len());
    let steps = steps.iter().flat_map(|step| {
        let SafeStep {
            property,
            value,
            command,
            arguments,
        } = step;
        let own = [property, value, command].map(|it| it.as_deref().map_or("-".to_owned(), whole));
        let arguments = arguments.iter().flat_map(|(name, value)| [name, value]);
        let arguments = arguments.map(|it| whole(it));
        own.into_iter().chain(arguments).chain(["/".to_owned()])
    });
    let parts = parts.iter().map(|part| {
        let value = part.value.map_or("-".to_owned(), |it| it.0.to_string());
        format!("{value} {}/", part.repeatable)
    });
    let text: String = steps.chain(parts).collect();
    BodyDigest(body_digest(text.as_bytes())).to_string().into()
}
