//! Archives with the same bytes for the same content: sorted, with no times and no owners, and gzipped the same way. What
//! may not enter: which files go in.

use std::io::{self, Read, Write};

use flate2::{Compression, GzBuilder, write::GzEncoder};
use tar::{EntryType, Header};

use crate::artifact::digest::{Digest, Hasher};

/// RFC 1952: the operating system is not told.
const NO_OS: u8 = 255;
const LEVEL: u32 = 6;

/// A gzipped archive that is being written.
pub(crate) struct Archive<W: Write>(tar::Builder<Hashed<GzEncoder<Hashed<W>>>>);

/// What a finished archive is.
pub(crate) struct Written<W> {
    pub(crate) to: W,
    /// Of the archive as it is transferred.
    pub(crate) digest: Digest,
    /// How long that is, in bytes.
    pub(crate) size: u64,
    /// Of the archive unpacked.
    pub(crate) unpacked: Digest,
}

impl<W: Write> Archive<W> {
    pub(crate) fn new(to: W) -> Self {
        let gzip = GzBuilder::new()
            .mtime(0)
            .operating_system(NO_OS)
            .write(Hashed::new(to), Compression::new(LEVEL));
        Self(tar::Builder::new(Hashed::new(gzip)))
    }

    /// Adds a file of `size` bytes. A name that a plain header cannot hold is refused.
    pub(crate) fn file(
        &mut self,
        name: &str,
        mode: u32,
        size: u64,
        content: impl Read,
    ) -> io::Result<()> {
        let mut header = header(mode, size, EntryType::Regular);
        header.set_path(name)?;
        header.set_cksum();
        self.0.append(&header, content)
    }

    pub(crate) fn folder(&mut self, name: &str, mode: u32) -> io::Result<()> {
        let mut header = header(mode, 0, EntryType::Directory);
        header.set_path(format!("{name}/"))?;
        header.set_cksum();
        self.0.append(&header, io::empty())
    }

    pub(crate) fn symlink(&mut self, name: &str, target: &std::path::Path) -> io::Result<()> {
        let mut header = header(0o777, 0, EntryType::Symlink);
        header.set_path(name)?;
        header.set_link_name_literal(std::os::unix::ffi::OsStrExt::as_bytes(target.as_os_str()))?;
        header.set_cksum();
        self.0.append(&header, io::empty())
    }

    pub(crate) fn finish(self) -> io::Result<Written<W>> {
        let tar = self.0.into_inner()?;
        let (gzip, _, unpacked) = tar.finish();
        let (to, size, digest) = gzip.finish()?.finish();
        Ok(Written {
            to,
            digest,
            size,
            unpacked,
        })
    }
}

fn header(mode: u32, size: u64, kind: EntryType) -> Header {
    let mut header = Header::new_ustar();
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_entry_type(kind);
    header
}

/// Digests what is written.
struct Hashed<W> {
    to: W,
    hasher: Hasher,
    count: u64,
}

impl<W> Hashed<W> {
    fn new(to: W) -> Self {
        Self {
            to,
            hasher: Hasher::default(),
            count: 0,
        }
    }

    fn finish(self) -> (W, u64, Digest) {
        (self.to, self.count, self.hasher.finish())
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let n = self.to.write(piece)?;
        self.hasher.update(&piece[..n]);
        self.count += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
