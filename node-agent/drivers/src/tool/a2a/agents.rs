//! The agents that are asked: of each its card for as long as it holds, and when it is left alone. What may not enter: what is in a card (`card`), and how it is fetched (`line`).

use std::{collections::HashMap, sync::Arc, time::Duration};

use aion_abi::{code::Code, problem::Problem};
use aion_backoff::Backoff;
use parking_lot::Mutex;
use tokio::{
    sync::Mutex as AsyncMutex,
    time::{Instant, timeout},
};

use super::{
    super::{ToolServer, Transport},
    Remote,
    card::Card,
    line::Dialer,
    problem,
};

/// How long a card is used.
const KEPT: Duration = Duration::from_secs(300);
/// How long a card is waited for: less than a listing waits, so that a server that hangs is left alone after it.
const FETCH: Duration = Duration::from_secs(8);
/// What was not used for so long is forgotten.
const IDLE: Duration = Duration::from_secs(600);
/// The first pause after a failure; it doubles with each, up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Default)]
pub(super) struct Agents(Mutex<HashMap<ToolServer, Arc<Agent>>>);

/// An agent elsewhere.
pub(super) struct Agent {
    server: ToolServer,
    card: AsyncMutex<Kept>,
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
        self.used.lock().elapsed() < IDLE
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
        let fetched = timeout(FETCH, dialer.card(self)).await;
        let fetched = fetched.unwrap_or_else(|_| {
            let what = format!("its card did not come within {} s", FETCH.as_secs());
            Err(problem(Code::Unreachable, self, &what))
        });
        match fetched {
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
}
