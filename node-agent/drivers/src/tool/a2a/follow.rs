//! A call from its message to the end of its task: told of while it works, taken up again where a stream breaks, asked for
//! where there is no stream, and cancelled where nobody waits any more. What may not enter: deadlines, which the caller
//! has, and the words of the answer.

use std::{sync::Arc, time::Duration};

use aion_abi::{code::Code, problem::Problem, syscall::tool::CallResponse};
use aion_backoff::Backoff;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::{
    super::progress::Call,
    agents::Agent,
    answer,
    binding::Asked,
    events::Events,
    fault::{Kind, NotDone, unknown},
    line::Line,
    message::Message,
    task::Task,
    update::{Named, Part, State, Update, Whole},
};

/// The pauses between two looks at a task that is not told of.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(10);
/// So often in a row looking at a task may fail.
const MAX_FAILURES: usize = 12;
/// The most that is told of a task.
const MAX_EVENTS: usize = 200_000;
/// How long an agent is given to hear that nobody waits.
const CANCEL: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct Following<'a> {
    line: Arc<Line>,
    agent: &'a Agent,
    heard: Call,
    guard: Guard,
    task: Option<Task>,
    /// A message was sent to a task that waited: that it waits is no news until it was told otherwise.
    waited: bool,
    events: usize,
}

/// What ends a call.
enum Ended {
    Task,
    Message(Vec<Part>),
}

/// The end, where it was told at once, and what tells of the task.
type Begun = (Option<Ended>, Option<Events>);

impl<'a> Following<'a> {
    pub(super) fn new(line: Line, agent: &'a Agent, heard: Call) -> Self {
        let line = Arc::new(line);
        let guard = Guard {
            line: Arc::clone(&line),
            task: None,
            context: None,
        };
        Self {
            line,
            agent,
            heard,
            guard,
            task: None,
            waited: false,
            events: 0,
        }
    }

    /// Asks, and gives the answer.
    ///
    /// # Errors
    /// As the driver.
    pub(super) async fn ask(mut self, message: &Message) -> Result<CallResponse, Problem> {
        let ended = self.ended(message).await;
        self.guard.disarm();
        match (ended?, self.task.take()) {
            (Ended::Message(parts), _) => Ok(answer::of_message(parts)),
            (Ended::Task, Some(task)) => {
                match task.state {
                    State::InputRequired | State::AuthRequired => {
                        self.agent.note_waiting(&task.named);
                    }
                    _ => self.agent.note_ended(&task.named),
                }
                Ok(answer::of_task(self.agent.name(), task))
            }
            (Ended::Task, None) => {
                let what = format!("tool {}: it has no task of it", self.agent.name());
                Err(Problem::new(Code::Internal, what))
            }
        }
    }

    async fn ended(&mut self, message: &Message) -> Result<Ended, Problem> {
        let mut open = None;
        if message.again {
            self.find(message).await?;
        }
        if self.task.is_none() {
            open = match self.begin(message).await? {
                (None, open) => open,
                (Some(ended), _) => return Ok(ended),
            };
        }
        let mut pauses = Backoff::new(FIRST_PAUSE, LAST_PAUSE);
        let (mut failures, mut may_subscribe) = (0, self.line.streams);
        loop {
            if let Some(mut events) = open.take() {
                let seen = self.events;
                match self.listen(&mut events).await {
                    Ok(Some(ended)) => return Ok(ended),
                    // It ended or broke before the task did: what became of it is asked for.
                    Ok(None) => {}
                    Err(fault) if fault.kind == Kind::NotSupported => may_subscribe = false,
                    Err(fault) if self.task.is_none() => return Err(fault.ends_the_call()),
                    Err(fault) => {
                        tracing::debug!(why = %fault.problem, "a task is told of no more")
                    }
                }
                // The first is the task as it is.
                if self.events > seen + 1 {
                    pauses.reset();
                }
            }
            let Some(named) = self.task.as_ref().map(|it| it.named.clone()) else {
                let what = "it said nothing of a task before its answer ended";
                return Err(unknown(self.problem(what)));
            };
            match self.look(&named).await {
                Ok(()) if self.is_ended() => return Ok(Ended::Task),
                Ok(()) => failures = 0,
                Err(fault) => failures = self.failed(fault, failures, &mut may_subscribe)?,
            }
            sleep(pauses.pause()).await;
            if may_subscribe && failures == 0 {
                match self.line.open(&Asked::Subscribe(&named.task)).await {
                    Ok(events) => open = Some(events),
                    Err(fault) => failures = self.failed(fault, failures, &mut may_subscribe)?,
                }
            }
        }
    }

