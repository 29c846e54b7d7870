//! `metadata`, as an API server checks it.

use aion_api::crd::Kind;

use crate::problem::Told;

use super::located::{Content, Node};
use super::near::meant;
use super::schema_check::Fault;

/// What people write under `metadata`; an API server fills in the rest.
const FIELDS: [&str; 5] = ["name", "namespace", "labels", "annotations", "finalizers"];
/// What an API server writes there, and `kubectl get -o yaml` shows.
const FILLED_IN: [&str; 9] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "ownerReferences",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// Everything in `metadata` of an object of `kind` that an API server would refuse.
pub(crate) fn check(metadata: &Node, kind: &Kind) -> Vec<Fault> {
    let mut faults = Faults(Vec::new());
    let Content::Map(entries) = &metadata.content else {
        faults.add(metadata, "metadata", "must be a map with a name");
        return faults.0;
    };
    for (key, value) in entries {
        faults.field(&key.name, value, kind);
    }
    if metadata.get("name").is_none() {
        let told = ("is missing", "give the object a name");
        faults.add(metadata, "metadata.name", told);
    }
    faults.0
}

struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, node: &Node, field: impl Into<String>, told: impl Into<Told>) {
        self.0.push(Fault {
            line: node.line,
            column: node.column,
            field: field.into(),
            told: told.into(),
        });
    }

    fn field(&mut self, key: &str, value: &Node, kind: &Kind) {
        let field = format!("metadata.{key}");
        match (key, &value.content) {
            ("name", Content::Text(name)) => self.name(name, value, field),
            ("namespace", Content::Text(name)) => self.namespace(name, value, field, kind),
            ("labels", Content::Map(labels)) => {
                for (key, value) in labels {
                    self.label(&key.name, value, format!("{field}.{}", key.name));
                }
            }
            ("annotations", Content::Map(annotations)) => {
                for (key, value) in annotations {
                    if value.text().is_none() {
                        self.not_text(value, format!("{field}.{}", key.name));
                    }
                }
            }
            ("name" | "namespace" | "labels" | "annotations", Content::Null) => {
                let told = ("has no value", "write one, or leave the field out");
                self.add(value, field, told);
            }
            ("name" | "namespace", _) => self.not_text(value, field),
            ("labels" | "annotations", content) => {
                let what = format!("must be a map, and is {}", content.kind());
                self.add(value, field, what);
            }
            (known, _) if FIELDS.contains(&known) || FILLED_IN.contains(&known) => {}
            (unknown, _) => {
                let told = ("is not a field here", meant(unknown, FIELDS));
                self.add(value, field, told);
            }
        }
    }

    fn name(&mut self, name: &str, value: &Node, field: String) {
        if !is_subdomain(name) {
            let rule = "a name must be at most 253 of a-z, 0-9, - and ., and begin and end with a letter or digit";
            self.add(value, field, (format!("is {name:?}"), rule));
        }
    }

    fn namespace(&mut self, name: &str, value: &Node, field: String, kind: &Kind) {
        if !kind.namespaced {
            let what = format!("a {} belongs to no namespace", kind.name);
            self.add(value, field, (what, "remove it"));
        } else if !is_label(name) {
            let rule = "a namespace must be at most 63 of a-z, 0-9 and -, and begin and end with a letter or digit";
            self.add(value, field, (format!("is {name:?}"), rule));
        }
    }

    fn label(&mut self, key: &str, value: &Node, field: String) {
        if !is_label_key(key) {
            let form = "it has the form prefix/name or name";
            self.add(value, field, ("is not a key for a label", form));
        } else if !value.text().is_some_and(is_label_value) {
            let rule = "a label's value must be text of at most 63 letters, digits, -, _ and .";
            self.add(value, field, (rule, "change it, or put it in quotes"));
        }
    }

    fn not_text(&mut self, value: &Node, field: String) {
        let what = format!("must be text, and is {}", value.content.kind());
        self.add(value, field, (what, "put it in quotes"));
    }
}

fn is_label(text: &str) -> bool {
    text.len() <= 63
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && ends_well(text, |b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn is_subdomain(text: &str) -> bool {
    let part = |part: &str| {
        part.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && ends_well(part, |b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    text.len() <= 253 && text.split('.').all(part)
}

fn is_label_key(text: &str) -> bool {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    prefix.is_none_or(is_subdomain) && !name.is_empty() && is_label_value(name)
}

fn is_label_value(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric();
    text.is_empty()
        || (text.len() <= 63
            && text
                .bytes()
                .all(|b| good(b) || matches!(b, b'-' | b'_' | b'.'))
            && ends_well(text, good))
}

fn ends_well(text: &str, good: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|b| good(*b)) && bytes.last().is_some_and(|b| good(*b))
}
