//! Files that people hand in: coming in, waiting for a turn, and taken by one until that has ended.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use aion_abi::admin::Upload;
use aion_drivers::reserve::Reserve;
use aion_kernel::TurnId;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use super::held::{Full, Held, Stage};

/// The largest upload, in bytes.
const MAX_UPLOAD: u64 = 1 << 30;
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
    /// All that wait, come in and are in use are more than they may be together.
    #[error("{0}")]
    NoRoom(#[from] Full),
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

/// Uploads, in a folder: `<id>/<agent's digest>/<name>`. Clones share it.
#[derive(Debug, Clone)]
pub struct Uploads {
    root: PathBuf,
    reserve: Reserve,
    held: Arc<Mutex<Held>>,
}

/// An upload that is coming in. Given up, also by a caller that went away, it leaves nothing.
struct Coming<'a> {
    uploads: &'a Uploads,
    id: &'a str,
    whole: bool,
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        match self.whole {
            true => self.uploads.held.lock().wait(self.id, Instant::now()),
            false => self.uploads.remove(self.id),
        }
    }
}

impl Uploads {
    /// Those in `root`, which wait from now on: what came in before is given an hour again.
    ///
    /// # Errors
    /// Where the folder cannot be listed. What cannot be read in it stays, and is said.
    pub fn open(root: PathBuf, reserve: Reserve) -> io::Result<Self> {
        let mut held = Held::default();
        for entry in fs::read_dir(&root)? {
            let path = entry?.path();
            match waiting(&path) {
                Ok((id, agent, bytes)) => held.found(id, agent, bytes, Instant::now()),
                Err(error) => {
                    tracing::error!(upload = %path.display(), %error, "an upload is left as it is: it cannot be read");
                }
            }
        }
        Ok(Self {
            root,
            reserve,
            held: Arc::new(Mutex::new(held)),
        })
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
        let mut coming = self.begin(&id, agent)?;
        crate::files::private_folder(&folder)?;
        let mut file = tokio::fs::File::create(folder.join(name)).await?;
        let mut size = 0;
        while let Some(piece) = content.next().await {
            let piece = piece.map_err(UploadError::Broken)?;
            size += piece.len() as u64;
            if size > MAX_UPLOAD {
                return Err(UploadError::TooLarge(MAX_UPLOAD));
            }
            self.held.lock().charge(&id, piece.len() as u64)?;
            self.reserve.check(piece.len() as u64)?;
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

    fn begin<'a>(&'a self, id: &'a str, agent: &str) -> Result<Coming<'a>, Full> {
        self.held.lock().come(id, &key(agent))?;
        Ok(Coming {
            uploads: self,
            id,
            whole: false,
        })
    }

    /// The files behind the ids, checked: name and path.
    ///
    /// # Errors
    /// [`UploadError::Unknown`], [`UploadError::Twice`].
    pub fn find(&self, agent: &str, ids: &[String]) -> Result<Vec<(String, PathBuf)>, UploadError> {
        let mut found: Vec<(String, PathBuf)> = Vec::new();
        for id in ids {
            let unknown = || UploadError::Unknown(id.chars().take(64).collect());
            if !self.held.lock().waits(id, &key(agent)) {
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

    /// Those of them that wait for a turn of `agent` do not expire: they are left where nobody wants them any more.
    pub(crate) fn keep(&self, agent: &str, ids: &[String]) {
        let (mut held, key) = (self.held.lock(), key(agent));
        ids.iter().for_each(|id| held.keep(id, &key));
    }

    /// Erases those of them that wait for a turn of `agent`.
    pub(crate) fn leave(&self, agent: &str, ids: &[String]) {
        for id in ids {
            // Its lock is not held while it is removed.
            let waits = self.held.lock().waits(id, &key(agent));
            if waits {
                self.remove(id);
            }
        }
    }

    /// A turn took these: they are its input now, and count until it has ended.
    pub fn taken(&self, turn: TurnId, ids: &[String]) {
        for id in ids {
            self.held.lock().take(id, turn);
            let _ = fs::remove_dir_all(self.root.join(id));
        }
    }

    /// A turn that has not ended took what is in `input`, before the daemon started.
    pub(super) fn taken_before(&self, turn: TurnId, agent: &str, input: &Path) {
        let mut held = self.held.lock();
        for (number, file) in fs::read_dir(input)
            .into_iter()
            .flatten()
            .flatten()
            .enumerate()
        {
            let bytes = file.metadata().map_or(0, |it| it.len());
            let id = format!("{turn}.{number}");
            held.found(id.clone(), key(agent), bytes, Instant::now());
            held.take(&id, turn);
        }
    }

    /// A turn has ended: what it took counts with what is kept of it.
    pub(super) fn ended(&self, turn: TurnId) {
        self.held.lock().ended(turn);
    }

    /// Erases what waited too long.
    pub fn expire(&self) {
        self.expire_older(KEPT);
    }

    pub(crate) fn expire_older(&self, age: Duration) {
        let waiting = |stage: &Stage, _: &str| match stage {
            Stage::Waiting(since) => since.elapsed() >= age,
            Stage::Coming | Stage::Kept | Stage::Taken(_) => false,
        };
        let old = self.held.lock().which(waiting);
        for id in old {
            self.remove(&id);
        }
    }

    /// Erases what waits for a turn of an agent that is gone.
    ///
    /// # Errors
    /// Where something of it stays.
    pub fn erase(&self, agent: &str) -> io::Result<()> {
        let key = key(agent);
        let theirs = |stage: &Stage, agent: &str| agent == key && !matches!(stage, Stage::Taken(_));
        let theirs = self.held.lock().which(theirs);
        for id in theirs {
            removed(&self.root.join(&id))?;
            self.held.lock().forget(&id);
        }
        Ok(())
    }

    /// What cannot be removed goes on counting.
    fn remove(&self, id: &str) {
        match removed(&self.root.join(id)) {
            Ok(()) => self.held.lock().forget(id),
            Err(error) => tracing::warn!(upload = id, %error, "an upload stays behind"),
        }
    }

    fn folder(&self, id: &str, agent: &str) -> PathBuf {
        self.root.join(id).join(key(agent))
    }
}

/// An agent as its folder is called.
fn key(agent: &str) -> String {
    let digest = aion_abi::canonical::body_digest(agent.as_bytes());
    hex::encode(&digest[..8])
}

fn removed(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// An upload that an earlier daemon left: its id, its agent's key, its bytes. One that was not made to its end
/// is nobody's, and ages out like the others.
fn waiting(folder: &Path) -> io::Result<(String, String, u64)> {
    let text =
        |name: Option<&std::ffi::OsStr>| name.unwrap_or_default().to_string_lossy().into_owned();
    let id = text(folder.file_name());
    let mut agent = String::new();
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        agent = text(Some(&entry.file_name()));
        for file in fs::read_dir(entry.path())? {
            bytes += file?.metadata()?.len();
        }
    }
    Ok((id, agent, bytes))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use futures::stream;

    use super::*;

    fn open(root: &Path) -> Uploads {
        Uploads::open(root.to_owned(), Reserve::new(root, 0)).unwrap()
    }

    fn pieces(text: &'static str) -> impl Stream<Item = Result<Bytes, String>> + Unpin {
        stream::iter([Ok(Bytes::from_static(text.as_bytes()))])
    }

    #[tokio::test]
    async fn an_upload_is_found_by_its_own_agent_only() {
        let dir = tempfile::tempdir().unwrap();
        let uploads = open(dir.path());
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
        uploads.taken(TurnId(1), &ids);
        assert!(uploads.find("home/a", &ids).is_err());
    }

    #[tokio::test]
    async fn a_name_that_leads_elsewhere_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let uploads = open(dir.path());
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
        let uploads = open(dir.path());
        let broken = stream::iter([Ok(Bytes::from_static(b"x")), Err("gone".to_owned())]);
        assert!(uploads.take("home/a", "x", broken).await.is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn uploads_that_come_in_at_once_share_one_bound() {
        let dir = tempfile::tempdir().unwrap();
        let uploads = open(dir.path());
        let ids: Vec<_> = (0..10_000).map(|n| format!("{n:032x}")).collect();
        let begun = ids.iter().map_while(|id| uploads.begin(id, "home/a").ok());
        let mut coming: Vec<_> = begun.collect();
        assert!(coming.len() < ids.len(), "there is no bound");
        let refused = uploads.take("home/a", "x", pieces("x")).await;
        assert!(matches!(refused, Err(UploadError::NoRoom(_))));
        uploads.take("home/b", "x", pieces("x")).await.unwrap();
        // One that is whole still takes its room; one that broke off gives it back.
        coming[0].whole = true;
        coming.remove(0);
        assert!(uploads.take("home/a", "x", pieces("x")).await.is_err());
        coming.remove(0);
        uploads.take("home/a", "x", pieces("x")).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_still_coming_in_does_not_expire() {
        let dir = tempfile::tempdir().unwrap();
        let uploads = open(dir.path());
        let coming = uploads.begin("coming", "home/a").unwrap();
        fs::create_dir(dir.path().join("coming")).unwrap();
        let left = uploads.take("home/a", "x", pieces("x")).await.unwrap();
        uploads.expire();
        assert!(dir.path().join(&left.upload).exists());
        uploads.expire_older(Duration::ZERO);
        assert!(dir.path().join("coming").exists());
        assert!(!dir.path().join(&left.upload).exists());
        assert!(uploads.find("home/a", &[left.upload]).is_err());
        drop(coming);
        assert!(!dir.path().join("coming").exists(), "it broke off");
    }

    #[tokio::test]
    async fn what_a_trigger_waits_with_does_not_expire_until_it_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let uploads = open(dir.path());
        let upload = uploads.take("home/a", "x", pieces("x")).await.unwrap();
        let ids = [upload.upload];
        uploads.keep("home/a", &ids);
        uploads.expire_older(Duration::ZERO);
        assert_eq!(uploads.find("home/a", &ids).unwrap().len(), 1);
        uploads.leave("home/a", &ids);
        assert!(uploads.find("home/a", &ids).is_err());
    }

    #[tokio::test]
    async fn a_later_daemon_finds_what_waits_and_leaves_what_it_cannot_read() {
        let dir = tempfile::tempdir().unwrap();
        let upload = open(dir.path()).take("home/a", "x", pieces("1,2")).await;
        let upload = upload.unwrap();
        fs::write(dir.path().join("no-upload"), "").unwrap();
        // However old it is by a clock that may have been wrong.
        let folder = fs::File::open(dir.path().join(&upload.upload)).unwrap();
        folder.set_modified(std::time::UNIX_EPOCH).unwrap();
        let uploads = open(dir.path());
        uploads.expire();
        assert!(dir.path().join("no-upload").exists());
        let ids = [upload.upload];
        assert_eq!(uploads.find("home/a", &ids).unwrap().len(), 1);
        assert!(uploads.find("home/b", &ids).is_err());
        uploads.erase("home/a").unwrap();
        assert!(uploads.find("home/a", &ids).is_err());
    }

    #[tokio::test]
    async fn on_a_disk_whose_rest_is_kept_nothing_comes_in() {
        let dir = tempfile::tempdir().unwrap();
        let full = Reserve::new(dir.path(), u64::MAX);
        let uploads = Uploads::open(dir.path().to_owned(), full).unwrap();
        match uploads.take("home/a", "x", pieces("x")).await {
            Err(UploadError::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::StorageFull),
            other => panic!("{other:?}"),
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
