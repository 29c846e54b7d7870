//! Workers that outlived the last daemon: which of the turns it had still run.

use std::{collections::HashSet, time::Duration};

use aion_kernel::{Incarnation, TurnId};
use aion_sandbox::protocol::WorkerId;
use tokio::{sync::mpsc, time::timeout};

use crate::launching::LauncherEvent;

/// How long a start waits for the launcher where workers may be running.
const LAUNCHER_PATIENCE: Duration = Duration::from_secs(10);

/// A turn that the kernel had when the last daemon ended.
pub(super) struct Unsettled {
    pub(super) turn: TurnId,
    instance: aion_kernel::InstanceUid,
    incarnation: Option<Incarnation>,
    pub(super) input: aion_kernel::BodyDigest,
}

impl Unsettled {
    pub(super) fn of((turn, row): (TurnId, &aion_kernel::TurnRow)) -> Self {
        Self {
            turn,
            instance: row.instance,
            incarnation: row.phase.incarnation(),
            input: row.input.digest,
        }
    }

    /// The run that it was in.
    pub(super) fn run(&self) -> Option<Found> {
        Some(Found {
            turn: self.turn,
            incarnation: self.incarnation?,
            input: self.input,
        })
    }

    fn worker(&self) -> Option<WorkerId> {
        Some(WorkerId {
            instance: self.instance.to_string(),
            incarnation: self.incarnation?.0,
        })
    }
}

/// A worker that was found.
pub(super) struct Found {
    pub(super) turn: TurnId,
    pub(super) incarnation: Incarnation,
    pub(super) input: aion_kernel::BodyDigest,
}

/// Which workers of `unsettled` turns run, or ended while nobody listened (their exit follows). Waits for
/// the launcher only where there may be some. Gives the events that were read, too.
pub(super) async fn running(
    unsettled: &[Unsettled],
    events: &mut mpsc::UnboundedReceiver<LauncherEvent>,
) -> (Vec<Found>, Vec<LauncherEvent>) {
    let mut early = Vec::new();
    if unsettled.iter().all(|it| it.incarnation.is_none()) {
        return (Vec::new(), early);
    }
    let up = async {
        while let Some(event) = events.recv().await {
            let up = matches!(event, LauncherEvent::Up { .. });
            early.push(event);
            if up {
                return;
            }
        }
    };
    if timeout(LAUNCHER_PATIENCE, up).await.is_err() {
        tracing::warn!("the launcher does not answer: turns that ran before are given up");
    }
    let known: HashSet<&WorkerId> = early
        .iter()
        .flat_map(|event| match event {
            LauncherEvent::Up { workers, .. } => workers.iter().map(|it| &it.id).collect(),
            LauncherEvent::Exited(exited) => vec![&exited.id],
            LauncherEvent::Traced(_) | LauncherEvent::Pressure(_) | LauncherEvent::Down(_) => {
                Vec::new()
            }
        })
        .collect();
    let found = unsettled
        .iter()
        .filter(|it| it.worker().is_some_and(|id| known.contains(&id)))
        .filter_map(Unsettled::run)
        .collect();
    (found, early)
}

/// The events that were read early, then those to come.
pub(super) fn joined(
    early: Vec<LauncherEvent>,
    mut later: mpsc::UnboundedReceiver<LauncherEvent>,
) -> mpsc::UnboundedReceiver<LauncherEvent> {
    if early.is_empty() {
        return later;
    }
    let (out, joined) = mpsc::unbounded_channel();
    for event in early {
        let _ = out.send(event);
    }
    tokio::spawn(async move {
        while let Some(event) = later.recv().await {
            if out.send(event).is_err() {
                return;
            }
        }
    });
    joined
}
