//! Waiting for the end of a turn, and telling it: at least once where it is heard, tried with growing pauses, and given up
//! after so many.

use std::time::Duration;

use aion_abi::{
    a2a::{State, context_id, task_id},
    push::Push,
    turn::TurnRecord,
};
use aion_backoff::Backoff;
use aion_drivers::outbound::{NotTold, call_headers};
use aion_kernel::TurnId;
use futures::future::join_all;
use serde_json::json;
use tokio::{sync::mpsc::UnboundedReceiver, task::JoinSet, time::sleep};

use super::{Pushes, authorization};

/// How often an address is called: over about ten minutes.
const TRIES: usize = 10;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(120);
/// The longest pause that an address may name.
const LONGEST_NAMED: Duration = Duration::from_secs(300);

impl Pushes {
    /// Tells the ends of turns, for ever.
    pub(crate) async fn run(self, mut watched: UnboundedReceiver<TurnId>) {
        let mut telling = JoinSet::new();
        loop {
            tokio::select! {
                turn = watched.recv() => match turn {
                    Some(turn) => drop(telling.spawn(self.clone().tell(turn))),
                    None => return,
                },
                Some(_) = telling.join_next(), if !telling.is_empty() => {}
            }
        }
    }

    /// Waits for the end of a turn, and tells it to those who are to be told and were not yet.
    async fn tell(self, turn: TurnId) {
        let Ok(Some(mut follow)) = self.shared.turns.follow(turn).await else {
            return self.forget(turn);
        };
        while follow.next().await.is_some() {}
        drop(follow);
        let Ok(Some(record)) = self.shared.turns.record(turn).await else {
            return self.forget(turn);
        };
        let body = ended(&record);
        while let Some(pushes) = self.left(turn) {
            join_all(pushes.iter().map(|it| self.call(&record, it, &body))).await;
        }
    }

    /// Those that are to be told still; where there are none the turn is let go of.
    fn left(&self, turn: TurnId) -> Option<Vec<Push>> {
        let mut rows = self.shared.rows.lock();
        let pushes = rows.get(&turn)?.pushes.clone();
        if pushes.is_empty() {
            rows.remove(&turn);
            return None;
        }
        Some(pushes)
    }

    /// Whether it was not taken back.
    fn is_wanted(&self, turn: TurnId, id: &str) -> bool {
        let rows = self.shared.rows.lock();
        rows.get(&turn)
            .is_some_and(|it| it.pushes.iter().any(|it| it.id == id))
    }

    /// Tells one, or gives it up.
    async fn call(&self, record: &TurnRecord, push: &Push, body: &str) {
        let turn = TurnId(record.turn);
        if !self.is_told(turn, record, push, body).await {
            tracing::warn!(%turn, push = push.id, "the end of a turn is told no more: nobody took it");
        }
        if let Err(error) = self.remove(turn, &push.id) {
            tracing::warn!(%turn, %error, "who was told the end of a turn may be told again");
        }
    }

    async fn is_told(&self, turn: TurnId, record: &TurnRecord, push: &Push, body: &str) -> bool {
        let tenant = record.agent.split('/').next().unwrap_or_default().into();
        let mut pauses = Backoff::new(FIRST_PAUSE, LAST_PAUSE);
        for _ in 0..TRIES {
            let headers = call_headers(push.token.as_deref(), authorization(push).as_deref());
            let told = {
                let _place = self.shared.calls.acquire().await;
                if !self.is_wanted(turn, &push.id) {
                    return true;
                }
                let body = ("application/a2a+json", body.to_owned());
                let headers = headers.unwrap_or_default();
                let outbound = &self.shared.outbound;
                outbound.call_back(&tenant, &push.url, headers, body).await
            };
            let NotTold {
                why,
                may_try_again,
                after,
            } = match told {
                Ok(()) => return true,
                Err(not) => not,
            };
            tracing::info!(%turn, push = push.id, why, "the end of a turn was not told");
            if !may_try_again {
                return false;
            }
            let pause = pauses.pause();
            sleep(pause.max(after.unwrap_or_default().min(LONGEST_NAMED))).await;
        }
        false
    }

    /// The turn is gone: nobody is told.
    fn forget(&self, turn: TurnId) {
        self.shared.rows.lock().remove(&turn);
        if let Err(error) = self.keep(turn, &[]) {
            tracing::warn!(%turn, %error, "whom the end of a turn was told to is kept still");
        }
    }
}

/// A `StreamResponse` of A2A. It says how the turn ended, and not what came of it: who is told asks for that.
fn ended(record: &TurnRecord) -> String {
    let context = record.context.as_deref();
    let update = json!({"statusUpdate": {
        "taskId": task_id(record.turn, context), "contextId": context_id(record.turn, context),
        "status": {"state": State::of(record)}, "metadata": {"turn": record.turn},
    }});
    update.to_string()
}
