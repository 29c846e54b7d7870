//! How much the programs of one agent may log in a time. What may not enter: the log, and the words of the node itself.

use std::time::Duration;

use tokio::time::Instant;

/// For so long counts what was taken.
pub(super) const WINDOW: Duration = Duration::from_secs(10);
/// Bytes that are taken in that time.
pub(super) const MOST: u64 = 1024 * 1024;
/// Bytes that a line counts for beside its text: it is kept with its date and where it comes from.
const BESIDE: u64 = 128;

/// What an agent's programs have logged of late. Once it is too much, all is left out until the time is over: then there
/// is one gap, and not one between any two lines.
#[derive(Debug, Default)]
pub(super) struct Rate {
    began: Option<Instant>,
    taken: u64,
    /// Lines that nobody was told of yet, and their bytes.
    left_out: (u64, u64),
}

impl Rate {
    /// Whether a line of so many bytes is taken. One that is not is counted.
    pub(super) fn takes(&mut self, bytes: usize, now: Instant) -> bool {
        if self.is_over(now) {
            (self.began, self.taken) = (Some(now), 0);
        }
        let bytes = bytes as u64;
        self.taken += bytes + BESIDE;
        let takes = self.taken <= MOST;
        if !takes {
            self.left_out.0 += 1;
            self.left_out.1 += bytes;
        }
        takes
    }

    /// Whether nothing counts that was taken.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.began.is_none_or(|began| now - began >= WINDOW)
    }

    /// What was left out since this was asked last, in words.
    pub(super) fn told(&mut self) -> Option<String> {
        let (lines, bytes) = std::mem::take(&mut self.left_out);
        (lines > 0).then(|| {
            format!(
                "lines left out here: {lines}, of {bytes} bytes; an agent logs at most {} KiB in {} s",
                MOST / 1024,
                WINDOW.as_secs()
            )
        })
    }
}
