//! A composed root file system on the disk: folders and links are made, files are further names of what the layers
//! hold. What may not enter: which file is where.

use std::{
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
    pub(crate) content: &'a dyn Fn(&File) -> PathBuf,
    /// How a file gets another name.
    pub(crate) link: &'a dyn Fn(&Path, &Path) -> io::Result<()>,
    pub(crate) room: &'a Room,
}

impl Writer<'_> {
    /// Writes `root` into the new folder `into`, which nobody else knows of.
    pub(crate) fn write(&self, root: &Folder, into: &Path) -> Result<(), UnpackError> {
        self.make(into).map_err(UnpackError::at(into))?;
        for (name, node) in root {
            let path = into.join(std::ffi::OsStr::from_bytes(name));
            match node {
                // No deeper than a tree may be.
                Node::Folder(folder) => self.write(folder, &path)?,
                Node::File(file) => self.file(file, &path).map_err(UnpackError::at(&path))?,
                Node::Symlink(target) => symlink(std::ffi::OsStr::from_bytes(target), &path)
                    .map_err(UnpackError::at(&path))?,
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

    fn file(&self, file: &File, path: &Path) -> io::Result<()> {
        let content = (self.content)(file);
        let linked = (self.link)(&content, path);
        let refused = linked.as_ref().err().and_then(Errno::from_io_error);
        match refused {
            // As many names as a file may have, another disk, or one without such links.
            Some(Errno::MLINK | Errno::XDEV | Errno::PERM | Errno::OPNOTSUPP) => {
                self.copy(&content, path)
            }
            _ => linked,
        }
    }

    fn copy(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut from = fs::File::open(from)?;
        let about = from.metadata()?;
        let mut to = fs::File::create_new(to)?;
        io::copy(&mut from, &mut Filling::new(&mut to, self.room))?;
        to.set_permissions(about.permissions())?;
        to.set_modified(about.modified()?)
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
            (b"l".to_vec(), Node::Symlink(b"../..".to_vec())),
        ]);
        Folder::from([(b"d".to_vec(), Node::Folder(inner))])
    }

    fn write(
        at: &Path,
        link: &dyn Fn(&Path, &Path) -> io::Result<()>,
        room: &Room,
    ) -> Result<fs::Metadata, UnpackError> {
        let content = |_: &File| at.join("content");
        let writer = Writer {
            content: &content,
            link,
            room,
        };
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
}
