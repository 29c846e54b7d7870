//! What is held of announcements that are as large as they may be and mean harm.
#![allow(clippy::unwrap_used)]

use serde_json::{Map, Value, json};

use super::{
    drafts,
    entity::{Entity, entities},
    fields::Fields,
    kept::Announcements,
    parts::{MAX_CHOICES, MAX_UNMAPPED},
    topic::Topic,
};

fn read(component: &str, announced: &Value) -> Vec<Entity> {
    let topic = Topic {
        component,
        node: None,
        object: "x",
    };
    entities(
        &topic,
        "homeassistant/x/config",
        announced.to_string().as_bytes(),
    )
}

/// All that is held, as text.
fn held(all: &[Entity]) -> usize {
    format!("{all:?}").len()
}

#[test]
fn thousands_of_identifiers_are_held_by_no_component() {
    let ids: Vec<String> = (0..8_000).map(|it| format!("{it:x}")).collect();
    let components: Map<String, Value> = (0..128)
        .map(|it| (format!("c{it}"), json!({"p": "sensor", "stat_t": "x"})))
        .collect();
    let many = json!({"dev": {"ids": ids}, "cmps": components});
    let all = read("device", &many);
    assert_eq!(all.len(), 128);
    assert!(held(&all) < 128 * 2_000, "{}", held(&all));
    assert!(all.iter().all(|it| it.device == all[0].device));
}

#[test]
fn a_long_base_is_put_into_no_topic_and_named() {
    let mut map: Map<String, Value> = (0..2_300)
        .map(|it| (format!("{it}topic"), json!("~")))
        .collect();
    map.insert("~".to_owned(), json!("b".repeat(32 << 10)));
    let fields = Fields::of(map.clone());
    let size = Value::Object(fields.map().clone()).to_string().len();
    assert!(size < 80 << 10, "{size}");
    let all = read(
        "sensor",
        &json!({"~": "b".repeat(600), "stat_t": "~/x", "name": "x"}),
    );
    let named = &all[0].parts.unmapped;
    assert!(
        named
            .iter()
            .any(|(field, why)| field == "~" && why.contains("512")),
        "{named:?}"
    );
}

#[test]
fn fields_that_nothing_is_made_of_are_counted_behind_a_bound() {
    let mut map: Map<String, Value> = (0..8_000)
        .map(|it| (format!("z{it:x}"), json!(1)))
        .collect();
    map.insert("state_topic".to_owned(), json!("x"));
    let all = Value::Object(map);
    let parts = &read("sensor", &all)[0].parts;
    assert_eq!(parts.unmapped.len(), MAX_UNMAPPED);
    assert_eq!(parts.more, 8_000 - MAX_UNMAPPED);
    let mut kept = Announcements::new("homeassistant");
    kept.take("homeassistant/sensor/x/config", all.to_string().as_bytes());
    let unmapped = &drafts("hub", &kept)[0].unmapped;
    assert!(unmapped.iter().any(|it| it.why.contains("7968 more")));
}

#[test]
fn choices_are_read_no_further_than_their_bound() {
    let options: Vec<String> = (0..20_000).map(|it| it.to_string()).collect();
    let Value::Object(map) = json!({"options": options}) else {
        unreachable!()
    };
    let read = Fields::of(map).list("options").unwrap();
    assert_eq!(read.len(), MAX_CHOICES + 1);
}

#[test]
fn a_device_that_says_more_than_a_model_has_room_for_is_proposed_with_the_first_of_it() {
    let mut kept = Announcements::new("homeassistant");
    for number in 0..70 {
        let it = json!({"name": format!("p{number:02}"), "state_topic": format!("s/{number}"),
            "device": {"identifiers": ["station"], "name": "Station"}});
        let topic = format!("homeassistant/sensor/n{}/o{number:02}/config", number % 2);
        kept.take(&topic, it.to_string().as_bytes());
    }
    let draft = &drafts("hub", &kept)[0];
    let (model, _) = draft.specs.as_ref().unwrap();
    assert_eq!(model.properties.len(), 64);
    let left: Vec<_> = draft.unmapped.iter().map(|it| it.why.as_str()).collect();
    assert_eq!(left.len(), 6, "{left:?}");
    let names = |name: &str| left.iter().any(|why| why.ends_with(&format!(" {name}")));
    assert!(names("p69") && !names("p00"), "{left:?}");
}
