//! Agents of which nothing is said yet but that they wait for their nodes. While a status speaks of an older generation, or
//! of none, every tool takes the agent for one in progress; nodes mostly answer at once, and then the first status that is
//! written is the one that stays. Pure: its clock is given.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aion_api::condition::{RECONCILING, STALLED, is_true};
use aion_api::{Agent, AgentStatus};
use parking_lot::Mutex;

/// How long nodes have until it is said that they are waited for.
const SOON: Duration = Duration::from_secs(1);

/// See the module; by uid.
#[derive(Default)]
pub(crate) struct Unsaid(Mutex<HashMap<String, Instant>>);

impl Unsaid {
    /// How much longer `status` may stay unsaid at `now`; nothing where it is to be said.
    pub(crate) fn waits(
        &self,
        agent: &Agent,
        status: &AgentStatus,
        now: Instant,
    ) -> Option<Duration> {
        let uid = agent.metadata.uid.clone().unwrap_or_default();
        let mut since = self.0.lock();
        let left = is_in_progress_by_itself(agent, status).then(|| {
            let since = *since.entry(uid.clone()).or_insert(now);
            SOON.saturating_sub(now.saturating_duration_since(since))
        });
        let left = left.filter(|left| !left.is_zero());
        if left.is_none() {
            since.remove(&uid);
        }
        left
    }

    /// An agent is gone.
    pub(crate) fn forget(&self, agent: &Agent) {
        let uid = agent.metadata.uid.as_deref().unwrap_or_default();
        self.0.lock().remove(uid);
    }
}

/// Whether `status` says only that it waits, and what stands there says so, too: it is of another generation.
fn is_in_progress_by_itself(agent: &Agent, status: &AgentStatus) -> bool {
    let before = agent.status.as_ref();
    let observed = before.and_then(|status| status.observed_generation);
    observed != agent.metadata.generation
        && agent.metadata.deletion_timestamp.is_none()
        && is_true(&status.conditions, RECONCILING)
        && !is_true(&status.conditions, STALLED)
}

#[cfg(test)]
mod tests {
    use aion_api::condition::{Judgement, reason, write};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn agent(generation: i64, observed: Option<i64>) -> Agent {
        let mut agent = Agent::default();
        agent.metadata.uid = Some("u".to_owned());
        agent.metadata.generation = Some(generation);
        agent.status = Some(AgentStatus {
            observed_generation: observed,
            ..AgentStatus::default()
        });
        agent
    }

    fn status(reconciling: bool, stalled: bool) -> AgentStatus {
        let judged = [
            Judgement::new(RECONCILING, reconciling, reason::INSTANCES_NOT_READY, ""),
            Judgement::new(STALLED, stalled, reason::OK, ""),
        ];
        AgentStatus {
            conditions: write(&[], &judged, Some(1), &Time(Timestamp::UNIX_EPOCH)),
            ..AgentStatus::default()
        }
    }

    #[test]
    fn that_an_agent_waits_is_said_when_its_nodes_take_longer_and_not_before() {
        let (unsaid, begin) = (Unsaid::default(), Instant::now());
        let waits = |after| unsaid.waits(&agent(1, Some(-1)), &status(true, false), begin + after);
        assert_eq!(waits(Duration::ZERO), Some(SOON));
        assert_eq!(waits(SOON / 4), Some(SOON * 3 / 4));
        assert_eq!(waits(SOON), None);
        assert!(unsaid.0.lock().is_empty());
    }

    #[test]
    fn what_is_not_in_progress_by_itself_and_what_is_no_waiting_is_said_at_once() {
        let (unsaid, now) = (Unsaid::default(), Instant::now());
        let waiting = status(true, false);
        assert!(unsaid.waits(&agent(2, Some(1)), &waiting, now).is_some());
        assert_eq!(unsaid.waits(&agent(2, Some(2)), &waiting, now), None);
        let new = agent(1, Some(-1));
        assert_eq!(unsaid.waits(&new, &status(false, false), now), None);
        assert_eq!(unsaid.waits(&new, &status(true, true), now), None);
        let mut leaving = new;
        leaving.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        assert_eq!(unsaid.waits(&leaving, &waiting, now), None);
        assert!(
            unsaid.0.lock().is_empty(),
            "nothing is kept of what is said"
        );
    }
}
