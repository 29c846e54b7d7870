//! One agent whose models are lent: the turns that the gateway holds of it, begun when they are needed and ended when nobody
//! uses them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aion_abi::{
    code::Code,
    date::UnixMillis,
    external::Run,
    problem::Problem,
    syscall::{
        Syscall,
        agent::{MessageKind, MessageRequest},
    },
};
use aion_client::{Download, Node};
use axum::body::Bytes;
use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, Semaphore},
    time::{Instant, sleep, timeout},
};

use super::{
    PAUSE,
    program::Program,
    queue::Queue,
    sitting::{Sitting, Visit},
};
use crate::{clock, unanswered::PATIENCE};

/// How often the program is heard: several times in a lease.
const HEARD: Duration = Duration::from_secs(8);
/// How long a turn that was begun is waited for.
const GIVEN: Duration = Duration::from_secs(60);
/// How often it is looked whether a turn that was begun is over.
const LOOKED: Duration = Duration::from_secs(1);
/// Requests of an agent that wait for a turn at once; more are refused.
const WAITING: usize = 256;
/// What the turn is about, for whoever looks.
const ABOUT: &str = "Requests of programs for a model, through the gateway";

/// See the module.
pub(super) struct Lender {
    program: Program,
    /// Namespace and name, for people.
    agent: String,
    /// Those that the node gave, the newest last.
    held: Mutex<Vec<Arc<Sitting>>>,
    /// The one that is begun now: whoever waits for a turn has what becomes of it.
    beginning: Mutex<Option<Beginning>>,
    /// Places of those who wait.
    waiting: Semaphore,
    /// The program does not leave while a turn of its own is begun.
    staying: tokio::sync::Mutex<()>,
    /// The node knows the program, as far as the gateway does, and it is kept known.
    kept: AtomicBool,
    /// The node answered before: where it does not any more it is waited for.
    reached: AtomicBool,
    /// It is to be heard now.
    hear: Arc<Notify>,
    /// Who waits for a turn of the agent, of all its lenders.
    queue: Arc<Queue>,
}

type Beginning = Shared<BoxFuture<'static, Result<Arc<Sitting>, Problem>>>;

/// Why there is no answer.
pub(super) enum Called {
    /// The turn is over, and nothing was done.
    Over(Problem),
    Refused(Problem),
}

impl Lender {
    pub(super) fn of(own: Node, agent: (String, String), queue: Arc<Queue>) -> Self {
        Self {
            agent: format!("{}/{}", agent.0, agent.1),
            program: Program::of(own, agent),
            held: Mutex::default(),
            beginning: Mutex::default(),
            waiting: Semaphore::new(WAITING),
            staying: tokio::sync::Mutex::default(),
            kept: AtomicBool::new(false),
            reached: AtomicBool::new(false),
            hear: Arc::default(),
            queue,
        }
    }

    pub(super) fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    pub(super) fn is_held(&self) -> bool {
        self.kept.load(Ordering::Relaxed)
    }

    /// A turn for one request, asked for in this name.
    ///
    /// # Errors
    /// The node refuses one, or many wait for one already.
    pub(super) async fn visit(self: &Arc<Self>, by: &Node) -> Result<Visit, Problem> {
        if let Some(visit) = self.open() {
            return Ok(visit);
        }
        let Ok(_place) = self.waiting.try_acquire() else {
            let what = format!("{WAITING} requests wait for a turn of agent {}", self.agent);
            return Err(Problem::new(Code::Overloaded, what).retry_after_ms(5_000));
        };
        let mut again = true;
        loop {
            let beginning = {
                let mut beginning = self.beginning.lock();
                if let Some(visit) = self.open() {
                    return Ok(visit);
                }
                let under_way = beginning.take().filter(|it| it.peek().is_none());
                beginning
                    .insert(under_way.unwrap_or_else(|| self.beginning(by)))
                    .clone()
            };
            let sitting = beginning.await?;
            match sitting.visit() {
                Some(visit) => return Ok(visit),
                // It was let go of before this one came to it.
                None if again && sitting.is_closed() => again = false,
                None => {
                    let what = format!("a turn of agent {} has too little time", self.agent);
                    return Err(Problem::new(Code::DeadlineExceeded, what)
                        .remedy("raise limits.turnSeconds of the Agent"));
                }
            }
        }
    }

