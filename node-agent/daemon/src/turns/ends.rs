//! Ends of turns, for whoever waits for one: told as they come, and found again among those that are kept.

use std::{io, sync::Arc};

use aion_kernel::TurnId;
use tokio::sync::mpsc::UnboundedSender;

use super::{QuestionKey, Turns, table::blocking};

/// A turn that ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) turn: TurnId,
    /// `namespace/agent`.
    pub(crate) agent: Arc<str>,
}

impl Turns {
    /// Tells of every turn that ends from now on.
    pub(crate) fn tell_of_ends(&self, to: UnboundedSender<Ended>) {
        let _ = self.shared.ends.set(to);
    }

    /// Whether a turn waits or runs.
    pub(crate) fn is_under_way(&self, turn: TurnId) -> bool {
        let table = self.shared.table.lock();
        table.live.get(&turn).is_some_and(|it| it.over().is_none())
    }

    /// The turns of an agent that ended, of those that are kept.
    pub(crate) fn ended_of(&self, agent: &str) -> Vec<TurnId> {
        let table = self.shared.table.lock();
        let over = table
            .live
            .iter()
            .filter(|(_, it)| *it.agent == *agent && it.over().is_some());
        let over = over.map(|(turn, _)| *turn);
        over.chain(table.kept.of_agent(agent)).collect()
    }

    /// The turns of an agent that ended before now: all up to one, and of the later ones, beside which others are under way, these.
    pub(crate) fn before_now(&self, agent: &str) -> (TurnId, Vec<TurnId>) {
        let first = {
            let table = self.shared.table.lock();
            let live = table.live.iter();
            live.filter(|(_, it)| *it.agent == *agent && it.over().is_none())
                .map(|(turn, _)| *turn)
                .min()
        };
        let mut ended = self.ended_of(agent);
        let before = |turn: &TurnId| first.is_none_or(|first| *turn < first);
        let up_to = ended.iter().copied().filter(before).max();
        ended.retain(|turn| !before(turn));
        (up_to.unwrap_or(TurnId(0)), ended)
    }

    /// The turn of an agent that was asked under a key, where it is kept.
    pub(crate) fn asked_under(&self, agent: &str, key: QuestionKey) -> Option<TurnId> {
        self.shared.table.lock().asked_as(agent, key)
    }

    /// How many turns led to this one, each by the end of the one before.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(crate) async fn depth(&self, turn: TurnId) -> io::Result<u32> {
        let Some(folder) = self.known(turn) else {
            return Ok(0);
        };
        blocking(move || Ok(folder.asked()?.depth())).await
    }
}
