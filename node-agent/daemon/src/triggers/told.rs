//! Triggers as people see them, and starting one by hand.

use aion_abi::{
    code::Code,
    problem::Problem,
    trigger::{Fired, TriggerRun, TriggerSkip, TriggerState},
};
use aion_api::Trigger;
use aion_kernel::TurnId;
use uuid::Uuid;

use super::{
    Triggers,
    asking::{not_kept, refusal},
    row::{Occasion, Skipped, Why},
    table::{Entry, Id},
    text,
};

impl Triggers {
    /// Those of an agent, or all that run here.
    pub(crate) fn states(&self, agent: Option<&str>) -> Vec<TriggerState> {
        let ids = {
            let table = self.shared.table.lock();
            agent.map_or_else(|| table.ids(), |agent| table.of_agent(agent))
        };
        let looked = ids.into_iter().filter_map(|id| {
            let (_, trigger) = self.look(&id)?;
            let table = self.shared.table.lock();
            Some(self.state(&id, &trigger, table.get(&id)?))
        });
        looked.collect()
    }

    fn state(&self, id: &Id, trigger: &Trigger, entry: &Entry) -> TriggerState {
        let row = &entry.row;
        let turns = &self.shared.parts.turns;
        TriggerState {
            agent: id.agent.to_string(),
            name: id.name.to_string(),
            kind: trigger.kind().to_owned(),
            when: text::when(trigger),
            last: row.last.map(|run| TriggerRun {
                at_ms: run.at,
                turn: run.turn,
            }),
            next_at_ms: entry.due(),
            running: row
                .running
                .is_some_and(|turn| turns.is_under_way(TurnId(turn))),
            waiting: row.waiting.len() as u64 + u64::from(row.asking.is_some()),
            skipped: row.skipped.as_ref().map(|skipped| TriggerSkip {
                at_ms: skipped.at,
                why: told(skipped),
            }),
        }
    }

    /// Starts a turn of a trigger by hand, within its budget. Who asks and goes away leaves nothing half done.
    ///
    /// # Errors
    /// There is no such trigger here, or it starts no turn now.
    pub(crate) async fn fire(&self, agent: &str, trigger: &str) -> Result<Fired, Problem> {
        let (this, id) = (self.clone(), Id::new(agent, trigger));
        let fired = tokio::spawn(async move { this.by_hand(id).await });
        fired.await.unwrap_or_else(|error| {
            let what = format!("it broke off: {error}");
            Err(Problem::new(Code::Internal, what))
        })
    }

    async fn by_hand(&self, id: Id) -> Result<Fired, Problem> {
        let (instance, trigger) = self.look(&id).ok_or_else(|| {
            let what = format!("no trigger {} of {} runs on this node", id.name, id.agent);
            Problem::new(Code::NotFound, what).remedy("aionctl trigger list shows them")
        })?;
        self.ensure(&id, &instance, &trigger);
        let now = self.now();
        let key = format!("by-hand-{}", Uuid::new_v4().simple());
        let occasion = Occasion {
            key: key.clone(),
            at: now.date,
            since: now.at,
            scheduled: trigger.cron.is_some().then_some(now.date),
            file: None,
            source: None,
            said: None,
            depth: 0,
        };
        {
            let mut table = self.shared.table.lock();
            let entry = table.get_mut(&id);
            let taken = entry.map(|entry| entry.row.take(occasion, &trigger, now));
            taken.transpose().map_err(refusal)?;
        }
        self.keep(&id).await.map_err(|error| not_kept(&error))?;
        let turn = self.advance(&id).await?;
        Ok(self.fired(&id, &key, turn))
    }

    /// What came of an occasion, where `started` is the turn that was started last.
    pub(super) fn fired(&self, id: &Id, key: &str, started: Option<TurnId>) -> Fired {
        let table = self.shared.table.lock();
        let mut waiting = table.get(id).into_iter().flat_map(|it| &it.row.waiting);
        let waits = waiting.any(|it| it.key == key);
        Fired {
            turn: started.filter(|_| !waits).map(|turn| turn.0),
            repeated: false,
        }
    }
}

/// Why something was left out.
fn told(skipped: &Skipped) -> String {
    let why = match skipped.why {
        Why::Busy => "the turn before was under way",
        Why::Missed => "the node was down or asleep then",
        Why::Budget => "its budget was used up",
        Why::Chain => "too many turns led to it, each by the end of another",
        Why::Full => "as much waited as may",
        Why::Refused => "the turn was refused",
    };
    match skipped.told.as_str() {
        "" => why.to_owned(),
        told => format!("{told}: {why}"),
    }
}
