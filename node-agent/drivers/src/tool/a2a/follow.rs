//! A call from its message to the end of its task: told of while it works, taken up again where a stream breaks, asked for
//! where there is no stream, and cancelled where nobody waits any more. What may not enter: deadlines, which the caller
//! has, and the words of the answer.

use std::{sync::Arc, time::Duration};

use aion_abi::{code::Code, problem::Problem};
use aion_backoff::Backoff;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::sleep;

use super::{
    super::progress::Call,
    agents::Agent,
    binding::Asked,
    events::Events,
    fault::{Kind, NotDone, unknown},
    guard::{Guard, Reach},
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
/// How often an answer that was lost is looked for.
const SEARCHES: usize = 3;

/// See the module.
pub(super) struct Following<'a> {
    line: Arc<Line>,
    agent: &'a Agent,
    heard: Call,
    guard: Guard<'a>,
    task: Option<Task>,
    /// A message was sent to a task that waited: that it waits is no news until it was told otherwise.
    waited: bool,
    /// The task was not told of in whole since a stream of it broke.
    has_gap: bool,
    /// The task went on before the message was sent.
    unsent: bool,
    events: usize,
    /// The context of the task that a message goes on with, as the agent told it.
    context: Option<String>,
}

/// What ends a call.
enum Ended {
    Task,
    Message(Vec<Part>),
}

/// What a call came to.
pub(super) enum Answer {
    Task(Task),
    Message(Vec<Part>),
    /// Of a task that went on without the message, which was not sent.
    Unsent(Task),
}

/// The end, where it was told at once, and what tells of the task.
type Begun = (Option<Ended>, Option<Events>);

impl<'a> Following<'a> {
    /// `reach` is kept up to date while the call runs.
    pub(super) fn new(line: Line, agent: &'a Agent, heard: Call, reach: &'a Mutex<Reach>) -> Self {
        let line = Arc::new(line);
        let guard = Guard::new(Arc::clone(&line), reach);
        Self {
            line,
            agent,
            heard,
            guard,
            task: None,
            waited: false,
            has_gap: false,
            unsent: false,
            events: 0,
            context: None,
        }
    }

    /// Asks, and gives the answer.
    ///
    /// # Errors
    /// As the driver.
    pub(super) async fn ask(mut self, message: &Message) -> Result<Answer, Problem> {
        let ended = self.ended(message).await;
        // What may still be at work is told that nobody waits.
        if !matches!(&ended, Err(problem) if problem.code == Code::OutcomeUnknown) {
            self.guard.disarm();
        }
        match (ended?, self.task.take()) {
            (Ended::Message(parts), _) => Ok(Answer::Message(parts)),
            (Ended::Task, Some(task)) => Ok(match self.unsent {
                true => Answer::Unsent(task),
                false => Answer::Task(task),
            }),
            (Ended::Task, None) => {
                let what = format!("tool {}: it has no task of it", self.agent.name());
                Err(Problem::new(Code::Internal, what))
            }
        }
    }

