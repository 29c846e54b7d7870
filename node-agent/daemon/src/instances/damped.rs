//! A condition that each turn may change, said so that the API server is not written to for each. What may not enter:
//! what is judged.

use aion_api::condition::{Judgement, Status, reason};

/// Turns in a row that give no cause for what is said, before something better is.
pub(super) const QUIET: u32 = 10;

/// What outranks what follows it: it is said at once though something else is said already.
const GRAVEST_FIRST: [&str; 6] = [
    reason::OUT_OF_MEMORY,
    reason::OUT_OF_PROCESSES,
    reason::THROTTLED,
    reason::VIOLATION_KILLED,
    reason::VIOLATION_DENIED,
    reason::VIOLATION_ALERTED,
];

/// A condition that turns bad at once, and good again after [`QUIET`] turns. Of an instance that was never bad nothing
/// is said: a status is not written for what is usual.
#[derive(Clone, Debug, Default)]
pub(super) struct Damped {
    said: Option<Judgement>,
    quiet: u32,
}

impl Damped {
    /// What is said.
    pub(super) fn said(&self) -> Option<&Judgement> {
        self.said.as_ref()
    }

    /// Takes in what is judged of one more turn; `true` where another thing is said now.
    pub(super) fn hear(&mut self, judged: Judgement) -> bool {
        let is_good = |it: &Judgement| it.status == Status::True;
        match &self.said {
            None if is_good(&judged) => false,
            Some(said) if *said == judged => {
                self.quiet = 0;
                false
            }
            Some(said) if !is_good(said) && rank(said) <= rank(&judged) => {
                self.quiet += 1;
                self.quiet >= QUIET && self.say(judged)
            }
            _ => self.say(judged),
        }
    }

    fn say(&mut self, judged: Judgement) -> bool {
        self.said = Some(judged);
        self.quiet = 0;
        true
    }
}

fn rank(judged: &Judgement) -> usize {
    let at = GRAVEST_FIRST.iter().position(|it| *it == judged.reason);
    at.unwrap_or(GRAVEST_FIRST.len())
}

#[cfg(test)]
mod tests {
    use aion_api::condition::WITHIN_LIMITS;

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
}
