//! Reading facts back while the journal is written, a segment at a time. Nothing is locked: what is being written is not
//! there yet, and a segment that is forgotten meanwhile is not there any more.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use super::{
    JournalError, Lsn,
    frame::{self, HEADER, Kind, Parsed},
    segment,
};

/// The positions of the segments of the journal in `dir`, newest first.
///
/// # Errors
/// Where the folder cannot be read.
pub fn segments(dir: &Path) -> Result<Vec<Lsn>, JournalError> {
    let found = segment::list(dir)?;
    Ok(found.iter().rev().map(|segment| segment.base).collect())
}

/// How far a segment was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// So many bytes were read, or passed over.
    pub bytes: u64,
    /// It was read to its end: nothing in it is damaged, or half written.
    pub is_whole: bool,
}

/// Gives each fact of the segment at `base` to `each`, oldest first: the position of the batch that it was written in, its
/// place in that, and its JSON. A place that is damaged, or being written, ends it. Bodies are passed over. Blocks on the
/// disk.
///
/// # Errors
/// Where the segment cannot be read.
pub fn facts(
    dir: &Path,
    base: Lsn,
    mut each: impl FnMut(Lsn, u32, &[u8]),
) -> Result<Reached, JournalError> {
    let path = segment::path(dir, base);
    let reached = |at: u64, is_whole| Reached {
        bytes: at - base.0,
        is_whole,
    };
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(reached(base.0, true)),
        opened => opened.map_err(JournalError::io("open", &path))?,
    };
    let mut from = BufReader::with_capacity(BUFFER, file);
    let (mut at, mut batch) = (base.0, Vec::new());
    loop {
        let size = match next(&mut from, &mut batch).map_err(JournalError::io("read", &path))? {
            Next::Frame(size) => size,
            Next::End => return Ok(reached(at, true)),
            Next::Broken => return Ok(reached(at, false)),
        };
        if let Parsed::Frame {
            kind: Kind::Facts,
            payload,
            ..
        } = frame::parse(&batch)
        {
            let lines = payload.split(|byte| *byte == b'\n');
            let lines = lines.filter(|line| !line.is_empty());
            for (number, line) in (0..).zip(lines) {
                each(Lsn(at), number, line);
            }
        }
        at += size;
    }
}

/// What is read of a segment at once, in bytes.
const BUFFER: usize = 64 * 1024;

/// What stands at a place.
enum Next {
    /// A frame of so many bytes.
    Frame(u64),
    End,
    Broken,
}

/// Reads the next frame that has facts into `batch`, or passes over another.
fn next(from: &mut BufReader<File>, batch: &mut Vec<u8>) -> io::Result<Next> {
    batch.clear();
    if !read(from, batch, HEADER)? {
        return Ok(match batch.is_empty() {
            true => Next::End,
            false => Next::Broken,
        });
    }
    let Some((kind, length)) = frame::announced(batch) else {
        return Ok(Next::Broken);
    };
    let size = HEADER as u64 + length as u64;
    if kind != Kind::Facts {
        batch.clear();
        from.seek_relative(i64::try_from(length).unwrap_or(i64::MAX))?;
        return Ok(Next::Frame(size));
    }
    let is_whole =
        read(from, batch, length)? && matches!(frame::parse(batch), Parsed::Frame { .. });
    Ok(match is_whole {
        true => Next::Frame(size),
        false => Next::Broken,
    })
}

/// Whether there were so many bytes more.
fn read(from: &mut BufReader<File>, to: &mut Vec<u8>, bytes: usize) -> io::Result<bool> {
    let read = from.take(bytes as u64).read_to_end(to)?;
    Ok(read == bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use aion_kernel::{BodyDigest, Fact, Millis};

    use super::*;
    use crate::{
        Batch,
        tests::{append, options},
    };

    fn read(dir: &Path) -> Vec<(u64, u32, u64)> {
        let mut all = Vec::new();
        for base in segments(dir).unwrap().into_iter().rev() {
            facts(dir, base, |lsn, number, line| {
                let fact: Fact = serde_json::from_slice(line).unwrap();
                all.push((lsn.0, number, fact.at().unwrap().0));
            })
            .unwrap();
        }
        all
    }

    #[test]
    fn facts_are_read_beside_the_writer_in_order_and_bodies_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = crate::open(&options(dir.path())).unwrap();
        for at in 0..100 {
            let mut batch = Batch::default();
            batch.body(BodyDigest([7; 32]), &[b'x'; 100]);
            for at in [2 * at, 2 * at + 1] {
                batch.fact(&Fact::Recovered { at: Millis(at) }).unwrap();
            }
            journal.append(&mut batch, false).unwrap();
        }
        assert!(segments(dir.path()).unwrap().len() > 2);
        let all = read(dir.path());
        let at: Vec<_> = all.iter().map(|it| it.2).collect();
        assert_eq!(at, (0..200).collect::<Vec<_>>());
        assert!(all.is_sorted(), "places rise with the facts");
        assert_eq!((all[0].1, all[1].1), (0, 1));
    }

    #[test]
    fn what_is_half_written_or_gone_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = crate::open(&options(dir.path())).unwrap();
        let first = append(&mut journal, 0..2);
        let end = append(&mut journal, 2..3);
        let base = segments(dir.path()).unwrap()[0];
        let path = segment::path(dir.path(), base);
        let whole = fs::read(&path).unwrap();
        for length in first.0..end.0 {
            fs::write(&path, &whole[..length as usize]).unwrap();
            assert_eq!(read(dir.path()).len(), 2, "cut at {length}");
            let reached = facts(dir.path(), base, |_, _, _| {}).unwrap();
            assert_eq!(reached.is_whole, length == first.0, "cut at {length}");
        }
        fs::write(&path, &whole).unwrap();
        let reached = facts(dir.path(), base, |_, _, _| {}).unwrap();
        let all = Reached {
            bytes: end.0,
            is_whole: true,
        };
        assert_eq!((base.0, reached), (0, all));
        fs::remove_file(&path).unwrap();
        facts(dir.path(), base, |_, _, _| unreachable!()).unwrap();
    }
}
