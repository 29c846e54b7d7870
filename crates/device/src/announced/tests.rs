//! What real integrations announce, and what means harm, by the cases of tests/corpus/announcements: the proposal of each, what the
//! admitted device hears and what it is sent.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use aion_abi::syscall::device::Value;
use aion_api::{Device, DeviceModel};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::{
    Heard, Limits, Link, Message, Registry, compile,
    testing::{at, corpus},
};

fn text(payload: &Json) -> Vec<u8> {
    match payload {
        Json::String(it) => it.clone().into_bytes(),
        it => it.to_string().into_bytes(),
    }
}

fn announced(all: &[(&str, &Json)]) -> Announcements {
    let mut kept = Announcements::new("homeassistant");
    for (topic, payload) in all {
        kept.take(topic, &text(payload));
    }
    kept
}

fn proposals(kept: &Announcements, taken: &Taken) -> Vec<Proposal> {
    let drafts = drafts("hub", kept);
    named("home", &[("hub".to_owned(), drafts.as_slice())], taken)
}

/// What of a case does not hold.
fn wrong(case: &Json) -> Vec<String> {
    let all = case["announcements"].as_object().unwrap();
    let all: Vec<_> = all
        .iter()
        .map(|(topic, payload)| (topic.as_str(), payload))
        .collect();
    let kept = announced(&all);
    let found = proposals(&kept, &Taken::default());
    let mut wrong = Vec::new();
    let [proposal] = found.as_slice() else {
        return vec![format!("{} proposals", found.len())];
    };
    if proposal.name != case["device"].as_str().unwrap() {
        wrong.push(format!("it is called {}", proposal.name));
    }
    let unmapped = case["unmapped"].as_object().unwrap();
    for (field, part) in unmapped {
        let part = part.as_str().unwrap();
        if !proposal
            .unmapped
            .iter()
            .any(|it| it.field == *field && it.why.contains(part))
        {
            wrong.push(format!(
                "{field} is not told as {part}: {:?}",
                proposal.unmapped
            ));
        }
    }
    let more = proposal
        .unmapped
        .iter()
        .find(|it| !unmapped.contains_key(&it.field));
    wrong.extend(more.map(|it| format!("{it:?}")));
    let Some(both) = &proposal.resources else {
        if case["nothing"] != json!(true) {
            wrong.push(format!("nothing is made of it: {:?}", proposal.unmapped));
        }
        return wrong;
    };
    let (model, device) = &**both;
    wrong.extend(shape(case, model));
    let compiled = Arc::new(compile(device, model).unwrap());
    for told in case["told"].as_array().into_iter().flatten() {
        let order = match (told["property"].as_str(), told["command"].as_str()) {
            (Some(name), _) => compiled.set(name, &value(&told["value"])),
            (_, name) => compiled.command(name.unwrap(), &BTreeMap::new()),
        };
        let Ok(order) = order else {
            wrong.push(format!("{told}: {order:?}"));
            continue;
        };
        let is: Json = match &told["payload"] {
            Json::String(_) => String::from_utf8(order.payload).unwrap().into(),
            _ => serde_json::from_slice(&order.payload).unwrap_or_default(),
        };
        if (&is, order.topic.as_str()) != (&told["payload"], told["topic"].as_str().unwrap()) {
            wrong.push(format!("{told}: {} {is}", order.topic));
        }
    }
    let mut registry = Registry::new(Limits::default(), at(0));
    registry.insert(compiled);
    registry.link(Link::New, at(0));
    for heard in case["heard"].as_array().into_iter().flatten() {
        let message = Message {
            topic: heard["topic"].as_str().unwrap(),
            payload: &text(&heard["payload"]),
            retained: false,
        };
        let all = registry.take(message, at(1));
        let is: BTreeMap<String, Json> = all
            .iter()
            .filter_map(|it| match it {
                Heard::Value {
                    property, value, ..
                } => Some((property.to_string(), json!(value))),
                _ => None,
            })
            .collect();
        for (name, value) in heard["values"].as_object().unwrap() {
            if is.get(name) != Some(value) {
                wrong.push(format!("{name} is not {value}: {is:?}"));
            }
        }
    }
    wrong
}

fn value(it: &Json) -> Value {
    serde_json::from_value(it.clone()).unwrap()
}

