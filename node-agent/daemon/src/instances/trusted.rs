//! Whom this node trusts for a bundle: what TrustPolicies say, made into keys, identities and trust roots. What may not
//! enter: bundles, and what is done with the answer.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read as _},
    path::PathBuf,
    sync::Arc,
};

use aion_api::{AgentInstance, KeyPurpose, TrustRoot as Stated, program::BundleRef};
use aion_bundle::{
    MAX_TRUST_ROOT, Reason, Revoked, TrustError, TrustRoot, TrustSet, TrustedIdentity, TrustedKey,
};
use aion_policy::{Keyless, Trust};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

/// How many signers that cannot be used are named in a message.
const MAX_NAMED: usize = 4;
/// Trust roots that are kept read. Beyond, all are read anew.
const MAX_ROOTS: usize = 16;

/// The trust roots of a node: read once for each text.
#[derive(Debug)]
pub(crate) struct TrustRoots {
    /// Where those that a TrustPolicy names are.
    folder: PathBuf,
    read: Mutex<HashMap<[u8; 32], Arc<TrustRoot>>>,
}

impl TrustRoots {
    /// With the named ones in `folder`.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            read: Mutex::default(),
        }
    }

    /// The trust root that a policy states, or why it cannot be used.
    pub(super) fn root(&self, stated: &Stated) -> Result<Arc<TrustRoot>, String> {
        match (&stated.inline, &stated.named) {
            (Some(text), None) => self.read(text),
            (None, Some(name)) => self.read(&self.named(name)?),
            _ => Err("it is neither or both of inline and named; keep one".to_owned()),
        }
    }

    fn named(&self, name: &str) -> Result<String, String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(format!("`{name}` is not a name"));
        }
        let path = self.folder.join(format!("{name}.json"));
        let failed = |why: io::Error| match why.kind() {
            io::ErrorKind::NotFound => format!(
                "{} is not on this node; put the `trusted_root.json` there",
                path.display()
            ),
            _ => format!("{}: {why}", path.display()),
        };
        let mut text = String::new();
        let most = MAX_TRUST_ROOT as u64 + 1;
        let file = File::open(&path).map_err(failed)?;
        file.take(most).read_to_string(&mut text).map_err(failed)?;
        Ok(text)
    }

    fn read(&self, text: &str) -> Result<Arc<TrustRoot>, String> {
        let digest: [u8; 32] = Sha256::digest(text).into();
        if let Some(root) = self.read.lock().get(&digest) {
            return Ok(Arc::clone(root));
        }
        let root = Arc::new(TrustRoot::parse(text).map_err(|why| why.to_string())?);
        let mut read = self.read.lock();
        if read.len() >= MAX_ROOTS {
            read.clear();
        }
        read.insert(digest, Arc::clone(&root));
        Ok(root)
    }

    /// Who may vouch for `bundle`, and what is wrong with those who cannot: each is passed over, and takes nothing from
    /// the others. The revision names all of them and what they may vouch for, so that a verdict stands only as long as
    /// nothing of that changes.
    pub(super) fn trust_set(
        &self,
        trust: &Trust,
        instance: &AgentInstance,
        bundle: &BundleRef,
    ) -> (TrustSet, PassedOver) {
        let signers = instance.spec.signers.as_deref();
        let mut passed_over = Vec::new();
        let mut set = TrustSet::default();
        let mut revision = Sha256::new();
        for key in trust.keys_for(bundle, signers) {
            revision.update(serde_json::to_vec(key).unwrap_or_default());
            revision.update([0]);
            match key_of(key) {
                Ok(key) => set.keys.push(key),
                Err(error) => passed_over.push(error),
            }
        }
        for keyless in trust.keyless_for(bundle, signers) {
            let (root, identities) = self.identities(&keyless);
            let root = root.map_or([0; 32], |root| *root.digest().as_bytes());
            revision.update([1]);
            revision.update(root);
            revision.update(serde_json::to_vec(&keyless.identities).unwrap_or_default());
            for identity in identities {
                match identity {
                    Ok(identity) => set.identities.push(identity),
                    Err(error) => passed_over.push(error),
                }
            }
        }
        revision.update([2]);
        revision.update(serde_json::to_vec(&trust.revoked).unwrap_or_default());
        set.revoked = revoked(&trust.revoked);
        set.revision = hex::encode(revision.finalize());
        (set, PassedOver(passed_over))
    }

    /// The identities that a policy trusts, and the Sigstore that they are of; where that cannot be used, why.
    pub(super) fn identities(
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
pub(crate) fn key_of(key: &aion_api::TrustedKey) -> Result<TrustedKey, TrustError> {
    TrustedKey::of_policy(
        &key.name,
        &key.public_key,
        key.purpose == KeyPurpose::Machine,
        &key.bundles,
        &key.digests,
    )
}

/// Signers of TrustPolicies that cannot be used.
pub(super) struct PassedOver(Vec<TrustError>);

impl PassedOver {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As it stands behind a judgement.
    pub(super) fn told(&self) -> String {
        let named = self.0.iter().take(MAX_NAMED).map(ToString::to_string);
        let mut told: Vec<String> = named.collect();
        match self.0.len().saturating_sub(MAX_NAMED) {
            0 => {}
            more => told.push(format!("{more} more")),
        }
        match self.0.is_empty() {
            true => String::new(),
            false => format!("; passed over: {}", told.join("; ")),
        }
    }

    /// Whether somebody may count later: a trust root that is named comes to a node beside the policy.
    pub(super) fn may_pass_later(&self) -> bool {
        let of_root = |error: &TrustError| matches!(error, TrustError::Root { .. });
        self.0.iter().any(of_root)
    }

    /// Why nothing counts where nobody else is trusted.
    pub(super) fn reason(&self) -> Option<Reason> {
        self.0.first().map(|error| match error {
            TrustError::Root { .. } => Reason::TrustRootUnusable,
            TrustError::Identity { .. } => Reason::UntrustedIdentity,
            TrustError::Key { .. } | TrustError::Scope { .. } => Reason::UntrustedKey,
        })
    }
}
