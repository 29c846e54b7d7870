//! How a bundle gets into the store: its manifest is fetched, its signature is
//! verified, and only then is anything else of it fetched, let alone unpacked.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use aion_abi::reason::Reason;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use thiserror::Error;

use crate::{
    artifact::{
        digest::Digest,
        document::Document,
        limits::Limits,
        manifest::{self, BundleConfig, MAX_CONFIG, Manifest, ManifestError},
        name::{BundleName, MAX_NAME},
    },
    content::{
        archive::UnpackError,
        image::{admit::Wanted, error::ImageError},
        store::{CONFIG, MANIFEST, Store, StoreError, Stored, on},
        tenants,
        unpack::unpack,
        vouched::Vouched,
    },
    file::{sync_tree, write_new},
    source::{
        contract::{Source, read_blob, save_blob},
        failure::SourceError,
        transfer::evidence,
        within::Within,
    },
    trust::{refusal::Refusal, set::TrustSet, verdict::Verdict, verify::examine},
};

const FILE_MODE: u32 = 0o444;

/// What an Agent refers to: a name for people and rules, a digest for what it
/// is.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct BundleRef {
    /// The name.
    pub name: BundleName,
    /// The digest of its manifest.
    pub digest: Digest,
}

/// A bundle that was let in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Admitted {
    /// Who vouches for it.
    pub verdict: Verdict,
    /// Whether the verdict was there already.
    pub cached: bool,
    /// Where it is.
    pub bundle: Stored,
}

/// Why a bundle was not let in.
#[derive(Debug, Error)]
pub enum AdmitError {
    /// It could not be fetched.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It is not signed by whom it should be.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// What was found does not count, and a place that may have what does could not be asked.
    #[error("{why}; what was found elsewhere does not count: {refusal}")]
    Unheard {
        /// What is wrong with what was found.
        refusal: Box<Refusal>,
        /// Why the other place was not heard.
        why: SourceError,
    },
    /// It is in the store, what was kept of its signatures does not count any more, and no other was found.
    #[error("{kept}; and for another signature: {why}")]
    Lapsed {
        /// What is wrong with what was kept.
        kept: Box<Refusal>,
        /// Why there is no other.
        why: Box<AdmitError>,
    },
    /// It is not a bundle, or too large.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Its archive is harmful or broken.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// It is an image that cannot be unpacked or run.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// It is another bundle.
    #[error(
        "the bundle {digest} calls itself `{actual}`, not `{asked}`; correct the name or the digest"
    )]
    Name {
        /// The digest.
        digest: Digest,
        /// What was asked for.
        asked: BundleName,
        /// What it is called.
        actual: String,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the store has of a bundle.
#[derive(Debug)]
pub enum Recalled {
    /// All of it, and somebody vouches for it.
    Admitted(Admitted),
    /// All of it, and what was kept of its signatures does not count any more.
    Lapsed(Stored, Refusal),
    /// Not all of it, or nothing that this tenant has.
    Absent,
}

impl AdmitError {
    /// The stable name of the refusal, for `Verified=False`.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Source(e) | Self::Unheard { why: e, .. } => e.reason(),
            Self::Refused(e) => e.reason(),
            Self::Lapsed { kept, .. } => kept.reason(),
            Self::Manifest(e) => e.reason(),
            Self::Unpack(e) => e.reason(),
            Self::Image(e) => e.reason(),
            Self::Name { .. } => Reason::NameMismatch,
            Self::Store(e) => e.reason(),
        }
    }

    /// The stable name of what failed last, where a bundle whose signatures count no more is not let in by others.
    pub fn last_reason(&self) -> Reason {
        match self {
            Self::Lapsed { why, .. } => why.last_reason(),
            other => other.reason(),
        }
    }

    /// Whether the same request may succeed later with nothing changed here.
    pub fn may_pass_later(&self) -> bool {
        match self {
            Self::Lapsed { kept, why } => kept.reason().may_pass_later() || why.may_pass_later(),
            // Whatever was in the way there: nothing is decided before that place is heard.
            Self::Unheard { .. } => true,
            other => other.reason().may_pass_later(),
        }
    }

    /// The same of a bundle that is in the store, and whose signatures `kept` says do not count any more. How the look
    /// for another ended decides nothing that was decided: what is revoked stays so, whatever was in the way.
    #[must_use]
    pub fn of_lapsed(self, kept: Refusal) -> Self {
        let seen_anew =
            |found: &Refusal| kept.reason() != Reason::Revoked || found.reason() == Reason::Revoked;
        match self {
            Self::Lapsed { .. } => self,
            Self::Refused(found) if seen_anew(&found) => Self::Refused(found),
            // The store is written to once somebody vouches for it again.
            Self::Store(_) => self,
            why => Self::Lapsed {
                kept: Box::new(kept),
                why: Box::new(why),
            },
        }
    }
}

