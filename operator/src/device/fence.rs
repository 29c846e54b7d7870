//! Whether a node has stopped that was told to let a device go and says nothing.
//!
//! A node serves devices while its Lease was renewed within [`aion_api::metadata::DEVICES_SECONDS`], by its own clock from before
//! the renewal was sent, and after that only by a list that it asks for anew. So a node has stopped whose Lease was seen to say the
//! same for longer, read from the API server after the device was released: whatever it renews later, it finds the device
//! released. What a Lease says of time is compared with nothing.

use std::time::{Duration, Instant};

use aion_api::metadata::node_lease;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::Api;

use crate::context::Context;
use crate::failure::Failure;
use crate::heard::Heard;

/// How much longer `node` has to be silent until it has stopped; nothing where it has.
///
/// # Errors
/// The API server does not tell the node's Lease.
pub(super) async fn silence(context: &Context, node: &str) -> Result<Option<Duration>, Failure> {
    let leases: Api<Lease> = Api::namespaced(context.client.clone(), &context.system);
    let lease = leases.get_opt(&node_lease(node)).await;
    let lease = lease.map_err(Failure::of(format!("reading the Lease of node {node}")))?;
    // A Lease that is gone says nothing either.
    let said = lease.and_then(|it| it.spec).unwrap_or_default();
    let seen = (&context.heard, &context.fences);
    Ok(wait(seen, node, &said, context.node_lease, Instant::now()))
}

/// The same of a Lease that says `said` at `now`: it has stopped that was seen to say so for longer than the Lease lasts, and for
/// longer than `least`, either by those who follow the Leases of all nodes or since it was first asked for here.
fn wait(
    (heard, fences): (&Heard, &Heard),
    node: &str,
    said: &LeaseSpec,
    least: Duration,
    now: Instant,
) -> Option<Duration> {
    let seconds = said.lease_duration_seconds.unwrap_or_default();
    let holds = Duration::from_secs(seconds.try_into().unwrap_or_default());
    let holds = holds.max(least);
    let witnessed = heard.witnessed(node, said, now);
    let silent = fences.silent(node, said, Duration::ZERO, now);
    let silent = silent.max(witnessed.unwrap_or_default());
    (silent <= holds).then(|| holds.saturating_sub(silent) + Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    const LEAST: Duration = Duration::from_secs(40);

    /// What a Lease says that was renewed so often.
    fn renewed(times: i64, seconds: i32) -> LeaseSpec {
        LeaseSpec {
            lease_duration_seconds: Some(seconds),
            renew_time: Timestamp::from_second(times).ok().map(MicroTime),
            ..LeaseSpec::default()
        }
    }

    /// Both memories, and a clock of seconds.
    #[derive(Default)]
    struct Seen(Heard, Heard);

    impl Seen {
        fn wait(&self, said: &LeaseSpec, start: Instant, seconds: u64) -> Option<u64> {
            let now = start + Duration::from_secs(seconds);
            wait((&self.0, &self.1), "n", said, LEAST, now).map(|it| it.as_secs())
        }
    }

    #[test]
    fn a_node_has_stopped_when_its_lease_said_the_same_for_longer_than_it_lasts() {
        let (seen, start) = (Seen::default(), Instant::now());
        let said = renewed(1, 40);
        assert_eq!(seen.wait(&said, start, 0), Some(41));
        assert_eq!(seen.wait(&said, start, 30), Some(11));
        assert_eq!(
            seen.wait(&said, start, 40),
            Some(1),
            "not yet: it may just be serving"
        );
        assert_eq!(seen.wait(&said, start, 41), None);
        // Whoever comes back is waited for anew, and its clock does not matter.
        for said in [renewed(2, 40), renewed(-1_000_000, 40)] {
            assert_eq!(seen.wait(&said, start, 42), Some(41));
        }
    }

    #[test]
    fn a_lease_lasts_as_long_as_it_says_and_no_shorter_than_nodes_serve() {
        for (seconds, first) in [(90, 91), (1, 41), (0, 41), (-5, 41)] {
            let seen = Seen::default();
            let wait = seen.wait(&renewed(1, seconds), Instant::now(), 0);
            assert_eq!(wait, Some(first), "{seconds}");
        }
        // One that is gone.
        let (seen, start) = (Seen::default(), Instant::now());
        let gone = LeaseSpec::default();
        assert_eq!(seen.wait(&gone, start, 0), Some(41));
        assert_eq!(seen.wait(&gone, start, 41), None);
    }

    #[test]
    fn what_the_operator_witnessed_before_counts_and_what_it_supposed_does_not() {
        let (seen, start) = (Seen::default(), Instant::now());
        let said = renewed(1, 40);
        // A node that was silent before the operator started is supposed to be dead by whoever places agents.
        seen.0.silent("n", &said, Duration::from_secs(3600), start);
        assert_eq!(seen.wait(&said, start, 10), Some(31));
        assert_eq!(seen.wait(&said, start, 41), None);
        // Of another Lease than the one that is there now, nothing was witnessed.
        assert_eq!(seen.wait(&renewed(2, 40), start, 42), Some(41));
    }
}
