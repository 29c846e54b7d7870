//! How far a call came, and the end of its task where the call was given up. What may not enter: what a call comes to
//! (`follow`).

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::timeout;

use super::{
    binding::Asked,
    fault::NotDone,
    line::Line,
    update::{State, Whole},
};

/// How long an agent is given to hear that nobody waits.
const CANCEL: Duration = Duration::from_secs(10);

/// How far a call came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Reach {
    /// Nothing was sent.
    #[default]
    Before,
    /// The message was sent, and no task was told of.
    Sent,
    /// The agent has a task of it.
    Task,
}

impl Line {
    /// The newest task of a context that was not cancelled: who cancelled it waits for it no more.
    pub(super) async fn find(&self, context: &str) -> Result<Option<Whole>, NotDone> {
        let listed = self.whole(&Asked::List(context)).await?;
        let tasks = listed.get("tasks").and_then(Value::as_array);
        let mut tasks = tasks
            .into_iter()
            .flatten()
            .filter_map(|it| Whole::read(it.clone()).ok());
        Ok(tasks.find(|it| it.named.context == context && it.status.state != State::Canceled))
    }
}

/// Tells the agent that nobody waits any more, where the call was given up.
pub(super) struct Guard<'a> {
    line: Arc<Line>,
    /// Before a message was sent there is nothing to tell.
    reach: &'a Mutex<Reach>,
    pub(super) task: Option<String>,
    /// By which its task is found, where its id was not told yet.
    pub(super) context: Option<String>,
}

impl<'a> Guard<'a> {
    pub(super) fn new(line: Arc<Line>, reach: &'a Mutex<Reach>) -> Self {
        Self {
            line,
            reach,
            task: None,
            context: None,
        }
    }

    pub(super) fn reaches(&self, reach: Reach) {
        *self.reach.lock() = reach;
    }

    pub(super) fn disarm(&mut self) {
        self.task = None;
        self.context = None;
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let (task, context) = (self.task.take(), self.context.take());
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if *self.reach.lock() == Reach::Before || (task.is_none() && context.is_none()) {
            return;
        }
        let line = Arc::clone(&self.line);
        runtime.spawn(timeout(CANCEL, async move {
            let task = match (task, context) {
                (Some(task), _) => Some(task),
                (None, Some(context)) => {
                    let found = line.find(&context).await.ok().flatten();
                    found.map(|it| it.named.task)
                }
                (None, None) => None,
            };
            if let Some(task) = task
                && let Err(fault) = line.whole(&Asked::Cancel(&task)).await
            {
                tracing::debug!(tool = line.tool, why = %fault.problem, "a task that nobody waits for was not cancelled");
            }
        }));
    }
}
