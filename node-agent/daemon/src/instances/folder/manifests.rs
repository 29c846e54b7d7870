//! Names of objects, and what can be wrong with the folder.

use std::{
    io,
    path::{Path, PathBuf},
};

use aion_api::crd;
use aion_resolve::{Key, Object};

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
    #[error("{object} is in {path} with others: edit that file")]
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

    /// The key within its kind.
    pub(in crate::instances) fn key(&self) -> Key {
        Key::new(&self.namespace, &self.name)
    }

    /// The file that applying it writes.
    pub(super) fn file(&self, root: &Path) -> PathBuf {
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
    crd::kind(kind).is_some_and(|it| it.namespaced)
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
