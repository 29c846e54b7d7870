//! Which devices are played: the house that ships with aionctl, or so many of one model; and the resources that fit them. What
//! they do may not enter.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use aion_api::{Device, DeviceModel, DeviceMqtt, DeviceSpec};
use aion_device::{Twin, compile, template::Template};
use aion_resolve::{Object, parse_manifests};

use crate::failure::{Failure, Status};

/// The resources of the house, which ship as a file, too.
const HOUSE: &str = include_str!("../../../../../agents/homekeeper/house.yaml");
/// The broker that they name.
const USUAL: &str = "mqtt://127.0.0.1:1883";
/// The largest file with a model, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// Devices, and the resources that make a node listen to them.
pub(super) struct Fleet {
    pub(super) twins: Vec<Twin>,
    pub(super) yaml: String,
}

/// The house, in a namespace, at a broker.
pub(super) fn house(namespace: &str, broker: &str) -> Result<Fleet, Failure> {
    let objects = parse_manifests(HOUSE, "house.yaml").map_err(|why| wrong(&why))?;
    let (mut models, mut devices) = (Vec::new(), Vec::new());
    for it in objects {
        match it.object {
            Object::DeviceModel(it) => models.push(it),
            Object::Device(it) => devices.push(it),
            _ => {}
        }
    }
    let twins = devices.iter().map(|device| {
        let model = models
            .iter()
            .find(|it| it.metadata.name.as_deref() == Some(&device.spec.model))
            .ok_or_else(|| Failure::new(format!("there is no model {}", device.spec.model)))?;
        twin((**device).clone(), model, namespace)
    });
    Ok(Fleet {
        twins: twins.collect::<Result<_, _>>()?,
        yaml: HOUSE.replace(USUAL, broker),
    })
}

/// So many devices of the one model in a file, named after it.
pub(super) fn of_model(
    file: &Path,
    count: usize,
    namespace: &str,
    broker: &str,
) -> Result<Fleet, Failure> {
    let failed = |why: std::io::Error| Failure::io("read the model", file, &why);
    let size = fs::metadata(file).map_err(failed)?.len();
    if size > MAX_FILE {
        return Err(
            Failure::usage(format!("it is larger than {} MiB", MAX_FILE >> 20)).at(file.display()),
        );
    }
    let text = fs::read_to_string(file).map_err(failed)?;
    let name = file.display().to_string();
    let objects = parse_manifests(&text, &name).map_err(|why| wrong(&why))?;
    let models = objects.into_iter().filter_map(|it| match it.object {
        Object::DeviceModel(it) => Some(it),
        _ => None,
    });
    let models: Vec<_> = models.collect();
    let [model] = models.as_slice() else {
        let what = format!(
            "there are {} DeviceModels in it, and one is played",
            models.len()
        );
        return Err(Failure::usage(what)
            .at(name)
            .remedy("name a file with one DeviceModel; what else is in it does no harm"));
    };
    let of = model.metadata.name.clone().unwrap_or_default();
    let parameters = parameters(model);
    let mut yaml = format!(
        "apiVersion: aion.dev/v1alpha1\nkind: DeviceBroker\nmetadata: {{name: simulated}}\nspec: {{url: \"{broker}\"}}\n"
    );
    let mut twins = Vec::new();
    for number in 1..=count {
        let name = format!("{of}-{number}");
        let filled = parameters
            .iter()
            .map(|it| (it.clone(), format!("simulated/{name}")));
        let spec = DeviceSpec {
            model: of.clone(),
            mqtt: Some(DeviceMqtt {
                broker: "simulated".to_owned(),
                parameters: filled.collect(),
                ..DeviceMqtt::default()
            }),
            ..DeviceSpec::default()
        };
        let given = spec.mqtt.iter().flat_map(|it| &it.parameters);
        let given: Vec<_> = given.map(|(name, it)| format!("{name}: {it}")).collect();
        yaml += &format!(
            "---\napiVersion: aion.dev/v1alpha1\nkind: Device\nmetadata: {{name: {name}}}\nspec: {{model: {of}, mqtt: {{broker: simulated, parameters: {{{}}}}}}}\n",
            given.join(", ")
        );
        twins.push(twin(Device::new(&name, spec), model, namespace)?);
    }
    if let Some(topic) = shared(&twins) {
        let what = format!(
            "{count} devices of {of} would all say what they are on the topic {topic}, and nobody could tell one from another"
        );
        return Err(Failure::usage(what)
            .at(name)
            .remedy("write {{device}}, or a parameter, into the topic; or play one: --count 1"));
    }
    Ok(Fleet { twins, yaml })
}

