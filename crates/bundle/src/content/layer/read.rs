//! Reading the archive of a layer: what each entry means, and what is refused. Nothing is refused for what it would do
//! to the layers below; that is seen when the image is composed. What may not enter: where contents go.

use std::{collections::HashSet, io::Read};

use tar::{Archive, Entry as Packed, EntryType};

use crate::content::{
    archive::{UnpackError, from_archive, only_zeros},
    layer::{
        extension::{Extension, malformed},
        index::{Content, Entry, Index, Kind},
        path::{LayerPath, shown},
    },
};

/// What begins the name of an entry that takes another one away (OCI image spec, "whiteouts").
const WHITEOUT: &[u8] = b".wh.";
/// The entry that empties its folder.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// What begins the names of what AUFS kept for itself.
const AUFS: &[u8] = b".wh..wh.";
/// The longest target of a symbolic link, in bytes (`PATH_MAX` of Linux without its zero).
const MAX_TARGET: usize = 4095;
const OWNER_EXECUTES: u32 = 0o100;

/// Where the contents of a layer's files go.
pub(crate) trait Contents {
    /// Keeps all that `from` gives as `content`, which was changed so many seconds after 1970. Gives how many bytes
    /// came.
    fn keep(
        &mut self,
        content: &Content,
        changed: u64,
        from: &mut dyn Read,
    ) -> Result<u64, UnpackError>;
}

/// How much a layer may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) entries: usize,
    pub(crate) names: usize,
}

/// Reads the unpacked layer `tar` to its end.
pub(crate) fn read(
    tar: &mut impl Read,
    bounds: &Bounds,
    contents: &mut impl Contents,
) -> Result<Index, UnpackError> {
    let mut reading = Reading {
        bounds: *bounds,
        index: Index::default(),
        files: 0,
        left_out: HashSet::new(),
    };
    let mut archive = Archive::new(&mut *tar);
    // Raw: extension headers are bounded here, where the crate would hold a name of any length in memory.
    let entries = archive.entries().map_err(from_archive)?.raw(true);
    let mut extension = Extension::default();
    for entry in entries {
        let mut entry = entry.map_err(from_archive)?;
        if !extension.take(&mut entry)? {
            reading.entry(&mut entry, &mut extension, contents)?;
            extension = Extension::default();
        }
    }
    if extension.is_pending() {
        return Err(malformed("it ends with an extension header"));
    }
    only_zeros(tar).map_err(from_archive)?;
    Ok(reading.index)
}

struct Reading {
    bounds: Bounds,
    index: Index,
    files: u32,
    left_out: HashSet<LayerPath>,
}

impl Reading {
    fn entry<R: Read>(
        &mut self,
        entry: &mut Packed<'_, R>,
        extension: &mut Extension,
        contents: &mut impl Contents,
    ) -> Result<(), UnpackError> {
        let raw = extension.path(entry);
        let refuse = |why| UnpackError::Unsafe {
            path: shown(&raw),
            why,
        };
        let path = LayerPath::parse(&raw).map_err(refuse)?;
        if let Some(why) = extension.objection(entry) {
            return Err(refuse(why));
        }
        let is_folder = raw.ends_with(b"/");
        match whiteout(&path).map_err(refuse)? {
            Whiteout::Not => {}
            Whiteout::Bookkeeping => return Ok(()),
            Whiteout::Takes(path, kind) => return self.add(path, kind),
        }
        let kind = match entry.header().entry_type() {
            // A file whose name ends with a slash is how the oldest archives say folder.
            EntryType::Regular | EntryType::Continuous if !is_folder => {
                return self.file(path, entry, contents);
            }
            EntryType::Regular | EntryType::Continuous | EntryType::Directory => Kind::Folder,
            EntryType::Symlink => {
                let target = extension.link(entry);
                let fits = (1..=MAX_TARGET).contains(&target.len()) && !target.contains(&0);
                if !fits {
                    return Err(refuse("its target is empty or too long"));
                }
                Kind::Symlink { target }
            }
            EntryType::Link => {
                let target = LayerPath::parse(&extension.link(entry)).map_err(refuse)?;
                match self.left_out.contains(&target) {
                    true => Kind::LeftOut,
                    false => Kind::HardLink { target },
                }
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => Kind::LeftOut,
            EntryType::GNUSparse => {
                return Err(refuse("it is a sparse file; build the layer without them"));
            }
            _ => return Err(refuse("it is neither file, folder nor link")),
        };
        if entry.size() > 0 {
            return Err(refuse("it has content and is not a file"));
        }
        self.add(path, kind)
    }

    fn file<R: Read>(
        &mut self,
        path: LayerPath,
        entry: &mut Packed<'_, R>,
        contents: &mut impl Contents,
    ) -> Result<(), UnpackError> {
        let header = entry.header();
        let mode = header.mode().map_err(from_archive)?;
        // A date that cannot be read is none.
        let changed = header.mtime().unwrap_or_default();
        let content = Content {
            number: self.files,
            size: entry.size(),
            executable: mode & OWNER_EXECUTES != 0,
        };
        self.add(path, Kind::File(content))?;
        self.files += 1;
        match contents.keep(&content, changed, entry)? == content.size {
            true => Ok(()),
            false => Err(malformed("it is cut off")),
        }
    }

    fn add(&mut self, path: LayerPath, kind: Kind) -> Result<(), UnpackError> {
        let over = |what, limit| UnpackError::TooLarge {
            what,
            limit: limit as u64,
        };
        if self.index.entries.len() >= self.bounds.entries {
            return Err(over("entries", self.bounds.entries));
        }
        self.index.names += path.as_bytes().len()
            + match &kind {
                Kind::Symlink { target } => target.len(),
                Kind::HardLink { target } => target.as_bytes().len(),
                _ => 0,
            };
        if self.index.names > self.bounds.names {
            return Err(over("bytes of names", self.bounds.names));
        }
        match kind {
            Kind::LeftOut => {
                self.index.left_out += 1;
                tracing::debug!(
                    path = path.text(),
                    "a device or pipe of a layer is left out"
                );
                self.left_out.insert(path.clone());
            }
            _ => {
                self.left_out.remove(&path);
            }
        }
        self.index.entries.push(Entry { path, kind });
        Ok(())
    }
}

/// What the name of an entry says beside the name.
enum Whiteout {
    /// Nothing.
    Not,
    /// It is what AUFS kept for itself.
    Bookkeeping,
    /// It takes something away.
    Takes(LayerPath, Kind),
}

fn whiteout(path: &LayerPath) -> Result<Whiteout, &'static str> {
    let Some((folder, name)) = path.split() else {
        return Ok(Whiteout::Not);
    };
    if name == OPAQUE && !folder.parts().any(|it| it.starts_with(WHITEOUT)) {
        return Ok(Whiteout::Takes(folder, Kind::Emptied));
    }
    if path.parts().any(|it| it.starts_with(AUFS)) {
        return Ok(Whiteout::Bookkeeping);
    }
    if folder.parts().any(|it| it.starts_with(WHITEOUT)) {
        return Err("it is in a folder that is named as a whiteout");
    }
    match name.strip_prefix(WHITEOUT) {
        None => Ok(Whiteout::Not),
        Some(b"" | b"." | b"..") => Err("it is a whiteout of nothing"),
        Some(gone) => Ok(Whiteout::Takes(folder.join(gone)?, Kind::Gone)),
    }
}

#[cfg(test)]
mod tests;
