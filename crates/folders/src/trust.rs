//! Whom a folder has to belong to before this process believes what is in it.

use std::{fs, io};

use rustix::process::geteuid;

/// What is asked of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// It and everything above it is root's, and nobody else may write there.
    Root,
    /// Nothing: this process has no rights beyond those of its user.
    Own,
}

impl Trust {
    /// What this process has to ask: root has rights that others want to borrow. Root of a user namespace
    /// that holds no other user has none.
    ///
    /// # Errors
    /// The kernel does not say which users there are.
    pub fn of_process() -> io::Result<Self> {
        if !geteuid().is_root() {
            return Ok(Self::Own);
        }
        let map = fs::read_to_string("/proc/self/uid_map")?;
        Ok(match has_other_users(&map) {
            true => Self::Root,
            false => Self::Own,
        })
    }
}

/// Whether a `uid_map` (user_namespaces(7)) holds more than one user.
fn has_other_users(map: &str) -> bool {
    let counts = map
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
    counts.sum::<u64>() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_among_users_is_root_and_root_alone_is_nobody_special() {
        assert!(has_other_users("         0          0 4294967295\n"));
        assert!(has_other_users("0 1000 1\n1 100000 65536\n"));
        assert!(!has_other_users("         0       1000          1\n"));
    }
}
