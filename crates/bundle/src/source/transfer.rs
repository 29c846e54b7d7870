//! Between sources and targets: finding the signatures of a bundle, attaching
//! one, and copying a bundle with its signatures.

use jiff::Timestamp;

use crate::{
    artifact::{
        digest::Digest,
        limits::Limits,
        manifest::{Descriptor, MANIFEST, Manifest, SIGSTORE_BUNDLE},
        reason::Reason,
    },
    source::{
        contract::{Payload, Source, Target, read_blob, save_blob},
        failure::SourceError,
    },
    trust::{
        dsse::SIGN_PREDICATE,
        verdict::PassedOver,
        verify::{Candidate, MAX_SIGNATURE, MAX_SIGNATURES},
    },
};

/// What every Sigstore bundle's media type begins with, whatever its version.
const SIGSTORE_FAMILY: &str = "application/vnd.dev.sigstore.bundle";
/// The configuration of a manifest that has nothing to configure.
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// The signature material found for a bundle.
#[derive(Debug, Default)]
pub struct Signatures {
    /// What can be verified.
    pub candidates: Vec<Candidate>,
    /// What could not be read, with the reason.
    pub unreadable: Vec<(Reason, PassedOver)>,
    /// The first failure to reach the source, after which more may exist.
    pub unreachable: Option<SourceError>,
}

/// Finds what signs `digest`, at most [`MAX_SIGNATURES`] of it. One signature
/// that cannot be read does not hide another.
pub async fn signatures(source: &dyn Source, digest: &Digest) -> Result<Signatures, SourceError> {
    let mut found = Signatures::default();
    for referrer in signing_referrers(source, digest).await? {
        match referrer {
            Ok((origin, _, manifest)) => {
                for layer in manifest
                    .layers
                    .iter()
                    .filter(|l| is_sigstore(&l.media_type))
                {
                    match read_blob(source, layer, MAX_SIGNATURE).await {
                        Ok(bytes) => found.candidates.push(Candidate { origin, bytes }),
                        Err(e) => found.failed(origin, e),
                    }
                }
            }
            Err((origin, e)) => found.failed(origin, e),
        }
    }
    Ok(found)
}

impl Signatures {
    fn failed(&mut self, origin: Digest, error: SourceError) {
        let reason = error.reason();
        self.unreadable
            .push((reason, PassedOver::new(origin, reason, &error)));
        if matches!(error, SourceError::Unreachable { .. }) {
            self.unreachable.get_or_insert(error);
        }
    }
}

type Referrer = Result<(Digest, Vec<u8>, Manifest), (Digest, SourceError)>;

/// The manifests with a Sigstore bundle whose subject is `digest`.
async fn signing_referrers(
    source: &dyn Source,
    digest: &Digest,
) -> Result<Vec<Referrer>, SourceError> {
    let mut listed = source.referrers(digest).await?;
    // Registries describe referrers in different ways, so each is looked into;
    // those that call themselves signatures come first, so that no crowd of
    // other referrers hides them.
    listed.sort_by_key(|d| !d.artifact_type.as_deref().is_some_and(is_sigstore));
    let mut found = Vec::new();
    for entry in listed.into_iter().take(MAX_SIGNATURES) {
        let origin = entry.digest;
        let bytes = match source.manifest(&origin).await {
            Ok(bytes) => bytes,
            Err(e) => {
                found.push(Err((origin, e)));
                continue;
            }
        };
        match Manifest::parse(&bytes) {
            Ok(m) if signs(&m, digest) => found.push(Ok((origin, bytes, m))),
            Ok(_) => {}
            Err(e) => {
                let at = source.describe();
                found.push(Err((origin, SourceError::malformed(at, e))));
            }
        }
    }
    Ok(found)
}

fn signs(manifest: &Manifest, digest: &Digest) -> bool {
    let refers = manifest
        .subject
        .as_ref()
        .is_some_and(|s| s.digest == *digest);
    let mut blobs = manifest.layers.iter().chain([&manifest.config]);
    refers
        && blobs.all(|b| b.size <= MAX_SIGNATURE)
        && manifest.layers.iter().any(|l| is_sigstore(&l.media_type))
}

fn is_sigstore(media_type: &str) -> bool {
    media_type.starts_with(SIGSTORE_FAMILY)
}

/// Attaches a Sigstore bundle to `digest` as Cosign does: in a manifest whose
/// subject it is. Gives the digest of that manifest.
pub async fn attach(
    target: &dyn Target,
    digest: &Digest,
    bundle: &[u8],
    now: Timestamp,
) -> Result<Digest, SourceError> {
    let signed = target.manifest(digest).await?;
    let kind = Manifest::parse(&signed)
        .ok()
        .and_then(|m| m.media_type)
        .unwrap_or_else(|| MANIFEST.to_owned());
    let mut manifest = Manifest::new(SIGSTORE_BUNDLE, Descriptor::of(EMPTY, b"{}"));
    target
        .put_blob(&manifest.config, Payload::Bytes(b"{}"))
        .await?;
    let layer = Descriptor::of(SIGSTORE_BUNDLE, bundle);
    target.put_blob(&layer, Payload::Bytes(bundle)).await?;
    manifest.layers.push(layer);
    manifest.subject = Some(Descriptor::of(&kind, &signed));
    manifest.annotations = [
        ("dev.sigstore.bundle.content", "dsse-envelope"),
        ("dev.sigstore.bundle.predicateType", SIGN_PREDICATE),
        (
            "org.opencontainers.image.created",
            &now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        ),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect();
    let bytes = serde_json::to_vec(&manifest)
        .map_err(|e| SourceError::malformed("the new signature", e))?;
    target.put_referrer(&bytes).await
}

/// Copies the bundle `digest` and what signs it; `tag` names it in the target.
/// Gives how many signatures went along; `begins` is told each blob before it is moved.
pub async fn copy(
    from: &dyn Source,
    to: &dyn Target,
    digest: &Digest,
    tag: Option<&str>,
    begins: &(dyn Fn(&Descriptor) + Sync),
) -> Result<usize, SourceError> {
    let bytes = from.manifest(digest).await?;
    let manifest = Manifest::parse(&bytes)
        .and_then(|m| m.bundle_layers(&Limits::default()).map(|_| ()).map(|()| m))
        .map_err(|e| SourceError::malformed(from.describe(), e))?;
    copy_blobs(from, to, &manifest, begins).await?;
    to.put_manifest(&bytes, tag).await?;
    let mut count = 0;
    for referrer in signing_referrers(from, digest).await? {
        let (_, bytes, manifest) = match referrer {
            Ok(signature) => signature,
            Err((_, e @ SourceError::Unreachable { .. })) => return Err(e),
            Err((origin, why)) => {
                tracing::warn!(%origin, %why, "a signature that cannot be read is left behind");
                continue;
            }
        };
        copy_blobs(from, to, &manifest, begins).await?;
        to.put_referrer(&bytes).await?;
        count += 1;
    }
    Ok(count)
}

async fn copy_blobs(
    from: &dyn Source,
    to: &dyn Target,
    manifest: &Manifest,
    begins: &(dyn Fn(&Descriptor) + Sync),
) -> Result<(), SourceError> {
    let folder = tempfile::tempdir()
        .map_err(|e| SourceError::io("create a folder for blobs on their way", e))?;
    for blob in manifest.layers.iter().chain([&manifest.config]) {
        begins(blob);
        let path = folder.path().join(blob.digest.hex());
        if !path.exists() {
            save_blob(from, blob, &path).await?;
        }
        to.put_blob(blob, Payload::File(&path)).await?;
    }
    Ok(())
}