    async fn ended(&mut self, message: &Message) -> Result<Ended, Problem> {
        let mut open = None;
        if let Some(task) = &message.answers {
            self.go_on(task, message.again).await?;
        } else if message.again {
            self.find(message).await.map_err(unknown)?;
        }
        if self.task.is_none() {
            open = match self.begin(message).await? {
                (None, open) => open,
                (Some(Ended::Task), _) => return Ok(self.whole().await),
                (Some(ended), _) => return Ok(ended),
            };
        } else {
            self.guard.reaches(Reach::Task);
            if self.is_ended() {
                return Ok(Ended::Task);
            }
        }
        let mut pauses = Backoff::new(FIRST_PAUSE, LAST_PAUSE);
        let (mut failures, mut may_subscribe) = (0, self.line.streams);
        // A stream that told something is taken up at once.
        let mut is_fresh = open.is_some();
        loop {
            if let Some(mut events) = open.take() {
                let seen = self.events;
                match self.listen(&mut events).await {
                    Ok(Some(Ended::Task)) => return Ok(self.whole().await),
                    Ok(Some(ended)) => return Ok(ended),
                    // It ended or broke before the task did: what became of it is asked for.
                    Ok(None) => {}
                    Err(fault) if self.task.is_none() || fault.kind == Kind::Unusable => {
                        return Err(unknown(fault.problem));
                    }
                    Err(fault) => may_subscribe = self.again(&fault, may_subscribe),
                }
                self.has_gap = true;
                // The first is the task as it is.
                if self.events > seen + 1 {
                    pauses.reset();
                    is_fresh = true;
                }
            }
            let Some(named) = self.task.as_ref().map(|it| it.named.clone()) else {
                let what = "it said nothing of a task before its answer ended";
                return Err(unknown(self.problem(what)));
            };
            if std::mem::take(&mut is_fresh) && may_subscribe {
                match self.line.subscribe(&named.task).await {
                    Ok(events) => {
                        open = Some(events);
                        continue;
                    }
                    Err(fault) => may_subscribe = self.again(&fault, may_subscribe),
                }
            }
            let mut patience = Duration::ZERO;
            match self.look(&named.task).await {
                Ok(()) if self.is_ended() => return Ok(Ended::Task),
                Ok(()) => failures = 0,
                Err(fault) => {
                    patience = Duration::from_millis(fault.problem.retry_after_ms.unwrap_or(0));
                    failures = failed(fault, failures)?;
                }
            }
            sleep(pauses.pause().max(patience)).await;
            if may_subscribe && failures == 0 {
                match self.line.subscribe(&named.task).await {
                    Ok(events) => open = Some(events),
                    Err(fault) => may_subscribe = self.again(&fault, may_subscribe),
                }
            }
        }
    }

    /// Whether a task that was told of no more is worth asking for: no fault of that ends a call, since looking tells.
    fn again(&self, fault: &NotDone, may_subscribe: bool) -> bool {
        tracing::debug!(why = %fault.problem, "a task is told of no more");
        may_subscribe && matches!(fault.kind, Kind::Away | Kind::Lost)
    }

    /// Looks at a task before it is gone on with: it may have gone on by itself, or by an earlier try of the call.
    async fn go_on(&mut self, task: &str, again: bool) -> Result<(), Problem> {
        match self.look(task).await {
            Ok(()) if self.task.as_ref().is_some_and(|it| waits(it.state)) => {
                let context = self.task.take().map(|it| it.named.context);
                self.context = context.filter(|it| !it.is_empty());
            }
            Ok(()) => self.unsent = !again,
            Err(fault) if fault.kind == Kind::NotSupported => {}
            Err(fault) if again => return Err(unknown(fault.problem)),
            Err(fault) => return Err(fault.problem),
        }
        Ok(())
    }

    /// A task that ended is looked at once more where the stream of it had a gap, or told of no answer.
    async fn whole(&mut self) -> Ended {
        let bare = |it: &Task| it.state == State::Completed && it.is_bare();
        if let Some(task) = self.task.take_if(|it| self.has_gap || bare(it)) {
            let (waited, name) = (self.waited, task.named.task.clone());
            if let Err(fault) = self.look(&name).await {
                tracing::debug!(why = %fault.problem, "a task that ended is not told whole");
            }
            self.waited = waited;
            // One that goes on meanwhile had ended as it was told.
            if !self.is_ended() {
                self.task = Some(task);
            }
        }
        Ended::Task
    }

    /// Sends the message.
    async fn begin(&mut self, message: &Message) -> Result<Begun, Problem> {
        self.guard.context.clone_from(&message.context);
        self.guard.task.clone_from(&message.answers);
        self.guard.reaches(Reach::Sent);
        self.waited = message.answers.is_some();
        if self.line.streams {
            match self.stream(message).await {
                Ok(begun) => return Ok(begun),
                Err(fault) if fault.kind == Kind::NotSupported => {}
                Err(fault) => return self.lost(message, fault).await,
            }
        }
        // One that waited says that it waits until it was looked at: its answer is waited for.
        let params = message.params(!self.waited, self.context.as_deref());
        let told = self.line.whole(&Asked::Send(&params)).await;
        self.waited = false;
        match told.and_then(|told| self.take(told)) {
            Ok(ended) => Ok((ended, None)),
            Err(fault) => self.lost(message, fault).await,
        }
    }

