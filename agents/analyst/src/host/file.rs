//! Files from their beginnings to their ends.

use std::io::{self, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::part::{Part, Source};
use super::{CHUNK, Caller, FileRef, make};

/// Reads a file from its start, one syscall a chunk.
pub struct File {
    source: Source,
    part: Part,
    /// How much of the part was given.
    given: usize,
    /// How much was read from the host.
    offset: u64,
}

impl File {
    /// Reads nothing yet.
    pub fn new(source: Source) -> Self {
        Self {
            source,
            part: Part::default(),
            given: 0,
            offset: 0,
        }
    }

    /// The file's size, once a part of it has been read.
    pub fn size(&self) -> u64 {
        self.part.size
    }

    /// Reads the first chunk, and says whether that is the whole file.
    pub fn head(&mut self) -> io::Result<(Vec<u8>, bool)> {
        self.fill()?;
        Ok((self.part.data.clone(), self.offset >= self.part.size))
    }

    fn fill(&mut self) -> io::Result<()> {
        self.source.read(&mut self.part, self.offset)?;
        self.given = 0;
        self.offset += self.part.data.len() as u64;
        Ok(())
    }
}

impl Read for File {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.given == self.part.data.len() {
            self.fill()?;
        }
        let rest = self.part.data.get(self.given..).unwrap_or_default();
        let n = rest.len().min(into.len());
        if let (Some(into), Some(rest)) = (into.get_mut(..n), rest.get(..n)) {
            into.copy_from_slice(rest);
        }
        self.given += n;
        Ok(n)
    }
}

#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    file: &'a FileRef,
    data: String,
    mode: &'static str,
}

/// Replaces a file in parts: the first part replaces what was there, the rest is appended.
pub fn write(caller: &dyn Caller, file: &FileRef, content: &[u8]) -> io::Result<()> {
    let mut response = Vec::new();
    // An empty file is a part too.
    let parts = content
        .chunks(CHUNK)
        .chain(content.is_empty().then_some(content));
    for (i, part) in parts.enumerate() {
        let written = Written {
            file,
            data: STANDARD.encode(part),
            mode: if i == 0 { "replace" } else { "append" },
        };
        make(caller, "fs.write", &written, &mut response)?;
    }
    Ok(())
}