    /// Sends the message.
    async fn begin(&mut self, message: &Message) -> Result<Begun, Problem> {
        self.guard.context.clone_from(&message.context);
        self.guard.task = message.answers.as_ref().map(|it| it.task.clone());
        self.waited = message.answers.is_some();
        if self.line.streams {
            match self.stream(message).await {
                Ok(begun) => return Ok(begun),
                Err(fault) if fault.kind == Kind::NotSupported => {}
                Err(fault) => return self.lost(message, fault).await,
            }
        }
        // One that waited says that it waits until it was looked at: its answer is waited for.
        let params = message.params(!self.waited);
        let told = self.line.whole(&Asked::Send(&params)).await;
        self.waited = false;
        match told.and_then(|told| self.take(told)) {
            Ok(ended) => Ok((ended, None)),
            Err(fault) => self.lost(message, fault).await,
        }
    }

    /// The message was sent, and what became of it was not heard: its task is looked for, where it can be found.
    async fn lost(&mut self, message: &Message, fault: NotDone) -> Result<Begun, Problem> {
        if fault.kind == Kind::Lost && message.context.is_some() {
            self.find(message).await.map_err(unknown)?;
        }
        match &self.task {
            Some(_) => Ok((self.is_ended().then_some(Ended::Task), None)),
            None => Err(fault.ends_the_call()),
        }
    }

    /// Sends the message, and hears the first that is told: a refusal may come so.
    async fn stream(&mut self, message: &Message) -> Result<Begun, NotDone> {
        let params = message.params(true);
        let mut events = self.line.open(&Asked::Stream(&params)).await?;
        let Some(told) = events.next().await? else {
            return Err(self.fault(Kind::Lost, "it took the message and said nothing"));
        };
        self.events += 1;
        let ended = self.take(told)?;
        Ok((ended, Some(events)))
    }

    /// Looks for what an earlier try of the call began.
    async fn find(&mut self, message: &Message) -> Result<(), Problem> {
        if let Some(named) = &message.answers {
            self.look(named).await.map_err(|it| it.problem)?;
            // Where it waits still, it was not answered.
            if self.is_ended() && self.task.as_ref().is_some_and(|it| waits(it.state)) {
                self.task = None;
            }
            return Ok(());
        }
        let Some(context) = &message.context else {
            return Ok(());
        };
        match self.line.find(context).await {
            Ok(found) => {
                self.task = found.map(Task::new);
                self.guard.task = self.task.as_ref().map(|it| it.named.task.clone());
                Ok(())
            }
            // One that lists nothing may know the message again by its id, or it is safe to send, as the Tool says.
            Err(fault) if fault.kind == Kind::NotSupported => Ok(()),
            Err(fault) => Err(fault.problem),
        }
    }

    /// Hears what is told until the task ends, or the stream does.
    async fn listen(&mut self, events: &mut Events) -> Result<Option<Ended>, NotDone> {
        while let Some(told) = events.next().await? {
            self.events += 1;
            if self.events > MAX_EVENTS {
                let what = format!("it told more than {MAX_EVENTS} things of one task");
                return Err(self.fault(Kind::Refused, &what));
            }
            if let Some(ended) = self.take(told)? {
                return Ok(Some(ended));
            }
        }
        self.waited = false;
        Ok(self.is_ended().then_some(Ended::Task))
    }

