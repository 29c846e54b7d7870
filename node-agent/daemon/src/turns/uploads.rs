//! Files that people hand in before a turn takes them.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
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
}

impl Uploads {
    /// Those in `root`.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
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
        let mut room = MAX_UPLOAD.min(MAX_WAITING.saturating_sub(self.expire()));
        let bound = room;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        let kept = async {
            let mut file = tokio::fs::File::create(folder.join(name)).await?;
            let mut size = 0;
            while let Some(piece) = content.next().await {
                let piece = piece.map_err(UploadError::Broken)?;
                room = room
                    .checked_sub(piece.len() as u64)
                    .ok_or(UploadError::TooLarge(bound))?;
                size += piece.len() as u64;
                file.write_all(&piece).await?;
            }
            file.sync_all().await?;
            Ok(size)
        }
        .await;
        match kept {
            Ok(size) => Ok(Upload {
                upload: id,
                name: name.to_owned(),
                size,
            }),
            Err(error) => {
                let _ = fs::remove_dir_all(self.root.join(&id));
                Err(error)
            }
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

    /// Erases what waited too long; gives the bytes that still wait.
    pub fn expire(&self) -> u64 {
        let mut waiting = 0;
        for entry in fs::read_dir(&self.root).into_iter().flatten().flatten() {
            let modified = entry.metadata().and_then(|it| it.modified());
            let age = modified.map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
            match age {
                Ok(age) if age < KEPT => waiting += size(&entry.path()),
                _ => {
                    let _ = fs::remove_dir_all(entry.path());
                }
            }
        }
        waiting
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
}
