//! The columns of `get`: those that the kind's definition declares, so that `aionctl` and `kubectl` show the same
//! table. Also the small part of JSONPath that they are written in.

use jiff::Timestamp;
use serde_json::Value;

use super::{age, screen::Tone, table::Field};

/// A column of a kind's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its heading.
    pub(crate) name: String,
    path: String,
    is_date: bool,
    wide: bool,
}

/// The columns of a kind, as its definition (an element of `aion_api::crd::all`) declares them.
pub(crate) fn of_definition(definition: &Value) -> Vec<Column> {
    let declared = definition
        .pointer("/spec/versions/0/additionalPrinterColumns")
        .and_then(Value::as_array);
    let text = |column: &Value, key: &str| column[key].as_str().unwrap_or_default().to_owned();
    declared
        .into_iter()
        .flatten()
        .map(|column| Column {
            name: text(column, "name"),
            path: text(column, "jsonPath"),
            is_date: column["type"] == "date",
            wide: column["priority"].as_i64().unwrap_or_default() > 0,
        })
        .collect()
}

/// Those that are shown: all of them in a wide table, else the important ones.
pub(crate) fn shown(columns: Vec<Column>, wide: bool) -> Vec<Column> {
    columns
        .into_iter()
        .filter(|column| wide || !column.wide)
        .collect()
}

impl Column {
    /// What a resource has in this column.
    pub(crate) fn field(&self, resource: &Value, now: Timestamp) -> Field {
        let found = select(resource, &self.path);
        let text = found
            .iter()
            .map(|v| plain(v))
            .collect::<Vec<_>>()
            .join(", ");
        if self.is_date {
            let when = text.parse::<Timestamp>();
            return Field::plain(when.map_or(text, |then| age::since(then, now)));
        }
        let tone = match (self.name.as_str(), text.as_str()) {
            ("Ready" | "Phase", "True" | "Running" | "Idle") => Some(Tone::Good),
            ("Ready" | "Phase", "False" | "Failed") => Some(Tone::Bad),
            ("Ready" | "Phase", "Unknown" | "Pending") => Some(Tone::Warn),
            _ => None,
        };
        Field { text, tone }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// What a path selects: `.a.b`, `.a[*].b`, `.a[?(@.type=="Ready")].b`, and names in brackets such as
/// `.a['aion.dev/x']`. Anything else selects nothing.
pub(crate) fn select<'a>(from: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut found = vec![from];
    let mut rest = path;
    while !rest.is_empty() {
        let Some((step, after)) = step(rest) else {
            return Vec::new();
        };
        rest = after;
        found = found
            .into_iter()
            .flat_map(|value| take(value, &step))
            .collect();
    }
    found
}

enum Step<'a> {
    Name(&'a str),
    Each,
    Where(&'a str, &'a str),
}

fn step(path: &str) -> Option<(Step<'_>, &str)> {
    if let Some(rest) = path.strip_prefix('.') {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        return (end > 0).then(|| (Step::Name(&rest[..end]), &rest[end..]));
    }
    let rest = path.strip_prefix('[')?;
    if let Some(after) = rest.strip_prefix("*]") {
        return Some((Step::Each, after));
    }
    if let Some(inner) = rest.strip_prefix("?(@.") {
        let (condition, after) = inner.split_once(")]")?;
        let (name, wanted) = condition.split_once("==")?;
        return Some((
            Step::Where(name.trim(), wanted.trim().trim_matches(['"', '\''])),
            after,
        ));
    }
    let (name, after) = rest.strip_prefix('\'')?.split_once("']")?;
    Some((Step::Name(name), after))
}

fn take<'a>(value: &'a Value, step: &Step<'_>) -> Vec<&'a Value> {
    let elements = || value.as_array().into_iter().flatten();
    match step {
        Step::Name(name) => value
            .get(name)
            .into_iter()
            .filter(|v| !v.is_null())
            .collect(),
        Step::Each => elements().collect(),
        Step::Where(name, wanted) => elements()
            .filter(|element| element.get(name).and_then(Value::as_str) == Some(wanted))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use serde_json::json;

    use super::*;

    #[test]
    fn the_paths_of_every_definition_can_be_followed() {
        for definition in aion_api::crd::all().unwrap() {
            let columns = of_definition(&definition);
            assert!(!columns.is_empty(), "{}", definition["metadata"]["name"]);
            for column in columns {
                let mut rest = column.path.as_str();
                while !rest.is_empty() {
                    rest = step(rest).unwrap_or_else(|| panic!("{}", column.path)).1;
                }
            }
        }
    }

    #[test]
    fn conditions_lists_and_names_are_selected() {
        let agent = json!({
            "metadata": {"labels": {"aion.dev/agent": "jarvis"}},
            "spec": {"models": [{"name": "a"}, {"name": "b"}, {}]},
            "status": {"conditions": [
                {"type": "Accepted", "status": "True"},
                {"type": "Ready", "status": "False"},
            ]},
        });
        let check = |path: &str, expect: &[&str]| {
            let found: Vec<_> = select(&agent, path).into_iter().map(plain).collect();
            assert_eq!(found, expect, "{path}");
        };
        check(
            r#".status.conditions[?(@.type=="Ready")].status"#,
            &["False"],
        );
        check(".spec.models[*].name", &["a", "b"]);
        check(".metadata.labels['aion.dev/agent']", &["jarvis"]);
        check(".spec.nothing.at.all", &[]);
        check("nonsense", &[]);
    }

    #[test]
    fn an_age_is_counted_from_now() {
        let column = Column {
            name: "Age".into(),
            path: ".metadata.creationTimestamp".into(),
            is_date: true,
            wide: false,
        };
        let resource = json!({"metadata": {"creationTimestamp": "2026-03-01T12:00:00Z"}});
        let now = "2026-03-01T12:05:00Z".parse().unwrap();
        assert_eq!(column.field(&resource, now).text, "5m");
    }
}
