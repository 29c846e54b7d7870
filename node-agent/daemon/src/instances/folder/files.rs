//! The files of the folder: where each object stands, reading those that changed, writing and removing one
//! object's.
//!
//! A file that is as it was when it was read, or written by this daemon, is not read again: with ten thousand
//! agents at rest, applying one looks at one.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use aion_folders::Stamp;
use aion_resolve::{Object, parse_manifests, problem};
use sha2::{Digest as _, Sha256};

use super::manifests::{FolderError, ObjectKey, fill_namespace};
use crate::{
    clock,
    files::{Staged, remove_if_there, remove_staged, sync_folder},
};

/// See the module.
#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
    objects: BTreeMap<ObjectKey, Arc<Path>>,
    /// How many objects stand in a file. One where none does is not among them.
    stand: HashMap<Arc<Path>, u32>,
    /// Files as they were read or written. One that has something wrong is not among them.
    read: HashMap<Arc<Path>, Taken>,
}

/// A file as it was taken in.
#[derive(Debug)]
struct Taken {
    /// `None`: only its text tells whether it is as it was.
    stamp: Option<Stamp>,
    /// The digest of its text.
    text: [u8; 32],
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

/// A file that was written so shortly before it was read could be written again with the same times on it.
const TICK_MS: u64 = 1_000;

/// `None` while the file could still change without its stamp.
fn stamp(path: &Path) -> Option<Stamp> {
    let about = fs::metadata(path).ok()?;
    let age = clock::date().since(about.modified().ok()?.into());
    (age > TICK_MS).then(|| Stamp::of(&about))
}

impl Files {
    pub(super) fn new(root: PathBuf) -> Self {
        remove_staged(&root, ".yaml");
        Self {
            root,
            objects: BTreeMap::new(),
            stand: HashMap::new(),
            read: HashMap::new(),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Reads what changed.
    pub(super) fn scan(&mut self) -> Result<Found, FolderError> {
        let files = list(&self.root)?;
        let mut stood: HashMap<Arc<Path>, Vec<ObjectKey>> = HashMap::new();
        for (key, file) in &self.objects {
            stood.entry(Arc::clone(file)).or_default().push(key.clone());
        }
        let there: HashSet<&Path> = files.iter().map(PathBuf::as_path).collect();
        self.read.retain(|file, _| there.contains(&**file));
        let (mut found, mut objects) = (Found::default(), BTreeMap::new());
        for file in &files {
            let before = stood.remove_entry(file.as_path());
            let (file, before) = before.unwrap_or_else(|| (Arc::from(file.as_path()), Vec::new()));
            self.look(file, before, &mut objects, &mut found);
        }
        let gone = self.objects.keys().filter(|key| !objects.contains_key(key));
        found.gone = gone.cloned().collect();
        self.stand.clear();
        for file in objects.values() {
            *self.stand.entry(Arc::clone(file)).or_default() += 1;
        }
        self.objects = objects;
        Ok(found)
    }

    /// Whether a file of the folder is as it was taken in, or is not there and was not. Costs a look at that file.
    pub(super) fn knows(&self, name: &OsStr) -> bool {
        let path = self.root.join(name);
        if !is_manifest(&path) {
            return true;
        }
        match self.read.get(path.as_path()) {
            Some(taken) => {
                let stamp = stamp(&path);
                let same = stamp.is_some() && stamp == taken.stamp;
                same || fs::read(&path).is_ok_and(|text| digest(&text) == taken.text)
            }
            None => {
                let gone = fs::symlink_metadata(&path);
                let gone = gone.is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
                gone && !self.stand.contains_key(path.as_path())
            }
        }
    }

    /// Takes one file in, where the objects `before` stood.
    fn look(
        &mut self,
        file: Arc<Path>,
        before: Vec<ObjectKey>,
        objects: &mut BTreeMap<ObjectKey, Arc<Path>>,
        found: &mut Found,
    ) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        // Before the text: what is written meanwhile changes it.
        let stamp = stamp(&file);
        let mut wrong = Vec::new();
        let mut stands = |key: ObjectKey| match objects.contains_key(&key) {
            true => {
                wrong.push(format!("{name}: {key} is in another file already"));
                false
            }
            false => objects.insert(key, Arc::clone(&file)).is_none(),
        };
        let taken = self.read.get(&file);
        let unchanged = stamp.is_some() && taken.is_some_and(|it| it.stamp == stamp);
        let text = (!unchanged).then(|| fs::read(&file));
        let digest = match &text {
            Some(Ok(text)) => Some(digest(text)),
            Some(Err(_)) => None,
            None => taken.map(|it| it.text),
        };
        // Written again, or too young to be known by its stamp.
        let unchanged = digest.is_some() && taken.map(|it| it.text) == digest;
        match text.filter(|_| !unchanged).map(|text| read(text, &name)) {
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
        let text = digest.filter(|_| wrong.is_empty());
        found.wrong.extend(wrong);
        match text {
            Some(text) => self.read.insert(file, Taken { stamp, text }),
            None => self.read.remove(&file),
        };
    }

    /// Writes objects, each to its file, or to the one that it stands in alone. None is put in its place before
    /// all are written. Gives how many are in place.
    pub(super) fn write(&mut self, objects: &[Object]) -> (usize, Result<(), FolderError>) {
        let staged = objects.iter().map(|object| self.stage(object));
        let staged: Vec<_> = match staged.collect::<Result<_, _>>() {
            Ok(staged) => staged,
            Err(error) => return (0, Err(error)),
        };
        for (index, write) in staged.into_iter().enumerate() {
            if let Err(error) = write.staged.place() {
                return (index, Err(FolderError::io("write", &write.file)(error)));
            }
            if self
                .objects
                .insert(write.key, Arc::clone(&write.file))
                .is_none()
            {
                *self.stand.entry(Arc::clone(&write.file)).or_default() += 1;
            }
            let (stamp, text) = (None, write.text);
            self.read.insert(write.file, Taken { stamp, text });
        }
        // All are durable by this, and not one by one.
        let synced = sync_folder(&self.root).map_err(FolderError::io("sync", &self.root));
        (objects.len(), synced)
    }

    fn stage(&self, object: &Object) -> Result<Write, FolderError> {
        let key = ObjectKey::of(object);
        let file = match self.objects.get(&key) {
            Some(file) => self.alone(&key, file)?,
            None => key.file(&self.root).into(),
        };
        let form = |why: String| FolderError::Form {
            object: key.to_string(),
            why,
        };
        let json = object.to_json().map_err(|error| form(error.to_string()))?;
        let yaml = serde_saphyr::to_string(&json).map_err(|error| form(error.to_string()))?;
        let staged = Staged::write(&file, yaml.as_bytes());
        let staged = staged.map_err(FolderError::io("write", &file))?;
        let text = digest(yaml.as_bytes());
        Ok(Write {
            key,
            file,
            staged,
            text,
        })
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
        self.stand.remove(&file);
        self.read.remove(&file);
        Ok(())
    }

    fn alone(&self, key: &ObjectKey, file: &Arc<Path>) -> Result<Arc<Path>, FolderError> {
        if self.stand.get(file).is_some_and(|objects| *objects > 1) {
            return Err(FolderError::Shared {
                object: key.to_string(),
                path: file.to_path_buf(),
            });
        }
        Ok(Arc::clone(file))
    }
}

/// An object that is written and not in its place yet.
struct Write {
    key: ObjectKey,
    file: Arc<Path>,
    staged: Staged,
    text: [u8; 32],
}

fn digest(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// Whether that is the name of a file that manifests may stand in.
fn is_manifest(path: &Path) -> bool {
    let hidden = path
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let yaml = path
        .extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml");
    yaml && !hidden
}

fn list(root: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root).map_err(FolderError::io("list", root))? {
        let path = entry.map_err(FolderError::io("list", root))?.path();
        // One that cannot be looked at is not taken for gone: reading it says why.
        if is_manifest(&path) && !fs::metadata(&path).is_ok_and(|it| !it.is_file()) {
            files.push(path);
        }
    }
    // By the bytes of their names, and not folder by folder: all have one.
    files.sort_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
    Ok(files)
}

fn read(text: io::Result<Vec<u8>>, name: &str) -> Result<Vec<Object>, String> {
    let text = text.and_then(|text| String::from_utf8(text).map_err(io::Error::other));
    let text = text.map_err(|error| format!("{name}: {error}"))?;
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
    fn a_file_written_a_moment_ago_is_known_by_its_text() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a.yaml"), agent("a")).unwrap();
        let mut files = Files::new(root.path().to_owned());
        assert_eq!(names(&files.scan().unwrap().read), ["a"]);
        assert!(files.scan().unwrap().read.is_empty(), "read twice");
        fs::write(root.path().join("a.yaml"), agent("b")).unwrap();
        let found = files.scan().unwrap();
        assert_eq!((names(&found.read), found.gone.len()), (vec!["b"], 1));
    }

    #[test]
    fn what_it_wrote_itself_it_knows_until_somebody_else_writes_there() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "hand.yaml", &agent("hand"));
        let mut files = Files::new(root.path().to_owned());
        let mut objects = files.scan().unwrap().read;
        objects[0].metadata_mut().name = Some("own".to_owned());
        let (written, result) = files.write(&objects);
        result.unwrap();
        assert_eq!(written, 1);
        let own = "agent.default.own.yaml";
        for name in ["hand.yaml", own, "not.there.yaml", "notes.txt"] {
            assert!(files.knows(OsStr::new(name)), "{name}");
        }
        let found = files.scan().unwrap();
        assert!(found.read.is_empty() && found.gone.is_empty());
        put(root.path(), "new.yaml", &agent("new"));
        put(root.path(), own, &agent("other"));
        for name in ["new.yaml", own] {
            assert!(!files.knows(OsStr::new(name)), "{name}");
        }
        files.scan().unwrap();
        let key = files.of_kind("Agent").find(|it| it.name == "hand");
        files.remove(&key.unwrap().clone()).unwrap();
        assert!(files.knows(OsStr::new("hand.yaml")));
        put(root.path(), "hand.yaml", &agent("hand"));
        assert!(!files.knows(OsStr::new("hand.yaml")), "it is back");
        assert_eq!(names(&files.scan().unwrap().read), ["hand"]);
        fs::remove_file(root.path().join(own)).unwrap();
        assert!(!files.knows(OsStr::new(own)));
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
