//! Between sources and targets: finding the signatures of a bundle, attaching
//! one, and copying a bundle with its signatures.

use std::collections::{BTreeSet, HashMap, HashSet};

use aion_abi::reason::Reason;
use jiff::Timestamp;

use crate::{
    artifact::{
        digest::Digest,
        document::{Document, media_type},
        limits::Limits,
        manifest::{Descriptor, Manifest, SIGSTORE_BUNDLE},
    },
    room::Room,
    source::{
        contract::{Payload, Referrers, Source, Target, read_blob, save_blob},
        failure::SourceError,
        turns::{Shares, key},
    },
    trust::{
        dsse::SIGN_PREDICATE,
        set::TrustSet,
        verdict::PassedOver,
        verify::{
            Candidate, MAX_ATTACHED, MAX_ATTACHED_BYTES, MAX_SIGNATURE, MAX_SIGNATURE_BYTES,
            MAX_SIGNATURES,
        },
    },
};

/// What every Sigstore bundle's media type begins with, whatever its version.
const SIGSTORE_FAMILY: &str = "application/vnd.dev.sigstore.bundle";
/// The configuration of a manifest that has nothing to configure.
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// How much of what refers to a bundle is read.
#[derive(Clone, Copy)]
struct Most {
    /// Bytes of one.
    each: u64,
    /// Bytes of all, with the manifests that they come in.
    all: u64,
}

const SIGNATURES: Most = Most {
    each: MAX_SIGNATURE,
    all: MAX_SIGNATURE_BYTES,
};
const ATTACHED: Most = Most {
    each: MAX_ATTACHED,
    all: MAX_ATTACHED_BYTES,
};

/// The signature material found for a bundle.
#[derive(Debug, Default)]
pub struct Signatures {
    /// What can be verified.
    pub candidates: Vec<Candidate>,
    /// What could not be read, with the reason.
    pub unreadable: Vec<(Reason, PassedOver)>,
    /// The first failure to reach the source or a part of it, after which more may exist.
    pub unreachable: Option<SourceError>,
    /// How many more there are that were not looked at.
    pub left_out: usize,
}

/// Finds what signs `digest`, at most [`MAX_SIGNATURES`] and
/// [`MAX_SIGNATURE_BYTES`] of it, from each place in turn. One signature that
/// cannot be read does not hide another, nor do the many of one referrer or
/// place hide the one of another.
pub async fn signatures(source: &dyn Source, digest: &Digest) -> Result<Signatures, SourceError> {
    found(source, digest, SIGNATURES).await
}

/// Finds what `trust` asks for: attestations, too, where one is required.
pub async fn evidence(
    source: &dyn Source,
    digest: &Digest,
    trust: &TrustSet,
) -> Result<Signatures, SourceError> {
    match trust.requirements.is_empty() {
        true => signatures(source, digest).await,
        false => attached(source, digest).await,
    }
}

/// As [`signatures`], and attestations that are larger: [`MAX_ATTACHED`] each,
/// [`MAX_ATTACHED_BYTES`] in all, and not more of them.
pub async fn attached(source: &dyn Source, digest: &Digest) -> Result<Signatures, SourceError> {
    found(source, digest, ATTACHED).await
}

