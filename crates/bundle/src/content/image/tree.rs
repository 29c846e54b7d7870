//! A root file system in memory: folders, files and links by name. Paths are resolved within it, so that no link leads
//! out, and it is bounded while it grows. What may not enter: the disk, and what a layer means.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use crate::content::{
    archive::UnpackError,
    layer::{
        index::Content,
        path::{LayerPath, MAX_DEPTH, MAX_PATH, shown},
    },
};

/// How many symbolic links are followed on the way to one thing, as Linux has it.
const MAX_LINKS: usize = 40;
/// Steps through folders and links for all entries of an image together: links to links could make few entries many.
const MAX_STEPS: usize = 16_000_000;

/// What is in a folder, by name.
pub(crate) type Folder = BTreeMap<Vec<u8>, Node>;

/// One file, folder or link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Node {
    Folder(Folder),
    File(File),
    /// A symbolic link, and where to, which its other names share.
    Symlink(Arc<[u8]>),
}

/// A file: a content of a layer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct File {
    /// Which layer of the image.
    pub(crate) layer: usize,
    pub(crate) content: Content,
}

/// The root file system.
#[derive(Debug)]
pub(crate) struct Tree {
    root: Folder,
    most: Most,
    /// What may still be made, and walked.
    left: Most,
    steps: usize,
}

/// How much a root file system may hold, what is replaced again included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    /// Files, folders and links.
    pub(crate) nodes: usize,
    /// Their names and the targets of links, in bytes: each link is written with its own, also where it is another name
    /// of one.
    pub(crate) names: usize,
}

/// Where a path leads, with no link on the way.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Found {
    /// To something that is there.
    There(Vec<Vec<u8>>),
    /// To nothing; the folders that are there are not told from those that are not.
    Missing(Vec<Vec<u8>>),
}

impl Tree {
    /// An empty root, for at most so much.
    pub(crate) fn new(most: Most) -> Self {
        Self {
            root: Folder::new(),
            most,
            left: most,
            steps: MAX_STEPS,
        }
    }

    pub(crate) fn root(&self) -> &Folder {
        &self.root
    }

