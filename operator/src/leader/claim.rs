//! Whether the Lease may be taken, and what is written into it. Pure: its clocks are given.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

/// One candidate's claim to the Lease, and what it saw of others'.
pub(super) struct Claim {
    holder: String,
    seconds: u64,
    /// What the Lease said last, and since when it says so, by this machine's clock.
    seen: Option<(LeaseSpec, Instant)>,
}

impl Claim {
    /// The claim of `identity`, whose Lease holds for `seconds`. Two programs of one name, such as one that
    /// was started again, are two holders.
    pub(super) fn new(identity: &str, seconds: u64) -> Self {
        let life = std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
        Self {
            holder: format!("{identity}_{}", life.trim()),
            seconds,
            seen: None,
        }
    }

    /// For how long a renewal holds.
    pub(super) const fn holds(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// Whether the Lease is this candidate's.
    pub(super) fn holds_it(&self, there: &LeaseSpec) -> bool {
        there.holder_identity.as_deref() == Some(self.holder.as_str())
    }

    /// Whether the Lease is this candidate's, nobody's, or was seen unchanged for as long as it holds.
    pub(super) fn may_take(&mut self, there: &LeaseSpec, now: Instant) -> bool {
        let since = match &self.seen {
            Some((seen, since)) if seen == there => *since,
            _ => {
                self.seen = Some((there.clone(), now));
                now
            }
        };
        if self.holds_it(there)
            || there
                .holder_identity
                .as_deref()
                .unwrap_or_default()
                .is_empty()
        {
            return true;
        }
        let holds = u64::try_from(there.lease_duration_seconds.unwrap_or_default());
        now.duration_since(since) >= Duration::from_secs(holds.unwrap_or_default())
    }

    /// The Lease as this candidate's, renewed `now`; `before` is what it said.
    pub(super) fn write(&self, before: Option<&LeaseSpec>, now: Timestamp) -> LeaseSpec {
        let now = Some(MicroTime(now));
        let renewed = before.filter(|before| self.holds_it(before));
        let transitions = before
            .and_then(|before| before.lease_transitions)
            .unwrap_or_default();
        LeaseSpec {
            holder_identity: Some(self.holder.clone()),
            lease_duration_seconds: Some(i32::try_from(self.seconds).unwrap_or(i32::MAX)),
            acquire_time: renewed.map_or(now.clone(), |before| before.acquire_time.clone()),
            renew_time: now,
            lease_transitions: Some(transitions + i32::from(before.is_some() && renewed.is_none())),
            ..LeaseSpec::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELD: Duration = Duration::from_secs(15);

    fn clock(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_lease_is_taken_when_it_was_seen_unchanged_for_as_long_as_it_holds() {
        let (first, mut second) = (Claim::new("a", 15), Claim::new("b", 15));
        let begin = Instant::now();
        // The first one's clock is years behind: that is not the second's measure.
        let held = first.write(None, clock(0));
        assert!(!second.may_take(&held, begin));
        assert!(!second.may_take(&held, begin + HELD - Duration::from_secs(1)));
        assert!(second.may_take(&held, begin + HELD));
    }

    #[test]
    fn each_renewal_holds_anew() {
        let (first, mut second) = (Claim::new("a", 15), Claim::new("b", 15));
        let begin = Instant::now();
        let held = first.write(None, clock(0));
        assert!(!second.may_take(&held, begin));
        let renewed = first.write(Some(&held), clock(3));
        assert_eq!(renewed.lease_transitions, held.lease_transitions);
        assert!(!second.may_take(&renewed, begin + HELD));
        assert!(second.may_take(&renewed, begin + HELD * 2));
        let taken = second.write(Some(&renewed), clock(40));
        assert_eq!(taken.lease_transitions, Some(1));
    }

    #[test]
    fn a_lease_that_was_given_up_is_taken_at_once_and_ones_own_is_renewed() {
        let mut claim = Claim::new("a", 15);
        let now = Instant::now();
        assert!(claim.may_take(&LeaseSpec::default(), now));
        let own = claim.write(None, clock(0));
        assert!(claim.may_take(&own, now));
    }

    #[test]
    fn two_programs_of_one_name_are_two_holders() {
        let (first, mut second) = (Claim::new("a", 15), Claim::new("a", 15));
        assert!(!second.may_take(&first.write(None, clock(0)), Instant::now()));
    }
}
