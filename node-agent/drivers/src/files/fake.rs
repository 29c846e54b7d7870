//! Files in memory, for tests of what calls the driver. Knows paths and modes, no links and no disk.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use aion_abi::{
    code::Code,
    date::UnixMillis,
    problem::Problem,
    syscall::fs::{
        Entry, EntryKind, ListRequest, ListResponse, ReadRequest, ReadResponse, WriteMode,
        WriteRequest, WriteResponse,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures::future::{BoxFuture, ready};
use parking_lot::Mutex;

use super::{FilesDriver, MountTable, failure::FilesError, path::RelativePath};

/// Files by `(mount, path)`.
#[derive(Default)]
pub struct FakeFiles(Mutex<BTreeMap<(String, String), Vec<u8>>>);

impl FakeFiles {
    /// With one more file.
    pub fn holding(self, mount: &str, path: &str, text: &str) -> Self {
        self.0
            .lock()
            .insert((mount.into(), path.into()), text.into());
        self
    }

    fn read_now(
        &self,
        mounts: &MountTable,
        request: &ReadRequest,
    ) -> Result<ReadResponse, Problem> {
        super::read::Asked::check(request)?;
        known(mounts, &request.mount)?;
        let held = self.0.lock();
        let key = (request.mount.clone(), request.path.clone());
        let place = format!("{}/{}", request.mount, request.path);
        if is_folder(&held, &key) {
            return Err(FilesError::IsFolder(place).into());
        }
        let bytes = held.get(&key).ok_or(FilesError::Missing(place.clone()))?;
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let version = format!("{:x}", hasher.finish());
        if request.version.as_ref().is_some_and(|it| *it != version) {
            return Err(FilesError::Changed(place).into());
        }
        let from = usize::try_from(request.offset)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let to = from
            .saturating_add(request.length as usize)
            .min(bytes.len());
        Ok(ReadResponse {
            data: STANDARD.encode(&bytes[from..to]),
            size: bytes.len() as u64,
            modified_ms: UnixMillis(0),
            version,
            fresh: false,
        })
    }

    fn write_now(
        &self,
        mounts: &MountTable,
        request: &WriteRequest,
    ) -> Result<WriteResponse, Problem> {
        super::write::Asked::check(request)?;
        if !known(mounts, &request.mount)? {
            return Err(FilesError::ReadOnly(request.mount.clone()).into());
        }
        let data = STANDARD
            .decode(&request.data)
            .map_err(|e| Problem::new(Code::BadRequest, e.to_string()))?;
        let mut held = self.0.lock();
        let key = (request.mount.clone(), request.path.clone());
        let place = format!("{}/{}", request.mount, request.path);
        if request.mode == WriteMode::CreateNew
            && (held.contains_key(&key) || is_folder(&held, &key))
        {
            return Err(FilesError::Exists(place).into());
        }
        if is_folder(&held, &key) {
            return Err(FilesError::IsFolder(place).into());
        }
        let above = request
            .path
            .match_indices('/')
            .map(|(at, _)| request.path[..at].to_owned());
        if above
            .into_iter()
            .any(|folder| held.contains_key(&(request.mount.clone(), folder)))
        {
            return Err(FilesError::NotFolder(place).into());
        }
        let file = held.entry(key).or_default();
        if request.mode == WriteMode::Replace {
            file.clear();
        }
        file.extend(data);
        Ok(WriteResponse {
            size: file.len() as u64,
        })
    }

    fn list_now(
        &self,
        mounts: &MountTable,
        request: &ListRequest,
    ) -> Result<ListResponse, Problem> {
        super::list::Asked::check(request)?;
        known(mounts, &request.mount)?;
        let held = self.0.lock();
        let key = (request.mount.clone(), request.path.clone());
        let place = format!("{}/{}", request.mount, request.path);
        if held.contains_key(&key) {
            return Err(FilesError::NotFolder(place).into());
        }
        if !request.path.is_empty() && !is_folder(&held, &key) {
            return Err(FilesError::Missing(place).into());
        }
        let prefix = if request.path.is_empty() {
            String::new()
        } else {
            format!("{}/", request.path)
        };
        let mut entries: BTreeMap<String, (EntryKind, u64)> = BTreeMap::new();
        for ((mount, path), bytes) in held.iter() {
            let Some(rest) = path
                .strip_prefix(&prefix)
                .filter(|_| *mount == request.mount)
            else {
                continue;
            };
            match rest.split_once('/') {
                Some((folder, _)) if !request.recursive => {
                    entries.insert(format!("{prefix}{folder}"), (EntryKind::Folder, 0));
                }
                _ => {
                    entries.insert(path.clone(), (EntryKind::File, bytes.len() as u64));
                }
            }
        }
        let after = request.after.clone().unwrap_or_default();
        let mut rest = entries.into_iter().filter(|(path, _)| *path > after);
        let page = rest.by_ref().take(request.limit as usize);
        let entries = page
            .map(|(path, (kind, size))| Entry {
                path,
                kind,
                size,
                modified_ms: UnixMillis(0),
                version: None,
            })
            .collect();
        Ok(ListResponse {
            entries,
            more: rest.next().is_some(),
            ..ListResponse::default()
        })
    }
}

fn known(mounts: &MountTable, name: &str) -> Result<bool, Problem> {
    let mount = mounts
        .get(name)
        .ok_or_else(|| FilesError::UnknownMount(name.to_owned()))?;
    Ok(mount.writable)
}

fn is_folder(held: &BTreeMap<(String, String), Vec<u8>>, (mount, path): &(String, String)) -> bool {
    let below = format!("{path}/");
    RelativePath::parse(path).is_ok()
        && held
            .keys()
            .any(|(m, p)| m == mount && p.starts_with(&below))
}

impl FilesDriver for FakeFiles {
    fn read<'a>(
        &'a self,
        mounts: &'a MountTable,
        request: ReadRequest,
    ) -> BoxFuture<'a, Result<ReadResponse, Problem>> {
        Box::pin(ready(self.read_now(mounts, &request)))
    }

    fn write<'a>(
        &'a self,
        mounts: &'a MountTable,
        request: WriteRequest,
    ) -> BoxFuture<'a, Result<WriteResponse, Problem>> {
        Box::pin(ready(self.write_now(mounts, &request)))
    }

    fn list<'a>(
        &'a self,
        mounts: &'a MountTable,
        request: ListRequest,
    ) -> BoxFuture<'a, Result<ListResponse, Problem>> {
        Box::pin(ready(self.list_now(mounts, &request)))
    }
}
