//! Devices of Sparkplug that make sense, and what is said of those that do not.
#![allow(clippy::unwrap_used)]

use super::Fault;
use crate::{
    compile,
    testing::{device, model},
};

const MODEL: &str = r#"
properties:
- {name: speed, type: number, access: readWrite}
- {name: on, type: boolean}
commands:
- {name: home, arguments: [{name: at, type: integer}]}
sparkplug:
  properties:
  - {name: speed, metric: Speed}
  - {name: on, metric: "On #1"}
  commands:
  - {name: home, metric: Home, value: "{{at}}", done: {metric: AtHome}}
"#;

fn faults(spec: &str, of: &str) -> Vec<String> {
    let spec = format!("{{model: m, {spec}}}");
    let faults = compile(&device("d", &spec), &model(of))
        .err()
        .unwrap_or_default();
    faults.iter().map(Fault::to_string).collect()
}

#[test]
fn a_device_hears_its_edge_node_and_says_its_own_entries_in_the_place_of_the_models() {
    let own = "{broker: b, group: g, edgeNode: n, device: d, properties: [{name: speed, metric: Other/Speed}]}";
    let spec = format!("{{model: m, sparkplug: {own}}}");
    let it = compile(&device("d", &spec), &model(MODEL)).unwrap();
    assert_eq!(it.topics().len(), 6);
    assert!(it.topics().contains(&"spBv1.0/g/DBIRTH/n/+".to_owned()));
    let metrics: Vec<_> = it.metrics().iter().map(ToString::to_string).collect();
    assert_eq!(metrics, ["AtHome", "Home", "On #1", "Other/Speed"]);
}

#[test]
fn what_makes_no_sense_is_named_with_its_field() {
    let reached = "sparkplug: {broker: b, group: g, edgeNode: n}";
    assert_eq!(faults(reached, MODEL), [] as [String; 0]);
    let cases = [
        (
            "sparkplug: {broker: b, group: g, edgeNode: n}, mqtt: {broker: b}",
            MODEL.to_owned(),
            "Device spec: a device is reached in one way",
        ),
        (
            "description: x",
            MODEL.to_owned(),
            "Device spec: a device is reached in one way",
        ),
        (
            "sparkplug: {broker: b, group: 'a/b', edgeNode: n}",
            MODEL.to_owned(),
            "Device spec.sparkplug: group, edgeNode and device",
        ),
        (
            "mqtt: {broker: b}",
            MODEL.to_owned(),
            "spec.mqtt.properties: nothing says how speed looks on MQTT",
        ),
        (
            reached,
            MODEL.replace("  - {name: speed, metric: Speed}\n", ""),
            "spec.sparkplug.properties: nothing says how speed looks on Sparkplug",
        ),
        (
            reached,
            MODEL.replace("metric: Speed", "metric: 'a{{b}}'"),
            "spec.sparkplug.properties[0].metric: it is not the name of a metric",
        ),
        (
            reached,
            MODEL.replace("access: readWrite", "access: write"),
            "spec.sparkplug.properties[0]: nobody would say that speed was written",
        ),
        (
            reached,
            MODEL.replace("{{at}}", "{{bt}}"),
            "spec.sparkplug.commands[0].value: there is nothing for {{bt}}; say one of device, namespace, at",
        ),
        (
            reached,
            MODEL.replace("{name: on, metric", "{name: off, metric"),
            "spec.sparkplug.properties[1].name: the model has no property off",
        ),
    ];
    for (spec, of, why) in cases {
        let found = faults(spec, &of);
        assert!(found.iter().any(|it| it.contains(why)), "{why}: {found:?}");
    }
}