/// What of the properties and commands is otherwise.
fn shape(case: &Json, model: &DeviceModel) -> Vec<String> {
    let is: BTreeMap<&str, String> = model
        .spec
        .properties
        .iter()
        .map(|it| {
            let access = json!(it.access);
            let words = [Some(it.of.as_str()), access.as_str(), it.unit.as_deref()];
            (
                it.name.as_str(),
                words.into_iter().flatten().collect::<Vec<_>>().join(" "),
            )
        })
        .collect();
    let wanted = case["properties"].as_object().cloned().unwrap_or_default();
    let mut wrong = Vec::new();
    for (name, shape) in &wanted {
        if is.get(name.as_str()).map(String::as_str) != shape.as_str() {
            wrong.push(format!("{name} is {:?}", is.get(name.as_str())));
        }
    }
    if is.len() != wanted.len() {
        wrong.push(format!("{is:?}"));
    }
    let commands: Vec<_> = model
        .spec
        .commands
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    let mut expected: Vec<_> = case["commands"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    let mut commands = commands;
    commands.sort_unstable();
    expected.sort_unstable();
    if commands != expected {
        wrong.push(format!("commands are {commands:?}"));
    }
    wrong
}

#[test]
fn corpus_announcements() {
    corpus("announcements", 27, |case| {
        let wrong = wrong(case);
        (!wrong.is_empty()).then(|| wrong.join("; "))
    });
}

fn lamp(name: &str, id: &str, topic: &str) -> Json {
    json!({"name": null, "stat_t": topic, "cmd_t": format!("{topic}/set"), "dev": {"ids": [id], "name": name}})
}

#[test]
fn who_claims_anothers_name_gets_neither_that_nor_its_place() {
    let (real, other) = (
        lamp("Front door", "a", "door"),
        lamp("Front door", "b", "evil"),
    );
    let (first, second) = (
        "homeassistant/switch/z/config",
        "homeassistant/switch/a/config",
    );
    let alone = proposals(&announced(&[(first, &real)]), &Taken::default());
    assert_eq!(alone[0].name, "front-door");
    let both = proposals(
        &announced(&[(first, &real), (second, &other)]),
        &Taken::default(),
    );
    assert!(
        both.iter()
            .all(|it| it.name.starts_with("front-door-") && it.name.len() <= 63),
        "{both:?}"
    );
    // Once it is admitted, another cannot be taken for it.
    let mut taken = Taken::default();
    let (_, device) = *alone[0].resources.clone().unwrap();
    taken.device(&device);
    let both = proposals(&announced(&[(first, &real), (second, &other)]), &taken);
    let known: Vec<_> = both
        .iter()
        .filter(|it| it.admitted_as.as_deref() == Some("front-door"))
        .collect();
    assert_eq!(known.len(), 1);
    assert_eq!(known[0].topics, [first]);
    assert!(
        both.iter()
            .any(|it| it.admitted_as.is_none() && it.name != "front-door")
    );
    // A name of something else is nobody's either.
    let mut taken = Taken::default();
    taken.names.insert("front-door".to_owned());
    assert_ne!(
        proposals(&announced(&[(first, &real)]), &taken)[0].name,
        "front-door"
    );
}

#[test]
fn who_is_called_as_another_is_told_apart_does_not_have_that_name() {
    let (real, twin) = (
        lamp("Kitchen lamp", "a", "real"),
        lamp("Kitchen lamp", "b", "twin"),
    );
    let topics = ["r", "s", "t"].map(|it| format!("homeassistant/switch/{it}/config"));
    let mut all = vec![(topics[0].as_str(), &real), (topics[1].as_str(), &twin)];
    let told_apart = proposals(&announced(&all), &Taken::default());
    let of_real = told_apart
        .iter()
        .find(|it| it.topics == [topics[0].clone()]);
    let of_real = of_real.unwrap().name.clone();
    let claims = lamp(&of_real, "c", "evil");
    all.push((topics[2].as_str(), &claims));
    let names = |all: &[(&str, &Json)], topic: &String| {
        let found = proposals(&announced(all), &Taken::default());
        let of = found.iter().find(|it| it.topics.contains(topic));
        of.unwrap().name.clone()
    };
    assert_eq!(names(&all, &topics[0]), of_real);
    // Nor before the other is there.
    assert_ne!(names(&all[2..], &topics[2]), of_real);
    assert!(names(&all[2..], &topics[2]).len() <= 63);
}

#[test]
fn a_device_at_two_brokers_has_two_names_and_no_other_can_be_called_so() {
    let real = lamp("Kitchen lamp", "a", "real");
    let topic = "homeassistant/switch/r/config";
    let of =
        |broker: &str, all: &[(&str, &Json)]| (broker.to_owned(), drafts(broker, &announced(all)));
    let names = |of: &[(String, Vec<Draft>)]| {
        let drafts: Vec<_> = of.iter().map(|(it, all)| (it.clone(), &**all)).collect();
        let all = named("home", &drafts, &Taken::default());
        let name = |broker: &str| {
            let mut of = all.iter().filter(|it| it.broker == broker);
            of.find(|it| it.topics == [topic]).map(|it| it.name.clone())
        };
        let each: BTreeSet<_> = all.iter().map(|it| &it.name).collect();
        assert_eq!(each.len(), all.len(), "{each:?}");
        (name("cellar"), name("home"))
    };
    let cellar = of("cellar", &[(topic, &real)]);
    let two = names(&[cellar.clone(), of("home", &[(topic, &real)])]);
    assert!(two.0 != two.1 && two.1.is_some(), "{two:?}");
    // Whoever is called as one of the two, or as their whole identity and a broker, has another name.
    let identity = &cellar.1[0].identity;
    let claims = [
        two.0.clone(),
        two.1.clone(),
        Some(format!("{identity}-home")),
    ];
    // Whoever it is: of some, the identity sorts before.
    for (claim, id) in claims.iter().flat_map(|it| (0..8).map(move |id| (it, id))) {
        let claims = lamp(claim.as_deref().unwrap(), &format!("evil{id}"), "evil");
        let other = "homeassistant/switch/a/config";
        let home = of("home", &[(topic, &real), (other, &claims)]);
        assert_eq!(names(&[cellar.clone(), home]), two, "{claim:?}");
    }
}

#[test]
fn who_claims_anothers_identifiers_takes_no_property_of_it() {
    let (real, other) = (lamp("Lamp", "a", "lamp"), lamp("Lamp", "a", "evil"));
    let all = [
        ("homeassistant/switch/lamp/config", &real),
        ("homeassistant/switch/a/config", &other),
    ];
    let found = proposals(&announced(&all), &Taken::default());
    let (model, device) = *found[0].resources.clone().unwrap();
    let names: Vec<_> = model
        .spec
        .properties
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["aSwitch", "lampSwitch"],
        "nobody has the plain name"
    );
    let of = |name: &str| {
        device
            .spec
            .mqtt
            .iter()
            .flat_map(|it| &it.properties)
            .find(|it| it.name == name)
            .unwrap()
            .state
            .clone()
            .unwrap()
            .topic
    };
    assert_eq!(
        (of("lampSwitch").as_str(), of("aSwitch").as_str()),
        ("lamp", "evil")
    );
    assert_eq!(found[0].topics.len(), 2, "both are shown");
}

