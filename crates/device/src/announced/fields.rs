//! The fields of one component's announcement, under their long names and with the base topic filled in. Each that is read is
//! taken away: what is left was not mapped.

use serde_json::{Map, Value};

use super::{
    abbreviations::{long, long_of_device},
    parts::{MAX_CHOICES, MAX_TOPIC},
};

/// What says nothing about messages.
const BESIDE: [&str; 22] = [
    "availability_mode",
    "default_entity_id",
    "device",
    "enabled_by_default",
    "encoding",
    "entity_category",
    "entity_picture",
    "force_update",
    "icon",
    "json_attributes_template",
    "json_attributes_topic",
    "mode",
    "name",
    "object_id",
    "optimistic",
    "origin",
    "platform",
    "qos",
    "schema",
    "state_class",
    "suggested_display_precision",
    "unique_id",
];

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Fields(Map<String, Value>);

/// A map with long names, in which what is written in full counts before what is written short.
fn lengthened(map: Map<String, Value>, long: fn(&str) -> &str) -> Map<String, Value> {
    let mut made = Map::new();
    for (key, value) in map {
        let name = long(&key);
        if name == key || !made.contains_key(name) {
            made.insert(name.to_owned(), value);
        }
    }
    made
}

impl Fields {
    /// The fields of an announcement, or of one component of it.
    pub(super) fn of(map: Map<String, Value>) -> Self {
        let mut map = lengthened(map, long);
        if let Some(Value::Object(device)) = map.get_mut("device") {
            *device = lengthened(std::mem::take(device), long_of_device);
        }
        // One that no topic can begin with stays, and is named: it would be copied into every topic.
        let fits = |it: &Value| it.as_str().is_none_or(|it| it.len() <= MAX_TOPIC);
        let base = match map.get("~").is_some_and(fits) {
            true => map.remove("~"),
            false => None,
        };
        if let Some(base) = base.as_ref().and_then(Value::as_str) {
            based(&mut map, base);
            let lists = map.get_mut("availability");
            let each = match lists {
                Some(Value::Array(each)) => each.as_mut_slice(),
                Some(one) => std::slice::from_mut(one),
                None => &mut [],
            };
            for it in each {
                if let Value::Object(map) = it {
                    *map = lengthened(std::mem::take(map), long);
                    based(map, base);
                }
            }
        }
        Self(map)
    }

    /// Fills in what is said for all components of a device where one does not say it itself.
    pub(super) fn under(mut self, shared: &Map<String, Value>) -> Self {
        for (key, value) in shared {
            let shares = [
                "availability",
                "availability_mode",
                "availability_topic",
                "availability_template",
            ]
            .contains(&key.as_str())
                || [
                    "payload_available",
                    "payload_not_available",
                    "origin",
                    "qos",
                    "encoding",
                ]
                .contains(&key.as_str())
                || ["state_topic", "command_topic"].contains(&key.as_str());
            if shares && !self.0.contains_key(key) {
                self.0.insert(key.clone(), value.clone());
            }
        }
        self
    }

    /// All of them.
    pub(super) fn map(&self) -> &Map<String, Value> {
        &self.0
    }

    pub(super) fn take(&mut self, field: &str) -> Option<Value> {
        self.0.remove(field).filter(|it| !it.is_null())
    }

    pub(super) fn put(&mut self, field: &str, value: Value) {
        self.0.insert(field.to_owned(), value);
    }

    /// A text, or what Python writes for another scalar.
    pub(super) fn text(&mut self, field: &str) -> Option<String> {
        self.take(field).as_ref().and_then(scalar)
    }

    /// A text that is not empty.
    pub(super) fn word(&mut self, field: &str) -> Option<String> {
        self.text(field).filter(|it| !it.is_empty())
    }

    pub(super) fn number(&mut self, field: &str) -> Option<f64> {
        match self.take(field)? {
            Value::Number(it) => it.as_f64(),
            Value::String(it) => it.trim().parse().ok(),
            _ => None,
        }
    }

    pub(super) fn flag(&mut self, field: &str) -> bool {
        match self.take(field) {
            Some(Value::Bool(it)) => it,
            Some(Value::String(it)) => {
                ["true", "on", "yes", "1"].contains(&it.to_lowercase().as_str())
            }
            _ => false,
        }
    }

    /// Texts, each once, and no more than one beyond as many as a property has choices; `None` where there is no list.
    pub(super) fn list(&mut self, field: &str) -> Option<Vec<String>> {
        let Value::Array(all) = self.take(field)? else {
            return None;
        };
        let mut list: Vec<String> = Vec::new();
        for it in all.iter().filter_map(scalar) {
            if !list.contains(&it) {
                list.push(it);
            }
            if list.len() > MAX_CHOICES {
                break;
            }
        }
        Some(list)
    }

    /// Whether it has a field.
    pub(super) fn has(&self, field: &str) -> bool {
        self.0.get(field).is_some_and(|it| !it.is_null())
    }

    /// Names of fields that nothing was made of.
    pub(super) fn left(self) -> impl Iterator<Item = String> {
        let all = self.0.into_iter();
        let said = all.filter(|(key, value)| {
            !BESIDE.contains(&key.as_str()) && !matches!(value, Value::Null | Value::Bool(false))
        });
        said.map(|(key, _)| key)
    }
}

/// A scalar as Home Assistant has it: as Python writes it.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(it) => Some(it.clone()),
        Value::Number(it) => Some(it.to_string()),
        Value::Bool(true) => Some("True".to_owned()),
        Value::Bool(false) => Some("False".to_owned()),
        _ => None,
    }
}

/// Puts the base in the place of `~` at the beginning or the end of topics.
fn based(map: &mut Map<String, Value>, base: &str) {
    let topics = map.iter_mut().filter(|(key, _)| key.ends_with("topic"));
    for (_, value) in topics {
        let Value::String(topic) = value else {
            continue;
        };
        if let Some(rest) = topic.strip_prefix('~') {
            *topic = format!("{base}{rest}");
        } else if let Some(rest) = topic.strip_suffix('~') {
            *topic = format!("{rest}{base}");
        }
    }
}

/// The fields of a map that stands within another, under their long names.
pub(super) fn within(map: &Map<String, Value>) -> Fields {
    Fields(lengthened(map.clone(), long))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(it: Value) -> Fields {
        let Value::Object(map) = it else {
            unreachable!()
        };
        Fields::of(map)
    }

    #[test]
    fn short_names_and_base_topics_are_filled_in() {
        let mut it = fields(
            json!({"~": "tasmota/", "stat_t": "~STATE", "cmd_t": "cmnd/~", "name": "~x",
            "avty": [{"t": "~LWT"}], "dev": {"ids": ["a"], "mf": "b"}}),
        );
        assert_eq!(it.text("state_topic").unwrap(), "tasmota/STATE");
        assert_eq!(it.text("command_topic").unwrap(), "cmnd/tasmota/");
        assert_eq!(it.map()["name"], "~x");
        assert_eq!(it.map()["availability"], json!([{"topic": "tasmota/LWT"}]));
        assert_eq!(
            it.map()["device"],
            json!({"identifiers": ["a"], "manufacturer": "b"})
        );
    }

    #[test]
    fn what_was_not_read_is_left() {
        let mut it = fields(
            json!({"stat_t": "a", "ic": "mdi:x", "whatever": 1, "ret": false, "off_dly": null}),
        );
        assert!(it.has("state_topic") && !it.has("off_delay"));
        it.text("state_topic");
        assert_eq!(it.left().collect::<Vec<_>>(), ["whatever"]);
    }
}
