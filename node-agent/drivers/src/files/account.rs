//! What may be written beneath a mount, and what was: bytes and entries, files and folders counted alike.
//!
//! Writes to a mount with an account come one after another, so that the count is exact however many are asked
//! for at once.

use std::{io, path::PathBuf};

use cap_std::fs::Dir;
use parking_lot::{Mutex, MutexGuard};

use super::failure::FilesError;

/// Room of a folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Room {
    /// Bytes of files.
    pub bytes: u64,
    /// Files and folders.
    pub entries: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Account {
    most: Room,
    /// Counted when it is wanted first, and again where a write went wrong.
    used: Mutex<Option<Room>>,
}

impl Account {
    /// An account of a folder with whatever is in it.
    pub fn new(most: Room) -> Self {
        Self {
            most,
            used: Mutex::default(),
        }
    }

    /// Opens it for one write beneath `dir`. Waits for the write before.
    pub(super) fn open(&self, dir: &Dir) -> io::Result<Open<'_>> {
        let mut used = self.used.lock();
        let now = match *used {
            Some(now) => now,
            None => *used.insert(counted(dir)?),
        };
        Ok(Open {
            most: self.most,
            now,
            used,
        })
    }
}

/// An account while something is written. Dropped without [`Open::settle`], what is there is counted again.
pub(super) struct Open<'a> {
    most: Room,
    now: Room,
    used: MutexGuard<'a, Option<Room>>,
}

impl Open<'_> {
    /// Takes room for what is to be written in the place of `less`.
    pub(super) fn take(&mut self, more: Room, less: Room, place: &str) -> Result<(), FilesError> {
        let then = Room {
            bytes: (self.now.bytes + more.bytes).saturating_sub(less.bytes),
            entries: (self.now.entries + more.entries).saturating_sub(less.entries),
        };
        if then.bytes > self.most.bytes && then.bytes > self.now.bytes {
            return Err(FilesError::NoAllowance(format!(
                "with {place} the mount would hold {} bytes, and may hold {}",
                then.bytes, self.most.bytes
            )));
        }
        if then.entries > self.most.entries && then.entries > self.now.entries {
            return Err(FilesError::NoAllowance(format!(
                "with {place} the mount would hold more than {} files and folders",
                self.most.entries
            )));
        }
        self.now = then;
        // Should the write break off, nobody knows what is there.
        *self.used = None;
        Ok(())
    }

    /// What was taken is written.
    pub(super) fn settle(mut self) {
        *self.used = Some(self.now);
    }
}