    /// Begins one, to its end also where its clients go away: what was begun is known then, and is kept or ended.
    fn beginning(self: &Arc<Self>, by: &Node) -> Beginning {
        let (this, by) = (Arc::clone(self), by.clone());
        let begun = tokio::spawn(async move {
            let _stays = this.staying.lock().await;
            let begun = this.begin(&by).await;
            let mut beginning = this.beginning.lock();
            *beginning = None;
            let sitting = begun?;
            this.held.lock().push(Arc::clone(&sitting));
            drop(beginning);
            Ok(sitting)
        });
        let begun = begun.map(|it| match it {
            Ok(begun) => begun,
            Err(why) => Err(Problem::new(Code::Internal, why.to_string())),
        });
        begun.boxed().shared()
    }

    fn open(&self) -> Option<Visit> {
        self.held.lock().iter().rev().find_map(Sitting::visit)
    }

    async fn begin(self: &Arc<Self>, by: &Node) -> Result<Arc<Sitting>, Problem> {
        let until = Instant::now() + PATIENCE;
        let turn = loop {
            match self.begun(by).await {
                Err(problem)
                    if problem.code == Code::Restarting
                        && self.reached.load(Ordering::Relaxed)
                        && Instant::now() < until =>
                {
                    sleep(PAUSE).await;
                }
                begun => break begun?,
            }
        };
        // The instance may have one of its turns that nobody uses.
        self.hear.notify_one();
        let given = tokio::select! {
            given = timeout(GIVEN, self.given(turn)) => given,
            why = self.over(turn) => return Err(why),
            never = self.queue.wait() => match never {},
        };
        let given = given.unwrap_or_else(|_| {
            let what = format!("no instance of agent {} took a turn in time", self.agent);
            Err(Problem::new(Code::Overloaded, what)
                .remedy(
                    "raise replicas of the Agent, or see aionctl why AGENT for what it works on",
                )
                .retry_after_ms(10_000))
        });
        if given.is_err() {
            self.program.cancel(turn).await;
        }
        given
    }

    /// Why a turn that was not given is over, once it is.
    async fn over(&self, turn: u64) -> Problem {
        loop {
            sleep(LOOKED).await;
            // A node that does not answer is the other's to find.
            let Some(outcome) = self.program.outcome(turn).await else {
                continue;
            };
            let why = outcome.problem.unwrap_or_else(|| {
                Problem::new(Code::NotRunning, "it ended before anybody was given it")
            });
            let detail = format!("turn {turn} of agent {}: {}", self.agent, why.detail);
            return Problem { detail, ..why };
        }
    }

    /// Begins a turn, as a program that the node knows.
    async fn begun(self: &Arc<Self>, by: &Node) -> Result<u64, Problem> {
        if !self.kept.load(Ordering::Relaxed) {
            self.register(Some(by)).await?;
            self.kept.store(true, Ordering::Relaxed);
            tokio::spawn(Arc::clone(self).keep());
        }
        let begun = self.program.begin(by, ABOUT).await;
        if let Err(Problem {
            code: Code::Restarting,
            ..
        }) = &begun
        {
            // A daemon that was replaced does not know it.
            self.register(Some(by)).await?;
        }
        begun
    }

    async fn register(&self, by: Option<&Node>) -> Result<(), Problem> {
        let registered = self.program.register(by, self.runs()).await?;
        self.reached.store(true, Ordering::Relaxed);
        self.stop(&registered.stop);
        Ok(())
    }

    /// The turn, once it is given. One that is not this one was given up before.
    async fn given(&self, turn: u64) -> Result<Arc<Sitting>, Problem> {
        loop {
            let given = match self.program.next(self.runs()).await {
                Err(problem) if matches!(problem.code, Code::Restarting | Code::NotFound) => {
                    sleep(PAUSE).await;
                    match self.register(None).await {
                        Err(problem) if problem.code != Code::Restarting => return Err(problem),
                        // A node that is away comes back.
                        _ => continue,
                    }
                }
                given => given?,
            };
            self.stop(&given.stop);
            match given.boot {
                Some(boot) if boot.turn == turn => {
                    return Ok(Arc::new(Sitting::of(
                        &boot,
                        Arc::clone(&self.hear),
                        Arc::clone(&self.queue),
                    )));
                }
                Some(boot) => {
                    let (turn, incarnation) = (boot.turn, boot.incarnation);
                    let _ = self.program.end(Run { turn, incarnation }).await;
                }
                None => {}
            }
        }
    }

