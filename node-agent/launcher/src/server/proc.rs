//! Files of `/proc` and of cgroups, whose size the kernel does not tell: each is read at once, where reading it as an
//! ordinary file takes half a dozen calls, and a start reads a dozen of them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// More than any of them has.
const ROOM: usize = 8 * 1024;
/// What no such file reaches: `mountinfo` of a tool grows with its mounts.
const MOST: u64 = 1024 * 1024;

/// The whole text.
pub(super) fn text(path: impl AsRef<Path>) -> io::Result<String> {
    let mut text = String::with_capacity(ROOM);
    File::open(path)?.take(MOST).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_longer_than_the_room_is_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long");
        let long = "a line\n".repeat(ROOM);
        std::fs::write(&path, &long).unwrap();
        assert_eq!(text(&path).unwrap(), long);
        assert!(text("/proc/self/status").unwrap().contains("NoNewPrivs:"));
    }
}
