//! How long ended turns are kept: the newest of each agent, within bounds of age and bytes.

use std::collections::HashMap;

use aion_kernel::{Millis, TurnId};

/// Ended turns kept of one agent.
const PER_AGENT: usize = 50;
/// Age of the oldest, in milliseconds of the kernel's time: 30 days in which the node ran.
const MAX_AGE_MS: u64 = 30 * 24 * 3_600_000;
/// Bytes of all ended turns together.
const MAX_BYTES: u64 = 2 << 30;

/// An ended turn.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub(super) turn: TurnId,
    pub(super) agent: String,
    pub(super) asked_at: Millis,
    pub(super) bytes: u64,
}

/// Which of `all` go. The newest turn of an agent stays whatever its size.
pub(super) fn superfluous(mut all: Vec<Ended>, now: Millis) -> Vec<TurnId> {
    all.sort_by_key(|it| std::cmp::Reverse(it.turn));
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut bytes = 0;
    let mut gone = Vec::new();
    for it in all {
        let newer = seen.entry(it.agent).or_default();
        bytes += it.bytes;
        let too_many = *newer >= PER_AGENT;
        let too_old = now.since(it.asked_at) > MAX_AGE_MS;
        let too_much = *newer > 0 && bytes > MAX_BYTES;
        if too_many || too_old || too_much {
            bytes -= it.bytes;
            gone.push(it.turn);
        } else {
            *newer += 1;
        }
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(turn: u64, agent: &str, bytes: u64) -> Ended {
        Ended {
            turn: TurnId(turn),
            agent: agent.to_owned(),
            asked_at: Millis(1_000),
            bytes,
        }
    }

    #[test]
    fn the_newest_of_each_agent_stay() {
        let mut all: Vec<_> = (0..60).map(|turn| ended(turn, "a", 1)).collect();
        all.push(ended(100, "b", 1));
        let gone = superfluous(all, Millis(2_000));
        assert_eq!(gone, (0..10).rev().map(TurnId).collect::<Vec<_>>());
    }

    #[test]
    fn large_and_old_ones_go_first() {
        let all = vec![
            ended(3, "a", MAX_BYTES),
            ended(2, "a", 1),
            ended(1, "b", MAX_BYTES * 2),
        ];
        assert_eq!(superfluous(all.clone(), Millis(2_000)), [TurnId(2)]);
        assert_eq!(superfluous(all, Millis(MAX_AGE_MS * 2)).len(), 3);
    }
}
