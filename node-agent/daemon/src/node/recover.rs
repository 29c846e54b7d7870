//! The first storey: what the last daemon left. The kernel comes out of its journal, with its turns and the
//! workers that outlived it.

use std::{collections::HashSet, path::PathBuf};

use aion_drivers::reserve::Reserve;
use aion_kernel::TurnId;
use tokio::sync::mpsc;

use super::{
    NodeError,
    adoption::{Found, Unsettled, joined, running},
    state::{folders, io_error},
};
use crate::{
    clock::Clock,
    config::Config,
    feed::Feed,
    instance::Prepared,
    launching::LauncherEvent,
    shell::{self, Handle, ShellParts, WorkerOrder},
    turns::{Known, Turns},
};

/// A turn whose program runs elsewhere has no worker here, and may go on all the same.
async fn elsewhere(turns: &Turns, it: &Unsettled) -> Option<Found> {
    let found = it.run()?;
    let folder = turns.folder(it.turn, it.input).await.ok()?;
    let instance = folder.instance().ok()?;
    (instance.program == Prepared::External).then_some(found)
}

/// What every other storey stands on.
pub(super) struct Base {
    pub(super) config: Config,
    pub(super) clock: Clock,
    /// What is kept of the state's disk.
    pub(super) reserve: Reserve,
    pub(super) shell: Handle,
    pub(super) turns: Turns,
    /// What happens, for whoever listens.
    pub(super) feed: Feed,
    /// The turns that were there.
    pub(super) standing: HashSet<TurnId>,
}

/// What is started with the workers.
pub(super) struct Recovered {
    pub(super) shell: ShellParts,
    pub(super) orders: mpsc::UnboundedReceiver<WorkerOrder>,
    pub(super) events: mpsc::UnboundedReceiver<LauncherEvent>,
    /// Workers that run.
    pub(super) found: Vec<Found>,
}

impl Base {
    /// A place in the state directory.
    pub(super) fn at(&self, place: &str) -> PathBuf {
        self.config.home.join(place)
    }
}

pub(super) async fn recover(
    config: Config,
    mut events: mpsc::UnboundedReceiver<LauncherEvent>,
) -> Result<(Base, Recovered), NodeError> {
    let home = config.home.clone();
    folders(&home)?;
    // What the journal needs before it lets go of anything.
    let kept = config.journal_bytes + 2 * config.segment_bytes;
    let reserve = Reserve::fitting(&home, kept).map_err(io_error("look at the disk of", &home))?;
    let opened = shell::open(
        &aion_journal::Options {
            dir: shell::journal_folder(&home),
            segment_bytes: config.segment_bytes,
            keep_bytes: config.journal_bytes,
        },
        config.limits.clone(),
    )?;
    for note in &opened.report.notes {
        tracing::warn!("{note}");
    }
    tracing::info!(facts = opened.facts, "the state was recovered");
    let clock = Clock::behind(opened.kernel.state().latest());
    let unsettled: Vec<Unsettled> = opened.kernel.state().turns().map(Unsettled::of).collect();
    let turns = Turns::open(
        home.join("state/turns"),
        clock,
        reserve.clone(),
        Known {
            waiting: unsettled.iter().map(|it| (it.input, it.turn)).collect(),
            ended: opened.ended,
        },
    )
    .map_err(io_error("read", home.join("state/turns")))?;
    let (mut found, early) = running(&unsettled, &mut events).await;
    let known: HashSet<TurnId> = found.iter().map(|it| it.turn).collect();
    for it in unsettled.iter().filter(|it| !known.contains(&it.turn)) {
        found.extend(elsewhere(&turns, it).await);
    }
    let feed = Feed::new();
    let (handle, shell, orders) =
        ShellParts::open(opened.kernel, opened.journal, clock, feed.clone());
    let base = Base {
        config,
        clock,
        reserve,
        shell: handle,
        turns,
        feed,
        standing: unsettled.iter().map(|it| it.turn).collect(),
    };
    let recovered = Recovered {
        shell,
        orders,
        events: joined(early, events),
        found,
    };
    Ok((base, recovered))
}
