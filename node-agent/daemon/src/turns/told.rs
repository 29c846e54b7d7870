//! What is told of turns: their events, their records, the newest of an agent.

use std::{io, sync::Arc};

use aion_abi::{admin::TurnRecord, turn::LISTED_INPUT};
use aion_kernel::TurnId;

use super::{
    Follow, TurnFolder,
    live::Live,
    table::{Turns, blocking},
};

impl Turns {
    /// Follows a turn from its first event; one that is kept is read from its folder.
    ///
    /// # Errors
    /// Where it cannot be read. `None` for one that is not known.
    pub async fn follow(&self, turn: TurnId) -> io::Result<Option<Follow>> {
        let live = self.shared.table.lock().live.get(&turn).cloned();
        match (live, self.known(turn)) {
            (Some(live), _) => Ok(Some(Follow::new(live))),
            (None, Some(folder)) => {
                let live = read_of(folder, |folder| {
                    let recorded = folder.record()?.outcome;
                    let live = Live::open(folder.clone())?;
                    if let Some(outcome) = recorded {
                        live.end_as_recorded(outcome);
                    }
                    Ok(live)
                });
                Ok(live.await?.map(|live| Follow::new(Arc::new(live))))
            }
            (None, None) => Ok(None),
        }
    }

    /// The record of a turn, as far as it goes.
    ///
    /// # Errors
    /// Where it cannot be read. `None` for one that is not known.
    pub async fn record(&self, turn: TurnId) -> io::Result<Option<TurnRecord>> {
        let live = self.shared.table.lock().live.get(&turn).cloned();
        match (live, self.known(turn)) {
            (Some(live), _) => read_of(live.folder.clone(), move |_| live.record(turn)).await,
            (None, Some(folder)) => read_of(folder, TurnFolder::record).await,
            (None, None) => Ok(None),
        }
    }

    /// The numbers of an agent's turns, newest first: those that wait or run, and those that are kept.
    pub fn numbers_of(&self, agent: &str) -> Vec<TurnId> {
        let table = self.shared.table.lock();
        let live = table.live.iter().filter(|(_, live)| *live.agent == *agent);
        let mut turns: Vec<_> = live.map(|(turn, _)| *turn).collect();
        turns.extend(table.kept.of_agent(agent));
        turns.sort_by(|a, b| b.cmp(a));
        turns
    }

    /// CPU time of the turns that are kept, in milliseconds: of an agent, `namespace/agent`.
    pub fn cpu_ms(&self, agent: &str) -> u64 {
        self.shared.table.lock().kept.cpu_ms(agent)
    }

    /// The same of all agents of a namespace.
    pub fn tenant_cpu_ms(&self, namespace: &str) -> u64 {
        self.shared.table.lock().kept.tenant_cpu_ms(namespace)
    }

    /// The newest turns of an agent, newest first.
    pub async fn of_agent(&self, agent: &str, most: usize) -> Vec<TurnRecord> {
        let mut found = Vec::new();
        for turn in self.numbers_of(agent).into_iter().take(most) {
            if let Ok(Some(record)) = self.record(turn).await {
                found.push(record);
            }
        }
        found
    }

    /// A turn as it is listed: without its answer, and of a long question the beginning. `None` for one that is not known,
    /// and for one that `key` did not begin, where one is named.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn listed(&self, turn: TurnId, key: Option<&str>) -> io::Result<Option<TurnRecord>> {
        let Some(folder) = self.known(turn) else {
            return Ok(None);
        };
        let Some(asked) = read_of(folder, TurnFolder::asked).await? else {
            return Ok(None);
        };
        if key.is_some_and(|key| asked.key.as_deref() != Some(key)) {
            return Ok(None);
        }
        let Some(mut record) = self.record(turn).await? else {
            return Ok(None);
        };
        record.answer = None;
        let most = record.input.floor_char_boundary(LISTED_INPUT);
        record.input.truncate(most);
        // A record of an earlier build does not say it.
        record.asked_at_ms.get_or_insert(asked.at_ms);
        Ok(Some(record))
    }
}

/// What `read` reads of a turn's folder; `None` where that is taken away meanwhile, which is no fault: who asks a moment
/// later is told the same.
async fn read_of<T: Send + 'static>(
    folder: TurnFolder,
    read: impl FnOnce(&TurnFolder) -> io::Result<T> + Send + 'static,
) -> io::Result<Option<T>> {
    blocking(move || match read(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.is_there()? => Ok(None),
        read => read.map(Some),
    })
    .await
}
