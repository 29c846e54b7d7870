//! The files of the folder: where each object stands, reading those that changed, writing and removing one
//! object's.
//!
//! A file that is as it was when it was read is not read again: with ten thousand agents at rest, applying
//! one reads one.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use aion_resolve::{Object, parse_manifests, problem};

use super::manifests::{FolderError, ObjectKey, fill_namespace};
use crate::{
    clock,
    files::{Staged, remove_if_there, remove_staged},
};

/// See the module.
#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
    objects: BTreeMap<ObjectKey, PathBuf>,
    /// Files as they were read. One that has something wrong is not among them.
    read: HashMap<PathBuf, Stamp>,
}

/// What reading the folder again came to.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Objects of files that changed. They may be as they were.
    pub(super) read: Vec<Object>,
    /// Objects that stand nowhere any more.
    pub(super) gone: Vec<ObjectKey>,
    /// What is wrong with files that cannot be read. The objects that stood there stay.
    pub(super) wrong: Vec<String>,
    /// Which objects stand in one of them was not read since the start: any of those that were here before may.
    pub(super) unknown: bool,
}

/// By this a file is known to be as it was.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// A file that was written so shortly before it was read could be written again with the same times on it.
const TICK_MS: u64 = 1_000;

impl Stamp {
    /// `None` while the file could still change without its stamp.
    fn of(path: &Path) -> Option<Self> {
        let about = fs::metadata(path).ok()?;
        let age = clock::date().since(about.modified().ok()?.into());
        (age > TICK_MS).then(|| Self {
            inode: about.ino(),
            size: about.size(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        })
    }
}

impl Files {
    pub(super) fn new(root: PathBuf) -> Self {
        remove_staged(&root, ".yaml");
        Self {
            root,
            objects: BTreeMap::new(),
            read: HashMap::new(),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Reads what changed.
    pub(super) fn scan(&mut self) -> Result<Found, FolderError> {
        let files = list(&self.root)?;
        let mut stood: HashMap<PathBuf, Vec<ObjectKey>> = HashMap::new();
        for (key, file) in &self.objects {
            stood.entry(file.clone()).or_default().push(key.clone());
        }
        self.read
            .retain(|file, _| files.binary_search(file).is_ok());
        let (mut found, mut objects) = (Found::default(), BTreeMap::new());
        for file in files {
            let before = stood.remove(&file).unwrap_or_default();
            self.look(file, before, &mut objects, &mut found);
        }
        let gone = self.objects.keys().filter(|key| !objects.contains_key(key));
        found.gone = gone.cloned().collect();
        self.objects = objects;
        Ok(found)
    }

    /// Takes one file in, where the objects `before` stood.
    fn look(
        &mut self,
        file: PathBuf,
        before: Vec<ObjectKey>,
        objects: &mut BTreeMap<ObjectKey, PathBuf>,
        found: &mut Found,
    ) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        // Before the text: what is written meanwhile changes it.
        let stamp = Stamp::of(&file);
        let mut wrong = Vec::new();
        let mut stands = |key: ObjectKey| match objects.contains_key(&key) {
            true => {
                wrong.push(format!("{name}: {key} stands in a file already"));
                false
            }
            false => objects.insert(key, file.clone()).is_none(),
        };
        let unchanged = stamp.is_some() && self.read.get(&file) == stamp.as_ref();
        match (!unchanged).then(|| read(&file, &name)) {
            Some(Ok(read)) => {
                let new = read.into_iter().filter(|it| stands(ObjectKey::of(it)));
                found.read.extend(new);
            }
            unread => {
                found.unknown |= before.is_empty() && matches!(unread, Some(Err(_)));
                for key in before {
                    stands(key);
                }
                wrong.extend(unread.and_then(Result::err));
            }
        }
        let stamp = stamp.filter(|_| wrong.is_empty());
        found.wrong.extend(wrong);
        match stamp {
            Some(stamp) => self.read.insert(file, stamp),
            None => self.read.remove(&file),
        };
    }

    /// Writes objects, each to its file, or to the one that it stands in alone. None is put in its place before
    /// all are written. Gives how many are in place and durable, all but where that itself failed.
    pub(super) fn write(&mut self, objects: &[Object]) -> (usize, Result<(), FolderError>) {
        let staged = objects.iter().map(|object| self.stage(object));
        let staged: Vec<_> = match staged.collect::<Result<_, _>>() {
            Ok(staged) => staged,
            Err(error) => return (0, Err(error)),
        };
        for (index, (key, file, staged)) in staged.into_iter().enumerate() {
            if let Err(error) = staged.commit() {
                return (index, Err(FolderError::io("write", &file)(error)));
            }
            self.objects.insert(key, file);
        }
        (objects.len(), Ok(()))
    }

    fn stage(&self, object: &Object) -> Result<(ObjectKey, PathBuf, Staged), FolderError> {
        let key = ObjectKey::of(object);
        let file = match self.objects.get(&key) {
            Some(file) => self.alone(&key, file)?,
            None => key.file(&self.root),
        };
        let form = |why: String| FolderError::Form {
            object: key.to_string(),
            why,
        };
        let json = object.to_json().map_err(|error| form(error.to_string()))?;
        let yaml = serde_saphyr::to_string(&json).map_err(|error| form(error.to_string()))?;
        let staged = Staged::write(&file, yaml.as_bytes());
        let staged = staged.map_err(FolderError::io("write", &file))?;
        Ok((key, file, staged))
    }

    /// The objects of a kind.
    pub(super) fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = &ObjectKey> {
        let first = ObjectKey {
            kind,
            namespace: String::new(),
            name: String::new(),
        };
        let from = self.objects.range(first..).map(|(key, _)| key);
        from.take_while(move |key| key.kind == kind)
    }

    /// Removes an object's file.
    pub(super) fn remove(&mut self, key: &ObjectKey) -> Result<(), FolderError> {
        let Some(file) = self.objects.get(key) else {
            return Ok(());
        };
        let file = self.alone(key, file)?;
        remove_if_there(&file).map_err(FolderError::io("remove", &file))?;
        self.objects.remove(key);
        Ok(())
    }

    fn alone(&self, key: &ObjectKey, file: &Path) -> Result<PathBuf, FolderError> {
        if self.objects.values().filter(|it| *it == file).count() > 1 {
            return Err(FolderError::Shared {
                object: key.to_string(),
                path: file.to_owned(),
            });
        }
        Ok(file.to_owned())
    }
}

fn list(root: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root).map_err(FolderError::io("list", root))? {
        let path = entry.map_err(FolderError::io("list", root))?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let yaml = path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml");
        // One that cannot be looked at is not taken for gone: reading it says why.
        let other = fs::metadata(&path).is_ok_and(|it| !it.is_file());
        if yaml && !hidden && !other {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path, name: &str) -> Result<Vec<Object>, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{name}: {error}"))?;
    let manifests = parse_manifests(&text, name).map_err(|problems| problem::list(&problems))?;
    let objects = manifests.into_iter().map(|manifest| {
        let mut object = manifest.object;
        fill_namespace(&mut object);
        object
    });
    Ok(objects.collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::{Duration, SystemTime};

    use super::*;

    fn agent(name: &str) -> String {
        format!(
            "apiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {{name: {name}}}\nspec: {{instructions: x}}\n"
        )
    }

    /// Writes a file that is an hour old.
    fn put(root: &Path, file: &str, text: &str) {
        fs::write(root.join(file), text).unwrap();
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(3600);
        let file = fs::File::options().append(true).open(root.join(file));
        file.unwrap().set_modified(long_ago).unwrap();
    }

    fn names(objects: &[Object]) -> Vec<&str> {
        objects.iter().map(Object::name).collect()
    }

    #[test]
    fn only_what_changed_is_read_again() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "a.yaml", &agent("a"));
        put(root.path(), "b.yaml", &agent("b"));
        let mut files = Files::new(root.path().to_owned());
        assert_eq!(names(&files.scan().unwrap().read), ["a", "b"]);
        assert!(files.scan().unwrap().read.is_empty());
        // As long as the first: the inode's times tell.
        put(root.path(), "b.yaml", &agent("c"));
        let found = files.scan().unwrap();
        assert_eq!(names(&found.read), ["c"]);
        assert_eq!(found.gone.len(), 1);
        fs::remove_file(root.path().join("a.yaml")).unwrap();
        let found = files.scan().unwrap();
        assert_eq!((found.read.len(), found.gone.len()), (0, 1));
    }

