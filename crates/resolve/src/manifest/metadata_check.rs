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
    let mut faults = Vec::new();
    let mut fault = |node: &Node, field: String, told: Told| {
        faults.push(Fault {
            line: node.line,
            column: node.column,
            field,
            told,
        });
    };
    let Content::Map(entries) = &metadata.content else {
        fault(
            metadata,
            "metadata".into(),
            "must be a map with a name".into(),
        );
        return faults;
    };
    for (key, value) in entries {
        let field = format!("metadata.{}", key.name);
        match (key.name.as_str(), &value.content) {
            ("name", Content::Text(name)) => {
                if !is_subdomain(name) {
                    let rule = "must be at most 253 of a-z, 0-9, - and ., and begin and end with a letter or digit";
                    fault(
                        value,
                        field,
                        (format!("is {name:?}"), format!("a name {rule}")).into(),
                    );
                }
            }
            ("namespace", Content::Text(name)) => {
                if !kind.namespaced {
                    fault(
                        value,
                        field,
                        (
                            format!("a {} belongs to no namespace", kind.name),
                            "remove it",
                        )
                            .into(),
                    );
                } else if !is_label(name) {
                    let rule = "must be at most 63 of a-z, 0-9 and -, and begin and end with a letter or digit";
                    fault(
                        value,
                        field,
                        (format!("is {name:?}"), format!("a namespace {rule}")).into(),
                    );
                }
            }
            ("labels", Content::Map(labels)) => {
                for (key, value) in labels {
                    let field = format!("{field}.{}", key.name);
                    if !is_label_key(&key.name) {
                        fault(
                            value,
                            field,
                            (
                                "is not a key for a label",
                                "it has the form prefix/name or name",
                            )
                                .into(),
                        );
                    } else if !value.text().is_some_and(is_label_value) {
                        let rule = "must be text of at most 63 letters, digits, -, _ and .";
                        fault(
                            value,
                            field,
                            (
                                format!("a label's value {rule}"),
                                "change it, or put it in quotes",
                            )
                                .into(),
                        );
                    }
                }
            }
            ("annotations", Content::Map(annotations)) => {
                for (key, value) in annotations {
                    if value.text().is_none() {
                        let what = format!("must be text, and is {}", value.content.kind());
                        let told = (what, "put it in quotes").into();
                        fault(value, format!("{field}.{}", key.name), told);
                    }
                }
            }
            ("name" | "namespace" | "labels" | "annotations", Content::Null) => {
                fault(
                    value,
                    field,
                    ("has no value", "write one, or leave the field out").into(),
                );
            }
            ("name" | "namespace", content) => {
                fault(
                    value,
                    field,
                    (
                        format!("must be text, and is {}", content.kind()),
                        "put it in quotes",
                    )
                        .into(),
                );
            }
            ("labels" | "annotations", content) => {
                fault(
                    value,
                    field,
                    format!("must be a map, and is {}", content.kind()).into(),
                );
            }
            (known, _) if FIELDS.contains(&known) || FILLED_IN.contains(&known) => {}
            (unknown, _) => {
                fault(
                    value,
                    field,
                    ("is not a field here", meant(unknown, FIELDS)).into(),
                );
            }
        }
    }
    if metadata.get("name").is_none() {
        fault(
            metadata,
            "metadata.name".into(),
            ("is missing", "give the object a name").into(),
        );
    }
    faults
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
