//! The guest's memory, with every offset checked. Offsets and lengths are the guest's and may be anything; one
//! outside of the memory is a trap.

use wasmtime::{Caller, Error, Extern, Memory, Result};

use super::host::Host;

/// The memory that the guest exports.
pub(super) fn of<D: 'static>(caller: &mut Caller<'_, Host<D>>) -> Result<Memory> {
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => Ok(memory),
        _ => Err(Error::msg("it exports no memory")),
    }
}

/// `length` bytes at `at`.
pub(super) fn slice(memory: &[u8], at: u32, length: u32) -> Result<&[u8]> {
    let (at, length) = (at as usize, length as usize);
    at.checked_add(length)
        .and_then(|end| memory.get(at..end))
        .ok_or_else(outside)
}

/// As [`slice`], to be written.
pub(super) fn slice_mut(memory: &mut [u8], at: u32, length: u32) -> Result<&mut [u8]> {
    let (at, length) = (at as usize, length as usize);
    at.checked_add(length)
        .and_then(|end| memory.get_mut(at..end))
        .ok_or_else(outside)
}

/// Puts `bytes` at `at`.
pub(super) fn put(memory: &mut [u8], at: u32, bytes: &[u8]) -> Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| outside())?;
    slice_mut(memory, at, length)?.copy_from_slice(bytes);
    Ok(())
}

/// The little-endian number at `at`.
pub(super) fn u32_at(memory: &[u8], at: u32) -> Result<u32> {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(slice(memory, at, 4)?);
    Ok(u32::from_le_bytes(bytes))
}

/// The little-endian number at `at`.
pub(super) fn u64_at(memory: &[u8], at: u32) -> Result<u64> {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(slice(memory, at, 8)?);
    Ok(u64::from_le_bytes(bytes))
}

/// `at` and `by` further; beyond four gigabytes is outside.
pub(super) fn further(at: u32, by: u32) -> Result<u32> {
    at.checked_add(by).ok_or_else(outside)
}

fn outside() -> Error {
    Error::msg("an offset given to the host is outside of the program's memory")
}
