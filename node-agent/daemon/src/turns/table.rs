//! All turns: those that wait or run, and those that are kept.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aion_abi::{
    admin::{TurnEvent, TurnOutcome, TurnRecord, TurnRequest},
    problem::Problem,
    syscall::agent::MessageRequest,
};
use aion_kernel::{Digest, Incarnation, Invoke, TurnId, Usage};

use super::{
    Asked, Follow, TurnFolder, UploadError, Uploads,
    live::{Last, Live, not_kept},
    outcome,
    retention::{Ended, superfluous},
};
use crate::{clock::Clock, instance::Instance, shell::Handle};

/// The longest question, in bytes.
const MAX_INPUT: usize = 256 * 1024;

/// Why a turn was not begun.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The kernel, or the disk, says no.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// An upload is not right.
    #[error(transparent)]
    Upload(#[from] UploadError),
}

/// See the module. Clones share it.
#[derive(Debug, Clone)]
pub struct Turns {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    uploads: Uploads,
    clock: Clock,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    live: HashMap<TurnId, Arc<Live>>,
    ended: BTreeMap<TurnId, TurnFolder>,
}

impl Turns {
    /// The turns in `root`, with `waiting` being those that the kernel still has, by their input. What is
    /// neither ended nor the kernel's was never begun, and goes.
    ///
    /// # Errors
    /// Where the folder cannot be read or made.
    pub fn open(
        root: PathBuf,
        clock: Clock,
        waiting: impl IntoIterator<Item = (TurnId, Digest)>,
    ) -> io::Result<Self> {
        crate::files::private_folder(&root.join("uploads"))?;
        let mut table = Table::default();
        for (turn, input) in waiting {
            let folder = TurnFolder::of(&root, input);
            if folder.asked().is_ok() {
                table.live.insert(turn, Arc::new(Live::open(folder)?));
            }
        }
        for entry in fs::read_dir(&root)? {
            let path = entry?.path();
            if path.ends_with("uploads") {
                continue;
            }
            let folder = TurnFolder::found(path);
            if table.live.values().any(|it| it.folder == folder) {
                continue;
            }
            match folder.record() {
                Ok(record) => {
                    table.ended.insert(TurnId(record.turn), folder);
                }
                Err(_) => folder.remove(),
            }
        }
        Ok(Self {
            shared: Arc::new(Shared {
                uploads: Uploads::new(root.join("uploads")),
                root,
                clock,
                table: Mutex::new(table),
            }),
        })
    }

    /// The uploads that wait.
    pub fn uploads(&self) -> &Uploads {
        &self.shared.uploads
    }

    /// Begins a turn of `instance`.
    ///
    /// # Errors
    /// [`AskError`]; nothing of the turn is left then, and its uploads still wait.
    pub async fn ask(
        &self,
        shell: &Handle,
        instance: &Instance,
        request: TurnRequest,
        cause: &str,
    ) -> Result<TurnId, AskError> {
        let agent = instance.agent();
        if request.input.len() > MAX_INPUT {
            return Err(Problem::new(
                aion_abi::code::Code::TooLarge,
                format!("a question has at most {MAX_INPUT} bytes"),
            )
            .remedy("hand long texts in as a file")
            .into());
        }
        let files = self.shared.uploads.find(&agent, &request.uploads)?;
        let names = files.iter().map(|(name, _)| name.clone()).collect();
        let asked = Asked::new(agent, request.input, names, self.shared.clock.now().0);
        let root = self.shared.root.clone();
        let made = blocking(move || {
            TurnFolder::make(&root, &asked, |input| {
                for (name, path) in &files {
                    // A second name, not a move: a turn that is refused leaves the upload where it is.
                    fs::hard_link(path, input.join(name))?;
                }
                Ok(())
            })
        });
        let (folder, input) = made.await.map_err(|error| not_kept(&error))?;
        let invoke = Invoke {
            ticket: None,
            instance: instance.uid,
            cause: cause.into(),
            input,
            deadline_ms: request.deadline_ms,
        };
        match shell.invoke(invoke).await {
            Ok(turn) => {
                self.shared.uploads.taken(&request.uploads);
                self.live(turn, &folder).map_err(|error| not_kept(&error))?;
                Ok(turn)
            }
            Err(problem) => {
                folder.remove();
                Err(problem.into())
            }
        }
    }

