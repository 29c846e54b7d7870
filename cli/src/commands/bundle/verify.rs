//! `aionctl bundle verify`: whether a bundle is signed by a key, or by an identity of a Sigstore.

use std::{path::Path, sync::Arc};

use aion_bundle::{
    AdmitError, BundleName, NamePattern, Signer, TrustRoot, TrustSet, TrustedIdentity, TrustedKey,
    signatures,
};

use super::{
    args::{AccessArgs, LayoutArg, SignerArgs},
    in_time,
    place::Place,
};
use crate::{
    context::Context,
    failure::{Failure, Status},
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
    let trust = trust(signer)?.ok_or_else(|| {
        Failure::usage("nobody is named who should have signed it")
            .remedy("say --key FILE, or --trust-root FILE --issuer URL --subject TEXT")
    })?;
    let found = signatures(&in_time(&place), &digest).await?;
    let name: BundleName = place.name().parse().map_err(Failure::usage)?;
    let judged = found.judge(&name, &digest, &trust, crate::clock::now());
    let verdict = judged.map_err(|why| match why {
        AdmitError::Source(why) => why.into(),
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
    context.print(&format!("verified {} {by}\n", verdict.digest))
}

/// Trust in that signer, for every bundle; `None` where none is named.
pub(super) fn trust(signer: &SignerArgs) -> Result<Option<TrustSet>, Failure> {
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

/// The public key in the file `key`, under the file's name.
pub(super) fn trusted(key: &Path, subjects: Vec<NamePattern>) -> Result<TrustedKey, Failure> {
    let pem = std::fs::read_to_string(key).map_err(|why| Failure::io("read the key", key, &why))?;
    let name = key.file_stem().unwrap_or_default().to_string_lossy();
    TrustedKey::new(name, &pem, subjects).map_err(|why| Failure::usage(why).at(key.display()))
}