    /// Takes in what is told.
    fn take(&mut self, told: Value) -> Result<Option<Ended>, NotDone> {
        let update = Update::read(told).map_err(|why| self.fault(Kind::Lost, &why))?;
        match update {
            Update::Message(parts) => return Ok(Some(Ended::Message(parts))),
            Update::Task(whole) => {
                let task = Task::new(whole);
                if !waits(task.state) {
                    self.waited = false;
                }
                self.task = Some(task);
            }
            Update::Status(named, status) => {
                self.waited = false;
                if status.state == State::AtWork {
                    self.progress(status.said.as_deref().unwrap_or_default());
                }
                self.of(named)?.status(status);
            }
            Update::Artifact(named, piece) => self.of(named)?.artifact(piece),
        }
        let task = self.task.as_ref();
        self.guard.task = task.map(|it| it.named.task.clone());
        Ok(self.is_ended().then_some(Ended::Task))
    }

    /// The task that a change is of: a stream tells of one.
    fn of(&mut self, named: Named) -> Result<&mut Task, NotDone> {
        if self
            .task
            .as_ref()
            .is_some_and(|it| it.named.task != named.task)
        {
            return Err(self.fault(Kind::Lost, "it told of another task than was asked for"));
        }
        Ok(self.task.get_or_insert_with(|| Task::begun(named)))
    }

    fn is_ended(&self) -> bool {
        self.task.as_ref().is_some_and(|it| match it.state {
            State::AtWork => false,
            state if waits(state) => !self.waited,
            _ => true,
        })
    }

    fn progress(&mut self, said: &[Part]) {
        for part in said {
            if let Part::Text(text) = part {
                self.heard.say(text);
            }
        }
    }

    /// Asks how the task is.
    async fn look(&mut self, named: &Named) -> Result<(), NotDone> {
        let told = self.line.whole(&Asked::Get(&named.task)).await?;
        let whole = Whole::read(told).map_err(|why| self.fault(Kind::Lost, &why))?;
        if whole.named.task != named.task {
            return Err(self.fault(Kind::Lost, "it told of another task than was asked for"));
        }
        self.waited = false;
        self.task = Some(Task::new(whole));
        self.guard.task = Some(named.task.clone());
        Ok(())
    }

    /// Looking at the task failed once more.
    fn failed(
        &self,
        fault: NotDone,
        failures: usize,
        may_subscribe: &mut bool,
    ) -> Result<usize, Problem> {
        match fault.kind {
            Kind::NotSupported if *may_subscribe => {
                *may_subscribe = false;
                Ok(failures)
            }
            Kind::Away | Kind::Lost | Kind::Ended if failures < MAX_FAILURES => Ok(failures + 1),
            _ => Err(unknown(fault.problem)),
        }
    }

    fn problem(&self, what: &str) -> Problem {
        let what = format!("tool {}: {what}", self.agent.name());
        Problem::new(Code::UpstreamFailed, what)
    }

    fn fault(&self, kind: Kind, what: &str) -> NotDone {
        NotDone::new(kind, Code::UpstreamFailed, self.agent.name(), what)
    }
}

/// Whether it goes on when somebody does something.
fn waits(state: State) -> bool {
    matches!(state, State::InputRequired | State::AuthRequired)
}

impl Line {
    /// The newest task of a context that was not cancelled: who cancelled it waits for it no more.
    async fn find(&self, context: &str) -> Result<Option<Whole>, NotDone> {
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
struct Guard {
    line: Arc<Line>,
    task: Option<String>,
    /// By which its task is found, where its id was not told yet.
    context: Option<String>,
}

impl Guard {
    fn disarm(&mut self) {
        self.task = None;
        self.context = None;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let (task, context) = (self.task.take(), self.context.take());
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if task.is_none() && context.is_none() {
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
