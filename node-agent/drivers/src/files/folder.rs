//! The real driver: folders of this machine.

use std::{
    fs, io,
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
};

use aion_abi::{
    problem::Problem,
    syscall::fs::{
        ListRequest, ListResponse, ReadRequest, ReadResponse, WriteRequest, WriteResponse,
    },
};
use cap_std::{ambient_authority, fs::Dir};
use futures::future::BoxFuture;

use super::{
    Account, FilesDriver, Mount, MountError, MountTable, Origin,
    failure::FilesError,
    list,
    mounts::Reserved,
    read,
    write::{self, Writer},
};
use crate::{blocking::Lanes, reserve::Reserve};

/// Calls at a time on one mapped folder; a folder that does not answer holds up no more threads.
const CALLS_PER_FOLDER: usize = 16;

/// Files of this machine, beneath the folders that mounts are mapped to.
pub struct FolderFiles {
    reserved: Arc<Reserved>,
    reserve: Option<Reserve>,
    writer: Arc<Writer>,
    lanes: Lanes<PathBuf>,
}

impl FolderFiles {
    /// `reserved`: AION-OS's home and whatever else of its state lies elsewhere.
    pub fn new(reserved: impl IntoIterator<Item = PathBuf>) -> Self {
        Self {
            reserved: Arc::new(Reserved::new(reserved)),
            reserve: None,
            writer: Arc::default(),
            lanes: Lanes::new(CALLS_PER_FOLDER),
        }
    }

    /// Leaves free what is kept of the state's disk, wherever a mount is on it.
    #[must_use]
    pub fn with_reserve(self, reserve: Reserve) -> Self {
        Self {
            reserve: Some(reserve),
            ..self
        }
    }

    /// Checks a folder before it is mapped; answers its path without links. Blocks on the disk.
    ///
    /// # Errors
    /// [`MountError`], which says what to do.
    pub fn check_mapping(&self, folder: &Path, writable: bool) -> Result<PathBuf, MountError> {
        self.reserved.check(folder, writable)
    }

    /// Opens the folder of a mount, checked as for every call on it, for a process that is shown all of it.
    ///
    /// # Errors
    /// As a call on it.
    pub async fn open_folder(&self, mounts: &MountTable, name: &str) -> Result<OwnedFd, Problem> {
        self.on(mounts, name, |mounted| {
            let dir = mounted.dir.try_clone();
            let dir = dir.map_err(|error| FilesError::from_io(&mounted.name, error))?;
            Ok(dir.into_std_file().into())
        })
        .await
    }

    async fn on<T, F>(&self, mounts: &MountTable, name: &str, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&Mounted) -> Result<T, FilesError> + Send + 'static,
    {
        let mount = mounts
            .get(name)
            .cloned()
            .ok_or_else(|| FilesError::UnknownMount(name.to_owned()))?;
        let (name, reserved) = (name.to_owned(), self.reserved.clone());
        let lane = mount.folder.clone();
        let done = self
            .lanes
            .run(&lane, move || work(&Mounted::open(name, mount, &reserved)?))
            .await?;
        done.map_err(|error| {
            if matches!(error, FilesError::Io { .. } | FilesError::OwnState(_)) {
                tracing::warn!(%error, "a file syscall failed");
            }
            error.into()
        })
    }
}

/// A mount that is open.
pub(super) struct Mounted {
    pub(super) name: String,
    pub(super) writable: bool,
    pub(super) dir: Dir,
    pub(super) account: Option<Arc<Account>>,
}

impl Mounted {
    fn open(name: String, mount: Mount, reserved: &Reserved) -> Result<Self, FilesError> {
        let gone = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                FilesError::MountGone(name.clone())
            }
            _ => FilesError::from_io(&name, error),
        };
        let dir = Dir::open_ambient_dir(&mount.folder, ambient_authority()).map_err(gone)?;
        if mount.origin == Origin::Mapped {
            // Asked of the handle, not of the path: what the path leads to may change after the check.
            let real = fs::read_link(format!("/proc/self/fd/{}", dir.as_raw_fd())).map_err(gone)?;
            if reserved.touched_by(&real).is_some() {
                return Err(FilesError::OwnState(name));
            }
        }
        Ok(Self {
            name,
            writable: mount.writable,
            dir,
            account: mount.account,
        })
    }

    /// `mount/path`, for messages.
    pub(super) fn place(&self, path: &str) -> String {
        if path.is_empty() {
            self.name.clone()
        } else {
            format!("{}/{path}", self.name)
        }
    }
}

impl FilesDriver for FolderFiles {
    fn read<'a>(
        &'a self,
        mounts: &'a MountTable,
        request: ReadRequest,
    ) -> BoxFuture<'a, Result<ReadResponse, Problem>> {
        Box::pin(async move {
            let asked = read::Asked::check(&request)?;
            self.on(mounts, &request.mount, move |mounted| {
                read::read(mounted, &asked)
            })
            .await
        })
    }

    fn write<'a>(
        &'a self,
        mounts: &'a MountTable,
        request: WriteRequest,
    ) -> BoxFuture<'a, Result<WriteResponse, Problem>> {
        Box::pin(async move {
            let asked = write::Asked::check(&request)?;
            let (writer, reserve) = (self.writer.clone(), self.reserve.clone());
            self.on(mounts, &request.mount, move |mounted| {
                writer.write(mounted, &asked, reserve.as_ref())
            })
            .await
        })
    }

    fn list<'a>(
        &'a self,
        mounts: &'a MountTable,
        request: ListRequest,
    ) -> BoxFuture<'a, Result<ListResponse, Problem>> {
        Box::pin(async move {
            let asked = list::Asked::check(&request)?;
            self.on(mounts, &request.mount, move |mounted| {
                list::list(mounted, &asked)
            })
            .await
        })
    }
}
