//! When each node's Lease changed last, by this operator's own clock. What the Lease says of its time is the node's
//! word, and the clocks of two machines differ. Pure: its clock is given.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::LeaseSpec;
use parking_lot::Mutex;

/// What the Leases said last, by node.
#[derive(Default)]
pub(crate) struct Heard(Mutex<HashMap<String, Seen>>);

struct Seen {
    said: LeaseSpec,
    since: Instant,
    /// How long it was silent before.
    before: Duration,
}

impl Heard {
    /// For how long the Lease of `node` says what it says at `now`. At first sight, as after a start of the operator, it
    /// was silent for `before`.
    pub(crate) fn silent(
        &self,
        node: &str,
        said: &LeaseSpec,
        before: Duration,
        now: Instant,
    ) -> Duration {
        let mut nodes = self.0.lock();
        let before = match nodes.get(node) {
            Some(seen) if seen.said == *said => {
                return seen.before + now.saturating_duration_since(seen.since);
            }
            Some(_) => Duration::ZERO,
            None => before,
        };
        let seen = Seen {
            said: said.clone(),
            since: now,
            before,
        };
        nodes.insert(node.to_owned(), seen);
        before
    }

    /// For how long this operator itself saw the Lease of `node` say `said`, up to `now`; nothing where it saw another.
    pub(crate) fn witnessed(&self, node: &str, said: &LeaseSpec, now: Instant) -> Option<Duration> {
        let nodes = self.0.lock();
        let seen = nodes.get(node).filter(|seen| seen.said == *said)?;
        Some(now.saturating_duration_since(seen.since))
    }

    /// Forgets a node that has no Lease.
    pub(crate) fn forget(&self, node: &str) {
        let mut nodes = self.0.lock();
        nodes.remove(node);
    }

    /// Forgets the nodes that are not there any more.
    pub(crate) fn keep(&self, there: impl Fn(&str) -> bool) {
        let mut nodes = self.0.lock();
        nodes.retain(|node, _| there(node));
    }
}

#[cfg(test)]
mod tests {
    use aion_resolve::NodeState;
    use aion_resolve::node_status::{Heartbeat, Machine, node_state};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    const HOLDS: Duration = Duration::from_secs(40);

    /// A renewal, dated by a clock that is so many seconds ahead of the operator's.
    fn renewed(ahead: i64, at: u64) -> LeaseSpec {
        let date = Timestamp::UNIX_EPOCH.as_second() + 1_767_225_600 + ahead;
        let date = Timestamp::from_second(date.saturating_add_unsigned(at)).unwrap_or_default();
        LeaseSpec {
            renew_time: Some(MicroTime(date)),
            ..LeaseSpec::default()
        }
    }

    fn ready(silent: Duration) -> bool {
        let heartbeat = Heartbeat {
            silent,
            holds: HOLDS,
            renewed: Timestamp::UNIX_EPOCH,
        };
        node_state(Some(heartbeat), Machine::There) == NodeState::Ready
    }

    #[test]
    fn a_node_whose_clock_is_off_lives_as_long_as_its_lease_changes() {
        for ahead in [-3600, -60, 0, 3600] {
            let (heard, begin) = (Heard::default(), Instant::now());
            let mut last = renewed(ahead, 0);
            for at in (0..600).step_by(10) {
                last = renewed(ahead, at);
                let now = begin + Duration::from_secs(at);
                assert!(ready(heard.silent("a", &last, Duration::ZERO, now)));
            }
            let silent = |after| {
                let now = begin + Duration::from_secs(590) + after;
                heard.silent("a", &last, Duration::ZERO, now)
            };
            assert!(ready(silent(HOLDS)), "{ahead}");
            assert!(!ready(silent(HOLDS + Duration::from_secs(1))), "{ahead}");
        }
    }

    #[test]
    fn an_operator_that_starts_gives_each_node_its_time_and_wakes_no_dead_one() {
        let (heard, begin) = (Heard::default(), Instant::now());
        let expired = HOLDS + Duration::from_secs(1);
        assert!(ready(heard.silent(
            "new",
            &renewed(0, 0),
            Duration::ZERO,
            begin
        )));
        assert!(!ready(heard.silent("dead", &renewed(0, 0), expired, begin)));
        let later = begin + Duration::from_secs(10);
        assert!(!ready(heard.silent("dead", &renewed(0, 0), expired, later)));
        assert!(
            ready(heard.silent("dead", &renewed(0, 10), expired, later)),
            "it renews again"
        );
    }

    #[test]
    fn what_an_operator_did_not_see_itself_it_has_not_witnessed() {
        let (heard, begin) = (Heard::default(), Instant::now());
        let (first, expired) = (renewed(0, 0), HOLDS + Duration::from_secs(1));
        assert_eq!(heard.witnessed("dead", &first, begin), None);
        heard.silent("dead", &first, expired, begin);
        let later = begin + Duration::from_secs(10);
        let of = |said: &LeaseSpec| heard.witnessed("dead", said, later);
        assert_eq!(of(&first), Some(Duration::from_secs(10)));
        assert_eq!(of(&renewed(0, 10)), None);
    }

    #[test]
    fn nodes_that_are_gone_are_forgotten() {
        let (heard, begin) = (Heard::default(), Instant::now());
        for node in ["a", "b"] {
            heard.silent(node, &renewed(0, 0), Duration::ZERO, begin);
        }
        heard.keep(|node| node == "a");
        heard.forget("a");
        let nodes = heard.0.lock();
        assert!(nodes.is_empty());
    }
}
