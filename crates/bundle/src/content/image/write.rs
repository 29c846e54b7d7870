//! A composed root file system on the disk: folders and links are made, files are further names of what the layers
//! hold. What may not enter: which file is where.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs, io,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt, fs::symlink},
    path::{Path, PathBuf},
};

use rustix::io::Errno;

use crate::{
    content::{
        archive::UnpackError,
        image::tree::{File, Folder, Node},
    },
    room::{Filling, Room},
};

/// Everybody may search, and nobody but the store's owner changes anything: the image's own user is another one.
const FOLDER_MODE: u32 = 0o755;

/// How the root file system is written.
pub(crate) struct Writer<'a> {
    /// Where the content of a file is.
    content: &'a dyn Fn(&File) -> PathBuf,
    /// How a file gets another name.
    link: &'a dyn Fn(&Path, &Path) -> io::Result<()>,
    room: &'a Room,
    /// The last copy of each content that had to be copied: further names are of that.
    copies: HashMap<File, PathBuf>,
    /// Bytes that all copies together may still have, of so many.
    left: u64,
    most: u64,
}

impl<'a> Writer<'a> {
    /// One that takes contents from `content` and names them by `link`, as long as `room` has some, and copies at most
    /// so many bytes where no further name can be given.
    pub(crate) fn new(
        content: &'a dyn Fn(&File) -> PathBuf,
        link: &'a dyn Fn(&Path, &Path) -> io::Result<()>,
        room: &'a Room,
        most: u64,
    ) -> Self {
        Self {
            content,
            link,
            room,
            copies: HashMap::new(),
            left: most,
            most,
        }
    }

    /// Writes `root` into the new folder `into`, which nobody else knows of.
    pub(crate) fn write(&mut self, root: &Folder, into: &Path) -> Result<(), UnpackError> {
        self.make(into).map_err(UnpackError::at(into))?;
        for (name, node) in root {
            let path = into.join(OsStr::from_bytes(name));
            match node {
                // No deeper than a tree may be.
                Node::Folder(folder) => self.write(folder, &path)?,
                Node::File(file) => self.file(file, &path)?,
                Node::Symlink(target) => {
                    let made = self.symlink(target, &path);
                    made.map_err(UnpackError::at(&path))?;
                }
            }
        }
        Ok(())
    }

    fn make(&self, folder: &Path) -> io::Result<()> {
        self.room.check(0)?;
        fs::create_dir(folder)?;
        // Not by `mkdir`, which heeds the umask.
        fs::set_permissions(folder, fs::Permissions::from_mode(FOLDER_MODE))
    }

    fn symlink(&self, target: &[u8], path: &Path) -> io::Result<()> {
        self.room.check(target.len() as u64)?;
        symlink(OsStr::from_bytes(target), path)
    }

    fn file(&mut self, file: &File, path: &Path) -> Result<(), UnpackError> {
        let at = UnpackError::at(path);
        self.room.check(0).map_err(&at)?;
        let copy = self.copies.get(file).cloned();
        let content = copy.unwrap_or_else(|| (self.content)(file));
        let linked = (self.link)(&content, path);
        let refused = linked.as_ref().err().and_then(Errno::from_io_error);
        match refused {
            // As many names as a file may have, another disk, or one without such links.
            Some(Errno::MLINK | Errno::XDEV | Errno::PERM | Errno::OPNOTSUPP) => {
                self.copy(file, &content, path)
            }
            _ => linked.map_err(at),
        }
    }