/// A topic on which more than one of them says what it is. All differ in the same, so two are looked at.
fn shared(twins: &[Twin]) -> Option<String> {
    let [one, other, ..] = twins else { return None };
    let others = other.says();
    let mut topics = one.says().into_iter().map(|it| it.topic);
    topics.find(|topic| others.iter().any(|it| it.topic == *topic))
}

/// The names that each device has to fill in.
fn parameters(model: &DeviceModel) -> BTreeSet<String> {
    let Some(mqtt) = &model.spec.mqtt else {
        return BTreeSet::new();
    };
    let properties = mqtt.properties.iter().flat_map(|it| {
        let state = it.state.iter().map(|it| Some(&it.topic));
        let set = it
            .set
            .iter()
            .flat_map(|it| [Some(&it.topic), it.payload.as_ref()]);
        state.chain(set)
    });
    let commands = mqtt.commands.iter().flat_map(|it| {
        let done = it.done.iter().map(|it| Some(&it.topic));
        done.chain([Some(&it.send.topic), it.send.payload.as_ref()])
    });
    let there = mqtt.availability.iter().map(|it| Some(&it.topic));
    let texts = properties.chain(commands).chain(there).flatten();
    // What cannot be read as one is told as the device is compiled.
    let templates = texts.filter_map(|it| Template::text(it).ok());
    let names = templates.flat_map(|it| it.fields().map(str::to_owned).collect::<Vec<_>>());
    let arguments = model.spec.commands.iter().flat_map(|it| &it.arguments);
    let mut names: BTreeSet<_> = names.collect();
    for given in ["device", "namespace", "value"] {
        names.remove(given);
    }
    for it in arguments {
        names.remove(&it.name);
    }
    names
}

fn twin(mut device: Device, model: &DeviceModel, namespace: &str) -> Result<Twin, Failure> {
    device.metadata.namespace = Some(namespace.to_owned());
    match compile(&device, model) {
        Ok(compiled) => Ok(Twin::new(Arc::new(compiled))),
        Err(faults) => {
            let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
            Err(Failure::new(faults.join("\n")).status(Status::Usage))
        }
    }
}

fn wrong(problems: &[aion_resolve::Problem]) -> Failure {
    let all: Vec<_> = problems.iter().map(ToString::to_string).collect();
    Failure::usage(all.join("\n"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;

    use super::*;

    #[test]
    fn the_house_is_played_whole_and_at_the_broker_that_is_named() {
        let fleet = house("default", "mqtt://10.0.0.7:1883").unwrap();
        let names: Vec<_> = fleet.twins.iter().map(Twin::name).collect();
        assert_eq!(
            names,
            [
                "front-door",
                "kitchen-window",
                "heater",
                "kitchen-lamp",
                "hall-lamp",
                "front-lock",
                "meter",
                "hall-motion"
            ]
        );
        assert!(fleet.yaml.contains("url: mqtt://10.0.0.7:1883"));
    }

    #[test]
    fn devices_of_a_model_fill_in_what_it_leaves_open() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(
            br#"
apiVersion: aion.dev/v1alpha1
kind: DeviceModel
metadata: {name: lamp}
spec:
  properties: [{name: power, type: boolean, access: readWrite}]
  commands: [{name: flash, arguments: [{name: times, type: integer}]}]
  mqtt:
    properties:
      - {name: power, state: {topic: "{{topic}}"}, set: {topic: "{{topic}}/set"}}
    commands:
      - {name: flash, send: {topic: "{{topic}}/flash", payload: "{{times}} {{site}}"}}
"#,
        )
        .unwrap();
        let fleet = of_model(file.path(), 2, "home", USUAL).unwrap();
        let topics = fleet.twins[1].topics();
        assert_eq!(topics, ["simulated/lamp-2/flash", "simulated/lamp-2/set"]);
        let read = parse_manifests(&fleet.yaml, "made").unwrap();
        assert_eq!(read.len(), 3, "a broker and two devices");
        let text = fs::read_to_string(file.path()).unwrap();
        let one = text.replace(r#"state: {topic: "{{topic}}"}"#, "state: {topic: lamp/is}");
        assert_ne!(one, text);
        fs::write(file.path(), one).unwrap();
        assert!(of_model(file.path(), 1, "home", USUAL).is_ok());
        let refused = of_model(file.path(), 2, "home", USUAL).err().unwrap();
        assert!(refused.what.contains("lamp/is"), "{refused:?}");
        let two = "kind: DeviceModel\nmetadata: {name: a}\nspec: {}";
        fs::write(file.path(), two).unwrap();
        assert!(of_model(file.path(), 2, "home", USUAL).is_err());
    }
}