async fn found(
    source: &dyn Source,
    digest: &Digest,
    most: Most,
) -> Result<Signatures, SourceError> {
    let signers = signing_referrers(source, digest, most).await?;
    let mut found = Signatures {
        left_out: signers.left_out,
        unreachable: signers.unheard,
        ..Signatures::default()
    };
    let mut manifests = HashMap::new();
    for referrer in signers.all {
        match referrer {
            Ok((origin, _, manifest)) => {
                manifests.insert(origin, manifest);
            }
            Err((origin, e)) => found.failed(origin, e),
        }
    }
    // What several places list is of each of them: none takes it from another by listing it, too.
    let layers = signers.places.iter().map(|listed| {
        let of_place = listed.iter().filter_map(|it| manifests.get_key_value(it));
        let mut layers: Vec<_> = of_place
            .flat_map(|(origin, manifest)| {
                let layers = manifest.layers.iter();
                let layers = layers.filter(|l| is_sigstore(&l.media_type)).enumerate();
                layers.map(|(nth, layer)| (nth, layer, *origin))
            })
            .collect();
        layers.sort_by_key(|(nth, layer, _)| (*nth, layer.size));
        layers
    });
    let layers = layers.collect();
    let of = |(_, layer, _): &(_, &Descriptor, _)| key(layer);
    let (wanted, left_out) = signers.shares.take_last(layers, MAX_SIGNATURES, of);
    found.left_out += left_out;
    for (_, layer, origin) in wanted {
        match read_blob(source, layer, most.each).await {
            Ok(bytes) => found.candidates.push(Candidate { origin, bytes }),
            Err(e) => found.failed(origin, e),
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

/// The manifests with signatures of a bundle.
struct Signers {
    all: Vec<Referrer>,
    /// What each place lists.
    places: Vec<BTreeSet<Digest>>,
    /// What is left of the bytes that are read.
    shares: Shares,
    /// How many referrers were not looked into.
    left_out: usize,
    /// Why a place was not heard that may have more.
    unheard: Option<SourceError>,
}

/// The manifests with a Sigstore bundle whose subject is `digest`.
async fn signing_referrers(
    source: &dyn Source,
    digest: &Digest,
    most: Most,
) -> Result<Signers, SourceError> {
    let Referrers {
        mut places,
        unheard,
    } = source.referrers(digest).await?;
    places.retain(|listed| !listed.is_empty());
    // Registries describe referrers in different ways, so each is looked into;
    // those that call themselves signatures come first, the shortest of them
    // before all, so that no crowd of other referrers hides them.
    for listed in &mut places {
        listed.sort_by_key(|d| (!d.artifact_type.as_deref().is_some_and(is_sigstore), d.size));
    }
    let mut shares = Shares::new(most.all, places.len());
    let digests = |listed: &Vec<Descriptor>| listed.iter().map(|d| d.digest).collect();
    let listed = places.iter().map(digests).collect();
    let looked_at = shares.take(places, MAX_SIGNATURES, key);
    let mut signers = Signers {
        all: Vec::new(),
        places: listed,
        shares,
        left_out: looked_at.left_out(key),
        unheard,
    };
    // Counted as announced, and no more than that is read.
    for entry in looked_at.taken {
        match referrer(source, &entry).await {
            Ok((bytes, m)) if signs(&m, digest, most) => {
                signers.all.push(Ok((entry.digest, bytes, m)));
            }
            Ok(_) => {}
            Err(e) => signers.all.push(Err((entry.digest, e))),
        }
    }
    Ok(signers)
}

/// A manifest that is as long as the list of referrers says it is.
async fn referrer(
    source: &dyn Source,
    entry: &Descriptor,
) -> Result<(Vec<u8>, Manifest), SourceError> {
    let bytes = source.manifest_within(&entry.digest, entry.size).await?;
    if bytes.len() as u64 != entry.size {
        let (length, size) = (bytes.len(), entry.size);
        let why = format!(
            "{} has {length} bytes and is listed with {size}",
            entry.digest
        );
        return Err(SourceError::malformed(source.describe(), why));
    }
    let mut manifest =
        Manifest::parse(&bytes).map_err(|e| SourceError::malformed(source.describe(), e))?;
    manifest.annotations.clear();
    Ok((bytes, manifest))
}

fn signs(manifest: &Manifest, digest: &Digest, most: Most) -> bool {
    let refers = manifest
        .subject
        .as_ref()
        .is_some_and(|s| s.digest == *digest);
    let mut blobs = manifest.layers.iter().chain([&manifest.config]);
    refers
        && blobs.all(|b| b.size <= most.each)
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
    let annotations = [
        ("dev.sigstore.bundle.content", "dsse-envelope"),
        ("dev.sigstore.bundle.predicateType", SIGN_PREDICATE),
        (
            "org.opencontainers.image.created",
            &now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        ),
    ];
    let annotations = annotations.map(|(key, value)| (key.to_owned(), value.to_owned()));
    refer(target, digest, SIGSTORE_BUNDLE, bundle, &annotations).await
}

/// Attaches a document of the media type `kind` to `digest`, such as a list of what is in it: in a manifest whose subject
/// it is, the same for the same document. Gives the digest of that manifest. It vouches for nothing.
pub async fn attach_document(
    target: &dyn Target,
    digest: &Digest,
    kind: &str,
    document: &[u8],
) -> Result<Digest, SourceError> {
    refer(target, digest, kind, document, &[]).await
}

async fn refer(
    target: &dyn Target,
    digest: &Digest,
    kind: &str,
    content: &[u8],
    annotations: &[(String, String)],
) -> Result<Digest, SourceError> {
    let subject = target.manifest(digest).await?;
    let mut manifest = Manifest::new(kind, Descriptor::of(EMPTY, b"{}"));
    target
        .put_blob(&manifest.config, Payload::Bytes(b"{}"))
        .await?;
    // Whoever verifies a signature need not ask for it, too; and who does not look here finds it where it always is.
    let layer = Descriptor::inline(kind, content);
    target.put_blob(&layer, Payload::Bytes(content)).await?;
    manifest.layers.push(layer);
    manifest.subject = Some(Descriptor::of(&media_type(&subject), &subject));
    manifest.annotations = annotations.iter().cloned().collect();
    let bytes =
        serde_json::to_vec(&manifest).map_err(|e| SourceError::malformed("the new referrer", e))?;
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
    let limits = Limits::default();
    let malformed = |e| SourceError::malformed(from.describe(), e);
    match Document::parse(&bytes, &limits).map_err(malformed)? {
        Document::Bundle(manifest) | Document::Image(manifest) => {
            copy_blobs(from, to, &manifest, begins).await?;
        }
        // All of them: what is signed is the whole index.
        Document::Index(index) => {
            for listed in &index.manifests {
                let bytes = from.manifest_within(&listed.digest, listed.size).await?;
                let manifest = Manifest::parse(&bytes).map_err(malformed)?;
                manifest.image_size(&limits).map_err(malformed)?;
                copy_blobs(from, to, &manifest, begins).await?;
                to.put_listed(&bytes).await?;
            }
        }
    }
    to.put_manifest(&bytes, tag).await?;
    let signers = signing_referrers(from, digest, ATTACHED).await?;
    if let Some(why) = signers.unheard {
        return Err(why);
    }
    let (mut count, mut left) = (0, signers.shares.left());
    if signers.left_out > 0 {
        tracing::warn!(
            count = signers.left_out,
            "more than is looked at refers to it"
        );
    }
    for referrer in signers.all {
        let (origin, bytes, manifest) = match referrer {
            Ok(signature) => signature,
            Err((_, e @ SourceError::Unreachable { .. })) => return Err(e),
            Err((origin, why)) => {
                tracing::warn!(%origin, %why, "a signature that cannot be read is left behind");
                continue;
            }
        };
        let size = manifest.layers.iter().map(|l| l.size).sum::<u64>() + manifest.config.size;
        if manifest.layers.len() > MAX_SIGNATURES || size > left {
            tracing::warn!(%origin, "a signature of more than a signature has is left behind");
            continue;
        }
        left -= size;
        copy_blobs(from, to, &manifest, begins).await?;
        to.put_referrer(&bytes).await?;
        count += 1;
    }
    Ok(count)
}

/// Copies all that `manifest` lists; `begins` is told each blob before it is moved.
pub(crate) async fn copy_blobs(
    from: &dyn Source,
    to: &dyn Target,
    manifest: &Manifest,
    begins: &(dyn Fn(&Descriptor) + Sync),
) -> Result<(), SourceError> {
    let folder = tempfile::tempdir()
        .map_err(|e| SourceError::io("create a folder for blobs on their way", e))?;
    let mut seen = HashSet::new();
    let blobs = manifest.layers.iter().chain([&manifest.config]);
    for blob in blobs.filter(|it| seen.insert(it.digest)) {
        begins(blob);
        let path = folder.path().join(blob.digest.hex());
        save_blob(from, blob, &path, &Room::default()).await?;
        to.put_blob(blob, Payload::File(&path)).await?;
        // An image has layers of gigabytes: one of them at a time.
        std::fs::remove_file(&path)
            .map_err(|e| SourceError::io(format!("remove {}", path.display()), e))?;
    }
    Ok(())
}
