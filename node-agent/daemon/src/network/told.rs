//! What became of connections that were not made, in the log of the agent: the program itself sees them reset, and not why.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use aion_abi::problem::Problem;
use aion_kernel::Incarnation;

use crate::logs::Logs;

/// The most lines of one run. What is refused beyond is still recorded, as far as its rate lets it be.
const LINES: u32 = 64;

/// The log of one run. Clones count together.
#[derive(Clone)]
pub(crate) struct Told {
    logs: Logs,
    agent: Arc<str>,
    incarnation: Incarnation,
    lines: Arc<AtomicU32>,
}

impl Told {
    pub(crate) fn to(logs: Logs, agent: &str, incarnation: Incarnation) -> Self {
        Self {
            logs,
            agent: agent.into(),
            incarnation,
            lines: Arc::default(),
        }
    }

    /// Writes down why there is no connection to `target`.
    pub(super) async fn not_made(&self, target: &str, problem: &Problem) {
        let so_far = self.lines.fetch_add(1, Ordering::Relaxed);
        let text = match so_far {
            0..LINES => format!("no connection to {target}: {}", problem.detail),
            LINES => "no more is written of connections that are not made".to_owned(),
            _ => return,
        };
        let this = self.clone();
        let written = tokio::task::spawn_blocking(move || {
            this.logs.add(&this.agent, this.incarnation, "node", &text);
        });
        // A line that is lost is told of by the log itself.
        let _ = written.await;
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Told").finish_non_exhaustive()
    }
}