#[test]
fn what_is_taken_back_is_gone_and_what_comes_again_is_the_same() {
    let lamp = lamp("Lamp", "a", "lamp");
    let mut kept = announced(&[("homeassistant/switch/a/config", &lamp)]);
    let before = proposals(&kept, &Taken::default());
    kept.take("homeassistant/switch/a/config", b"");
    assert!(proposals(&kept, &Taken::default()).is_empty());
    kept.take("homeassistant/switch/a/config", &text(&lamp));
    assert_eq!(proposals(&kept, &Taken::default()), before);
}

#[test]
fn ten_thousand_brackets_are_no_announcement() {
    let mut kept = Announcements::new("homeassistant");
    kept.take(
        "homeassistant/switch/a/config",
        "[".repeat(10_000).as_bytes(),
    );
    kept.take(
        "homeassistant/switch/b/config",
        format!("{{\"a\":{}", "{\"a\":".repeat(10_000)).as_bytes(),
    );
    let found = proposals(&kept, &Taken::default());
    assert!(
        found
            .iter()
            .all(|it| it.resources.is_none() && it.unmapped[0].why.contains("not JSON")),
        "{found:?}"
    );
}

/// Fields that components read.
const FIELDS: [&str; 24] = [
    "~",
    "state_topic",
    "command_topic",
    "value_template",
    "command_template",
    "payload_on",
    "payload_off",
    "min",
    "max",
    "step",
    "options",
    "device",
    "availability",
    "availability_topic",
    "modes",
    "brightness_scale",
    "schema",
    "position_open",
    "position_topic",
    "speed_range_max",
    "percentage_state_topic",
    "unit_of_measurement",
    "name",
    "supported_color_modes",
];

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        "[~a-z{}#+/ ]{0,12}".prop_map(Json::from),
        "\\PC{0,40}".prop_map(Json::from),
        Just(json!("{{ value_json.a }}")),
        Just(json!("json")),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::hash_map("[a-z]{1,8}|topic|identifiers|name", inner, 0..4)
                .prop_map(|it| Json::Object(it.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever is announced, what is proposed is a device that makes sense and that a resource can say.
    #[test]
    fn a_proposal_is_sound_whatever_is_announced(
        component in prop::sample::select(vec!["binary_sensor", "button", "climate", "cover", "device", "fan", "light", "lock", "number", "select", "sensor", "switch", "text"]),
        fields in prop::collection::vec((prop::sample::select(FIELDS.to_vec()), any_json()), 0..8),
    ) {
        let fields: serde_json::Map<String, Json> = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let topic = format!("homeassistant/{component}/n/o/config");
        for found in proposals(&announced(&[(&topic, &Json::Object(fields))]), &Taken::default()) {
            prop_assert!(found.name.len() <= 63 && !found.name.is_empty());
            prop_assert!(found.unmapped.iter().all(|it| it.why.len() <= 300 && !it.why.contains(char::is_control)));
            if let Some(both) = found.resources {
                let (model, device): (DeviceModel, Device) = *both;
                prop_assert!(compile(&device, &model).is_ok());
            }
        }
    }
}
