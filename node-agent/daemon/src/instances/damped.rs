//! A condition that each turn may change, said so that the API server is not written to for each. What may not enter:
//! what is judged.

use aion_api::condition::{Judgement, Status, reason};

/// For so many turns what was bad is said.
const QUIET: u32 = 10;

/// What outranks what follows it: it is said though something else was met since.
const GRAVEST_FIRST: [&str; 6] = [
    reason::OUT_OF_MEMORY,
    reason::OUT_OF_PROCESSES,
    reason::THROTTLED,
    reason::VIOLATION_KILLED,
    reason::VIOLATION_DENIED,
    reason::VIOLATION_ALERTED,
];

/// A condition that says the gravest of what was judged of the last [`QUIET`] turns: bad at once, a lesser bad when the
/// graver was in none of them, and good when all of them were. Of an instance that was never bad nothing is said: a status
/// is not written for what is usual.
#[derive(Clone, Debug, Default)]
pub(super) struct Damped {
    said: Option<Judgement>,
    /// What was bad in the last turns, each once, the newest last.
    bad: Vec<Bad>,
}

#[derive(Clone, Debug)]
struct Bad {
    judged: Judgement,
    /// Turns since then.
    ago: u32,
}

impl Damped {
    /// What is said.
    pub(super) fn said(&self) -> Option<&Judgement> {
        self.said.as_ref()
    }

    /// Takes in what is judged of one more turn; `true` where another thing is said now.
    pub(super) fn hear(&mut self, judged: Judgement) -> bool {
        self.bad.retain_mut(|it| {
            it.ago += 1;
            it.ago < QUIET && it.judged != judged
        });
        if judged.status != Status::True {
            let judged = judged.clone();
            self.bad.push(Bad { judged, ago: 0 });
        }
        match self.gravest().cloned() {
            Some(bad) => self.say(bad),
            None => self.said.is_some() && self.say(judged),
        }
    }

    /// The gravest that was bad. Of several of one reason what is said already, or else the newest.
    fn gravest(&self) -> Option<&Judgement> {
        let said = |it: &Judgement| self.said.as_ref() == Some(it);
        let all = self.bad.iter().rev().map(|it| &it.judged);
        all.min_by_key(|it| (rank(it), !said(it)))
    }

    fn say(&mut self, judged: Judgement) -> bool {
        if self.said.as_ref() == Some(&judged) {
            return false;
        }
        self.said = Some(judged);
        true
    }
}

fn rank(judged: &Judgement) -> usize {
    let at = GRAVEST_FIRST.iter().position(|it| *it == judged.reason);
    at.unwrap_or(GRAVEST_FIRST.len())
}

#[cfg(test)]
mod tests {
    use aion_api::condition::{WITHIN_LIMITS, WITHIN_RULES};

    use super::*;

    fn judged(reason: &'static str) -> Judgement {
        Judgement::new(WITHIN_LIMITS, reason == reason::OK, reason, reason)
    }

    /// How often something is said, and what at last.
    fn after(turns: impl IntoIterator<Item = &'static str>) -> (usize, Option<&'static str>) {
        let mut damped = Damped::default();
        let said = turns.into_iter().filter(|it| damped.hear(judged(it)));
        let count = said.count();
        (count, damped.said().map(|it| it.reason))
    }

    #[test]
    fn of_one_that_met_no_limit_nothing_is_said() {
        assert_eq!(after([reason::OK; 100]), (0, None));
    }

    #[test]
    fn a_limit_that_is_met_in_every_second_turn_is_said_once() {
        let turns = [reason::THROTTLED, reason::OK].into_iter().cycle();
        assert_eq!(after(turns.take(1000)), (1, Some(reason::THROTTLED)));
    }

    #[test]
    fn it_is_good_again_after_quiet_turns_and_bad_at_once() {
        let quiet = QUIET as usize;
        let turns = |count| std::iter::once(reason::THROTTLED).chain([reason::OK].repeat(count));
        assert_eq!(after(turns(quiet - 1)), (1, Some(reason::THROTTLED)));
        assert_eq!(after(turns(quiet)), (2, Some(reason::OK)));
        let again = turns(quiet).chain([reason::THROTTLED]);
        assert_eq!(after(again), (3, Some(reason::THROTTLED)));
    }

    #[test]
    fn what_is_graver_is_said_at_once_and_stays_as_long() {
        let both = [reason::THROTTLED, reason::OUT_OF_MEMORY];
        assert_eq!(after(both), (2, Some(reason::OUT_OF_MEMORY)));
        let turns = both.into_iter().cycle().take(1000);
        assert_eq!(after(turns), (2, Some(reason::OUT_OF_MEMORY)));
    }
    #[test]
    fn it_is_good_after_quiet_good_turns_in_a_row_whatever_lesser_bad_was_among_those_since_the_graver()
     {
        let quiet = QUIET as usize;
        let turns = |good| {
            let lesser = [reason::THROTTLED].repeat(quiet - 1);
            let graver = std::iter::once(reason::OUT_OF_MEMORY).chain(lesser);
            graver.chain([reason::OK].repeat(good))
        };
        assert_eq!(after(turns(0)), (1, Some(reason::OUT_OF_MEMORY)));
        assert_eq!(after(turns(1)), (2, Some(reason::THROTTLED)));
        assert_eq!(after(turns(quiet - 1)), (2, Some(reason::THROTTLED)));
        assert_eq!(after(turns(quiet)), (3, Some(reason::OK)));
    }

    #[test]
    fn a_lesser_bad_is_said_when_the_graver_was_in_none_of_the_last_turns_though_good_ones_were_among_them()
     {
        let quiet = QUIET as usize;
        let turns = |then: usize| {
            let lesser = [reason::THROTTLED, reason::OK].into_iter().cycle();
            std::iter::once(reason::OUT_OF_MEMORY).chain(lesser.take(then))
        };
        assert_eq!(after(turns(quiet - 1)), (1, Some(reason::OUT_OF_MEMORY)));
        assert_eq!(after(turns(quiet)), (2, Some(reason::THROTTLED)));
        assert_eq!(after(turns(1000)), (2, Some(reason::THROTTLED)));
    }

    #[test]
    fn another_word_of_one_reason_is_said_when_the_first_was_in_none_of_the_last_turns() {
        let by = |policy: &str| {
            let message = format!("{policy} forbids it");
            Judgement::new(WITHIN_RULES, false, reason::VIOLATION_KILLED, message)
        };
        let mut damped = Damped::default();
        assert!(damped.hear(by("a")));
        for turn in 1..=QUIET {
            assert_eq!(damped.hear(by("b")), turn == QUIET, "{turn}");
        }
        assert_eq!(damped.said(), Some(&by("b")));
        assert!(!damped.hear(by("b")));
    }

    #[test]
    fn what_is_kept_of_the_last_turns_is_no_more_than_these() {
        let mut damped = Damped::default();
        for turn in 0..1000 {
            let message = format!("in turn {turn}");
            let judged = Judgement::new(WITHIN_LIMITS, false, reason::THROTTLED, message);
            damped.hear(judged);
            assert!(damped.bad.len() <= QUIET as usize);
        }
    }
}