impl Store {
    /// What this tenant has in the store of `bundle`, where `trust` vouches for it: by what
    /// was verified under this revision of the trust or, under another one, by
    /// the signatures that were kept. Needs no source.
    pub async fn recall(
        &self,
        bundle: &BundleRef,
        trust: &TrustSet,
    ) -> Result<Recalled, AdmitError> {
        let (bundle, trust) = (bundle.clone(), trust.clone());
        self.blocking(move |store| store.recalled(&bundle, &trust))
            .await
    }

    fn recalled(&self, bundle: &BundleRef, trust: &TrustSet) -> Result<Recalled, AdmitError> {
        let digest = &bundle.digest;
        if trust.revoked.bundle(digest) {
            return Err(Refusal::revoked(&bundle.name, digest).into());
        }
        let here = self.get(digest);
        let Some(stored) = here.filter(|it| tenants::has(&it.root, self.tenant())) else {
            return Ok(Recalled::Absent);
        };
        check_own_name(bundle, stored.name())?;
        let cached = self.verdict(digest, &trust.revision);
        if let Some(verdict) = cached.filter(|v| trust.stands(v, &bundle.name, now())) {
            self.touch(&stored)?;
            return Ok(Recalled::Admitted(Admitted {
                verdict,
                cached: true,
                bundle: stored,
            }));
        }
        let kept = self.signatures(digest);
        match examine(&bundle.name, digest, &kept, trust, now()) {
            Ok((verdict, counted)) => {
                self.keep_signatures(&stored.root, &Vouched::new(kept, counted))?;
                self.admitted(verdict, stored).map(Recalled::Admitted)
            }
            Err(refusal) => Ok(Recalled::Lapsed(stored, refusal)),
        }
    }

    /// Lets in `bundle` from `source` if `trust` vouches for it. The source is
    /// asked only for what [`Store::recall`] does not give, and for no longer
    /// than the limits allow.
    pub async fn admit(
        &self,
        source: &dyn Source,
        bundle: &BundleRef,
        trust: &TrustSet,
        limits: &Limits,
    ) -> Result<Admitted, AdmitError> {
        let source = &Within::new(source, limits.time);
        match self.recall(bundle, trust).await? {
            Recalled::Admitted(admitted) => Ok(admitted),
            Recalled::Lapsed(stored, kept) => {
                let admitted = self.let_in(source, bundle, trust, limits, Some(stored));
                admitted.await.map_err(|why| why.of_lapsed(kept))
            }
            Recalled::Absent => self.let_in(source, bundle, trust, limits, None).await,
        }
    }

    /// By what `source` has of signatures; of the bundle itself what is not `stored`.
    async fn let_in(
        &self,
        source: &dyn Source,
        bundle: &BundleRef,
        trust: &TrustSet,
        limits: &Limits,
        stored: Option<Stored>,
    ) -> Result<Admitted, AdmitError> {
        let digest = bundle.digest;
        let is_here = stored.is_some();
        let kept = self.blocking(move |store| match is_here {
            true => Ok(store.manifest(&digest)),
            false => store.has_room(0).map(|()| None),
        });
        let bytes = match kept.await? {
            Some(bytes) => bytes,
            None => source.manifest(&digest).await?,
        };
        let document = Document::parse(&bytes, limits)?;
        let found = evidence(source, &digest, trust)
            .await
            .map_err(AdmitError::from);
        let (name, trust) = (bundle.name.clone(), trust.clone());
        let judge = move |_: &Self| found.and_then(|it| it.vouch(&name, &digest, &trust, now()));
        let (verdict, vouched) = self.blocking(judge).await?;
        if let Some(stored) = stored {
            let keep = move |store: &Self| {
                store.keep_signatures(&stored.root, &vouched)?;
                store.admitted(verdict, stored)
            };
            return self.blocking(keep).await;
        }
        let wanted = Wanted {
            bundle,
            bytes: &bytes,
            limits,
        };
        let stored = match document {
            Document::Bundle(manifest) => {
                let came = self.fetch(source, &wanted, &manifest).await?;
                let take_in = move |store: &Self| store.take_in(came, &digest, &vouched);
                self.blocking(take_in).await?
            }
            Document::Image(manifest) => {
                self.take_image(source, wanted, &manifest, vouched).await?
            }
            Document::Index(index) => {
                let manifest = Self::chosen(source, &index, limits).await?;
                self.take_image(source, wanted, &manifest, vouched).await?
            }
        };
        self.blocking(move |store| store.admitted(verdict, stored))
            .await
    }

