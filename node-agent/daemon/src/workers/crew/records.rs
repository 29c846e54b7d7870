//! What is written down when a turn ended, beside the crew, which starts and kills workers meanwhile.
//!
//! Records are written at the same time, and an instance is told to be gone when those of its turns are there:
//! what it left is erased then, and nothing may come after that.

use aion_abi::{
    admin::TurnOutcome,
    event::{Happened, Turn, TurnState},
};
use aion_kernel::{BodyDigest, InstanceUid, TurnId};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, JoinSet},
};

use crate::{feed::Feed, shell::TurnEnd, turns::Turns};

/// Records that are written at the same time.
const AT_ONCE: usize = 16;

/// See the module.
pub(super) struct Records {
    orders: mpsc::UnboundedSender<Order>,
    work: JoinHandle<()>,
}

enum Order {
    Ended(BodyDigest, TurnEnd),
    Removed(InstanceUid),
}

impl Records {
    pub(super) fn start(
        turns: Turns,
        feed: Feed,
        removed: mpsc::UnboundedSender<InstanceUid>,
    ) -> Self {
        let (orders, from_crew) = mpsc::unbounded_channel();
        Self {
            orders,
            work: tokio::spawn(work(from_crew, turns, feed, removed)),
        }
    }

    /// A turn ended.
    pub(super) fn ended(&self, input: BodyDigest, end: TurnEnd) {
        let _ = self.orders.send(Order::Ended(input, end));
    }

    /// The kernel let go of an instance, after the last of its turns.
    pub(super) fn removed(&self, instance: InstanceUid) {
        let _ = self.orders.send(Order::Removed(instance));
    }

    /// Ends when all is written.
    pub(super) async fn finish(self) {
        drop(self.orders);
        if let Err(error) = self.work.await {
            tracing::error!(%error, "the writing of records broke off");
        }
    }
}

async fn work(
    mut orders: mpsc::UnboundedReceiver<Order>,
    turns: Turns,
    feed: Feed,
    removed: mpsc::UnboundedSender<InstanceUid>,
) {
    let mut writing = JoinSet::new();
    while let Some(order) = orders.recv().await {
        // What is done by now is let go of.
        while writing.try_join_next().is_some() {}
        match order {
            Order::Ended(input, end) => {
                if writing.len() >= AT_ONCE {
                    writing.join_next().await;
                }
                let (turns, feed) = (turns.clone(), feed.clone());
                writing.spawn(async move {
                    let turn = end.turn;
                    if let Some((agent, outcome)) = turns.done(input, end).await {
                        feed.tell(Some(agent), ended(turn, outcome));
                    }
                });
            }
            Order::Removed(instance) => {
                while writing.join_next().await.is_some() {}
                let _ = removed.send(instance);
            }
        }
    }
    while writing.join_next().await.is_some() {}
}

/// How a turn ended, as the feed tells it.
fn ended(turn: TurnId, outcome: TurnOutcome) -> Happened {
    let state = TurnState::Ended {
        ok: outcome.ok,
        code: outcome.problem.map(|it| it.code),
        tokens: outcome.tokens,
        syscalls: outcome.syscalls,
        elapsed_ms: outcome.elapsed_ms,
    };
    Happened::Turn(Turn {
        turn: turn.0,
        state,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::turns::ended_in_tests;

    #[tokio::test]
    async fn a_turn_that_ended_is_told_with_what_it_used() {
        let root = tempfile::tempdir().unwrap();
        let turns = crate::turns::open_in_tests(root.path());
        let (removed, _gone) = mpsc::unbounded_channel();
        let feed = Feed::new();
        let mut listener = feed.listen(None, true);
        let records = Records::start(turns, feed, removed);
        let (input, end) = ended_in_tests(root.path(), 7);
        records.ended(input, end);
        records.finish().await;
        listener.next().await.unwrap();
        let told = serde_json::to_value(listener.next().await.unwrap()).unwrap();
        assert_eq!(told["event"]["state"], "ended", "{told}");
        assert_eq!(told["event"]["turn"], 7, "{told}");
    }

    #[tokio::test]
    async fn an_instance_is_gone_when_the_records_of_its_turns_are_there() {
        let root = tempfile::tempdir().unwrap();
        let turns = crate::turns::open_in_tests(root.path());
        let (removed, mut gone) = mpsc::unbounded_channel();
        let records = Records::start(turns.clone(), Feed::new(), removed);
        for turn in 0..40 {
            let (input, end) = ended_in_tests(root.path(), turn);
            records.ended(input, end);
            if turn == 30 {
                records.removed(InstanceUid(1));
            }
        }
        let kept = async |turn| {
            let record = turns.record(TurnId(turn)).await.unwrap();
            record.is_some_and(|it| it.outcome.is_some())
        };
        gone.recv().await.unwrap();
        for turn in 0..=30 {
            assert!(kept(turn).await, "{turn}");
        }
        records.finish().await;
        for turn in 31..40 {
            assert!(kept(turn).await, "{turn}");
        }
    }
}
