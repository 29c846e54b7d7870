//! What agents' workers did in the kernel of the machine: the last events of each agent, those who follow them, and
//! the node's counts. In memory alone, and bounded.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use aion_abi::{
    admin::KernelTrace,
    kernel_event::{Hook, KernelCounts, KernelEvent, KernelHook},
};
use aion_api::ResolvedViolations;
use aion_sandbox::protocol::{Traced, WorkerId};
use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::telemetry::Telemetry;

/// Events of one agent that are kept.
const KEPT: usize = 64;
/// Agents whose events are kept. Beyond, one that nobody follows makes room.
const AGENTS: usize = 1024;
/// Events that a follower may be behind before it loses some.
const FOLLOWERS_BEHIND: usize = 1024;

/// The traces of all agents. Clones share them.
#[derive(Clone)]
pub(crate) struct KernelTraces {
    shared: Arc<Shared>,
}

struct Shared {
    telemetry: Arc<Telemetry>,
    agents: Mutex<HashMap<String, Agent>>,
    /// What was counted of each worker that runs.
    counted: Mutex<HashMap<WorkerId, KernelCounts>>,
    hooks: Mutex<Vec<KernelHook>>,
}

#[derive(Default)]
struct Agent {
    last: VecDeque<KernelTrace>,
    followers: Option<broadcast::Sender<KernelTrace>>,
}

/// Whose worker it is.
pub(crate) struct Whose<'a> {
    /// `namespace/name`.
    pub agent: &'a str,
    /// The turn.
    pub turn: u64,
    /// The run.
    pub incarnation: u32,
    /// The turn's trace.
    pub trace: Option<&'a str>,
    /// The rules that it is held to.
    pub rules: Option<&'a ResolvedViolations>,
}

impl KernelTraces {
    /// None yet.
    pub(crate) fn new(telemetry: Arc<Telemetry>) -> Self {
        Self {
            shared: Arc::new(Shared {
                telemetry,
                agents: Mutex::default(),
                counted: Mutex::default(),
                hooks: Mutex::default(),
            }),
        }
    }

    /// What the launcher follows workers by.
    pub(crate) fn hooks(&self) -> Vec<KernelHook> {
        self.shared.hooks.lock().clone()
    }

    /// Whether it has this one.
    pub(crate) fn has(&self, name: Hook) -> bool {
        let hooks = self.shared.hooks.lock();
        hooks
            .iter()
            .any(|it| it.name == name && it.lacking.is_none())
    }

    /// The launcher says by what.
    pub(crate) fn found(&self, hooks: Vec<KernelHook>) {
        *self.shared.hooks.lock() = hooks;
    }

    /// Takes in what was seen of a worker; of a tool's or the compiler's, which are nobody's in particular, the counts.
    pub(crate) fn take(&self, traced: Traced, whose: Option<&Whose<'_>>) {
        let lost = self.count(&traced);
        let Some(whose) = whose else { return };
        let trace = |event: Option<KernelEvent>, lost| KernelTrace {
            turn: whose.turn,
            incarnation: whose.incarnation,
            trace: whose.trace.map(str::to_owned),
            policy: (event.as_ref())
                .filter(|event| event.violation.is_some())
                .and_then(|event| aion_policy::about(whose.rules?, event.kind))
                .map(|rule| rule.policy.clone()),
            event,
            lost,
        };
        let events = traced.events.into_iter();
        let traces = events.map(|event| trace(Some(event), 0));
        let traces = traces.chain(lost.map(|lost| trace(None, lost)));
        let mut agents = self.shared.agents.lock();
        for one in traces {
            if !agents.contains_key(whose.agent) {
                make_room(&mut agents);
            }
            let agent = agents.entry(whose.agent.to_owned()).or_default();
            if agent.last.len() == KEPT {
                agent.last.pop_front();
            }
            agent.last.push_back(one.clone());
            if let Some(followers) = &agent.followers {
                let _ = followers.send(one);
            }
        }
    }

    /// Adds to the node's counts what is new. Gives how many events were lost so far, where there are more of them.
    fn count(&self, traced: &Traced) -> Option<u64> {
        let counts = traced.counts.as_ref()?;
        let mut counted = self.shared.counted.lock();
        let before = counted.insert(traced.id.clone(), counts.clone());
        let before = before.unwrap_or_default();
        self.shared.telemetry.kernel(&before, counts);
        let lost = |counts: &KernelCounts| counts.lost.values().sum::<u64>();
        (lost(counts) > lost(&before)).then(|| lost(counts))
    }

    /// A worker is gone.
    pub(crate) fn ended(&self, id: &WorkerId) {
        self.shared.counted.lock().remove(id);
    }

    /// The last events of an agent, oldest first.
    pub(crate) fn last(&self, agent: &str) -> Vec<KernelTrace> {
        let agents = self.shared.agents.lock();
        let last = agents.get(agent).map(|agent| agent.last.iter().cloned());
        last.into_iter().flatten().collect()
    }

    /// The last events, and those to come, with none between.
    pub(crate) fn follow(
        &self,
        agent: &str,
    ) -> (Vec<KernelTrace>, broadcast::Receiver<KernelTrace>) {
        let mut agents = self.shared.agents.lock();
        if !agents.contains_key(agent) {
            make_room(&mut agents);
        }
        let agent = agents.entry(agent.to_owned()).or_default();
        let new = || broadcast::Sender::new(FOLLOWERS_BEHIND);
        let to_come = agent.followers.get_or_insert_with(new).subscribe();
        (agent.last.iter().cloned().collect(), to_come)
    }

