//! What is wrong with manifests that are applied, in the words of the interface.

use std::collections::BTreeMap;

use aion_abi::admin::Rejected;
use aion_resolve::{Manifest, Object, Problem};

use super::manifests::ObjectKey;
use crate::instances::prepare::key_of;

/// A problem of a manifest, as it is answered.
pub(super) fn rejection(problem: Problem) -> Rejected {
    let mut rejected = Rejected::from(problem);
    if rejected.remedy.is_empty() {
        rejected.remedy = "correct the manifest and apply it again".to_owned();
    }
    rejected
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