    /// The message was sent, and what became of it was not heard: its task is looked for, where it can be found.
    async fn lost(&mut self, message: &Message, fault: NotDone) -> Result<Begun, Problem> {
        if fault.kind == Kind::Lost && message.context.is_some() && self.task.is_none() {
            let mut pauses = Backoff::new(FIRST_PAUSE, LAST_PAUSE);
            for search in 1.. {
                match self.find(message).await {
                    Ok(()) if self.task.is_some() || search == SEARCHES => break,
                    Err(problem) if search == SEARCHES => return Err(unknown(problem)),
                    _ => sleep(pauses.pause()).await,
                }
            }
        }
        match &self.task {
            Some(_) if fault.kind != Kind::Unusable => {
                self.guard.reaches(Reach::Task);
                Ok((self.is_ended().then_some(Ended::Task), None))
            }
            // No task was named: there is nothing at the address that the card names.
            None if fault.kind == Kind::NoTask && message.answers.is_none() => {
                let what = Problem::new(Code::UpstreamFailed, fault.problem.detail);
                Err(what.remedy("correct the address in the agent's card"))
            }
            _ => Err(fault.ends_the_call()),
        }
    }

    /// Sends the message, and hears the first that is told: a refusal may come so.
    async fn stream(&mut self, message: &Message) -> Result<Begun, NotDone> {
        let params = message.params(true, self.context.as_deref());
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
        let Some(context) = &message.context else {
            return Ok(());
        };
        match self.line.find(context).await {
            Ok(None) => Ok(()),
            Ok(Some(found)) => {
                self.take_in(Task::new(found));
                // Only its state is listed.
                match self.is_ended() {
                    false => Ok(()),
                    true => {
                        let task = self.guard.task.clone().unwrap_or_default();
                        self.look(&task).await.map_err(|it| it.problem)
                    }
                }
            }
            // One that lists nothing may know the message again by its id, or it is safe to send, as the Tool says.
            Err(fault)
                if matches!(
                    fault.kind,
                    Kind::NotSupported | Kind::Refused | Kind::NoTask
                ) =>
            {
                Ok(())
            }
            Err(fault) => Err(fault.problem),
        }
    }

    fn take_in(&mut self, task: Task) {
        self.guard.task = Some(task.named.task.clone());
        self.has_gap = false;
        self.task = Some(task);
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
        let update = Update::read(told).map_err(|why| self.fault(Kind::Unusable, &why))?;
        match update {
            Update::Message(parts) if self.task.is_some() => {
                self.progress(&parts);
                return Ok(None);
            }
            Update::Message(parts) => return Ok(Some(Ended::Message(parts))),
            Update::Task(whole) => {
                self.of(whole.named.clone())?;
                if !waits(whole.status.state) {
                    self.waited = false;
                }
                self.take_in(Task::new(whole));
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
        self.guard.reaches(Reach::Task);
        Ok(self.is_ended().then_some(Ended::Task))
    }

    /// The task that a change is of: a stream tells of one.
    fn of(&mut self, named: Named) -> Result<&mut Task, NotDone> {
        if self
            .task
            .as_ref()
            .is_some_and(|it| it.named.task != named.task)
        {
            return Err(self.fault(Kind::Unusable, "it told of two tasks in one answer"));
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
    async fn look(&mut self, task: &str) -> Result<(), NotDone> {
        let told = self.line.whole(&Asked::Get(task)).await?;
        let whole = Whole::read(told).map_err(|why| self.fault(Kind::Unusable, &why))?;
        if whole.named.task != task {
            return Err(self.fault(Kind::Unusable, "the task's id does not match"));
        }
        self.waited = false;
        self.take_in(Task::new(whole));
        Ok(())
    }

    fn problem(&self, what: &str) -> Problem {
        let what = format!("tool {}: {what}", self.agent.name());
        Problem::new(Code::UpstreamFailed, what)
    }

    fn fault(&self, kind: Kind, what: &str) -> NotDone {
        NotDone::new(kind, Code::UpstreamFailed, self.agent.name(), what)
    }
}

/// Looking at the task failed once more.
fn failed(fault: NotDone, failures: usize) -> Result<usize, Problem> {
    match fault.kind {
        Kind::Away | Kind::Lost | Kind::Ended if failures < MAX_FAILURES => Ok(failures + 1),
        _ => Err(unknown(fault.problem)),
    }
}

/// Whether it goes on when somebody does something.
fn waits(state: State) -> bool {
    matches!(state, State::InputRequired | State::AuthRequired)
}
