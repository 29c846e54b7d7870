//! The CEL rules of a kind, evaluated as an API server evaluates them.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use aion_api::crd;
use kube_cel::{CompiledSchema, Validator, apply_defaults, compile_schema};
use serde_json::Value;

use crate::problem::Told;

/// A kind's schema and its rules.
pub(crate) struct Rules {
    /// The schema, from the definition.
    pub(crate) schema: Value,
    compiled: CompiledSchema,
}

/// The rules of `kind`; `None` where it is none of ours.
pub(crate) fn rules(kind: &str) -> Option<&'static Rules> {
    static RULES: OnceLock<BTreeMap<String, Rules>> = OnceLock::new();
    RULES.get_or_init(all).get(kind)
}

fn all() -> BTreeMap<String, Rules> {
    // The definitions are made from constants; a test holds that they can be.
    let schemas = crd::KINDS.iter().filter_map(|kind| {
        let schema = crd::schema(kind.name).ok().flatten()?;
        let compiled = compile_schema(&schema);
        Some((kind.name.to_owned(), Rules { schema, compiled }))
    });
    schemas.collect()
}

impl Rules {
    /// `object` with the schema's defaults filled in.
    pub(crate) fn with_defaults(&self, object: &Value) -> Value {
        apply_defaults(&self.schema, object)
    }

    /// The rules that `object` breaks: the field, what is wrong and what to do about it.
    pub(crate) fn broken(&self, object: &Value) -> Vec<(String, Told)> {
        match Validator::new().validate_compiled(&self.compiled, object, None) {
            Ok(()) => Vec::new(),
            Err(errors) => errors
                .into_vec()
                .into_iter()
                .map(|error| {
                    let told = match crd::remedy(&error.message) {
                        (what, Some(remedy)) => (what, remedy).into(),
                        (what, None) => what.into(),
                    };
                    (error.field_path, told)
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_rule_of_every_kind_compiles_here() {
        assert_eq!(crd::all().unwrap().len(), crd::KINDS.len());
        for kind in crd::KINDS {
            let rules = rules(kind.name).unwrap();
            let errors: Vec<_> = rules
                .compiled
                .compilation_errors()
                .into_iter()
                .map(ToString::to_string)
                .collect();
            assert!(errors.is_empty(), "{}: {errors:?}", kind.name);
        }
        assert!(rules("Pod").is_none());
    }
}
