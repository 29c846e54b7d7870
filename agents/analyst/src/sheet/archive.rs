//! The archive that a workbook is: what parts it has, and each of them unpacked as it is read.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

use flate2::Crc;
use flate2::read::DeflateDecoder;
use memchr::memmem::rfind;
use zip::{CompressionMethod, ZipArchive};

use super::{ReadAt, refused};

/// A workbook has some dozen.
const MAX_ENTRIES: u64 = 10_000;
/// How long the record at the end of an archive may be, with its comment.
const TAIL: u64 = (64 << 10) + 22;

/// An archive's parts.
pub(super) struct Archive {
    zip: RefCell<ZipArchive<Source>>,
    /// Where each is among the entries; the last of those with one name.
    parts: HashMap<String, usize>,
    source: Source,
}

/// A file with a place in it.
#[derive(Clone)]
struct Source {
    file: Rc<dyn ReadAt>,
    at: u64,
    size: u64,
}

impl Archive {
    pub(super) fn open(file: Rc<dyn ReadAt>, size: u64) -> io::Result<Self> {
        few_parts(&*file, size)?;
        let source = Source { file, at: 0, size };
        let zip = match ZipArchive::new(source.clone()) {
            Ok(zip) => zip,
            Err(error) => {
                return refused(format!(
                    "the file is a damaged ZIP archive ({error}): save it anew and try again"
                ));
            }
        };
        let names = (0..zip.len()).filter_map(|i| Some((zip.name_for_index(i)?, i)));
        let parts = names
            .map(|(name, i)| (name.strip_prefix('/').unwrap_or(name).to_owned(), i))
            .collect();
        Ok(Self {
            zip: RefCell::new(zip),
            parts,
            source,
        })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.parts.contains_key(name)
    }

    /// A part, unpacked.
    pub(super) fn part(&self, name: &str) -> io::Result<Box<dyn Read>> {
        let Some(&index) = self.parts.get(name) else {
            return refused(format!(
                "the workbook lacks its part {name}: save it anew and try again"
            ));
        };
        self.unpacked(index).or_else(|error| {
            refused(format!(
                "the workbook's part {name} cannot be unpacked: {error}"
            ))
        })
    }

    fn unpacked(&self, index: usize) -> io::Result<Box<dyn Read>> {
        let mut zip = self.zip.try_borrow_mut().map_err(io::Error::other)?;
        let entry = zip.by_index_raw(index)?;
        let start = entry
            .data_start()
            .ok_or_else(|| io::Error::other("it is not where the archive says"))?;
        let packed = Source {
            at: start,
            ..self.source.clone()
        }
        .take(entry.compressed_size());
        let unpacked: Box<dyn Read> = match entry.compression() {
            CompressionMethod::Stored => Box::new(packed),
            CompressionMethod::DEFLATE => Box::new(DeflateDecoder::new(packed)),
            other => return refused(format!("unsupported compression algorithm {other}")),
        };
        Ok(Box::new(Checked {
            source: unpacked,
            sum: Crc::new(),
            want: entry.crc32(),
        }))
    }
}

/// Refuses an archive with more entries than a workbook has, before they are read.
fn few_parts(file: &dyn ReadAt, size: u64) -> io::Result<()> {
    let from = size.saturating_sub(TAIL);
    let mut tail = vec![0; (size - from) as usize];
    let n = file.read_at(&mut tail, from)?;
    tail.truncate(n);
    let record = rfind(&tail, b"PK\x05\x06").and_then(|at| Some((at, tail.get(at..at + 22)?)));
    let Some((at, record)) = record else {
        return refused(
            "the file is a ZIP archive that breaks off: fetch it anew, or save it as CSV and try again",
        );
    };
    let mut entries = u64::from(u16::from_le_bytes(bytes(record, 10)));
    // A record of longer numbers may come before it, and has the word then.
    if let Some(locator) = at
        .checked_sub(20)
        .and_then(|at| tail.get(at..))
        .filter(|tail| tail.starts_with(b"PK\x06\x07"))
    {
        let mut longer = [0; 40];
        let n = file.read_at(&mut longer, u64::from_le_bytes(bytes(locator, 8)))?;
        if n == longer.len() && longer.starts_with(b"PK\x06\x06") {
            entries = entries.max(u64::from_le_bytes(bytes(&longer, 32)));
        }
    }
    if entries > MAX_ENTRIES {
        return refused(format!(
            "the file is a ZIP archive of {entries} entries, and no workbook has so many"
        ));
    }
    Ok(())
}

fn bytes<const N: usize>(from: &[u8], at: usize) -> [u8; N] {
    from.get(at..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .unwrap_or([0; N])
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(into, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::other("a place before the file"))?;
        Ok(self.at)
    }
}

/// A part whose sum is compared at its end.
struct Checked {
    source: Box<dyn Read>,
    sum: Crc,
    want: u32,
}

impl Read for Checked {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(into)?;
        self.sum.update(into.get(..n).unwrap_or_default());
        if n == 0 && !into.is_empty() && self.sum.sum() != self.want {
            return refused("its checksum is another");
        }
        Ok(n)
    }
}
