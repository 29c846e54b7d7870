//! Installing the seccomp programs that the launcher made.

use seccompiler::{apply_filter, sock_filter};

use crate::plan::Filter;

/// Installs the programs in order. They are the last step: from here on only the
/// profile's system calls are there.
pub(super) fn install(filters: &[Filter]) -> Result<(), String> {
    if filters.is_empty() {
        return Err("no seccomp program for this processor".into());
    }
    for filter in filters {
        let program: Vec<sock_filter> = filter.iter().map(|word| unpack(*word)).collect();
        apply_filter(&program).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn unpack(word: u64) -> sock_filter {
    sock_filter {
        code: (word >> 48) as u16,
        jt: (word >> 40) as u8,
        jf: (word >> 32) as u8,
        k: word as u32,
    }
}
