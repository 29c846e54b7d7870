//! `aionctl bundle verify`: whether a bundle is signed by a key, by an identity of a Sigstore, or as TrustPolicies want it.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use aion_bundle::{
    AdmitError, BundleName, Digest, NamePattern, Signer, TrustRoot, TrustSet, TrustedIdentity,
    TrustedKey, evidence,
};
use aion_resolve::{Object, parse_manifests};
use aion_trust::TrustRoots;

use super::{
    args::{AccessArgs, LayoutArg, SignerArgs},
    in_time,
    place::Place,
};
use crate::{
    context::Context,
    failure::{Failure, Status},
    render::screen::tame,
};

pub(super) async fn check(
    context: &Context,
    bundle: &str,
    signer: &SignerArgs,
    layout: &LayoutArg,
    access: &AccessArgs,
) -> Result<(), Failure> {
    let place = Place::find(bundle, layout.open(context)?, access)?;
    let digest = place.digest().await?;
    let name: BundleName = place.name().parse().map_err(Failure::usage)?;
    let trust = trust(context, signer, (&name, &digest))?.ok_or_else(|| {
        Failure::usage("no signer is named").remedy(
            "say --key FILE, --policy FILE, or --trust-root FILE --issuer URL --subject TEXT",
        )
    })?;
    let found = evidence(&in_time(&place), &digest, &trust).await?;
    let judged = found.judge(&name, &digest, &trust, crate::clock::now());
    let verdict = judged.map_err(|why| match why {
        AdmitError::Source(why) => why.into(),
        AdmitError::Unheard { refusal, why } => {
            let unheard = Failure::from(why);
            let what = format!("{}; what was found elsewhere: {refusal}", unheard.what);
            Failure { what, ..unheard }
        }
        why => Failure::new(why).status(Status::Refused),
    })?;
    let by = match &verdict.signer {
        Signer::Key { name, fingerprint } => format!("with the key {name} ({fingerprint})"),
        Signer::Identity {
            issuer,
            subject,
            at,
            ..
        } => format!("by {subject} of {issuer}, who signed it at {at}"),
    };
    let attested = verdict.attested.iter();
    let attested: String = attested.map(|it| format!("attested: {it}\n")).collect();
    context.print(&tame(&format!(
        "verified {} {by}\n{attested}",
        verdict.digest
    )))
}

/// Trust in that signer, for every bundle, or in those of a TrustPolicy; `None` where none is named.
pub(super) fn trust(
    context: &Context,
    signer: &SignerArgs,
    bundle: (&BundleName, &Digest),
) -> Result<Option<TrustSet>, Failure> {
    if let Some(path) = &signer.policy {
        return of_policies(context, path, bundle).map(Some);
    }
    let mut trust = TrustSet {
        revision: "command line".to_owned(),
        ..TrustSet::default()
    };
    if let Some(key) = &signer.key {
        trust.keys = vec![trusted(key, vec![NamePattern::any()])?];
    }
    if let (Some(path), Some(issuer), Some(subject)) =
        (&signer.trust_root, &signer.issuer, &signer.subject)
    {
        let text = std::fs::read_to_string(path)
            .map_err(|why| Failure::io("read the trust root", path, &why))?;
        let root = TrustRoot::parse(&text);
        let root = root.map_err(|why| Failure::usage(why).at(path.display()))?;
        let identity =
            TrustedIdentity::of_policy("signer", issuer, subject, Arc::new(root), &[], &[]);
        trust.identities = vec![identity.map_err(Failure::usage)?];
    }
    let named = !trust.keys.is_empty() || !trust.identities.is_empty();
    Ok(named.then_some(trust))
}

/// What the TrustPolicies in a file say of a bundle, as a node reads them.
fn of_policies(
    context: &Context,
    path: &Path,
    (name, digest): (&BundleName, &Digest),
) -> Result<TrustSet, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|why| Failure::io("read the TrustPolicies", path, &why))?;
    let read = parse_manifests(&text, &path.display().to_string());
    let read = read.map_err(|problems| {
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        Failure::usage(told.join("; "))
    })?;
    let mut policies = Vec::new();
    for manifest in read {
        if let Object::TrustPolicy(mut policy) = manifest.object {
            policy.spec.namespace_selector = None;
            policies.push(policy);
        }
    }
    if policies.is_empty() {
        return Err(Failure::usage("there is no TrustPolicy in it").at(path.display()));
    }
    let said = aion_policy::trust(policies.iter().map(|it| &**it), &BTreeMap::new());
    let bundle = aion_api::program::BundleRef {
        name: name.to_string(),
        digest: digest.to_string(),
    };
    let roots = TrustRoots::new(context.home()?.trust_roots());
    let (trust, passed_over) = roots.trust_set(&said, None, &bundle);
    match passed_over.is_empty() {
        true => Ok(trust),
        false => {
            let told = passed_over.told();
            Err(Failure::usage(told.trim_start_matches("; ")).at(path.display()))
        }
    }
}

/// The public key in the file `key`, under the file's name.
pub(super) fn trusted(key: &Path, subjects: Vec<NamePattern>) -> Result<TrustedKey, Failure> {
    let pem = std::fs::read_to_string(key).map_err(|why| Failure::io("read the key", key, &why))?;
    let name = key.file_stem().unwrap_or_default().to_string_lossy();
    TrustedKey::new(name, &pem, subjects).map_err(|why| Failure::usage(why).at(key.display()))
}
