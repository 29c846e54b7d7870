//! Selecting objects by label, in the form Kubernetes uses everywhere, with bounds.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Selects by label. Empty selects everything; all parts must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Selector {
    /// Labels that must be there with exactly these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32), schema_with = "label_map")]
    pub match_labels: BTreeMap<String, String>,
    /// Requirements that labels must meet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub match_expressions: Vec<Requirement>,
}

/// One requirement on a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Requirement {
    /// The label's key.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// How its value is compared: In, NotIn, Exists or DoesNotExist.
    pub operator: Operator,
    /// The values for In and NotIn; empty for the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub values: Vec<String>,
}

/// How a label's value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Operator {
    /// The label is there and its value is one of `values`.
    In,
    /// The label is not there, or its value is none of `values`.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
}

impl Selector {
    /// Whether `labels` meet every part.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
            && self
                .match_expressions
                .iter()
                .all(|requirement| requirement.holds(labels))
    }
}

impl Requirement {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match self.operator {
            Operator::In => value.is_some_and(|value| self.values.contains(value)),
            Operator::NotIn => value.is_none_or(|value| !self.values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

/// A map of labels, bounded.
pub(crate) fn label_map(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": {"type": "string", "maxLength": 63}
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    fn expression(key: &str, operator: Operator, values: &[&str]) -> Selector {
        let values = values.iter().map(|v| (*v).to_owned()).collect();
        Selector {
            match_expressions: vec![Requirement {
                key: key.into(),
                operator,
                values,
            }],
            ..Selector::default()
        }
    }

    #[test]
    fn an_empty_selector_selects_everything() {
        assert!(Selector::default().matches(&labels(&[])));
        assert!(Selector::default().matches(&labels(&[("team", "red")])));
    }

    #[test]
    fn every_operator_means_what_kubernetes_means_by_it() {
        let red = labels(&[("team", "red")]);
        let none = labels(&[]);
        assert!(expression("team", Operator::In, &["red"]).matches(&red));
        assert!(!expression("team", Operator::In, &["red"]).matches(&none));
        assert!(!expression("team", Operator::NotIn, &["red"]).matches(&red));
        assert!(expression("team", Operator::NotIn, &["red"]).matches(&none));
        assert!(expression("team", Operator::Exists, &[]).matches(&red));
        assert!(!expression("team", Operator::Exists, &[]).matches(&none));
        assert!(expression("team", Operator::DoesNotExist, &[]).matches(&none));
        assert!(!expression("team", Operator::DoesNotExist, &[]).matches(&red));
    }
}