    fn copy(&mut self, file: &File, from: &Path, to: &Path) -> Result<(), UnpackError> {
        let left = self.left.checked_sub(file.content.size);
        self.left = left.ok_or(UnpackError::TooLarge {
            what: "bytes in copies of files that this disk gives no further name",
            limit: self.most,
        })?;
        let room = self.room;
        let copied = || -> io::Result<()> {
            room.check(file.content.size)?;
            let mut from = fs::File::open(from)?;
            let about = from.metadata()?;
            let mut new = fs::File::create_new(to)?;
            io::copy(&mut from, &mut Filling::new(&mut new, room))?;
            new.set_permissions(about.permissions())?;
            new.set_modified(about.modified()?)
        };
        copied().map_err(UnpackError::at(to))?;
        self.copies.insert(*file, to.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::content::layer::index::Content;

    fn one_file(at: &Path) -> Folder {
        fs::write(at.join("content"), "text").unwrap();
        let mode = fs::Permissions::from_mode(0o555);
        fs::set_permissions(at.join("content"), mode).unwrap();
        let content = Content {
            number: 0,
            size: 4,
            executable: true,
        };
        let file = Node::File(File { layer: 0, content });
        let inner = Folder::from([
            (b"\xff".to_vec(), file),
            (b"l".to_vec(), Node::Symlink(b"../..".as_slice().into())),
        ]);
        Folder::from([(b"d".to_vec(), Node::Folder(inner))])
    }

    fn write(
        at: &Path,
        link: &dyn Fn(&Path, &Path) -> io::Result<()>,
        room: &Room,
    ) -> Result<fs::Metadata, UnpackError> {
        let content = |_: &File| at.join("content");
        let mut writer = Writer::new(&content, link, room, 4);
        writer.write(&one_file(at), &at.join("root"))?;
        let folder = at.join("root/d");
        assert_eq!(fs::read_link(folder.join("l")).unwrap(), Path::new("../.."));
        Ok(fs::metadata(folder.join(std::ffi::OsStr::from_bytes(b"\xff"))).unwrap())
    }

    #[test]
    fn a_file_is_another_name_of_the_content_of_its_layer() {
        let at = tempfile::tempdir().unwrap();
        let link = |from: &Path, to: &Path| fs::hard_link(from, to);
        let file = write(at.path(), &link, &Room::default()).unwrap();
        assert_eq!(
            file.ino(),
            fs::metadata(at.path().join("content")).unwrap().ino()
        );
    }

    #[test]
    fn a_file_that_may_have_no_more_names_is_copied() {
        for errno in [Errno::MLINK, Errno::XDEV, Errno::PERM] {
            let at = tempfile::tempdir().unwrap();
            let link = |_: &Path, _: &Path| Err(errno.into());
            let file = write(at.path(), &link, &Room::default()).unwrap();
            assert_eq!(
                (file.nlink(), file.len(), file.mode() & 0o7777),
                (1, 4, 0o555)
            );
        }
    }

    #[test]
    fn a_copy_takes_no_more_of_the_disk_than_there_is_room() {
        let at = tempfile::tempdir().unwrap();
        let link = |_: &Path, _: &Path| Err(Errno::MLINK.into());
        let room = Room::new(|more| match more {
            0 => Ok(()),
            _ => Err(io::ErrorKind::StorageFull.into()),
        });
        let refused = write(at.path(), &link, &room).unwrap_err();
        assert!(refused.to_string().contains("root/d"), "{refused}");
        assert_eq!(refused.reason(), aion_abi::reason::Reason::NoSpace);
        let link = |_: &Path, _: &Path| Err(Errno::IO.into());
        let at = tempfile::tempdir().unwrap();
        assert!(write(at.path(), &link, &Room::default()).is_err());
    }

    /// A folder of so many names of one file of 4 bytes.
    fn many(at: &Path, count: u32) -> Folder {
        let one = one_file(at);
        let Some(Node::Folder(inner)) = one.values().next() else {
            unreachable!()
        };
        let file = inner.values().find(|it| matches!(it, Node::File(_)));
        let names = (0..count).map(|n| (n.to_string().into_bytes(), file.unwrap().clone()));
        names.collect()
    }

    #[test]
    fn names_beyond_what_a_file_may_have_are_of_one_copy() {
        const NAMES: u64 = 3;
        let at = tempfile::tempdir().unwrap();
        let link = |from: &Path, to: &Path| match fs::metadata(from)?.nlink() {
            NAMES.. => Err(Errno::MLINK.into()),
            _ => fs::hard_link(from, to),
        };
        let content = |_: &File| at.path().join("content");
        let room = Room::default();
        // Two names beside the content, then copies with three each.
        let mut writer = Writer::new(&content, &link, &room, 8);
        let root = at.path().join("root");
        writer.write(&many(at.path(), 8), &root).unwrap();
        let files = fs::read_dir(&root).unwrap();
        let inodes: std::collections::HashSet<_> = files
            .map(|it| it.unwrap().metadata().unwrap().ino())
            .collect();
        assert_eq!(inodes.len(), 3);
    }

    #[test]
    fn copies_are_bounded_together() {
        let at = tempfile::tempdir().unwrap();
        let link = |_: &Path, _: &Path| Err(Errno::PERM.into());
        let content = |_: &File| at.path().join("content");
        let room = Room::default();
        let mut writer = Writer::new(&content, &link, &room, 11);
        let root = at.path().join("root");
        let refused = writer.write(&many(at.path(), 3), &root).unwrap_err();
        assert_eq!(refused.reason(), aion_abi::reason::Reason::TooLarge);
        assert_eq!(fs::read_dir(&root).unwrap().count(), 2);
    }

    #[test]
    fn links_are_made_as_long_as_there_is_room() {
        let at = tempfile::tempdir().unwrap();
        let link = |from: &Path, to: &Path| fs::hard_link(from, to);
        let content = |_: &File| at.path().join("content");
        let asked = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
        let told = std::sync::Arc::clone(&asked);
        let room = Room::new(move |more| {
            told.lock().push(more);
            Ok(())
        });
        let mut writer = Writer::new(&content, &link, &room, 0);
        writer
            .write(&one_file(at.path()), &at.path().join("root"))
            .unwrap();
        // Two folders, the target of the symbolic link, and a name.
        assert_eq!(*asked.lock(), [0, 0, 5, 0]);
    }
}
