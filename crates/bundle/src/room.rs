//! Whether there is room for what comes: of the disk under the store a part may be another's. Asked before anything is
//! fetched and before each piece that is written. What may not enter: how the room is measured.

use std::{
    fmt,
    io::{self, Write},
    sync::Arc,
};

type Check = dyn Fn(u64) -> io::Result<()> + Send + Sync;

/// What says whether so many more bytes may be written. Clones share it.
#[derive(Clone)]
pub struct Room(Arc<Check>);

impl Room {
    /// As `check` says of so many bytes more; its error is what the refusal says.
    pub fn new(check: impl Fn(u64) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(check))
    }

    /// Whether `more` bytes may be written.
    pub(crate) fn check(&self, more: u64) -> io::Result<()> {
        (self.0)(more)
    }
}

/// All that the disk has.
impl Default for Room {
    fn default() -> Self {
        Self::new(|_| Ok(()))
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Room")
    }
}

/// Writes as long as there is room.
pub(crate) struct Filling<'r, W> {
    to: W,
    room: &'r Room,
}

impl<'r, W: Write> Filling<'r, W> {
    pub(crate) fn new(to: W, room: &'r Room) -> Self {
        Self { to, room }
    }
}

impl<W: Write> Write for Filling<'_, W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.room.check(piece.len() as u64)?;
        self.to.write(piece)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
