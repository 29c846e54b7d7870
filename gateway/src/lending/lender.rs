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
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use super::{
    PATIENCE, PAUSE,
    program::Program,
    sitting::{Sitting, Visit},
};
use crate::clock;

/// How often the program is heard: several times in a lease.
const HEARD: Duration = Duration::from_secs(8);
/// How long a turn that was begun is waited for.
const GIVEN: Duration = Duration::from_secs(60);
/// What the turn is about, for whoever looks.
const ABOUT: &str = "Requests of programs for a model, through the gateway";

/// See the module.
pub(super) struct Lender {
    program: Program,
    /// Namespace and name, for people.
    agent: String,
    /// Those that the node gave, the newest last.
    held: Mutex<Vec<Arc<Sitting>>>,
    /// One is begun at a time.
    beginning: tokio::sync::Mutex<()>,
    /// The node knows the program, as far as the gateway does, and it is kept known.
    kept: AtomicBool,
    /// The node answered before: where it does not any more it is waited for.
    reached: AtomicBool,
    /// It is to be heard now.
    hear: Notify,
}

/// Why there is no answer.
pub(super) enum Called {
    /// The turn is over, and nothing was done.
    Over(Problem),
    Refused(Problem),
}

impl Lender {
    pub(super) fn of(node: Node, agent: (String, String)) -> Self {
        Self {
            agent: format!("{}/{}", agent.0, agent.1),
            program: Program::of(node, agent),
            held: Mutex::default(),
            beginning: tokio::sync::Mutex::default(),
            kept: AtomicBool::new(false),
            reached: AtomicBool::new(false),
            hear: Notify::new(),
        }
    }

    pub(super) fn is_held(&self) -> bool {
        self.kept.load(Ordering::Relaxed)
    }

    /// A turn for one request.
    ///
    /// # Errors
    /// The node refuses one.
    pub(super) async fn visit(self: &Arc<Self>) -> Result<Visit, Problem> {
        if let Some(visit) = self.open() {
            return Ok(visit);
        }
        // To its end also where the client goes away: what was begun is known then, and is kept or ended.
        let this = Arc::clone(self);
        let begun = tokio::spawn(async move {
            let _alone = this.beginning.lock().await;
            match this.open() {
                Some(visit) => Ok(visit),
                None => this.begin().await,
            }
        });
        match begun.await {
            Ok(begun) => begun,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    fn open(&self) -> Option<Visit> {
        self.held.lock().iter().rev().find_map(Sitting::visit)
    }

    async fn begin(self: &Arc<Self>) -> Result<Visit, Problem> {
        let until = Instant::now() + PATIENCE;
        let turn = loop {
            match self.begun().await {
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
        let Ok(given) = timeout(GIVEN, self.given(turn)).await else {
            self.program.cancel(turn).await;
            let what = format!("no instance of agent {} took a turn in time", self.agent);
            return Err(Problem::new(Code::Overloaded, what)
                .remedy(
                    "raise replicas of the Agent, or see aionctl why AGENT for what it works on",
                )
                .retry_after_ms(10_000));
        };
        let sitting = given?;
        let visit = sitting.visit();
        self.held.lock().push(sitting);
        visit.ok_or_else(|| {
            let what = format!("a turn of agent {} has no time at all", self.agent);
            Problem::new(Code::DeadlineExceeded, what)
                .remedy("raise limits.turnSeconds of the Agent")
        })
    }

    /// Begins a turn, as a program that the node knows.
    async fn begun(self: &Arc<Self>) -> Result<u64, Problem> {
        if !self.kept.load(Ordering::Relaxed) {
            self.register().await?;
            self.kept.store(true, Ordering::Relaxed);
            tokio::spawn(Arc::clone(self).keep());
        }
        let begun = self.program.begin(ABOUT).await;
        if let Err(Problem {
            code: Code::Restarting,
            ..
        }) = &begun
        {
            // A daemon that was replaced does not know it.
            self.register().await?;
        }
        begun
    }

    async fn register(&self) -> Result<(), Problem> {
        let registered = self.program.register(self.runs()).await?;
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
                    // Where that fails the next try says so.
                    let _ = self.register().await;
                    continue;
                }
                given => given?,
            };
            self.stop(&given.stop);
            match given.boot {
                Some(boot) if boot.turn == turn => return Ok(Arc::new(Sitting::of(&boot))),
                Some(boot) => {
                    let run = Sitting::of(&boot).run;
                    let _ = self.program.end(run).await;
                }
                None => {}
            }
        }
    }

    /// Makes a syscall, and says which of its turn's it is.
    ///
    /// # Errors
    /// [`Called`].
    pub(super) async fn call(
        &self,
        visit: &Visit,
        syscall: Syscall,
        body: &Bytes,
    ) -> Result<(u64, Download), Called> {
        let until = Instant::now() + PATIENCE;
        loop {
            let (number, signed) = visit.0.sign(syscall, body, date());
            let run = visit.0.run;
            let body = body.clone().into();
            let called = self.program.syscall(run, syscall.path(), signed, body);
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
            let _ = timeout(HEARD, self.hear.notified()).await;
            let done = self.held.lock().extract_if(.., |it| it.is_done()).collect();
            self.finish(done).await;
            if self.held.lock().is_empty() {
                let _alone = self.beginning.lock().await;
                if self.held.lock().is_empty() {
                    // A node that is not there forgets it by itself.
                    let _ = self.program.leave().await;
                    self.kept.store(false, Ordering::Relaxed);
                    return;
                }
            }
            self.heard().await;
        }
    }

    async fn heard(&self) {
        match self.program.heartbeat(self.runs()).await {
            Ok(told) => self.stop(&told.stop),
            Err(problem) if problem.code == Code::NotFound => {
                // Where that fails the next time is soon enough: a lease is longer.
                let _ = self.register().await;
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
        };
        let body = serde_json::to_vec(&message)
            .map_err(|why| Problem::new(Code::Internal, why.to_string()))?;
        let (_, signed) = sitting.sign(Syscall::AgentMessage, &body, date());
        let path = Syscall::AgentMessage.path();
        let said = self.program.syscall(sitting.run, path, signed, body.into());
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
