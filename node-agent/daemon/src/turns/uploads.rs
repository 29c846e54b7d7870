//! Files that people hand in before a turn takes them.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use aion_abi::admin::Upload;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

/// The largest upload, in bytes.
const MAX_UPLOAD: u64 = 1 << 30;
/// All uploads that wait, together.
const MAX_WAITING: u64 = 4 << 30;
/// How long an upload waits for its turn.
const KEPT: Duration = Duration::from_secs(3600);
/// The longest name of a file, in bytes.
const MAX_NAME: usize = 200;

/// Why an upload was not taken.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The name is not one of a file.
    #[error(
        "{0:?} is not the name of a file: 1 to {MAX_NAME} bytes, without / and control characters, not beginning with a dot"
    )]
    Name(String),
    /// It is larger than it may be.
    #[error("the upload is larger than {0} bytes, the most that is taken")]
    TooLarge(u64),
    /// All that wait and come in are larger than they may be together.
    #[error(
        "the uploads that wait for their turns fill the {MAX_WAITING} bytes that there are for them"
    )]
    NoRoom,
    /// No such upload, or another agent's.
    #[error(
        "there is no upload {0} of this agent: it was taken by a turn, or erased an hour after it came"
    )]
    Unknown(String),
    /// Two uploads of one turn have one name.
    #[error("two uploads of the turn are called {0}")]
    Twice(String),
    /// It broke off.
    #[error("the upload broke off: {0}")]
    Broken(String),
    /// The disk.
    #[error("the upload cannot be kept: {0}")]
    Io(#[from] io::Error),
}

/// Uploads that wait, in a folder: `<id>/<agent's digest>/<name>`. Clones share it.
#[derive(Debug, Clone)]
pub struct Uploads {
    root: PathBuf,
    held: Arc<Mutex<Held>>,
}

/// What all uploads hold together.
#[derive(Debug, Default)]
struct Held {
    /// Bytes of those that wait, counted anew whenever one begins to come in.
    waiting: u64,
    /// Those that are coming in, with the bytes that each has so far.
    coming: HashMap<String, u64>,
    /// When this run saw each that waits for the first time. The wall clock, which may be set meanwhile, does not count.
    seen: HashMap<OsString, Instant>,
}

impl Held {
    /// Takes so many bytes more for an upload, if they fit beside everything else.
    fn charge(&mut self, id: &str, bytes: u64) -> Result<(), UploadError> {
        let all = self.waiting + self.coming.values().sum::<u64>();
        let own = self.coming.entry(id.to_owned()).or_default();
        if *own + bytes > MAX_UPLOAD {
            return Err(UploadError::TooLarge(MAX_UPLOAD));
        }
        if all + bytes > MAX_WAITING {
            return Err(UploadError::NoRoom);
        }
        *own += bytes;
        Ok(())
    }
}

/// An upload that is coming in. Given up, also by a caller that went away, it leaves nothing.
struct Coming<'a> {
    uploads: &'a Uploads,
    id: &'a str,
    whole: bool,
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        if !self.whole {
            let _ = fs::remove_dir_all(self.uploads.root.join(self.id));
        }
        let mut held = self.uploads.held();
        let bytes = held.coming.remove(self.id).unwrap_or_default();
        if self.whole {
            held.waiting += bytes;
        }
    }
}

impl Uploads {
    /// Those in `root`.
    pub fn new(root: PathBuf) -> Self {
        Self {
            root,
            held: Arc::default(),
        }
    }

