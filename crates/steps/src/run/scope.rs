//! What an expression sees where it stands: results and variables of the steps round it, the nearest first.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::expression::{Reference, Values};

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'s> {
    pub(super) outer: Option<&'s Scope<'s>>,
    /// Results of the steps before, by their names.
    pub(super) results: Option<&'s BTreeMap<&'s str, Json>>,
    pub(super) variables: &'s [(&'static str, &'s Json)],
}

impl<'s> Scope<'s> {
    /// What is seen after these steps.
    pub(super) fn after(&'s self, results: &'s BTreeMap<&'s str, Json>) -> Self {
        Self {
            outer: Some(self),
            results: Some(results),
            variables: &[],
        }
    }

    /// With variables of its own.
    pub(super) fn with(&'s self, variables: &'s [(&'static str, &'s Json)]) -> Self {
        Self {
            outer: Some(self),
            results: None,
            variables,
        }
    }
}

impl Values for Scope<'_> {
    fn get(&self, reference: &Reference) -> Option<&Json> {
        let own = match reference {
            Reference::Step(name) => self.results.and_then(|it| it.get(name.as_str())),
            Reference::Variable(name) => {
                let mut variables = self.variables.iter();
                variables.find(|it| it.0 == name).map(|it| it.1)
            }
        };
        own.or_else(|| self.outer?.get(reference))
    }
}