/// What is beneath a folder; links are not followed.
fn counted(dir: &Dir) -> io::Result<Room> {
    let mut room = Room::default();
    let mut folders = vec![PathBuf::from(".")];
    while let Some(folder) = folders.pop() {
        for entry in dir.open_dir(&folder)?.entries()? {
            let entry = entry?;
            let about = entry.metadata()?;
            room.entries += 1;
            if about.is_dir() {
                folders.push(folder.join(entry.file_name()));
            } else {
                room.bytes += about.len();
            }
        }
    }
    Ok(room)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{fs, sync::Arc};

    use aion_abi::syscall::fs::{WriteMode, WriteRequest};
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::{
        super::{FilesDriver, FolderFiles, Mount, MountTable, Origin},
        *,
    };
    use crate::reserve::Reserve;

    struct Lab {
        folder: tempfile::TempDir,
        driver: FolderFiles,
    }

    impl Lab {
        fn new() -> Self {
            Self {
                folder: tempfile::tempdir().unwrap(),
                driver: FolderFiles::new([]),
            }
        }

        fn mounts(&self, bytes: u64, entries: u64) -> MountTable {
            let mount = Mount {
                folder: self.folder.path().to_owned(),
                writable: true,
                origin: Origin::Turn,
                account: Some(Arc::new(Account::new(Room { bytes, entries }))),
            };
            MountTable::new().with("output", mount)
        }

        async fn write(
            &self,
            mounts: &MountTable,
            path: &str,
            size: usize,
            mode: WriteMode,
        ) -> bool {
            let request = WriteRequest {
                mount: "output".into(),
                path: path.into(),
                data: STANDARD.encode(vec![b'x'; size]),
                mode,
            };
            match self.driver.write(mounts, request).await {
                Ok(_) => true,
                Err(problem) => {
                    assert_eq!(problem.code, aion_abi::code::Code::TooLarge, "{problem}");
                    false
                }
            }
        }

        /// Bytes and entries that are really there.
        fn there(&self) -> Room {
            let dir = Dir::open_ambient_dir(self.folder.path(), cap_std::ambient_authority());
            counted(&dir.unwrap()).unwrap()
        }
    }

    #[tokio::test]
    async fn a_mount_takes_no_more_bytes_than_it_may() {
        let lab = Lab::new();
        let mounts = lab.mounts(100, 10);
        assert!(lab.write(&mounts, "a", 60, WriteMode::CreateNew).await);
        assert!(!lab.write(&mounts, "b", 41, WriteMode::CreateNew).await);
        assert!(lab.write(&mounts, "a", 20, WriteMode::Append).await);
        assert!(!lab.write(&mounts, "a", 21, WriteMode::Append).await);
        assert!(!lab.write(&mounts, "a", 101, WriteMode::Replace).await);
        // What is replaced gives its room back.
        assert!(lab.write(&mounts, "a", 100, WriteMode::Replace).await);
        assert!(lab.write(&mounts, "a", 1, WriteMode::Replace).await);
        assert!(lab.write(&mounts, "b", 99, WriteMode::Replace).await);
        assert_eq!(
            lab.there(),
            Room {
                bytes: 100,
                entries: 2
            }
        );
    }

    #[tokio::test]
    async fn a_mount_takes_no_more_files_and_folders_than_it_may() {
        let lab = Lab::new();
        let mounts = lab.mounts(100, 4);
        assert!(lab.write(&mounts, "a/b/c", 0, WriteMode::Replace).await);
        assert!(!lab.write(&mounts, "d/e", 0, WriteMode::Append).await);
        assert!(
            lab.write(&mounts, "a/f", 0, WriteMode::CreateNew).await || lab.there().entries == 4
        );
        assert!(!lab.write(&mounts, "g", 0, WriteMode::CreateNew).await);
        assert!(lab.write(&mounts, "a/b/c", 5, WriteMode::Append).await);
        assert!(lab.there().entries <= 4);
    }

    #[tokio::test]
    async fn writes_at_once_share_the_room_and_a_later_account_knows_it() {
        let lab = Lab::new();
        let mounts = lab.mounts(1_000, 100);
        let all = (0..40).map(|n| {
            let (lab, mounts) = (&lab, &mounts);
            async move {
                lab.write(mounts, &format!("f{}", n % 25), 100, WriteMode::Append)
                    .await
            }
        });
        let written = futures::future::join_all(all).await;
        assert_eq!(written.iter().filter(|it| **it).count(), 10);
        assert_eq!(lab.there().bytes, 1_000);
        let again = lab.mounts(1_000, 100);
        assert!(!lab.write(&again, "another", 1, WriteMode::CreateNew).await);
    }

    #[tokio::test]
    async fn a_write_that_fails_takes_no_room() {
        let lab = Lab::new();
        let mounts = lab.mounts(100, 10);
        fs::create_dir(lab.folder.path().join("folder")).unwrap();
        let request = WriteRequest {
            mount: "output".into(),
            path: "folder".into(),
            data: STANDARD.encode([0; 90]),
            mode: WriteMode::Replace,
        };
        lab.driver.write(&mounts, request).await.unwrap_err();
        assert!(lab.write(&mounts, "a", 100, WriteMode::Replace).await);
    }

    #[tokio::test]
    async fn what_is_kept_of_the_states_disk_is_not_written_to() {
        let lab = Lab::new();
        let full = Reserve::new(lab.folder.path(), u64::MAX);
        let driver = FolderFiles::new([]).with_reserve(full);
        let request = WriteRequest {
            mount: "output".into(),
            path: "a/b".into(),
            data: String::new(),
            mode: WriteMode::Append,
        };
        let refused = driver.write(&lab.mounts(100, 10), request).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.code, aion_abi::code::Code::StorageFull);
        assert!(
            refused.detail.contains("kept for the node's journal"),
            "{refused:?}"
        );
        assert_eq!(lab.there(), Room::default());
    }
}