    /// Takes a file in for a turn of `agent`.
    ///
    /// # Errors
    /// [`UploadError`]; nothing of it is kept then.
    pub async fn take(
        &self,
        agent: &str,
        name: &str,
        mut content: impl Stream<Item = Result<Bytes, String>> + Unpin,
    ) -> Result<Upload, UploadError> {
        check_name(name)?;
        let id = Uuid::new_v4().simple().to_string();
        let folder = self.folder(&id, agent);
        let mut coming = self.begin(&id);
        crate::files::private_folder(&folder)?;
        let mut file = tokio::fs::File::create(folder.join(name)).await?;
        let mut size = 0;
        while let Some(piece) = content.next().await {
            let piece = piece.map_err(UploadError::Broken)?;
            self.held().charge(&id, piece.len() as u64)?;
            size += piece.len() as u64;
            file.write_all(&piece).await?;
        }
        file.sync_all().await?;
        coming.whole = true;
        drop(coming);
        Ok(Upload {
            upload: id,
            name: name.to_owned(),
            size,
        })
    }

    fn begin<'a>(&'a self, id: &'a str) -> Coming<'a> {
        let mut held = self.held();
        self.sweep(&mut held, Instant::now());
        held.coming.insert(id.to_owned(), 0);
        Coming {
            uploads: self,
            id,
            whole: false,
        }
    }

