//! Where the bytes of a blob go, and where their number and digest are checked.

use std::path::Path;

use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use crate::{
    artifact::{digest::Hasher, manifest::Descriptor},
    room::Room,
    source::failure::SourceError,
};

/// Takes in one blob: no more bytes than its descriptor announces, and at the
/// end exactly those that digest to what it says.
pub struct Sink {
    expected: Descriptor,
    hasher: Hasher,
    received: u64,
    keep: Keep,
    room: Room,
}

enum Keep {
    Memory(Vec<u8>),
    File(tokio::fs::File),
}

impl Sink {
    /// A sink that keeps the blob in memory; refused when it is announced to
    /// be longer than `limit` bytes.
    pub fn memory(expected: &Descriptor, limit: u64) -> Result<Self, SourceError> {
        if expected.size > limit {
            return Err(SourceError::TooLarge {
                what: format!("blob {}", expected.digest),
                at: "its manifest".into(),
                limit,
            });
        }
        Ok(Self::new(expected, Keep::Memory(Vec::new())))
    }

    /// A sink that keeps the blob in the new file `path`, mode 0600, as long as `room` has some.
    pub async fn file(expected: &Descriptor, path: &Path, room: Room) -> Result<Self, SourceError> {
        let file = tokio::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .await
            .map_err(|e| SourceError::io(format!("create {}", path.display()), e))?;
        Ok(Self {
            room,
            ..Self::new(expected, Keep::File(file))
        })
    }

    fn new(expected: &Descriptor, keep: Keep) -> Self {
        Self {
            expected: expected.clone(),
            hasher: Hasher::default(),
            received: 0,
            keep,
            room: Room::default(),
        }
    }

    /// The blob this sink is for.
    pub fn expected(&self) -> &Descriptor {
        &self.expected
    }

    /// Takes the next piece, which came from the source `at`.
    pub async fn write(&mut self, at: &str, piece: &[u8]) -> Result<(), SourceError> {
        self.received = self.received.saturating_add(piece.len() as u64);
        if self.received > self.expected.size {
            return Err(SourceError::TooLarge {
                what: format!("blob {}", self.expected.digest),
                at: at.to_owned(),
                limit: self.expected.size,
            });
        }
        self.hasher.update(piece);
        match &mut self.keep {
            Keep::Memory(bytes) => bytes.extend_from_slice(piece),
            Keep::File(file) => {
                let failed = |e| SourceError::io(format!("keep blob {}", self.expected.digest), e);
                self.room.check(piece.len() as u64).map_err(failed)?;
                file.write_all(piece).await.map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Forgets what came, to begin again with another source.
    pub async fn restart(&mut self) -> Result<(), SourceError> {
        self.hasher = Hasher::default();
        self.received = 0;
        match &mut self.keep {
            Keep::Memory(bytes) => bytes.clear(),
            Keep::File(file) => {
                let again = async {
                    file.set_len(0).await?;
                    file.rewind().await
                };
                again
                    .await
                    .map_err(|e| SourceError::io("begin the blob again", e))?;
            }
        }
        Ok(())
    }

    /// Whether all of the announced bytes came and digest to what was asked.
    pub fn check(&self, at: &str) -> Result<(), SourceError> {
        let actual = self.hasher.clone().finish();
        if self.received == self.expected.size && actual == self.expected.digest {
            return Ok(());
        }
        Err(SourceError::Mismatch {
            at: at.to_owned(),
            expected: self.expected.digest,
            actual,
        })
    }

    /// Ends the blob from the source `at` and checks it. Gives the bytes of a
    /// sink in memory, nothing for a file, which is not synced to disk.
    pub async fn finish(mut self, at: &str) -> Result<Vec<u8>, SourceError> {
        self.check(at)?;
        match &mut self.keep {
            Keep::Memory(bytes) => Ok(std::mem::take(bytes)),
            Keep::File(file) => match file.flush().await {
                Ok(()) => Ok(Vec::new()),
                Err(e) => {
                    let what = format!("keep blob {}", self.expected.digest);
                    Err(SourceError::io(what, e))
                }
            },
        }
    }
}