    /// Makes a syscall in the name of who asks for it, and says which of its turn's it is.
    ///
    /// # Errors
    /// [`Called`].
    pub(super) async fn call(
        &self,
        by: &Node,
        visit: &Visit,
        syscall: Syscall,
        body: &Bytes,
    ) -> Result<(u64, Download), Called> {
        let until = Instant::now() + PATIENCE;
        loop {
            let (number, signed) = visit.0.sign(syscall, body, date());
            let run = visit.0.run;
            let body = body.clone().into();
            let called = self
                .program
                .syscall(Some(by), run, syscall.path(), signed, body);
            let problem = match called.await {
                Ok(answer) => return Ok((number, answer)),
                Err(problem) => problem,
            };
            match problem.code {
                Code::Restarting | Code::Stale if Instant::now() < until => {
                    self.hear.notify_one();
                    sleep(PAUSE).await;
                }
                // Of the turn, or of what is asked for.
                Code::NotFound | Code::NotRunning => {
                    self.heard().await;
                    return Err(match visit.0.is_closed() {
                        true => Called::Over(problem),
                        false => Called::Refused(problem),
                    });
                }
                _ => return Err(Called::Refused(problem)),
            }
        }
    }

    fn runs(&self) -> Vec<Run> {
        self.held.lock().iter().map(|it| it.run).collect()
    }

    /// Lets go of what has ended without the gateway.
    fn stop(&self, stop: &[Run]) {
        self.held.lock().retain(|sitting| {
            let goes = stop.contains(&sitting.run);
            if goes {
                sitting.close();
            }
            !goes
        });
    }

    /// Has the program be known while it holds anything, and ends what nobody uses.
    async fn keep(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = sleep(self.rests()) => {}
                () = self.hear.notified() => {}
                () = self.queue.grows() => {}
            }
            let done = self.held.lock().extract_if(.., |it| it.is_done()).collect();
            self.finish(done).await;
            if let Ok(_stays) = self.staying.try_lock()
                && self.held.lock().is_empty()
            {
                // A node that is not there forgets it by itself.
                let _ = self.program.leave().await;
                self.kept.store(false, Ordering::Relaxed);
                return;
            }
            self.heard().await;
        }
    }

    /// How long it is not heard again: no longer than until one that nobody uses is to end.
    fn rests(&self) -> Duration {
        let held = self.held.lock();
        let ends = held.iter().filter_map(|it| it.ends_in()).min();
        ends.map_or(HEARD, |it| it.min(HEARD))
    }

    async fn heard(&self) {
        match self.program.heartbeat(self.runs()).await {
            Ok(told) => self.stop(&told.stop),
            Err(problem) if problem.code == Code::NotFound => {
                // Where that fails the next time is soon enough: a lease is longer.
                let _ = self.register(None).await;
            }
            Err(problem) => {
                tracing::info!(agent = self.agent, %problem, "the node does not hear the gateway");
            }
        }
    }

    /// Ends turns as they are meant to end.
    async fn finish(&self, done: Vec<Arc<Sitting>>) {
        for sitting in done {
            if let Err(problem) = self.finished(&sitting).await {
                let turn = sitting.run.turn;
                tracing::warn!(turn, %problem, "a turn is left to its lease");
            }
        }
    }

    async fn finished(&self, sitting: &Sitting) -> Result<(), Problem> {
        let message = MessageRequest {
            kind: MessageKind::Final,
            text: sitting.summary(),
            problem: None,
            steps: Vec::new(),
        };
        let body = serde_json::to_vec(&message)
            .map_err(|why| Problem::new(Code::Internal, why.to_string()))?;
        let (_, signed) = sitting.sign(Syscall::AgentMessage, &body, date());
        let path = Syscall::AgentMessage.path();
        let said = self
            .program
            .syscall(None, sitting.run, path, signed, body.into());
        said.await?;
        self.program.end(sitting.run).await
    }

    /// Ends all of it, whoever uses it.
    pub(super) async fn end(&self) {
        let all: Vec<_> = self.held.lock().drain(..).collect();
        self.finish(all).await;
        let _ = self.program.leave().await;
    }
}

fn date() -> UnixMillis {
    UnixMillis(u64::try_from(clock::now().as_millisecond()).unwrap_or_default())
}
