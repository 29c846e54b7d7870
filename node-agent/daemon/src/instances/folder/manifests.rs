//! The files of the folder: reading all of them, writing and removing one object's.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use aion_api::crd;
use aion_resolve::{Object, parse_manifests, problem};

use crate::files::write_whole;

/// The namespace of an object that names none.
pub(crate) const DEFAULT_NAMESPACE: &str = "default";

/// Names an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// `Agent`, `Tool`, ….
    pub kind: &'static str,
    /// Empty for a cluster-wide one.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The operating system refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// An object is one of several in a file that a person wrote.
    #[error("{object} stands in {path} beside others: edit that file")]
    Shared {
        /// The object.
        object: String,
        /// The file.
        path: PathBuf,
    },
    /// An object cannot be written as YAML.
    #[error("{object} cannot be written: {why}")]
    Form {
        /// The object.
        object: String,
        /// Why.
        why: String,
    },
}

impl FolderError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

impl ObjectKey {
    /// The key of an object whose namespace is filled in.
    pub(crate) fn of(object: &Object) -> Self {
        Self {
            kind: object.kind(),
            namespace: object.namespace().to_owned(),
            name: object.name().to_owned(),
        }
    }

    /// The file that applying it writes.
    fn file(&self, root: &Path) -> PathBuf {
        let kind = self.kind.to_ascii_lowercase();
        let namespace = match self.namespace.as_str() {
            "" => "-",
            namespace => namespace,
        };
        root.join(format!("{kind}.{namespace}.{}.yaml", self.name))
    }
}

impl std::fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "{} {}", self.kind, self.name),
            namespace => write!(f, "{} {namespace}/{}", self.kind, self.name),
        }
    }
}

/// Whether objects of a kind belong to a namespace.
fn is_namespaced(kind: &str) -> bool {
    crd::KINDS.iter().any(|it| it.name == kind && it.namespaced)
}

/// An object and its file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kept {
    pub(super) object: Object,
    pub(super) file: PathBuf,
}

/// Everything in `root`: the objects, and what is wrong with files that cannot be read. Of those, the
/// objects of `before` stay.
pub(super) fn read_all(
    root: &Path,
    before: &BTreeMap<ObjectKey, Kept>,
) -> Result<(BTreeMap<ObjectKey, Kept>, Vec<String>), FolderError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root).map_err(FolderError::io("list", root))? {
        let path = entry.map_err(FolderError::io("list", root))?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let yaml = path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml");
        if yaml && !hidden && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    let (mut all, mut wrong) = (BTreeMap::new(), Vec::new());
    for file in files {
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let read = fs::read_to_string(&file)
            .map_err(|error| format!("{name}: {error}"))
            .and_then(|text| {
                parse_manifests(&text, &name).map_err(|problems| problem::list(&problems))
            });
        match read {
            Ok(manifests) => {
                for manifest in manifests {
                    let mut object = manifest.object;
                    fill_namespace(&mut object);
                    let key = ObjectKey::of(&object);
                    if all.contains_key(&key) {
                        wrong.push(format!("{name}: {key} is in another file already"));
                        continue;
                    }
                    let file = file.clone();
                    all.insert(key, Kept { object, file });
                }
            }
            Err(why) => {
                wrong.push(why);
                let kept = before.iter().filter(|(_, kept)| kept.file == file);
                all.extend(kept.map(|(key, kept)| (key.clone(), kept.clone())));
            }
        }
    }
    Ok((all, wrong))
}

/// An object without a namespace is in [`DEFAULT_NAMESPACE`].
pub(super) fn fill_namespace(object: &mut Object) {
    if is_namespaced(object.kind()) {
        object
            .metadata_mut()
            .namespace
            .get_or_insert_with(|| DEFAULT_NAMESPACE.to_owned());
    }
}

/// Writes an object to its file, or to the one that it stands in alone.
pub(super) fn write(
    root: &Path,
    object: &Object,
    all: &BTreeMap<ObjectKey, Kept>,
) -> Result<PathBuf, FolderError> {
    let key = ObjectKey::of(object);
    let file = match all.get(&key) {
        Some(kept) => alone(&key, &kept.file, all)?,
        None => key.file(root),
    };
    let form = |why: String| FolderError::Form {
        object: key.to_string(),
        why,
    };
    let json = object.to_json().map_err(|error| form(error.to_string()))?;
    let yaml = serde_saphyr::to_string(&json).map_err(|error| form(error.to_string()))?;
    write_whole(&file, yaml.as_bytes()).map_err(FolderError::io("write", &file))?;
    Ok(file)
}

/// Removes an object's file.
pub(super) fn remove(key: &ObjectKey, all: &BTreeMap<ObjectKey, Kept>) -> Result<(), FolderError> {
    let Some(kept) = all.get(key) else {
        return Ok(());
    };
    let file = alone(key, &kept.file, all)?;
    match fs::remove_file(&file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FolderError::io("remove", &file)(error))
        }
        _ => Ok(()),
    }
}

fn alone(
    key: &ObjectKey,
    file: &Path,
    all: &BTreeMap<ObjectKey, Kept>,
) -> Result<PathBuf, FolderError> {
    if all.values().filter(|kept| kept.file == file).count() > 1 {
        return Err(FolderError::Shared {
            object: key.to_string(),
            path: file.to_owned(),
        });
    }
    Ok(file.to_owned())
}
