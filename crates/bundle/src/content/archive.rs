//! What every reader of an archive that may mean harm has in common: how it refuses, and the bounds on what it reads.
//! What may not enter: which entries are let through, and where they go.

use std::{
    cell::Cell,
    io::{self, Read, Write},
    path::Path,
    rc::Rc,
};

use thiserror::Error;

/// An archive that is not unpacked.
#[derive(Debug, Error)]
pub enum UnpackError {
    /// Something that is never unpacked.
    #[error("the archive holds `{path}`, which is refused: {why}")]
    Unsafe {
        /// The entry.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// More than the limits allow.
    #[error("the archive has more {what} than the {limit} allowed")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// How many.
        limit: u64,
    },
    /// Cut off, or not an archive at all.
    #[error("the archive is malformed: {0}")]
    Malformed(io::Error),
    /// The disk.
    #[error("unpack to {path}: {why}")]
    Io {
        /// The file or folder.
        path: String,
        /// The error.
        why: io::Error,
    },
}

impl UnpackError {
    /// Of the disk, at `path`.
    pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> Self + '_ {
        |why| Self::Io {
            path: path.display().to_string(),
            why,
        }
    }
}

/// Passes the content of an entry on to `to`, which is at `path`, by way of `piece`. Gives how many bytes that were.
pub(crate) fn pass_on(
    from: &mut (impl Read + ?Sized),
    to: &mut impl Write,
    path: &Path,
    piece: &mut [u8],
) -> Result<u64, UnpackError> {
    let mut count = 0;
    loop {
        let n = from.read(piece).map_err(from_archive)?;
        if n == 0 {
            return Ok(count);
        }
        count += n as u64;
        to.write_all(&piece[..n]).map_err(UnpackError::at(path))?;
    }
}

/// How many bytes have passed. Clones count together.
#[derive(Clone, Default)]
pub(crate) struct Count(Rc<Cell<u64>>);

impl Count {
    pub(crate) fn add(&self, more: usize) -> u64 {
        self.0.set(self.0.get().saturating_add(more as u64));
        self.0.get()
    }
}

/// Counts what is read of the packed bytes.
pub(crate) struct Counted<R> {
    inner: R,
    count: Count,
}

impl<R: Read> Counted<R> {
    pub(crate) fn new(inner: R) -> (Self, Count) {
        let count = Count::default();
        let counted = Self {
            inner,
            count: count.clone(),
        };
        (counted, count)
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.count.add(n);
        Ok(n)
    }
}

/// How much an archive may unpack to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    /// In bytes.
    pub(crate) bytes: u64,
    /// For each packed byte.
    pub(crate) ratio: u64,
    /// From how many bytes on the ratio is looked at.
    pub(crate) ratio_from: u64,
}

/// Ends an unpacked stream with an error where it grows past its bounds.
pub(crate) struct Bounded<D> {
    pub(crate) inner: D,
    packed: Count,
    count: u64,
    most: Most,
}

impl<D: Read> Bounded<D> {
    pub(crate) fn new(inner: D, packed: Count, most: Most) -> Self {
        Self {
            inner,
            packed,
            count: 0,
            most,
        }
    }

    /// How many bytes came out.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }
}

/// Carries a limit through the reader traits.
#[derive(Debug, Error)]
#[error("more {what} than {limit}")]
struct OverLimit {
    what: &'static str,
    limit: u64,
}

impl<D: Read> Read for Bounded<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.count += n as u64;
        let over = |what, limit| Err(io::Error::other(OverLimit { what, limit }));
        if self.count > self.most.bytes {
            return over("bytes", self.most.bytes);
        }
        let packed = self.packed.add(0).max(1);
        if self.count > self.most.ratio_from && self.count / packed >= self.most.ratio {
            return over("bytes for each packed byte", self.most.ratio);
        }
        Ok(n)
    }
}

/// What an error of the stream says of the archive.
pub(crate) fn from_archive(error: io::Error) -> UnpackError {
    match error.get_ref().and_then(|e| e.downcast_ref::<OverLimit>()) {
        Some(over) => UnpackError::TooLarge {
            what: over.what,
            limit: over.limit,
        },
        None => UnpackError::Malformed(error),
    }
}

/// After the last entry of a tar come zeros, and nothing that another tool might see and this one does not.
pub(crate) fn only_zeros(rest: &mut impl Read) -> io::Result<()> {
    let mut piece = [0; 4096];
    loop {
        match rest.read(&mut piece)? {
            0 => return Ok(()),
            n if piece[..n].iter().all(|b| *b == 0) => {}
            _ => {
                let what = "there is more after the end of the tar";
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
        }
    }
}
