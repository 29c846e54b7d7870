//! Where a device says whether it is there. A Device has one such topic, and an announcement may have several.

use aion_api::MqttAvailability;
use serde_json::Value;

use super::{
    fields::{self, Fields},
    parts::{Parts, unfit},
    template,
};

/// The one that a Device can have, where it is plain which.
pub(super) fn read(fields: &mut Fields, parts: &mut Parts) -> Option<MqttAvailability> {
    let mode = fields.word("availability_mode");
    let whole = (
        fields.text("payload_available"),
        fields.text("payload_not_available"),
    );
    if let Some(topic) = fields.word("availability_topic") {
        fields.take("availability");
        let template = fields.word("availability_template");
        return one(parts, "availability_topic", topic, template, whole);
    }
    let all = match fields.take("availability")? {
        Value::Array(all) => all,
        one @ Value::Object(_) => vec![one],
        _ => return None,
    };
    let several = all.len() > 1;
    let mut read = Vec::new();
    for (at, it) in all.iter().take(16).enumerate() {
        let Value::Object(map) = it else { continue };
        let mut of = fields::within(map);
        let field = format!("availability[{at}]");
        let Some(topic) = of.word("topic") else {
            continue;
        };
        let words = (
            of.text("payload_available"),
            of.text("payload_not_available"),
        );
        let template = of.word("value_template");
        read.extend(one(parts, &field, topic, template, words).map(|it| (field, it)));
    }
    if !several {
        return read.pop().map(|(_, it)| it);
    }
    // Whether a bridge is there says less than whether the device is, and only with all of them needed is one enough to go by.
    let own = state_topics(fields);
    let is_own = |it: &MqttAvailability| {
        own.iter().any(|own| {
            it.topic
                .strip_prefix(own.as_str())
                .is_some_and(|it| it.starts_with('/'))
        })
    };
    let needs_all = mode.as_deref() == Some("all");
    let (mut own, others): (Vec<_>, Vec<_>) = read
        .into_iter()
        .partition(|(_, it)| needs_all && is_own(it));
    let chosen = match own.len() {
        1 => own.pop(),
        _ => None,
    };
    let left = own.into_iter().chain(others);
    for (field, it) in left {
        let why = match &chosen {
            Some((_, chosen)) => format!(
                "a Device has one topic for it, and {} is its own",
                chosen.topic
            ),
            None => format!(
                "a Device has one topic for it, and it is not plain which: {}",
                it.topic
            ),
        };
        parts.unmapped(&field, why);
    }
    chosen.map(|(_, it)| it)
}

/// Topics that the device says something on.
fn state_topics(fields: &Fields) -> Vec<String> {
    let all = fields.map().iter();
    let topics = all.filter(|(key, _)| key.ends_with("state_topic"));
    topics
        .filter_map(|(_, it)| it.as_str().map(str::to_owned))
        .collect()
}

fn one(
    parts: &mut Parts,
    field: &str,
    topic: String,
    template: Option<String>,
    (online, offline): (Option<String>, Option<String>),
) -> Option<MqttAvailability> {
    let read = match template.as_deref().map(template::reads).transpose() {
        Ok(read) => read.unwrap_or_default(),
        Err(why) => {
            parts.unmapped(field, why);
            return None;
        }
    };
    let words = [&online, &offline];
    let long = words
        .into_iter()
        .flatten()
        .any(|it| it.is_empty() || it.len() > 128);
    let why = match unfit(&topic) {
        Some(why) => Some(format!("the topic {why}")),
        None if long => Some("its payloads are empty or longer than 128 bytes".to_owned()),
        None if read.factor.is_some() => Some("its template reckons with a word".to_owned()),
        None => None,
    };
    if let Some(why) = why {
        parts.unmapped(field, why);
        return None;
    }
    Some(MqttAvailability {
        topic,
        pointer: read.pointer,
        online: online.filter(|it| it != "online"),
        offline: offline.filter(|it| it != "offline"),
    })
}