    /// Where `path` leads; with `follow`, a link at its end is followed, too.
    pub(crate) fn resolve(&mut self, path: &[u8], follow: bool) -> Result<Found, UnpackError> {
        let refuse = |why| refused(path, why);
        let mut ahead = parts(path);
        let mut at: Vec<(Vec<u8>, Option<&Folder>)> = Vec::new();
        let (mut links, mut missing) = (0, false);
        while let Some(part) = ahead.pop_front() {
            self.steps = self.steps.checked_sub(1).ok_or(UnpackError::TooLarge {
                what: "steps through its links",
                limit: MAX_STEPS as u64,
            })?;
            if part == b".." {
                at.pop();
                missing = at.last().is_some_and(|(_, folder)| folder.is_none());
                continue;
            }
            let folder = at.last().map_or(Some(&self.root), |(_, folder)| *folder);
            let node = folder.and_then(|folder| folder.get(&part));
            let is_last = ahead.is_empty();
            match node {
                Some(Node::Symlink(target)) if follow || !is_last => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(refuse("too many links lead to it"));
                    }
                    if target.starts_with(b"/") {
                        at.clear();
                    }
                    let mut through = parts(target);
                    through.extend(ahead);
                    ahead = through;
                }
                Some(Node::Folder(folder)) => at.push((part, Some(folder))),
                Some(_) if !is_last => return Err(refuse("a part of its path is not a folder")),
                Some(_) => at.push((part, None)),
                None => {
                    missing = true;
                    at.push((part, None));
                }
            }
            if at.len() > MAX_DEPTH {
                return Err(refuse("it is nested too deep"));
            }
        }
        let names: Vec<_> = at.into_iter().map(|(name, _)| name).collect();
        if names.iter().map(|it| it.len() + 1).sum::<usize>() > MAX_PATH {
            return Err(refuse("its path is too long"));
        }
        Ok(match missing {
            true => Found::Missing(names),
            false => Found::There(names),
        })
    }

    /// What is at `path`, links followed.
    pub(crate) fn get(&mut self, path: &[u8]) -> Result<Option<&Node>, UnpackError> {
        match self.resolve(path, true)? {
            Found::There(names) => Ok(self.node(&names)),
            Found::Missing(_) => Ok(None),
        }
    }

    /// What is at a resolved path; nothing for the root.
    pub(crate) fn node(&self, names: &[Vec<u8>]) -> Option<&Node> {
        let (last, above) = names.split_last()?;
        let mut folder = &self.root;
        for name in above {
            match folder.get(name)? {
                Node::Folder(next) => folder = next,
                _ => return None,
            }
        }
        folder.get(last)
    }

    /// The folder at a resolved path.
    pub(crate) fn folder_mut(&mut self, names: &[Vec<u8>]) -> Option<&mut Folder> {
        let mut folder = &mut self.root;
        for name in names {
            match folder.get_mut(name)? {
                Node::Folder(next) => folder = next,
                _ => return None,
            }
        }
        Some(folder)
    }

    /// Makes the folder `path` and those above it, where they are not there.
    pub(crate) fn make_folders(&mut self, path: &[u8]) -> Result<&mut Folder, UnpackError> {
        let (Found::There(names) | Found::Missing(names)) = self.resolve(path, true)?;
        let mut folder = &mut self.root;
        for name in names {
            if !folder.contains_key(&name) {
                self.left.take(name.len(), &self.most)?;
            }
            let node = folder
                .entry(name)
                .or_insert_with(|| Node::Folder(Folder::new()));
            match node {
                Node::Folder(next) => folder = next,
                _ => return Err(refused(path, "a part of its path is not a folder")),
            }
        }
        Ok(folder)
    }

    /// Makes `name` an empty folder of the root, in place of a folder or a link; says whether it could.
    pub(crate) fn make_empty(&mut self, name: &[u8]) -> Result<bool, UnpackError> {
        if let Some(Node::File(_)) = self.root.get(name) {
            return Ok(false);
        }
        self.left.take(name.len(), &self.most)?;
        self.root.insert(name.to_vec(), Node::Folder(Folder::new()));
        Ok(true)
    }

    /// Puts `node` at `path`, in place of what is there. A folder in place of a folder keeps what is in it.
    pub(crate) fn put(&mut self, path: &LayerPath, node: Node) -> Result<(), UnpackError> {
        let Some((above, name)) = path.split() else {
            return match node {
                Node::Folder(_) => Ok(()),
                _ => Err(refused(b"/", "it is the root and not a folder")),
            };
        };
        let target = match &node {
            Node::Symlink(target) => target.len(),
            Node::Folder(_) | Node::File(_) => 0,
        };
        self.left.take(name.len() + target, &self.most)?;
        if above.parts().count() >= MAX_DEPTH {
            return Err(refused(path.as_bytes(), "it is nested too deep"));
        }
        let (Found::There(mut whole) | Found::Missing(mut whole)) =
            self.resolve(above.as_bytes(), true)?;
        whole.push(name.to_vec());
        let length: usize = whole.iter().map(|it| it.len() + 1).sum();
        if whole.len() > MAX_DEPTH || length > MAX_PATH {
            return Err(refused(path.as_bytes(), "links lead it too deep"));
        }
        let folder = self.make_folders(above.as_bytes())?;
        match (folder.get(name), &node) {
            (Some(Node::Folder(_)), Node::Folder(_)) => {}
            _ => {
                folder.insert(name.to_vec(), node);
            }
        }
        Ok(())
    }
}

fn parts(path: &[u8]) -> VecDeque<Vec<u8>> {
    let parts = path.split(|b| *b == b'/');
    let named = parts.filter(|it| !matches!(*it, b"" | b"."));
    named.map(<[u8]>::to_vec).collect()
}

pub(crate) fn refused(path: &[u8], why: &'static str) -> UnpackError {
    UnpackError::Unsafe {
        path: shown(path),
        why,
    }
}

impl Most {
    /// Takes one more, with so many bytes of names, off what is left of `most`.
    fn take(&mut self, names: usize, most: &Self) -> Result<(), UnpackError> {
        let over = |what, limit| UnpackError::TooLarge {
            what,
            limit: limit as u64,
        };
        let nodes = self.nodes.checked_sub(1);
        let names = self.names.checked_sub(names);
        self.nodes = nodes.ok_or(over("files, folders and links", most.nodes))?;
        self.names = names.ok_or(over("bytes of names and of targets of links", most.names))?;
        Ok(())
    }
}
