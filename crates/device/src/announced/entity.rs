//! One component of a device: what is made of it, and which device it says that it is of.

use aion_api::{Delivery, MqttAvailability};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    availability, component,
    fields::Fields,
    naming,
    parts::{Parts, brief},
    topic::Topic,
};

/// Components of one announcement.
const MAX_COMPONENTS: usize = 128;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Entity {
    /// The topic of its announcement.
    pub(super) topic: String,
    /// What tells it from others of its device.
    pub(super) object: String,
    /// What it is called, unless it is the device itself.
    pub(super) name: Option<String>,
    /// One property or command, which its name stands for.
    pub(super) is_one: bool,
    pub(super) parts: Parts,
    pub(super) availability: Option<MqttAvailability>,
    pub(super) device: Of,
}

/// The device that something is of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Of {
    /// What it is told from others by: 128 bits of a digest of its identifiers, of which there may be thousands. Whoever wants to be
    /// taken for another device has to say its very identifiers.
    pub(super) identity: String,
    pub(super) name: Option<String>,
    /// Its maker and what they call it.
    pub(super) make: Option<String>,
}

/// What an announcement comes to; at least one.
pub(super) fn entities(topic: &Topic<'_>, name: &str, payload: &[u8]) -> Vec<Entity> {
    let unread = |field: &str, why: String| {
        let mut entity = Entity::none(topic, name);
        entity.parts.unmapped(field, why);
        vec![entity]
    };
    let map = match serde_json::from_slice(payload) {
        Ok(Value::Object(map)) => map,
        Ok(_) => return unread("", "the announcement is not an object of JSON".to_owned()),
        Err(why) => return unread("", format!("the announcement is not JSON: {why}")),
    };
    let base = map.get("~").cloned();
    let mut fields = Fields::of(map);
    if topic.component != "device" {
        let of = (topic.object, topic.component);
        return vec![entity(topic, name, of, fields, None)];
    }
    let Some(Value::Object(components)) = fields.take("components") else {
        return unread(
            "components",
            "the device announces no components".to_owned(),
        );
    };
    let shared = fields.map();
    // Read once: a copy for each component would be as much again.
    let device = match shared.get("device") {
        Some(Value::Object(map)) => Some(of(map, name)),
        _ => None,
    };
    let mut all = Vec::new();
    for (object, component) in components.into_iter().take(MAX_COMPONENTS) {
        let Value::Object(mut map) = component else {
            continue;
        };
        if let (Some(base), false) = (&base, map.contains_key("~")) {
            map.insert("~".to_owned(), base.clone());
        }
        let mut own = Fields::of(map);
        // One that says nothing else was taken back.
        if own.map().keys().all(|it| it == "platform") {
            continue;
        }
        let platform = own.word("platform").unwrap_or_default();
        let of = (object.as_str(), platform.as_str());
        all.push(entity(topic, name, of, own.under(shared), device.as_ref()));
    }
    match all.is_empty() {
        true => unread(
            "components",
            "the device announces no components".to_owned(),
        ),
        false => all,
    }
}

impl Entity {
    fn none(topic: &Topic<'_>, name: &str) -> Self {
        Self {
            topic: name.to_owned(),
            object: topic.object.to_owned(),
            name: None,
            is_one: false,
            parts: Parts::default(),
            availability: None,
            device: Of {
                identity: identity("homeassistant", &[name.to_owned()]),
                ..Of::default()
            },
        }
    }
}

fn entity(
    topic: &Topic<'_>,
    name: &str,
    (object, component): (&str, &str),
    mut fields: Fields,
    device: Option<&Of>,
) -> Entity {
    let mut entity = Entity::none(topic, name);
    entity.object = brief(object, 64);
    entity.is_one = component::is_one(component);
    let called = fields.word("name").map(|it| brief(&it, 128));
    match (fields.map().get("device"), device) {
        (Some(Value::Object(map)), _) => entity.device = of(map, name),
        (None, Some(device)) => entity.device = device.clone(),
        // It is all of its device.
        _ => entity.device.name = called.clone(),
    }
    entity.name = called.and_then(|it| own_name(&it, entity.device.name.as_deref()));
    let parts = &mut entity.parts;
    parts.delivery = match fields.number("qos") {
        Some(2.0) => Delivery::ExactlyOnce,
        _ => Delivery::AtLeastOnce,
    };
    if fields.flag("retain") {
        parts.unmapped(
            "retain",
            "no broker is asked to keep what a device is told: a command is of its moment",
        );
    }
    if let Some(seconds) = fields
        .number("expire_after")
        .filter(|it| (1.0..=31_536_000.0).contains(it))
    {
        #[allow(clippy::cast_possible_truncation)]
        let seconds = seconds as i32;
        parts.stale_seconds = Some(seconds);
    }
    entity.availability = availability::read(&mut fields, parts);
    match component::read(component, &mut fields, parts) {
        Err(why) => parts.unmapped("platform", why),
        Ok(()) => {
            for field in fields.left() {
                let why = match field.as_str() {
                    "~" => "a base topic is no longer than 512 bytes",
                    _ => "nothing is made of it",
                };
                parts.unmapped(&field, why);
            }
        }
    }
    entity
}

/// The device that is said.
fn of(map: &Map<String, Value>, topic: &str) -> Of {
    let text = |it: &Value| match it {
        Value::String(it) => Some(brief(it, 256)),
        Value::Number(it) => Some(it.to_string()),
        _ => None,
    };
    let field = |name: &str| map.get(name).and_then(text).filter(|it| !it.is_empty());
    let mut identifiers: Vec<String> = match map.get("identifiers") {
        Some(Value::Array(all)) => all.iter().filter_map(text).collect(),
        Some(one) => text(one).into_iter().collect(),
        None => Vec::new(),
    };
    if identifiers.is_empty()
        && let Some(Value::Array(all)) = map.get("connections")
    {
        let pairs = all.iter().filter_map(Value::as_array);
        identifiers = pairs
            .map(|pair| pair.iter().filter_map(text).collect::<Vec<_>>().join("="))
            .collect();
    }
    if identifiers.is_empty() {
        identifiers.push(topic.to_owned());
    }
    identifiers.sort();
    identifiers.dedup();
    let make = [field("manufacturer"), field("model")]
        .into_iter()
        .flatten();
    let make = make.map(|it| brief(&it, 100)).collect::<Vec<_>>().join(" ");
    Of {
        identity: identity("homeassistant", &identifiers),
        name: field("name").map(|it| brief(&it, 128)),
        make: Some(make).filter(|it| !it.is_empty()),
    }
}

/// See [`Of::identity`].
pub(super) fn identity(announced_by: &str, identifiers: &[String]) -> String {
    let mut digest = Sha256::new();
    digest.update(announced_by);
    for it in identifiers {
        digest.update((it.len() as u64).to_be_bytes());
        digest.update(it);
    }
    digest.finalize()[..16]
        .iter()
        .map(|it| format!("{it:02x}"))
        .collect()
}

/// What a component is called beside its device; nothing where it is called the same.
fn own_name(name: &str, device: Option<&str>) -> Option<String> {
    let Some(device) = device else {
        return naming::point(name);
    };
    let behind = match name.get(..device.len()) {
        Some(front) if front.eq_ignore_ascii_case(device) => &name[device.len()..],
        _ => name,
    };
    naming::point(behind)
}
