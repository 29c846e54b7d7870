//! What is wrong with manifests that are applied, in the words of the interface.

use std::collections::BTreeMap;

use aion_abi::admin::Rejected;
use aion_resolve::{Manifest, Object, Problem};

use super::manifests::ObjectKey;
use crate::instances::prepare::key_of;

/// A problem of a manifest, as it is answered.
pub(super) fn rejection(file: &str, problem: &Problem) -> Rejected {
    let (message, remedy) = told(&problem.message)
        .unwrap_or((&problem.message, "correct the manifest and apply it again"));
    Rejected {
        file: file.to_owned(),
        line: problem
            .place
            .as_ref()
            .and_then(|place| u32::try_from(place.line).ok()),
        resource: (!problem.object.is_empty()).then(|| problem.object.replace(' ', "/")),
        field: (!problem.field.is_empty()).then(|| problem.field.clone()),
        message: message.to_owned(),
        remedy: remedy.to_owned(),
    }
}

/// What is wrong, and what is to be done, which stands behind a colon. One behind a single word, as in
/// `withoutModel: quote`, is YAML.
fn told(message: &str) -> Option<(&str, &str)> {
    let colons = message.match_indices(": ");
    colons
        .map(|(at, colon)| (&message[..at], &message[at + colon.len()..]))
        .find(|(before, _)| before.contains(' '))
}

/// Objects that are there twice in one request.
pub(super) fn twice(objects: &[Manifest]) -> Vec<Rejected> {
    let mut seen = BTreeMap::new();
    let mut rejected = Vec::new();
    for manifest in objects {
        let key = ObjectKey::of(&manifest.object);
        if let Some(first) = seen.insert(key.clone(), &manifest.place) {
            rejected.push(Rejected {
                file: manifest.place.file.clone(),
                line: u32::try_from(manifest.place.line).ok(),
                resource: Some(format!("{}/{}", key.kind, key.name)),
                field: None,
                message: format!("it stands in {first} already"),
                remedy: "keep one of the two".to_owned(),
            });
        }
    }
    rejected
}

/// Keys of TrustPolicies that no bundle could ever be verified with.
pub(super) fn unusable_keys(objects: &[Manifest]) -> Vec<Rejected> {
    let mut rejected = Vec::new();
    for Manifest { object, place } in objects {
        let Object::TrustPolicy(policy) = object else {
            continue;
        };
        for (at, key) in policy.spec.keys.iter().enumerate() {
            if let Err(error) = key_of(key) {
                rejected.push(Rejected {
                    file: place.file.clone(),
                    line: u32::try_from(place.line).ok(),
                    resource: Some(format!("{}/{}", object.kind(), object.name())),
                    field: Some(format!("spec.keys[{at}]")),
                    message: error.to_string(),
                    remedy: "make a key with `cosign generate-key-pair` or `aionctl bundle keygen`"
                        .to_owned(),
                });
            }
        }
    }
    rejected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_done_stands_behind_the_first_colon_that_is_not_yaml() {
        let quote = "withoutModel: quote answers with passages from memory: add memory {pool}";
        assert_eq!(
            told(quote),
            Some((
                "withoutModel: quote answers with passages from memory",
                "add memory {pool}"
            ))
        );
        assert_eq!(told("fs.read: files are asked for elsewhere"), None);
        assert_eq!(told("is no number"), None);
    }
}
