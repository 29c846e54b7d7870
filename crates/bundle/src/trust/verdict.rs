//! What verification found, and the cache that remembers it by digest and
//! trust revision.
//!
//! A verdict is as good as the file it is in: the folders are 0700, the files
//! are 0600, and one that another user could have written is not read.

use std::{
    fmt, fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use aion_abi::reason::Reason;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    artifact::digest::Digest,
    file::{read_bounded, write_atomically},
    recent::Recent,
};

/// The largest verdict that is read, in bytes; all that may be passed over fits in.
const MAX_VERDICT: u64 = 128 << 10;
/// The longest that is said of one signature, in bytes: it may quote what somebody
/// else wrote.
const MAX_WHY: usize = 512;
/// How many revisions a bundle's verdicts are kept for: as many as tenants with
/// a trust of their own commonly share a bundle. Beyond, all are forgotten.
const MAX_REVISIONS: usize = 64;

/// A bundle that was verified, by whom, and under which trust.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The manifest that was signed.
    pub digest: Digest,
    /// Who signed it.
    pub signer: Signer,
    /// How far they are trusted.
    pub grade: Grade,
    /// The revision of the trust it was verified under.
    pub trust_revision: String,
    /// When.
    pub verified_at: Timestamp,
    /// The signatures that did not count.
    #[serde(default)]
    pub passed_over: Vec<PassedOver>,
    /// What was required to be attested, and is.
    #[serde(default)]
    pub attested: Vec<Attested>,
}

/// A requirement that is met.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attested {
    /// What the requirement is called.
    pub requirement: String,
    /// Who attests it.
    pub signer: Signer,
    /// When what is attested was the case, if that is said.
    pub at: Option<Timestamp>,
    /// Until when it counts, if not for ever.
    pub until: Option<Timestamp>,
}

impl fmt::Display for Attested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.requirement, self.signer)?;
        match self.at {
            Some(at) => write!(f, ", of {at}"),
            None => Ok(()),
        }
    }
}

/// Who signed, by the name in the trust set and by what it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "camelCase")]
pub enum Signer {
    /// Who has a key.
    Key {
        /// The key's name.
        name: String,
        /// The digest of its SubjectPublicKeyInfo.
        fingerprint: Digest,
    },
    /// Whom an issuer knows.
    Identity {
        /// The identity's name.
        name: String,
        /// The issuer.
        issuer: String,
        /// What the signer is called there.
        subject: String,
        /// The earliest time at which the signature is shown to have been there.
        at: Timestamp,
    },
}

impl Signer {
    /// The name in the trust set.
    pub fn name(&self) -> &str {
        match self {
            Self::Key { name, .. } | Self::Identity { name, .. } => name,
        }
    }

    /// The digest of the key, of one who has a key.
    pub fn fingerprint(&self) -> Option<&Digest> {
        match self {
            Self::Key { fingerprint, .. } => Some(fingerprint),
            Self::Identity { .. } => None,
        }
    }
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { name, .. } => write!(f, "key {name}"),
            Self::Identity {
                name,
                issuer,
                subject,
                at,
            } => write!(f, "identity {name}: {subject} of {issuer}, at {at}"),
        }
    }
}

/// The reason of the condition `Verified=True`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Grade {
    /// By a key or an identity of the trust set.
    Signed,
    /// By the key of this machine, for what this machine built.
    LocalKey,
}

impl Grade {
    /// The name, in CamelCase.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signed => "Signed",
            Self::LocalKey => "LocalKey",
        }
    }
}

/// A signature that did not count.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PassedOver {
    /// The manifest the signature came in.
    pub origin: Digest,
    /// The stable name of what was wrong.
    pub reason: String,
    /// What was wrong, in words.
    pub why: String,
}

impl PassedOver {
    pub(crate) fn new(origin: Digest, reason: Reason, why: impl ToString) -> Self {
        let mut why = why.to_string();
        why.truncate(why.floor_char_boundary(MAX_WHY));
        Self {
            origin,
            reason: reason.as_str().to_owned(),
            why,
        }
    }
}

/// Verdicts in a folder: one folder for a bundle, one file for a revision.
#[derive(Debug)]
pub(crate) struct Verdicts {
    folder: PathBuf,
    recent: Recent<(Digest, String), Verdict>,
}

impl Verdicts {
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        private_folder(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        Ok(Self {
            folder,
            recent: Recent::default(),
        })
    }