    /// Forgets an agent that is gone.
    pub(crate) fn erase(&self, agent: &str) {
        self.shared.agents.lock().remove(agent);
    }
}

fn make_room(agents: &mut HashMap<String, Agent>) {
    if agents.len() < AGENTS {
        return;
    }
    let followed = |agent: &Agent| {
        let followers = agent.followers.as_ref();
        followers.is_some_and(|it| it.receiver_count() > 0)
    };
    let any = agents.iter().find(|(_, agent)| !followed(agent));
    if let Some(name) = any.map(|(name, _)| name.clone()) {
        agents.remove(&name);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_abi::{
        date::UnixMillis,
        kernel_event::{KernelEventKind, OnViolation, Violations},
    };

    use super::*;

    fn traces() -> (KernelTraces, Arc<Telemetry>) {
        let telemetry = Arc::new(Telemetry::new().unwrap());
        (KernelTraces::new(Arc::clone(&telemetry)), telemetry)
    }

    fn id() -> WorkerId {
        WorkerId {
            instance: "a".into(),
            incarnation: 1,
        }
    }

    fn whose(agent: &str) -> Whose<'_> {
        Whose {
            agent,
            turn: 7,
            incarnation: 1,
            trace: Some("0123456789abcdef0123456789abcdef"),
            rules: None,
        }
    }

    fn opened(path: &str) -> Traced {
        Traced {
            id: id(),
            events: vec![KernelEvent {
                at_ms: UnixMillis(1),
                kind: KernelEventKind::Open,
                pid: 5,
                process: "cat".into(),
                call: Some("openat".into()),
                result: -2,
                violation: None,
                text: path.into(),
            }],
            counts: None,
        }
    }

    fn counted(calls: u64, lost: u64) -> Traced {
        Traced {
            id: id(),
            events: Vec::new(),
            counts: Some(KernelCounts {
                calls: [("read".to_owned(), calls)].into(),
                lost: [("ring".to_owned(), lost)].into(),
                latency: [("read".to_owned(), vec![0, 2])].into(),
                ..KernelCounts::default()
            }),
        }
    }

    #[tokio::test]
    async fn events_have_their_turn_are_bounded_and_come_to_who_follows() {
        let (traces, _) = traces();
        let (last, mut to_come) = traces.follow("default/a");
        assert!(last.is_empty());
        for at in 0..KEPT + 3 {
            traces.take(opened(&format!("/{at}")), Some(&whose("default/a")));
        }
        assert_eq!(to_come.recv().await.unwrap().turn, 7);
        let last = traces.last("default/a");
        assert_eq!(last.len(), KEPT);
        assert_eq!(last[0].event.as_ref().unwrap().text, "/3");
        traces.erase("default/a");
        assert!(traces.last("default/a").is_empty());
    }

    #[test]
    fn a_breach_is_told_with_trace_and_policy_and_counted_by_what_was_done() {
        let (traces, telemetry) = traces();
        let rules: ResolvedViolations = serde_json::from_value(serde_json::json!({
            "open": {"action": "alert", "policy": "AgentPolicy/strict"},
        }))
        .unwrap();
        let whose = Whose {
            rules: Some(&rules),
            ..whose("default/a")
        };
        let mut broken = opened("/proc/kcore");
        broken.events[0].violation = Some(OnViolation::Alert);
        let (action, count) = (OnViolation::Alert, 3);
        broken.counts = Some(KernelCounts {
            violations: [(KernelEventKind::Open, Violations { action, count })].into(),
            ..KernelCounts::default()
        });
        traces.take(broken, Some(&whose));
        traces.take(opened("/x"), Some(&whose));
        let last = traces.last("default/a");
        assert_eq!(last[0].policy.as_deref(), Some("AgentPolicy/strict"));
        assert_eq!(last[0].trace.as_deref(), whose.trace);
        assert_eq!(last[1].policy, None);
        let line = r#"aion_kernel_violations_total{action="alert",kind="open"} 3"#;
        let text = telemetry.render().unwrap();
        assert!(text.contains(line), "{line} is not in\n{text}");
    }

    #[test]
    fn agents_beyond_the_most_take_the_place_of_others() {
        let (traces, _) = traces();
        let (_, _held) = traces.follow("default/followed");
        for at in 0..AGENTS + 10 {
            traces.take(opened("/x"), Some(&whose(&format!("default/{at}"))));
        }
        let agents = traces.shared.agents.lock();
        assert_eq!(agents.len(), AGENTS);
        assert!(agents.contains_key("default/followed"));
    }

    #[test]
    fn what_is_told_again_is_counted_once_and_what_is_lost_is_said() {
        let (traces, telemetry) = traces();
        traces.take(counted(10, 0), Some(&whose("default/a")));
        traces.take(counted(15, 4), Some(&whose("default/a")));
        traces.take(counted(15, 4), None);
        let text = telemetry.render().unwrap();
        for line in [
            r#"aion_kernel_calls_total{class="read"} 15"#,
            r#"aion_kernel_events_lost_total{why="ring"} 4"#,
            r#"aion_kernel_call_seconds_count{class="read"} 2"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        let last = traces.last("default/a");
        assert_eq!(last.len(), 1);
        assert_eq!((last[0].lost, last[0].event.is_none()), (4, true));
    }
}