    /// The folder of a turn that the kernel has.
    pub fn folder(&self, turn: TurnId, input: Digest) -> io::Result<TurnFolder> {
        let folder = TurnFolder::of(&self.shared.root, input);
        self.live(turn, &folder)?;
        Ok(folder)
    }

    /// The folder of a turn that waits, runs or is kept.
    pub fn known(&self, turn: TurnId) -> Option<TurnFolder> {
        let table = self.lock();
        let live = table.live.get(&turn).map(|it| it.folder.clone());
        live.or_else(|| table.ended.get(&turn).cloned())
    }

    /// Its live entry, made where it is mentioned for the first time.
    fn live(&self, turn: TurnId, folder: &TurnFolder) -> io::Result<Arc<Live>> {
        let mut table = self.lock();
        if let Some(live) = table.live.get(&turn) {
            return Ok(Arc::clone(live));
        }
        let live = Arc::new(Live::open(folder.clone())?);
        if live.is_new() && !table.ended.contains_key(&turn) {
            live.add(TurnEvent::Queued { turn: turn.0 }, false)?;
        }
        if !table.ended.contains_key(&turn) {
            table.live.insert(turn, Arc::clone(&live));
        }
        Ok(live)
    }

    /// Its worker runs.
    pub fn started(&self, turn: TurnId, incarnation: Incarnation) {
        let incarnation = incarnation.0;
        self.note(turn, TurnEvent::Started { incarnation });
    }

    fn note(&self, turn: TurnId, event: TurnEvent) {
        let live = self.lock().live.get(&turn).cloned();
        if let Some(live) = live
            && let Err(error) = live.add(event, false)
        {
            tracing::warn!(%turn, %error, "an event of a turn was lost");
        }
    }

    /// Relays what its program says.
    ///
    /// # Errors
    /// Why it is not relayed.
    pub async fn message(&self, turn: TurnId, message: MessageRequest) -> Result<(), Problem> {
        let live = self.lock().live.get(&turn).cloned();
        let Some(live) = live else {
            return Err(Problem::new(
                aion_abi::code::Code::NotRunning,
                "the turn has ended",
            ));
        };
        blocking(move || Ok(live.message(message)))
            .await
            .unwrap_or_else(|error| Err(not_kept(&error)))
    }

    /// It ended.
    pub async fn done(
        &self,
        turn: TurnId,
        ended: aion_kernel::TurnOutcome,
        usage: Usage,
        calls: u64,
    ) {
        let Some(live) = self.lock().live.get(&turn).cloned() else {
            return;
        };
        let now = self.shared.clock.now().0;
        let kept = Arc::clone(&live);
        let written = blocking(move || kept.end(turn, &ended, usage, calls, now)).await;
        if let Err(error) = written {
            tracing::error!(%turn, %error, "the record of a turn was not kept");
        }
        {
            let mut table = self.lock();
            table.live.remove(&turn);
            table.ended.insert(turn, live.folder.clone());
        }
        self.tidy().await;
    }

    /// Removes what need not be kept any longer.
    async fn tidy(&self) {
        let ended: Vec<_> = {
            let table = self.lock();
            let ended = table.ended.iter();
            ended
                .map(|(turn, folder)| (*turn, folder.clone()))
                .collect()
        };
        let now = self.shared.clock.now().0;
        let this = self.clone();
        let _ = blocking(move || {
            let all = ended.iter().filter_map(|(turn, folder)| {
                let asked = folder.asked().ok()?;
                Some(Ended {
                    turn: *turn,
                    agent: asked.agent,
                    asked_at_ms: asked.at_ms,
                    bytes: folder.size(),
                })
            });
            for turn in superfluous(all.collect(), now) {
                let folder = this.lock().ended.remove(&turn);
                if let Some(folder) = folder {
                    folder.remove();
                }
            }
            this.shared.uploads.expire();
            Ok(())
        })
        .await;
    }