    #[test]
    fn a_file_written_a_moment_ago_is_read_again() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a.yaml"), agent("a")).unwrap();
        let mut files = Files::new(root.path().to_owned());
        for _ in 0..2 {
            assert_eq!(names(&files.scan().unwrap().read), ["a"]);
        }
    }

    #[test]
    fn a_broken_file_is_said_each_time_and_its_objects_stay() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "a.yaml", &agent("a"));
        let mut files = Files::new(root.path().to_owned());
        files.scan().unwrap();
        put(root.path(), "a.yaml", "kind: [");
        for _ in 0..2 {
            let found = files.scan().unwrap();
            assert!(found.gone.is_empty() && found.read.is_empty());
            assert_eq!(found.wrong.len(), 1);
        }
    }

    #[test]
    fn objects_of_a_file_that_cannot_be_reached_stay() {
        let root = tempfile::tempdir().unwrap();
        let away = tempfile::tempdir().unwrap();
        put(away.path(), "a.yaml", &agent("a"));
        std::os::unix::fs::symlink(away.path().join("a.yaml"), root.path().join("a.yaml")).unwrap();
        let mut files = Files::new(root.path().to_owned());
        assert_eq!(names(&files.scan().unwrap().read), ["a"]);
        drop(away);
        let found = files.scan().unwrap();
        assert!(found.gone.is_empty());
        assert_eq!(found.wrong.len(), 1);
    }

    #[test]
    fn an_object_in_two_files_is_the_first_ones_until_that_is_gone() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "b.yaml", &agent("x"));
        let mut files = Files::new(root.path().to_owned());
        files.scan().unwrap();
        put(root.path(), "a.yaml", &agent("x"));
        let found = files.scan().unwrap();
        assert_eq!((found.read.len(), found.wrong.len()), (1, 1));
        fs::remove_file(root.path().join("a.yaml")).unwrap();
        let found = files.scan().unwrap();
        assert_eq!(names(&found.read), ["x"]);
        assert!(found.gone.is_empty() && found.wrong.is_empty());
    }
}
