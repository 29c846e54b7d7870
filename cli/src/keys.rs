//! The keys of TrustPolicies, read as a node reads them: a schema sees only how they begin.

use aion_abi::admin::Rejected;
use aion_api::KeyPurpose;
use aion_bundle::TrustedKey;
use aion_resolve::{Object, Place};

/// Those that no bundle could ever be verified with.
pub(crate) fn unusable<'a>(
    objects: impl IntoIterator<Item = (&'a Object, &'a Place)>,
) -> Vec<Rejected> {
    let mut rejected = Vec::new();
    for (object, place) in objects {
        let Object::TrustPolicy(policy) = object else {
            continue;
        };
        for (at, key) in policy.spec.keys.iter().enumerate() {
            let machine = key.purpose == KeyPurpose::Machine;
            let read = TrustedKey::of_policy(
                &key.name,
                &key.public_key,
                machine,
                &key.bundles,
                &key.digests,
            );
            if let Err(error) = read {
                rejected.push(Rejected {
                    file: place.file.clone(),
                    line: u32::try_from(place.line).ok(),
                    resource: Some(format!("{}/{}", object.kind(), object.name())),
                    field: Some(format!("spec.keys[{at}]")),
                    message: error.to_string(),
                    remedy: String::new(),
                });
            }
        }
    }
    rejected
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_bundle::SigningKey;
    use aion_resolve::parse_manifests;

    use super::*;

    fn of(pem: &str) -> Vec<Rejected> {
        let pem: String = pem.lines().map(|line| format!("      {line}\n")).collect();
        let text = format!(
            "apiVersion: aion.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {{name: mine}}\nspec:\n  keys:\n  - name: me\n    publicKey: |\n{pem}"
        );
        let parsed = parse_manifests(&text, "trust.yaml").unwrap();
        unusable(parsed.iter().map(|it| (&it.object, &it.place)))
    }

    #[test]
    fn a_key_that_begins_rightly_and_is_none_is_refused_before_it_is_applied() {
        let pem = SigningKey::generate().unwrap().public_pem();
        assert!(of(&pem).is_empty());
        let last = pem.lines().nth(2).unwrap();
        let faults = of(&pem.replace(last, "AAAA"));
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].field.as_deref(), Some("spec.keys[0]"));
        assert!(
            faults[0].message.contains("key `me`"),
            "{}",
            faults[0].message
        );
    }
}