    /// Erases the turns and uploads of an agent that is gone; one that has not ended stays.
    ///
    /// # Errors
    /// Where something of it stays.
    pub async fn erase(&self, agent: String) -> io::Result<()> {
        let this = self.clone();
        blocking(move || {
            let ended: Vec<_> = {
                let table = this.lock();
                let ended = table.ended.iter();
                ended
                    .map(|(turn, folder)| (*turn, folder.clone()))
                    .collect()
            };
            for (turn, folder) in ended {
                let of_agent = match folder.asked() {
                    Ok(asked) => asked.agent == agent,
                    // Gone meanwhile, or nobody's any more: it holds up no agent's erasing, and ages out.
                    Err(error) => {
                        tracing::warn!(%turn, %error, "whose turn this was cannot be read");
                        false
                    }
                };
                if of_agent {
                    folder.erase()?;
                    this.lock().ended.remove(&turn);
                }
            }
            this.shared.uploads.erase(&agent)
        })
        .await
    }

    /// Follows a turn from its first event; an ended one is read from its folder.
    ///
    /// # Errors
    /// Where it cannot be read. `None` for one that is not known.
    pub async fn follow(&self, turn: TurnId) -> io::Result<Option<Follow>> {
        let (live, ended) = {
            let table = self.lock();
            (
                table.live.get(&turn).cloned(),
                table.ended.get(&turn).cloned(),
            )
        };
        match (live, ended) {
            (Some(live), _) => Ok(Some(Follow::new(live))),
            (None, Some(folder)) => {
                let live = blocking(move || Live::open(folder)).await?;
                Ok(Some(Follow::new(Arc::new(live))))
            }
            (None, None) => Ok(None),
        }
    }

    /// The record of a turn, as far as it goes.
    ///
    /// # Errors
    /// Where it cannot be read. `None` for one that is not known.
    pub async fn record(&self, turn: TurnId) -> io::Result<Option<TurnRecord>> {
        let live = self.lock().live.get(&turn).cloned();
        let ended = self.lock().ended.get(&turn).cloned();
        match (live, ended) {
            (Some(live), _) => blocking(move || live.record(turn).map(Some)).await,
            (None, Some(folder)) => blocking(move || folder.record().map(Some)).await,
            (None, None) => Ok(None),
        }
    }

    /// The newest turns of an agent, newest first.
    pub async fn of_agent(&self, agent: &str, most: usize) -> Vec<TurnRecord> {
        let turns: Vec<TurnId> = {
            let table = self.lock();
            let mut turns: Vec<_> = table
                .live
                .keys()
                .chain(table.ended.keys())
                .copied()
                .collect();
            turns.sort_by(|a, b| b.cmp(a));
            turns
        };
        let mut found = Vec::new();
        for turn in turns {
            if let Ok(Some(record)) = self.record(turn).await
                && record.agent == agent
            {
                found.push(record);
                if found.len() == most {
                    break;
                }
            }
        }
        found
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.shared
            .table
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    fn is_new(&self) -> bool {
        self.count() == 0
    }

    /// Writes the record, then the last event: whoever sees that finds the record.
    fn end(
        &self,
        turn: TurnId,
        ended: &aion_kernel::TurnOutcome,
        usage: Usage,
        calls: u64,
        now_ms: u64,
    ) -> io::Result<()> {
        let asked = self.folder.asked()?;
        let problem = outcome::problem(ended, self.last().as_ref());
        let outcome = TurnOutcome {
            ok: problem.is_none(),
            problem,
            files: self.folder.outputs(),
            tokens: usage.total(),
            syscalls: calls,
            elapsed_ms: now_ms.saturating_sub(asked.at_ms),
        };
        let record = TurnRecord {
            outcome: Some(outcome.clone()),
            ..self.record(turn)?
        };
        let kept = self.folder.keep_record(&record);
        // The caller is told whatever the disk says.
        let told = self.add(TurnEvent::Ended(outcome), false);
        kept.and(told)
    }

    fn record(&self, turn: TurnId) -> io::Result<TurnRecord> {
        let asked = self.folder.asked()?;
        Ok(TurnRecord {
            turn: turn.0,
            agent: asked.agent,
            input: asked.input,
            answer: match self.last() {
                Some(Last::Final(text)) => Some(text),
                _ => None,
            },
            outcome: None,
        })
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(io::Error::other(error)),
    }
}
