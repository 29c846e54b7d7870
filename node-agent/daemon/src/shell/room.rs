//! Room in the journal: snapshots let go of old segments, and new work waits outside while there is none.

use std::{collections::HashSet, sync::atomic::Ordering};

use aion_journal::{AppendError, Lsn, SnapshotWriter};
use aion_kernel::{Body, BodyDigest, Snapshot, State};

use super::{Input, ShellError, owner::Shell};

/// Bytes of requests that are kept after their answer: what is shown of as many as are listed.
const SHOWN: u64 = 128 * aion_abi::approval::MAX_SHOWN as u64;

/// When the last snapshot was taken.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    /// Segments there were then.
    segments: usize,
    underway: bool,
}

impl Shell {
    /// Called between batches: takes a snapshot after each new segment, and opens or shuts the door for
    /// new work.
    pub(super) fn watch_room(&mut self, stalled: bool) {
        let room = match stalled {
            true => Err("a batch waits for room".to_owned()),
            false => self.journal.room(),
        };
        let was_full = self
            .handle
            .shared
            .full
            .swap(room.is_err(), Ordering::Relaxed);
        match (&room, was_full) {
            (Err(why), false) => {
                tracing::error!(%why, "new syscalls and turns are refused as storage-full");
            }
            (Ok(()), true) => tracing::info!("the journal has room again"),
            _ => {}
        }
        // A kernel that is ahead of its journal must not be stored.
        let rolled = self.journal.segments() > self.snapshot.segments;
        if !stalled && rolled && !self.snapshot.underway {
            self.snapshot.segments = self.journal.segments();
            self.snapshot.underway = true;
            self.start_snapshot();
        }
    }

    fn start_snapshot(&self) {
        let (state, at) = (self.kernel.snapshot(), self.journal.end());
        let (writer, handle) = (self.journal.snapshot_writer(), self.handle.clone());
        let mut durable = self.journal.durable();
        self.journal.sync_now();
        tokio::spawn(async move {
            // A snapshot must not reach the disk before the facts that it covers, nor where they never will.
            if durable.reached(at).await.is_ok() {
                store(state, at, writer).await;
            }
            let _ = handle.ends.send(Input::Snapshot);
        });
    }

    pub(super) fn snapshot_written(&mut self) -> Result<(), ShellError> {
        self.snapshot.underway = false;
        let live = live(self.kernel.state());
        match self.journal.prune(&live) {
            Ok(()) => {}
            Err(error @ AppendError::Full { .. }) => {
                tracing::error!(%error, "old segments stay until there is room");
            }
            Err(error) => return Err(error.into()),
        }
        self.snapshot.segments = self.journal.segments();
        Ok(())
    }

    /// Everything before is durable when this is called.
    pub(super) async fn final_snapshot(&mut self) {
        let (state, at) = (self.kernel.snapshot(), self.journal.end());
        store(state, at, self.journal.snapshot_writer()).await;
    }
}

/// Bodies that must not be forgotten with their segment.
fn live(state: &State) -> HashSet<BodyDigest> {
    let closed = state.approvals().filter(|(_, row)| !row.is_pending());
    let mut closed: Vec<_> = closed.map(|(_, row)| row.body).collect();
    closed.reverse();
    state.recorded_bodies().chain(newest(&closed)).collect()
}

/// What people were shown, newest first, as far as there is room: it is looked up for as long as its approval is listed.
fn newest(closed: &[Body]) -> impl Iterator<Item = BodyDigest> {
    let mut room = SHOWN;
    closed.iter().map_while(move |body| {
        room = room.checked_sub(body.size)?;
        Some(body.digest)
    })
}

async fn store(state: Snapshot, at: Lsn, writer: SnapshotWriter) {
    let written = tokio::task::spawn_blocking(move || {
        let bytes = serde_json::to_vec(&state).map_err(|error| error.to_string())?;
        writer.write(at, &bytes).map_err(|error| error.to_string())
    })
    .await;
    if let Ok(Err(why)) = written {
        tracing::error!(%why, "no snapshot was written; older segments of the journal stay");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shown_is_kept_newest_first_and_within_a_bound() {
        let body = |n: u8, size| Body {
            digest: BodyDigest([n; 32]),
            size,
        };
        let closed = [body(3, 1), body(2, SHOWN - 1), body(1, 1)];
        let kept: Vec<_> = newest(&closed).map(|digest| digest.0[0]).collect();
        assert_eq!(kept, [3, 2]);
    }
}
