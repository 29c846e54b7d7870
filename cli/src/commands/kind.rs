//! How people name kinds: `agent`, `agents`, `ag`, `instances`, `pools`, ….

use aion_api::crd::{self, KINDS, Kind};
use serde_json::Value;

use crate::failure::Failure;

/// Names beside the singular, the plural and the short names of the definitions.
const ALSO: [(&str, &str); 11] = [
    ("instance", "AgentInstance"),
    ("instances", "AgentInstance"),
    ("pool", "MemoryPool"),
    ("pools", "MemoryPool"),
    ("memory", "MemoryPool"),
    ("model", "ModelEndpoint"),
    ("models", "ModelEndpoint"),
    ("node", "KernelNode"),
    ("nodes", "KernelNode"),
    ("policies", "AgentPolicy"),
    ("trust", "TrustPolicy"),
];

/// A kind and its definition.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) kind: Kind,
    pub(crate) definition: Value,
}

/// Finds the kind that a person means.
///
/// # Errors
/// [`crate::failure::Status::Usage`] with the names there are.
pub(crate) fn find(named: &str) -> Result<Known, Failure> {
    let wanted = named.to_ascii_lowercase();
    let also = ALSO.iter().find(|(name, _)| *name == wanted);
    let definitions = crd::all()
        .map_err(|why| Failure::new(format!("cannot read the kinds' definitions: {why}")))?;
    let found = KINDS.iter().zip(definitions).find(|(kind, definition)| {
        also.is_some_and(|(_, name)| *name == kind.name)
            || kind.plural == wanted
            || kind.name.to_ascii_lowercase() == wanted
            || short_names(definition).any(|short| short == wanted)
    });
    let (kind, definition) = found.ok_or_else(|| {
        let names: Vec<_> = KINDS.iter().map(|kind| kind.plural).collect();
        Failure::usage(format!("there is no kind `{named}`"))
            .remedy(format!("choose one of {}", names.join(", ")))
    })?;
    Ok(Known {
        kind: *kind,
        definition,
    })
}

impl Known {
    /// The namespace to ask in; `None` for a cluster-wide kind.
    pub(crate) fn namespace<'a>(&self, namespace: &'a str) -> Option<&'a str> {
        self.kind.namespaced.then_some(namespace)
    }
}

fn short_names(definition: &Value) -> impl Iterator<Item = &str> {
    let names = definition.pointer("/spec/names/shortNames");
    names
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// Splits `KIND/NAME`, or takes the two as they come.
pub(crate) fn named(first: &str, second: Option<&str>) -> Result<(Known, String), Failure> {
    match (first.split_once('/'), second) {
        (Some((kind, name)), None) if !name.is_empty() => Ok((find(kind)?, name.to_owned())),
        (None, Some(name)) => Ok((find(first)?, name.to_owned())),
        _ => Err(
            Failure::usage(format!("`{first}` does not name a resource"))
                .remedy("say KIND NAME or KIND/NAME, such as agent/librarian"),
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_kind_answers_to_all_its_names() {
        for (named, kind) in [
            ("agents", "Agent"),
            ("Agent", "Agent"),
            ("ag", "Agent"),
            ("instances", "AgentInstance"),
            ("mp", "MemoryPool"),
            ("trust", "TrustPolicy"),
        ] {
            assert_eq!(find(named).unwrap().kind.name, kind, "{named}");
        }
        assert!(
            find("pods")
                .unwrap_err()
                .remedy
                .unwrap()
                .contains("agents, ")
        );
    }

    #[test]
    fn no_short_form_means_two_kinds() {
        for (name, kind) in ALSO {
            assert_eq!(find(name).unwrap().kind.name, kind, "{name}");
            for definition in crd::all().unwrap() {
                let other = definition["spec"]["names"]["kind"]
                    .as_str()
                    .unwrap()
                    .to_owned();
                assert!(
                    other == kind || short_names(&definition).all(|short| short != name),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn a_resource_is_named_in_either_way() {
        assert_eq!(named("agent/a", None).unwrap().1, "a");
        assert_eq!(named("agent", Some("a")).unwrap().1, "a");
        assert!(named("agent", None).is_err());
        assert!(named("agent/", None).is_err());
        assert!(named("agent/a", Some("b")).is_err());
    }
}
