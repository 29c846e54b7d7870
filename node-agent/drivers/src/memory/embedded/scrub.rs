//! Zeroes what SQLite leaves behind where nothing is stored.
//!
//! `secure_delete` overwrites what is deleted, but not the copy that stays in a page's free middle when a
//! B-tree is balanced and an entry moves to the page beside it. When that entry is deleted later, its
//! copy would stay. So after a deletion every page of the closed database is looked at, and the parts of
//! it that the file format calls unallocated are zeroed (<https://www.sqlite.org/fileformat2.html> §1.6).
//! A database reads the same before, during and after.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

const MAGIC: &[u8] = b"SQLite format 3\0";
const FILE_HEADER: usize = 100;
/// How much is read at once.
const BLOCK: usize = 1024 * 1024;

/// Zeroes the unallocated parts of a database that nobody has open; answers how many pages held something
/// there. Durable when it answers.
///
/// # Errors
/// What the disk says; or `invalid data` for a file that is not a database.
pub(super) fn scrub(database: &Path) -> io::Result<u64> {
    let mut file = OpenOptions::new().read(true).write(true).open(database)?;
    let Some(form) = Form::read(&mut file)? else {
        return Ok(0);
    };
    let mut block = vec![0; BLOCK - BLOCK % form.page];
    let (mut at, mut scrubbed) = (0_u64, 0);
    loop {
        let have = read_full(&mut file, at, &mut block)?;
        let mut changed = false;
        for (index, page) in block[..have].chunks_exact_mut(form.page).enumerate() {
            let first = at == 0 && index == 0;
            if form.clear(page, first) {
                changed = true;
                scrubbed += 1;
            }
        }
        if changed {
            file.seek(SeekFrom::Start(at))?;
            file.write_all(&block[..have])?;
        }
        at += have as u64;
        if have < block.len() {
            break;
        }
    }
    if scrubbed > 0 {
        file.sync_all()?;
    }
    Ok(scrubbed)
}

/// Sizes that the file's header gives.
struct Form {
    page: usize,
    usable: usize,
}

impl Form {
    /// Nothing for an empty file.
    fn read(file: &mut File) -> io::Result<Option<Self>> {
        let mut header = [0; FILE_HEADER];
        match read_full(file, 0, &mut header)? {
            0 => return Ok(None),
            FILE_HEADER if header.starts_with(MAGIC) => {}
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "it is not a database",
                ));
            }
        }
        let page = match two(&header, 16) {
            1 => 65_536,
            page if page.is_power_of_two() && page >= 512 => page,
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "its page size is none",
                ));
            }
        };
        Ok(Some(Self {
            page,
            usable: page - usize::from(header[20]),
        }))
    }

    /// Zeroes the gap between a page's pointers and its content, and the bodies of its free blocks.
    /// Pages that do not belong to a B-tree are left as they are: freed ones are zeroed by `secure_delete` already.
    fn clear(&self, page: &mut [u8], first: bool) -> bool {
        let base = if first { FILE_HEADER } else { 0 };
        // An overflow or free page begins with a page number; it looks like one of these kinds only in a
        // database of more than 33 million pages.
        let header = match page[base] {
            0x02 | 0x05 => 12,
            0x0a | 0x0d => 8,
            _ => return false,
        };
        let pointers = base + header + 2 * two(page, base + 3);
        let content = match two(page, base + 5) {
            0 => 65_536,
            content => content,
        };
        if pointers > content || content > self.usable {
            return false;
        }
        let mut changed = zero(&mut page[pointers..content]);
        let mut free = two(page, base + 1);
        // They are in rising order; whatever is not does not form a chain.
        while free >= content && free + 4 <= self.usable {
            let (next, size) = (two(page, free), two(page, free + 2));
            if size < 4 || free + size > self.usable {
                break;
            }
            changed |= zero(&mut page[free + 4..free + size]);
            if next <= free {
                break;
            }
            free = next;
        }
        changed
    }
}

fn zero(bytes: &mut [u8]) -> bool {
    let held = bytes.iter().any(|byte| *byte != 0);
    if held {
        bytes.fill(0);
    }
    held
}

fn two(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
}

fn read_full(file: &mut File, at: u64, into: &mut [u8]) -> io::Result<usize> {
    file.seek(SeekFrom::Start(at))?;
    let mut have = 0;
    while have < into.len() {
        match file.read(&mut into[have..]) {
            Ok(0) => break,
            Ok(more) => have += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(have)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn a_database_reads_the_same_after_and_is_sound() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.db");
        for page in [512_u32, 4096, 65536] {
            let _ = std::fs::remove_file(&file);
            let mut random = fastrand::Rng::with_seed(page.into());
            let connection = Connection::open(&file).unwrap();
            connection.pragma_update(None, "page_size", page).unwrap();
            connection.execute_batch("CREATE TABLE t (k TEXT PRIMARY KEY, v BLOB) WITHOUT ROWID; CREATE TABLE u (v BLOB); BEGIN").unwrap();
            for _ in 0..400 {
                let value: Vec<u8> = (0..random.usize(..900)).map(|_| random.u8(1..)).collect();
                connection
                    .execute(
                        "INSERT OR REPLACE INTO t VALUES (?1, ?2)",
                        (random.u16(..).to_string(), &value),
                    )
                    .unwrap();
                connection
                    .execute("INSERT INTO u VALUES (?1)", [&value])
                    .unwrap();
            }
            connection
                .execute_batch(
                    "DELETE FROM t WHERE k % 3 = 0; DELETE FROM u WHERE rowid % 2 = 0; COMMIT",
                )
                .unwrap();
            let all = |connection: &Connection| -> Vec<Vec<u8>> {
                let mut rows = connection
                    .prepare("SELECT v FROM t UNION ALL SELECT v FROM u")
                    .unwrap();
                rows.query_map([], |row| row.get(0))
                    .unwrap()
                    .map(Result::unwrap)
                    .collect()
            };
            let before = all(&connection);
            drop(connection);
            assert!(scrub(&file).unwrap() > 0, "{page}");
            assert_eq!(
                scrub(&file).unwrap(),
                0,
                "the second time there is nothing left"
            );
            let connection = Connection::open(&file).unwrap();
            assert_eq!(all(&connection), before);
            let sound: String = connection
                .query_row("PRAGMA integrity_check", [], |row| row.get(0))
                .unwrap();
            assert_eq!(sound, "ok");
        }
    }

    proptest! {
        #[test]
        fn bytes_that_make_no_page_are_no_panic(mut page in prop::collection::vec(any::<u8>(), 512), kind in 0_usize..4, first in any::<bool>()) {
            page[if first { FILE_HEADER } else { 0 }] = [0x02, 0x05, 0x0a, 0x0d][kind];
            Form { page: 512, usable: 500 }.clear(&mut page, first);
        }
    }
}