    fn admitted(&self, verdict: Verdict, bundle: Stored) -> Result<Admitted, AdmitError> {
        self.touch(&bundle)?;
        self.keep_verdict(&verdict)?;
        Ok(Admitted {
            verdict,
            cached: false,
            bundle,
        })
    }

    /// Fetches what belongs to a bundle that somebody vouches for.
    async fn fetch(
        &self,
        source: &dyn Source,
        wanted: &Wanted<'_>,
        manifest: &Manifest,
    ) -> Result<Came, AdmitError> {
        let (program, files) = manifest.bundle_layers(wanted.limits)?;
        // Of an archive what it will hold unpacked is not known, but no less than it holds packed.
        let least = program.size + files.map_or(0, |files| 2 * files.size);
        self.blocking(move |store| store.has_room(least)).await?;
        let config_bytes = read_blob(source, &manifest.config, MAX_CONFIG).await?;
        let config = BundleConfig::parse(&config_bytes, program)?;
        check_own_name(wanted.bundle, Some(config.name.as_str()))?;

        let bytes = wanted.bytes.to_vec();
        let documents =
            move |store: &Self| store.begin(&[(MANIFEST, &bytes), (CONFIG, &config_bytes)]);
        let (workspace, folder) = self.blocking(documents).await?;
        let form = manifest::program(config.runtime).map_err(ManifestError::NotABundle)?;
        let path = folder.join(form.file);
        save_blob(source, program, &path, self.room()).await?;
        let mut packed = None;
        if let Some(files) = files {
            let path = workspace.path().join("files.tar.gz");
            save_blob(source, files, &path, self.room()).await?;
            packed = Some(path);
        }
        Ok(Came {
            workspace,
            folder,
            program: path,
            packed,
            limits: *wanted.limits,
        })
    }

    /// Begins the folder of a bundle: its documents, and no more.
    pub(crate) fn begin(
        &self,
        documents: &[(&str, &[u8])],
    ) -> Result<(TempDir, PathBuf), StoreError> {
        let workspace = self.workspace()?;
        let folder = workspace.path().join("bundle");
        fs::create_dir(&folder).map_err(on("create", &folder))?;
        for (name, content) in documents {
            let path = folder.join(name);
            write_new(&path, content, FILE_MODE).map_err(on("write", &path))?;
        }
        Ok((workspace, folder))
    }

    /// Unpacks what came, syncs the whole of it, and makes it an entry.
    fn take_in(
        &self,
        came: Came,
        digest: &Digest,
        vouched: &Vouched,
    ) -> Result<Stored, AdmitError> {
        let folder = &came.folder;
        self.keep_signatures(folder, vouched)?;
        read_only(&came.program)?;
        if let Some(packed) = &came.packed {
            let into = folder.join("files");
            fs::create_dir(&into).map_err(on("create", &into))?;
            let packed = fs::File::open(packed).map_err(on("read", packed))?;
            unpack(packed, &into, &came.limits, self.room())?;
        }
        sync_tree(folder).map_err(on("sync", folder))?;
        self.settle(folder, digest)?;
        // What else came, its archive, is not needed any more.
        drop(came.workspace);
        self.settled(digest, vouched).map_err(AdmitError::from)
    }

    /// The entry that was just made, or that was here already: with the signatures by which it was let in now.
    pub(crate) fn settled(&self, digest: &Digest, vouched: &Vouched) -> Result<Stored, StoreError> {
        let stored = self.get(digest).ok_or_else(|| {
            let vanished = std::io::Error::other("it is not there although it was just written");
            on("read", &self.entry(digest))(vanished)
        })?;
        self.keep_signatures(&stored.root, vouched)?;
        Ok(stored)
    }
}

/// A bundle that was fetched, in a folder of its own, which goes with this.
struct Came {
    workspace: TempDir,
    folder: PathBuf,
    program: PathBuf,
    packed: Option<PathBuf>,
    limits: Limits,
}

/// Whether what calls itself `own` is what is asked for; an image that calls itself nothing is.
pub(crate) fn check_own_name(bundle: &BundleRef, own: Option<&str>) -> Result<(), AdmitError> {
    match own {
        Some(own) if own != bundle.name.as_str() => Err(AdmitError::Name {
            digest: bundle.digest,
            asked: bundle.name.clone(),
            actual: own
                .chars()
                .filter(|c| !c.is_control())
                .take(MAX_NAME)
                .collect(),
        }),
        _ => Ok(()),
    }
}

fn read_only(path: &Path) -> Result<(), StoreError> {
    fs::set_permissions(path, fs::Permissions::from_mode(FILE_MODE))
        .map_err(on("make read-only", path))
}

/// When a verdict is given.
#[expect(clippy::disallowed_methods, reason = "a record's date")]
fn now() -> Timestamp {
    Timestamp::now()
}
