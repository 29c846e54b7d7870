//! Room in the journal: snapshots let go of old segments, and new work waits outside while there is none.

use std::{collections::HashSet, sync::atomic::Ordering};

use aion_journal::{AppendError, Lsn, SnapshotWriter};
use aion_kernel::Snapshot;

use super::{Input, ShellError, owner::Shell};

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
            // A snapshot must not reach the disk before the facts that it covers.
            while durable.now().is_ok_and(|lsn| lsn < at) && durable.changed().await.is_ok() {}
            store(state, at, writer).await;
            let _ = handle.ends.send(Input::Snapshot);
        });
    }

    pub(super) fn snapshot_written(&mut self) -> Result<(), ShellError> {
        self.snapshot.underway = false;
        let live: HashSet<_> = self.kernel.state().recorded_bodies().collect();
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
