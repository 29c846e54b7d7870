//! The agents that are asked: of each its card for as long as it holds, when it is left alone, and which of its tasks wait
//! for an answer. What may not enter: what is in a card (`card`), and how it is fetched (`line`).

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use aion_abi::{code::Code, problem::Problem};
use aion_backoff::Backoff;
use parking_lot::Mutex;
use tokio::{sync::Mutex as AsyncMutex, time::Instant};

use super::{
    super::{ToolServer, Transport},
    Remote,
    card::Card,
    line::Dialer,
    problem,
    update::Named,
};

/// How long a card is used.
const KEPT: Duration = Duration::from_secs(300);
/// What was not used for so long is forgotten; longer where a task of it waits.
const IDLE: Duration = Duration::from_secs(600);
const WAITS: Duration = Duration::from_secs(24 * 3600);
/// The first pause after a failure; it doubles with each, up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(60);
/// So many tasks that wait are remembered of an agent, the newest.
const MAX_WAITING: usize = 256;

/// See the module.
#[derive(Default)]
pub(super) struct Agents(Mutex<HashMap<ToolServer, Arc<Agent>>>);

/// An agent elsewhere.
pub(super) struct Agent {
    server: ToolServer,
    card: AsyncMutex<Kept>,
    waiting: Mutex<VecDeque<Named>>,
    used: Mutex<Instant>,
}

struct Kept {
    card: Option<(Arc<Card>, Instant)>,
    /// Until when it is left alone, and why.
    resting: Option<(Instant, Problem)>,
    pauses: Backoff,
}

impl Agents {
    pub(super) fn of(&self, server: &ToolServer) -> Arc<Agent> {
        let mut all = self.0.lock();
        if let Some(agent) = all.get(server) {
            *agent.used.lock() = Instant::now();
            return Arc::clone(agent);
        }
        all.retain(|_, it| Arc::strong_count(it) > 1 || it.is_wanted());
        let agent = Arc::new(Agent {
            server: server.clone(),
            card: AsyncMutex::new(Kept {
                card: None,
                resting: None,
                pauses: Backoff::new(FIRST_PAUSE, LAST_PAUSE),
            }),
            waiting: Mutex::default(),
            used: Mutex::new(Instant::now()),
        });
        all.insert(server.clone(), Arc::clone(&agent));
        agent
    }
}

impl Agent {
    /// The Tool's name.
    pub(super) fn name(&self) -> &str {
        &self.server.name
    }

    /// Where it is.
    ///
    /// # Errors
    /// `internal` for a tool that is no agent.
    pub(super) fn remote(&self) -> Result<&Remote, Problem> {
        match &self.server.transport {
            Transport::A2a(remote) => Ok(remote),
            _ => Err(problem(Code::Internal, self, "it is not an agent")),
        }
    }

    fn is_wanted(&self) -> bool {
        let idle = self.used.lock().elapsed();
        idle < IDLE || (idle < WAITS && !self.waiting.lock().is_empty())
    }

    /// Its card, fetched where the one that is kept is old. Callers that come meanwhile wait for the same.
    ///
    /// # Errors
    /// Why there is none; for a pause after a failure that of the failure.
    pub(super) async fn card(&self, dialer: &Dialer) -> Result<Arc<Card>, Problem> {
        let mut kept = self.card.lock().await;
        let now = Instant::now();
        if let Some((card, since)) = &kept.card
            && now.duration_since(*since) < KEPT
        {
            return Ok(Arc::clone(card));
        }
        if let Some((until, problem)) = &kept.resting {
            let left = until.saturating_duration_since(now);
            if !left.is_zero() {
                let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
                return Err(problem.clone().retry_after_ms(left.max(1)));
            }
        }
        match dialer.card(self).await {
            Ok(card) => {
                let card = Arc::new(card);
                kept.card = Some((Arc::clone(&card), now));
                kept.resting = None;
                kept.pauses.reset();
                Ok(card)
            }
            Err(problem) => {
                let named = problem.retry_after_ms.map(Duration::from_millis);
                let pause = kept.pauses.pause();
                let pause = pause.max(named.unwrap_or_default().min(LAST_PAUSE));
                kept.card = None;
                kept.resting = Some((Instant::now() + pause, problem.clone()));
                Err(problem)
            }
        }
    }

    /// A task waits for an answer.
    pub(super) fn note_waiting(&self, named: &Named) {
        let mut waiting = self.waiting.lock();
        waiting.retain(|it| it.task != named.task);
        if waiting.len() == MAX_WAITING {
            waiting.pop_front();
        }
        waiting.push_back(named.clone());
    }

    /// A task waits for an answer no longer.
    pub(super) fn note_ended(&self, named: &Named) {
        self.waiting.lock().retain(|it| it.task != named.task);
    }

    /// The task of that id, where it waits for an answer: a task that somebody else has at the agent is none.
    pub(super) fn waiting(&self, task: &str) -> Result<Named, Problem> {
        let found = self
            .waiting
            .lock()
            .iter()
            .find(|it| it.task == task)
            .cloned();
        found.ok_or_else(|| {
            let task: String = task.chars().take(120).collect();
            let what = format!("no task {task:?} waits for an answer, as far as is remembered");
            problem(Code::NotFound, self, &what)
                .remedy("leave task out: the message is a new task then")
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::scripted::remote_tool;
    use super::*;

    #[test]
    fn tasks_that_wait_are_remembered_for_their_tool_alone_and_within_a_bound() {
        let agents = Agents::default();
        let of = |name| agents.of(&remote_tool(name, "http://127.0.0.1:9"));
        let named = |n: usize| Named {
            task: n.to_string(),
            context: "c".to_owned(),
        };
        let travel = of("travel");
        for n in 0..=MAX_WAITING {
            travel.note_waiting(&named(n));
        }
        assert!(of("travel").waiting("0").is_err());
        assert_eq!(of("travel").waiting("1").unwrap(), named(1));
        assert!(of("other").waiting("1").is_err());
        travel.note_ended(&named(1));
        assert!(travel.waiting("1").is_err());
    }
}
