//! Bytes for a process that are handed over as a descriptor.

use std::{
    io::{self, Seek, SeekFrom, Write},
    os::fd::OwnedFd,
};

use rustix::fs::{MemfdFlags, SealFlags};

/// Bytes in memory that only whoever holds the descriptor can read, and nobody can change.
pub(crate) fn sealed(bytes: &[u8]) -> io::Result<OwnedFd> {
    let fd =
        rustix::fs::memfd_create("aion-boot", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = std::fs::File::from(fd);
    file.write_all(bytes)?;
    file.seek(SeekFrom::Start(0))?;
    rustix::fs::fcntl_add_seals(
        &file,
        SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
    )?;
    Ok(file.into())
}
