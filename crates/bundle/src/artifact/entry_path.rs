//! Which paths a bundle may hold: the one rule for what is packed and what is
//! unpacked.

use std::path::{Path, PathBuf};

/// The longest path in an archive, in bytes: what a plain `ustar` header can
/// hold (POSIX.1-1988), so that no extension headers are needed.
const MAX_PATH: usize = 255;
/// The longest name of one file or folder, in bytes (`NAME_MAX` of Linux).
const MAX_PART: usize = 255;
const MAX_DEPTH: usize = 16;

/// `raw` as a path below some folder, or what is wrong with it.
pub(crate) fn entry_path(raw: &[u8]) -> Result<PathBuf, &'static str> {
    let text = std::str::from_utf8(raw).map_err(|_| "its name is not UTF-8")?;
    let text = text.strip_suffix('/').unwrap_or(text);
    if text.is_empty() {
        return Err("it has no name");
    }
    if text.len() > MAX_PATH {
        return Err("its name is too long");
    }
    if text.starts_with('/') {
        return Err("its path is absolute");
    }
    if text.chars().any(|c| c.is_control() || c == '\\') {
        return Err("its name has control characters or a backslash");
    }
    let parts: Vec<_> = text.split('/').collect();
    if parts.len() > MAX_DEPTH {
        return Err("it is nested too deep");
    }
    for part in &parts {
        match *part {
            "" | "." => return Err("its path has an empty part"),
            ".." => return Err("its path leads out of the bundle"),
            p if p.len() > MAX_PART => return Err("its name is too long"),
            _ => {}
        }
    }
    Ok(Path::new(text).to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_below_a_folder_pass() {
        let check = |raw: &[u8], expect: bool| {
            let shown = String::from_utf8_lossy(raw);
            assert_eq!(entry_path(raw).is_ok(), expect, "{shown}");
        };
        check(b"a", true);
        check(b"prompts/system.md", true);
        check(b"prompts/", true);
        check("skills/größe 1.md".as_bytes(), true);
        check(b"a/..b/c", true);
        check(b"", false);
        check(b"/", false);
        check(b"/etc/passwd", false);
        check(b"..", false);
        check(b"../a", false);
        check(b"a/../../b", false);
        check(b"a/..", false);
        check(b"./a", false);
        check(b"a//b", false);
        check(b"a/./b", false);
        check(b"a\\b", false);
        check(b"a\nb", false);
        check(b"a\0b", false);
        check(b"\xff\xfe", false);
        check(&[b'a'; 256], false);
        check("a/".repeat(17).as_bytes(), false);
    }
}
