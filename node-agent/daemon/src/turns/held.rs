//! What is held of uploads, and how much may be: each file counts from its first byte until the turn that took
//! it has ended, for its agent and for all together. What may not enter: files.

use std::{collections::HashMap, time::Instant};

use aion_kernel::TurnId;

/// How much may be held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    bytes: u64,
    files: u64,
}

/// Of one agent: it leaves others room.
const OF_AGENT: Sum = Sum {
    bytes: 2 << 30,
    files: 256,
};
/// Of all together.
const OF_ALL: Sum = Sum {
    bytes: 4 << 30,
    files: 4096,
};

/// Why nothing more is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the uploads {whose} hold {} bytes in {} files, and may hold {} bytes in {} files until turns took them and ended",
    held.bytes, held.files, most.bytes, most.files
)]
pub struct Full {
    whose: &'static str,
    held: Sum,
    most: Sum,
}

/// How far an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Coming,
    /// Since when.
    Waiting(Instant),
    /// For a turn that a trigger starts when it may.
    Kept,
    Taken(TurnId),
}

#[derive(Debug)]
struct Share {
    agent: String,
    bytes: u64,
    stage: Stage,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Held {
    shares: HashMap<String, Share>,
    agents: HashMap<String, Sum>,
    all: Sum,
}

impl Held {
    /// An upload begins to come in.
    pub(super) fn come(&mut self, id: &str, agent: &str) -> Result<(), Full> {
        self.check(agent, 0, 1)?;
        self.insert(id.to_owned(), agent.to_owned(), 0, Stage::Coming);
        Ok(())
    }

    /// Takes so many bytes more for an upload, if they fit beside everything else.
    pub(super) fn charge(&mut self, id: &str, bytes: u64) -> Result<(), Full> {
        let Some(share) = self.shares.get(id) else {
            return Ok(());
        };
        let agent = share.agent.clone();
        self.check(&agent, bytes, 0)?;
        if let Some(share) = self.shares.get_mut(id) {
            share.bytes += bytes;
        }
        self.agents.entry(agent).or_default().bytes += bytes;
        self.all.bytes += bytes;
        Ok(())
    }

    fn check(&self, agent: &str, bytes: u64, files: u64) -> Result<(), Full> {
        let own = self.agents.get(agent).copied().unwrap_or_default();
        for (whose, held, most) in [
            ("of this agent", own, OF_AGENT),
            ("of all agents", self.all, OF_ALL),
        ] {
            if held.bytes + bytes > most.bytes || held.files + files > most.files {
                return Err(Full { whose, held, most });
            }
        }
        Ok(())
    }

    /// An upload is there that was not seen coming in.
    pub(super) fn found(&mut self, id: String, agent: String, bytes: u64, since: Instant) {
        self.insert(id, agent, bytes, Stage::Waiting(since));
    }

    fn insert(&mut self, id: String, agent: String, bytes: u64, stage: Stage) {
        let sum = self.agents.entry(agent.clone()).or_default();
        for sum in [sum, &mut self.all] {
            sum.bytes += bytes;
            sum.files += 1;
        }
        let share = Share {
            agent,
            bytes,
            stage,
        };
        self.shares.insert(id, share);
    }

    /// An upload is whole.
    pub(super) fn wait(&mut self, id: &str, now: Instant) {
        self.set(id, Stage::Waiting(now));
    }

    /// What waits does so until it is wanted no more.
    pub(super) fn keep(&mut self, id: &str, agent: &str) {
        if self.waits(id, agent) {
            self.set(id, Stage::Kept);
        }
    }

    /// A turn took an upload.
    pub(super) fn take(&mut self, id: &str, turn: TurnId) {
        self.set(id, Stage::Taken(turn));
    }

    fn set(&mut self, id: &str, stage: Stage) {
        if let Some(share) = self.shares.get_mut(id) {
            share.stage = stage;
        }
    }

    /// Whether an upload of `agent` waits for a turn.
    pub(super) fn waits(&self, id: &str, agent: &str) -> bool {
        let share = self.shares.get(id);
        share.is_some_and(|it| {
            it.agent == agent && matches!(it.stage, Stage::Waiting(_) | Stage::Kept)
        })
    }

    /// A turn has ended.
    pub(super) fn ended(&mut self, turn: TurnId) {
        for id in self.which(|stage, _| *stage == Stage::Taken(turn)) {
            self.forget(&id);
        }
    }

    pub(super) fn forget(&mut self, id: &str) {
        let Some(share) = self.shares.remove(id) else {
            return;
        };
        self.all.bytes -= share.bytes;
        self.all.files -= 1;
        if let Some(sum) = self.agents.get_mut(&share.agent) {
            sum.bytes -= share.bytes;
            sum.files -= 1;
            if *sum == Sum::default() {
                self.agents.remove(&share.agent);
            }
        }
    }

    /// The ids of those that `wanted` says, by stage and agent.
    pub(super) fn which(&self, wanted: impl Fn(&Stage, &str) -> bool) -> Vec<String> {
        let wanted = self
            .shares
            .iter()
            .filter(|(_, it)| wanted(&it.stage, &it.agent));
        wanted.map(|(id, _)| id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_agent_at_its_bound_leaves_others_room() {
        let mut held = Held::default();
        let refused = (0..1_000).find_map(|n| held.come(&n.to_string(), "greedy").err());
        assert_eq!(refused.unwrap().held.files, OF_AGENT.files);
        held.come("x", "other").unwrap();
        held.charge("x", OF_AGENT.bytes).unwrap();
        assert_eq!(held.charge("x", 1).unwrap_err().whose, "of this agent");
        held.charge("0", OF_AGENT.bytes).unwrap();
        held.come("y", "third").unwrap();
        assert_eq!(held.charge("y", 1).unwrap_err().whose, "of all agents");
    }

    #[test]
    fn what_a_turn_took_counts_until_it_has_ended() {
        let mut held = Held::default();
        held.come("x", "a").unwrap();
        held.charge("x", OF_AGENT.bytes).unwrap();
        held.wait("x", Instant::now());
        assert!(held.waits("x", "a") && !held.waits("x", "b"));
        held.take("x", TurnId(7));
        assert!(!held.waits("x", "a"));
        held.come("y", "a").unwrap();
        held.charge("y", 1).unwrap_err();
        held.ended(TurnId(7));
        held.charge("y", 1).unwrap();
        held.forget("y");
        assert_eq!((held.all, held.agents.len()), (Sum::default(), 0));
    }
}
