//! Why the kernel does not execute a program of an image, in words: it has a number, and the reason is in the file.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use thiserror::Error;

/// As much of a file as says what it is: an ELF header, or the line that names an interpreter.
const HEAD: u64 = 256;

/// Why it was not executed.
#[derive(Debug, Error)]
pub(crate) enum Refused {
    /// No file at that place.
    #[error("the program {0} is not in the image")]
    NotThere(String),
    /// No file of that name.
    #[error("the program {0} is not in the image: it is in no folder of PATH ({1})")]
    NotFound(String, String),
    /// Not a file, or one without the right.
    #[error("{0} is not executable: it is a folder")]
    Folder(String),
    /// A file without the right.
    #[error(
        "{0} is not executable: give it the right to be executed (chmod a+x) where the image is built"
    )]
    Forbidden(String),
    /// A script's interpreter is missing.
    #[error("{0} is a script for {1}, which is not in the image")]
    NoInterpreter(String, String),
    /// A program's loader is missing.
    #[error(
        "{0} was linked for a loader (ld.so) that is not in the image: take a base that has it, or link the program statically"
    )]
    NoLoader(String),
    /// Of another processor.
    #[error("{0} is for {1}, and this machine is {2}: build the image for this platform too")]
    OtherProcessor(String, String, &'static str),
    /// Neither a program nor a script.
    #[error("{0} is neither a program nor a script whose first line names its interpreter (#!)")]
    NeitherOfThem(String),
    /// Anything else.
    #[error("{0} cannot be executed: {1}")]
    Other(String, #[source] io::Error),
}

impl Refused {
    /// Finds out why the kernel answered this.
    pub(super) fn at(place: &Path, error: io::Error) -> Self {
        let name = place.display().to_string();
        let head = head(place).unwrap_or_default();
        match error.raw_os_error() {
            Some(libc::ENOENT) if !place.exists() => Self::NotThere(name),
            Some(libc::ENOENT | libc::ENOTDIR) => match interpreter(&head) {
                Some(interpreter) => Self::NoInterpreter(name, interpreter),
                None => Self::NoLoader(name),
            },
            Some(libc::EACCES) if place.is_dir() => Self::Folder(name),
            Some(libc::EACCES) => Self::Forbidden(name),
            Some(libc::ENOEXEC) => match processor(&head) {
                Some(processor) => Self::OtherProcessor(name, processor, std::env::consts::ARCH),
                None => Self::NeitherOfThem(name),
            },
            _ => Self::Other(name, error),
        }
    }
}

fn head(place: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(place)?.take(HEAD).read_to_end(&mut head)?;
    Ok(head)
}

/// The interpreter that a script names.
fn interpreter(head: &[u8]) -> Option<String> {
    let line = head
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let line = String::from_utf8_lossy(line);
    Some(line.split_whitespace().next()?.to_owned())
}

/// The processor that an ELF file is for.
fn processor(head: &[u8]) -> Option<String> {
    let [0x7f, b'E', b'L', b'F', _, order, ..] = *head else {
        return None;
    };
    let machine = [*head.get(18)?, *head.get(19)?];
    let machine = match order {
        2 => u16::from_be_bytes(machine),
        _ => u16::from_le_bytes(machine),
    };
    Some(match machine {
        3 => "i386".into(),
        21 => "ppc64".into(),
        22 => "s390".into(),
        40 => "arm".into(),
        62 => "x86_64".into(),
        183 => "aarch64".into(),
        243 => "riscv".into(),
        258 => "loongarch".into(),
        other => format!("processor {other} of ELF"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_it_is_for() {
        assert_eq!(
            interpreter(b"#! /usr/bin/env python3\n"),
            Some("/usr/bin/env".into())
        );
        assert_eq!(interpreter(b"#!/bin/sh"), Some("/bin/sh".into()));
        for neither in [&b""[..], b"#!", b"#!\n/bin/sh", b"/bin/sh"] {
            assert_eq!(interpreter(neither), None, "{neither:?}");
        }
        let mut elf = *b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0";
        assert_eq!(processor(&elf), Some("aarch64".into()));
        (elf[5], elf[18], elf[19]) = (2, 0, 22);
        assert_eq!(processor(&elf), Some("s390".into()));
        for neither in [&elf[..19], b"", b"\x7fELF", b"MZ"] {
            assert_eq!(processor(neither), None, "{neither:?}");
        }
    }
}
