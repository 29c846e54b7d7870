//! What is wrong with manifests that are applied, in the words of the interface.

use std::collections::BTreeMap;

use aion_abi::admin::Rejected;
use aion_bundle::{IdentityPattern, Rule, TrustRoot};
use aion_resolve::{Manifest, Object, Problem};
use aion_trust::{key_of, rule};

use super::manifests::ObjectKey;

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
                message: format!("it is in {first} already"),
                remedy: "keep one of the two".to_owned(),
            });
        }
    }
    rejected
}

/// One whose name is not free.
pub(super) fn taken(manifest: &Manifest) -> Rejected {
    let (kind, name) = (manifest.object.kind(), manifest.object.name());
    Rejected {
        file: manifest.place.file.clone(),
        line: None,
        resource: Some(format!("{kind}/{name}")),
        field: Some("metadata.name".to_owned()),
        message: format!(
            "there is a {kind} {name} already, and nothing that is admitted replaces one"
        ),
        remedy: "give another name".to_owned(),
    }
}

/// Signers of TrustPolicies by whom no bundle could ever be verified. A trust root that is named may still come.
pub(super) fn unusable_signers(objects: &[Manifest]) -> Vec<Rejected> {
    let mut rejected = Vec::new();
    for Manifest { object, place } in objects {
        let Object::TrustPolicy(policy) = object else {
            continue;
        };
        let mut reject = |field: String, message: String, remedy: &str| {
            rejected.push(Rejected {
                file: place.file.clone(),
                line: u32::try_from(place.line).ok(),
                resource: Some(format!("{}/{}", object.kind(), object.name())),
                field: Some(field),
                message,
                remedy: remedy.to_owned(),
            });
        };
        for (at, key) in policy.spec.keys.iter().enumerate() {
            if let Err(error) = key_of(key) {
                let remedy =
                    "make a key with `cosign generate-key-pair` or `aionctl bundle keygen`";
                reject(format!("spec.keys[{at}]"), error.to_string(), remedy);
            }
        }
        let root = policy.spec.trust_root.as_ref();
        if let Some(Err(why)) = root
            .and_then(|it| it.inline.as_deref())
            .map(TrustRoot::parse)
        {
            let message = format!("it is not a trust root that is understood here: {why}");
            let remedy = "take the trusted_root.json of your Sigstore as it is";
            reject("spec.trustRoot.inline".to_owned(), message, remedy);
        }
        for (at, required) in policy.spec.attestations.iter().enumerate() {
            if let Rule::Unknown(why) = rule(required) {
                let remedy = "say what has to be attested";
                reject(format!("spec.attestations[{at}]"), why, remedy);
            }
        }
        for (at, identity) in policy.spec.identities.iter().enumerate() {
            if let Err(why) = IdentityPattern::new(&identity.issuer, &identity.subject) {
                let remedy = "say who may sign, as it stands in their certificates";
                reject(format!("spec.identities[{at}]"), why, remedy);
            }
        }
    }
    rejected
}