    /// The files behind the ids, checked: name and path.
    ///
    /// # Errors
    /// [`UploadError::Unknown`], [`UploadError::Twice`].
    pub fn find(&self, agent: &str, ids: &[String]) -> Result<Vec<(String, PathBuf)>, UploadError> {
        let mut found: Vec<(String, PathBuf)> = Vec::new();
        for id in ids {
            let unknown = || UploadError::Unknown(id.clone());
            if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(unknown());
            }
            let folder = self.folder(id, agent);
            let entry = fs::read_dir(&folder)
                .map_err(|_| unknown())?
                .next()
                .ok_or_else(unknown)??;
            let name = entry.file_name().into_string().map_err(|_| unknown())?;
            if found.iter().any(|(other, _)| *other == name) {
                return Err(UploadError::Twice(name));
            }
            found.push((name, entry.path()));
        }
        Ok(found)
    }

    /// A turn took these.
    pub fn taken(&self, ids: &[String]) {
        for id in ids {
            let _ = fs::remove_dir_all(self.root.join(id));
        }
    }

    /// Erases what waited too long.
    pub fn expire(&self) {
        self.sweep(&mut self.held(), Instant::now());
    }

    /// Erases what waits for a turn of an agent that is gone.
    ///
    /// # Errors
    /// Where something of it stays.
    pub fn erase(&self, agent: &str) -> io::Result<()> {
        for entry in fs::read_dir(&self.root)? {
            let id = entry?.file_name().to_string_lossy().into_owned();
            if self.folder(&id, agent).exists() {
                fs::remove_dir_all(self.root.join(id))?;
            }
        }
        Ok(())
    }

    /// Erases what waited too long, but for what is still coming in; counts the bytes that wait.
    fn sweep(&self, held: &mut Held, now: Instant) {
        let (mut waiting, mut seen) = (0, HashMap::new());
        for entry in fs::read_dir(&self.root).into_iter().flatten().flatten() {
            let id = entry.file_name();
            if id.to_str().is_some_and(|id| held.coming.contains_key(id)) {
                continue;
            }
            let since = held.seen.get(&id).copied().unwrap_or(now);
            if now - since < KEPT {
                waiting += size(&entry.path());
                seen.insert(id, since);
            } else {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        (held.waiting, held.seen) = (waiting, seen);
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn folder(&self, id: &str, agent: &str) -> PathBuf {
        let digest = aion_abi::canonical::body_digest(agent.as_bytes());
        self.root.join(id).join(hex::encode(&digest[..8]))
    }
}

fn check_name(name: &str) -> Result<(), UploadError> {
    let fits = (1..=MAX_NAME).contains(&name.len())
        && !name.starts_with('.')
        && !name.contains('/')
        && !name.chars().any(char::is_control);
    match fits {
        true => Ok(()),
        false => Err(UploadError::Name(name.chars().take(100).collect())),
    }
}

fn size(folder: &Path) -> u64 {
    let mut size = 0;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        size += match entry.metadata() {
            Ok(it) if it.is_dir() => self::size(&entry.path()),
            Ok(it) => it.len(),
            Err(_) => 0,
        };
    }
    size
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures::stream;

    use super::*;

    fn pieces(text: &'static str) -> impl Stream<Item = Result<Bytes, String>> + Unpin {
        stream::iter([Ok(Bytes::from_static(text.as_bytes()))])
    }

    #[tokio::test]
    async fn an_upload_is_found_by_its_own_agent_only() {
        let dir = tempfile::tempdir().unwrap();
        let uploads = Uploads::new(dir.path().to_owned());
        let upload = uploads
            .take("home/a", "x.csv", pieces("1,2"))
            .await
            .unwrap();
        assert_eq!(upload.size, 3);
        let ids = [upload.upload];
        let found = uploads.find("home/a", &ids).unwrap();
        assert_eq!(found[0].0, "x.csv");
        assert_eq!(fs::read_to_string(&found[0].1).unwrap(), "1,2");
        assert!(matches!(
            uploads.find("home/b", &ids),
            Err(UploadError::Unknown(_))
        ));
        assert!(matches!(
            uploads.find("home/a", &["../../etc".to_owned()]),
            Err(UploadError::Unknown(_))
        ));
        uploads.taken(&ids);
        assert!(uploads.find("home/a", &ids).is_err());
    }

    #[tokio::test]
    async fn a_name_that_leads_elsewhere_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let uploads = Uploads::new(dir.path().to_owned());
        for name in ["", "..", ".hidden", "a/b", "a\nb", &"x".repeat(300)] {
            assert!(
                matches!(
                    uploads.take("home/a", name, pieces("x")).await,
                    Err(UploadError::Name(_))
                ),
                "{name:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_broken_upload_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let uploads = Uploads::new(dir.path().to_owned());
        let broken = stream::iter([Ok(Bytes::from_static(b"x")), Err("gone".to_owned())]);
        assert!(uploads.take("home/a", "x", broken).await.is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn uploads_that_come_in_at_once_share_one_bound() {
        let dir = tempfile::tempdir().unwrap();
        let uploads = Uploads::new(dir.path().to_owned());
        let ids: Vec<_> = (0..5).map(|n| format!("{n:032x}")).collect();
        let mut coming: Vec<_> = ids.iter().map(|id| uploads.begin(id)).collect();
        for id in &ids[..4] {
            uploads.held().charge(id, MAX_UPLOAD).unwrap();
            let more = uploads.held().charge(id, 1);
            assert!(matches!(more, Err(UploadError::TooLarge(_))));
        }
        let full = || matches!(uploads.held().charge(&ids[4], 1), Err(UploadError::NoRoom));
        assert!(full());
        // One that is whole still takes its room; one that broke off gives it back.
        coming[0].whole = true;
        coming.remove(0);
        assert!(full());
        coming.remove(0);
        uploads.held().charge(&ids[4], MAX_UPLOAD).unwrap();
    }

    #[test]
    fn what_is_still_coming_in_does_not_expire() {
        let dir = tempfile::tempdir().unwrap();
        let uploads = Uploads::new(dir.path().to_owned());
        let coming = uploads.begin("coming");
        for id in ["coming", "left"] {
            fs::create_dir(dir.path().join(id)).unwrap();
            let folder = fs::File::open(dir.path().join(id)).unwrap();
            folder.set_modified(std::time::UNIX_EPOCH).unwrap();
        }
        uploads.expire();
        assert!(
            dir.path().join("left").exists(),
            "its date counts for nothing"
        );
        let begin = uploads.held().seen["left".as_ref() as &std::ffi::OsStr];
        uploads.sweep(&mut uploads.held(), begin + KEPT);
        assert!(dir.path().join("coming").exists());
        assert!(!dir.path().join("left").exists());
        drop(coming);
        assert!(!dir.path().join("coming").exists(), "it broke off");
    }
}
