//! The most memory that a group held since it was last asked.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};

use super::used::peak_file;
use super::{Controller, Group};

/// A group's peak, kept open: version 2 counts anew for the one descriptor that was written to.
#[derive(Debug)]
pub(in crate::server) struct Peak(File);

impl Peak {
    /// `None` without a memory group, and where the kernel does not let its peak be set back (version 2 before Linux
    /// 6.12).
    pub(in crate::server) fn open(group: &Group) -> Option<Self> {
        let (version, directory) = group.of_controller(Controller::Memory)?;
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .open(directory.join(peak_file(version)));
        let mut peak = Self(file.ok()?);
        peak.set_back().ok()?;
        Some(peak)
    }

    /// What it was since the last time, in bytes; it begins anew.
    pub(in crate::server) fn take(&mut self) -> Option<u64> {
        let mut text = String::new();
        self.0.rewind().ok()?;
        self.0.read_to_string(&mut text).ok()?;
        self.set_back().ok()?;
        text.trim().parse().ok()
    }

    fn set_back(&mut self) -> io::Result<()> {
        self.0.rewind()?;
        self.0.write_all(b"0")
    }
}
