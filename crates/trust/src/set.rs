//! Who vouches for a bundle, and what has to be attested of it, as TrustPolicies say it.

use std::sync::Arc;

use aion_api::{KeyPurpose, program::BundleRef};
use aion_bundle::{
    Requirement, Revoked, TrustError, TrustRoot, TrustSet, TrustedIdentity, TrustedKey,
};
use aion_policy::{Keyless, Trust};
use sha2::{Digest as _, Sha256};

use crate::{passed_over::PassedOver, roots::TrustRoots, rule::rule};

impl TrustRoots {
    /// Who may vouch for `bundle`, what has to be attested of it, and what is wrong with those who cannot vouch: each is
    /// passed over, and takes nothing from the others. The revision names all of that, so that a verdict stands only as
    /// long as nothing of it changes.
    pub fn trust_set(
        &self,
        trust: &Trust,
        signers: Option<&[String]>,
        bundle: &BundleRef,
    ) -> (TrustSet, PassedOver) {
        let (mut revision, mut passed_over) = (Sha256::new(), PassedOver::default());
        let told = (&mut revision, &mut passed_over);
        let mut set = self.signers(trust, bundle, signers, told);
        for required in trust.attestations_for(bundle) {
            revision.update([3]);
            revision.update(serde_json::to_vec(required).unwrap_or_default());
            let named = (!required.signers.is_empty()).then_some(&*required.signers);
            let told = (&mut revision, &mut passed_over);
            set.requirements.push(Requirement {
                name: required.name.clone(),
                rule: rule(required),
                by: self.signers(trust, bundle, named, told),
            });
        }
        set.revision = hex::encode(revision.finalize());
        (set, passed_over)
    }

    /// Those of `named` who may vouch for `bundle`; all where it is `None`.
    fn signers(
        &self,
        trust: &Trust,
        bundle: &BundleRef,
        named: Option<&[String]>,
        (revision, passed_over): (&mut Sha256, &mut PassedOver),
    ) -> TrustSet {
        let mut set = TrustSet::default();
        for key in trust.keys_for(bundle, named) {
            revision.update(serde_json::to_vec(key).unwrap_or_default());
            revision.update([0]);
            match key_of(key) {
                Ok(key) => set.keys.push(key),
                Err(error) => passed_over.add(error),
            }
        }
        for keyless in trust.keyless_for(bundle, named) {
            let (root, identities) = self.identities(&keyless);
            let root = root.map_or([0; 32], |root| *root.digest().as_bytes());
            revision.update([1]);
            revision.update(root);
            revision.update(serde_json::to_vec(&keyless.identities).unwrap_or_default());
            for identity in identities {
                match identity {
                    Ok(identity) => set.identities.push(identity),
                    Err(error) => passed_over.add(error),
                }
            }
        }
        revision.update([2]);
        revision.update(serde_json::to_vec(&trust.revoked).unwrap_or_default());
        set.revoked = revoked(&trust.revoked);
        set
    }

    /// The identities that a policy trusts, and the Sigstore that they are of; where that cannot be used, why.
    fn identities(
        &self,
        keyless: &Keyless,
    ) -> (
        Option<Arc<TrustRoot>>,
        Vec<Result<TrustedIdentity, TrustError>>,
    ) {
        let root = match self.root(&keyless.root) {
            Ok(root) => root,
            Err(why) => {
                let policy = keyless.policy.clone();
                return (None, vec![Err(TrustError::Root { policy, why })]);
            }
        };
        let identities = keyless.identities.iter().map(|it| {
            let root = Arc::clone(&root);
            let (issuer, subject) = (&it.issuer, &it.subject);
            TrustedIdentity::of_policy(&it.name, issuer, subject, root, &it.bundles, &it.digests)
        });
        let identities = identities.collect();
        (Some(root), identities)
    }
}

fn revoked(stated: &aion_api::Revoked) -> Revoked {
    let identities = stated.identities.iter();
    Revoked {
        digests: stated.digests.iter().cloned().collect(),
        keys: stated.keys.iter().cloned().collect(),
        identities: identities
            .map(|it| (it.issuer.clone(), it.subject.clone()))
            .collect(),
    }
}

/// The key of a TrustPolicy.
///
/// # Errors
/// Where it cannot be used.
pub fn key_of(key: &aion_api::TrustedKey) -> Result<TrustedKey, TrustError> {
    TrustedKey::of_policy(
        &key.name,
        &key.public_key,
        key.purpose == KeyPurpose::Machine,
        &key.bundles,
        &key.digests,
    )
}