    /// The verdict on `digest` under `revision`. A file that is not ours alone
    /// does not count, nor one that was moved here.
    pub(crate) fn get(&self, digest: &Digest, revision: &str) -> Option<Verdict> {
        let path = self.path(digest, revision);
        let key = (*digest, revision.to_owned());
        self.recent.read(key, &[&path], || {
            if !is_ours_alone(&path) {
                return None;
            }
            let bytes = read_bounded(&path, MAX_VERDICT).ok()??;
            let verdict: Verdict = serde_json::from_slice(&bytes).ok()?;
            (verdict.digest == *digest && verdict.trust_revision == revision).then_some(verdict)
        })
    }

    pub(crate) fn put(&self, verdict: &Verdict) -> io::Result<()> {
        let folder = self.of(&verdict.digest);
        private_folder(&folder)?;
        if fs::read_dir(&folder)?.count() >= MAX_REVISIONS {
            self.forget(&verdict.digest)?;
            private_folder(&folder)?;
        }
        let bytes = serde_json::to_vec(verdict)?;
        let path = self.path(&verdict.digest, &verdict.trust_revision);
        let written = write_atomically(&path, bytes.as_slice(), 0o600);
        self.recent.forget(|(digest, _)| *digest == verdict.digest);
        written
    }

    pub(crate) fn forget(&self, digest: &Digest) -> io::Result<()> {
        self.recent.forget(|(of, _)| of == digest);
        match fs::remove_dir_all(self.of(digest)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    fn of(&self, digest: &Digest) -> PathBuf {
        self.folder.join(digest.hex())
    }

    fn path(&self, digest: &Digest, revision: &str) -> PathBuf {
        let file = Digest::of(revision.as_bytes()).hex();
        self.of(digest).join(format!("{file}.json"))
    }
}

fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(path)
}

fn is_ours_alone(path: &Path) -> bool {
    let Ok(about) = fs::symlink_metadata(path) else {
        return false;
    };
    let ours = about.is_file()
        && about.uid() == rustix::process::geteuid().as_raw()
        && about.mode() & 0o077 == 0;
    if !ours {
        tracing::warn!(path = %path.display(), "a verdict that others can write is not read");
    }
    ours
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn verdict(revision: &str) -> Verdict {
        Verdict {
            digest: Digest::of(b"bundle"),
            signer: Signer::Key {
                name: "release".into(),
                fingerprint: Digest::of(b"key"),
            },
            grade: Grade::Signed,
            trust_revision: revision.into(),
            verified_at: Timestamp::UNIX_EPOCH,
            attested: Vec::new(),
            passed_over: vec![PassedOver::new(
                Digest::of(b"s"),
                Reason::UntrustedKey,
                "no",
            )],
        }
    }

    #[test]
    fn a_verdict_counts_for_its_digest_and_revision_only() {
        let dir = tempfile::tempdir().unwrap();
        let verdicts = Verdicts::open(dir.path().join("v")).unwrap();
        let (kept, newer) = (verdict("7"), verdict("8/../x"));
        verdicts.put(&kept).unwrap();
        assert_eq!(verdicts.get(&kept.digest, "8/../x"), None);
        verdicts.put(&newer).unwrap();
        assert_eq!(verdicts.get(&kept.digest, "7"), Some(kept.clone()));
        assert_eq!(verdicts.get(&kept.digest, "8/../x"), Some(newer));
        let other = Digest::of(b"other");
        fs::rename(verdicts.of(&kept.digest), verdicts.of(&other)).unwrap();
        assert_eq!(verdicts.get(&other, "7"), None);
        verdicts.put(&kept).unwrap();
        verdicts.forget(&kept.digest).unwrap();
        verdicts.forget(&kept.digest).unwrap();
        assert_eq!(verdicts.get(&kept.digest, "7"), None);
    }

    #[test]
    fn verdicts_of_many_revisions_do_not_pile_up() {
        let dir = tempfile::tempdir().unwrap();
        let verdicts = Verdicts::open(dir.path().join("v")).unwrap();
        for revision in 0..=MAX_REVISIONS {
            let revision = revision.to_string();
            verdicts.put(&verdict(&revision)).unwrap();
            assert!(verdicts.get(&verdict("").digest, &revision).is_some());
        }
        let folder = verdicts.of(&verdict("").digest);
        assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
    }

    #[test]
    fn a_verdict_that_others_can_write_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let verdicts = Verdicts::open(dir.path().join("v")).unwrap();
        let kept = verdict("7");
        verdicts.put(&kept).unwrap();
        let path = verdicts.path(&kept.digest, "7");
        let mode = |p: &Path| fs::metadata(p).unwrap().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(mode(&verdicts.folder), 0o700);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o620)).unwrap();
        assert_eq!(verdicts.get(&kept.digest, "7"), None);
        fs::write(&path, b"{").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(verdicts.get(&kept.digest, "7"), None);
    }
}
