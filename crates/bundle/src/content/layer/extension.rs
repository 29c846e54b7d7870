//! The headers of an archive that say more of the entry after them: long names of GNU tar, and records of PAX. Bounded
//! before they are read: a name may claim a gigabyte. What may not enter: the entries themselves.

use std::io::{self, Read};

use tar::{Entry, EntryType};

use crate::content::archive::{UnpackError, from_archive};

/// The longest extension, in bytes: PAX records carry extended attributes, which are not kept.
const MAX_EXTENSION: u64 = 1 << 20;

/// What was said of the next entry.
#[derive(Default)]
pub(crate) struct Extension {
    gnu_path: Option<Vec<u8>>,
    gnu_link: Option<Vec<u8>>,
    pax: Option<Pax>,
}

#[derive(Default)]
struct Pax {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<Vec<u8>>,
    sparse: bool,
}

impl Extension {
    /// Takes `entry` where it is an extension; says whether it was.
    pub(crate) fn take<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<bool, UnpackError> {
        let twice = match entry.header().entry_type() {
            EntryType::GNULongName => self.gnu_path.replace(name(entry)?).is_some(),
            EntryType::GNULongLink => self.gnu_link.replace(name(entry)?).is_some(),
            EntryType::XHeader => self.pax.replace(Pax::parse(&content(entry)?)?).is_some(),
            // Of the whole archive: comments of its writer. None of them may rename anything.
            EntryType::XGlobalHeader => {
                let global = Pax::parse(&content(entry)?)?;
                match global.path.is_some() || global.link.is_some() || global.size.is_some() {
                    true => return Err(malformed("a global header names an entry")),
                    false => false,
                }
            }
            _ => return Ok(false),
        };
        match twice {
            true => Err(malformed("two extension headers of one kind for one entry")),
            false => Ok(true),
        }
    }

    /// Whether something is said of an entry that does not come.
    pub(crate) fn is_pending(&self) -> bool {
        self.gnu_path.is_some() || self.gnu_link.is_some() || self.pax.is_some()
    }

    /// The path of `entry`. As Go's reader has it, and with it Docker and containerd, GNU's word counts before PAX's.
    pub(crate) fn path<R: Read>(&mut self, entry: &Entry<'_, R>) -> Vec<u8> {
        let pax = self.pax.as_mut().and_then(|it| it.path.take());
        let said = self.gnu_path.take().or(pax);
        said.unwrap_or_else(|| entry.path_bytes().into_owned())
    }

    /// Where `entry` links to.
    pub(crate) fn link<R: Read>(&mut self, entry: &Entry<'_, R>) -> Vec<u8> {
        let pax = self.pax.as_mut().and_then(|it| it.link.take());
        let said = self.gnu_link.take().or(pax);
        said.unwrap_or_else(|| {
            entry
                .link_name_bytes()
                .map_or(Vec::new(), |it| it.into_owned())
        })
    }

    /// Why `entry` cannot be read as its header says, where it cannot.
    pub(crate) fn objection<R: Read>(&self, entry: &Entry<'_, R>) -> Option<&'static str> {
        let pax = self.pax.as_ref()?;
        if pax.sparse {
            return Some("it is a sparse file; build the layer without them");
        }
        let size = entry.size().to_string().into_bytes();
        match &pax.size {
            Some(other) if *other != size => Some("its size is said twice, and not the same"),
            _ => None,
        }
    }
}

impl Pax {
    fn parse(mut bytes: &[u8]) -> Result<Self, UnpackError> {
        let mut read = Self::default();
        while !bytes.is_empty() {
            let (key, value, rest) = record(bytes).ok_or(malformed("a record of PAX is none"))?;
            bytes = rest;
            let value = Some(value.to_vec()).filter(|it| !it.is_empty());
            match key {
                b"path" => read.path = value,
                b"linkpath" => read.link = value,
                b"size" => read.size = value,
                key if key.starts_with(b"GNU.sparse.") => read.sparse = true,
                _ => {}
            }
        }
        Ok(read)
    }
}

/// The first of `LENGTH KEY=VALUE\n …`, and what follows it. Not by the crate, which ends a value at its first newline:
/// capabilities of files, in images of every kind, are any bytes.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|b| *b == b' ')?;
    let length: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
    let (record, rest) = bytes.split_at_checked(length)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|b| *b == b'=')?;
    Some((&record[..equals], &record[equals + 1..], rest))
}

/// The content of an extension.
fn content<R: Read>(entry: &mut Entry<'_, R>) -> Result<Vec<u8>, UnpackError> {
    let size = entry.size();
    if size > MAX_EXTENSION {
        return Err(UnpackError::TooLarge {
            what: "bytes in an extension header",
            limit: MAX_EXTENSION,
        });
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(from_archive)?;
    match bytes.len() as u64 == size {
        true => Ok(bytes),
        false => Err(malformed("it is cut off")),
    }
}

/// A name, up to its zero.
fn name<R: Read>(entry: &mut Entry<'_, R>) -> Result<Vec<u8>, UnpackError> {
    let mut bytes = content(entry)?;
    if let Some(end) = bytes.iter().position(|b| *b == 0) {
        bytes.truncate(end);
    }
    Ok(bytes)
}

pub(crate) fn malformed(what: &'static str) -> UnpackError {
    UnpackError::Malformed(io::Error::new(io::ErrorKind::InvalidData, what))
}
