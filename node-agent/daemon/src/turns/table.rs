//! All turns: those that wait or run, and those that are kept.

use std::{
    collections::{HashMap, HashSet},
    io,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use aion_abi::{
    admin::{INPUT_MOUNT, TurnEvent, TurnOutcome, TurnRequest},
    caller::TurnCaller,
    code::Code,
    problem::Problem,
    resources::Resources,
    syscall::agent::MessageRequest,
};
use aion_drivers::{
    files::{Account, Room},
    reserve::Reserve,
};
use aion_kernel::{BodyDigest, Event, Incarnation, InstanceUid, Invoke, TurnId};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc::UnboundedSender};

use super::{
    Asked, Cause, QuestionKey, TurnFolder, UploadError, Uploads,
    asking::{Asking, fits},
    by_hand::as_known,
    ends::Ended,
    folder::Name,
    kept::Kept,
    live::{Live, Noted, not_kept},
    start,
};
use crate::{
    call::Prepared,
    clock::Clock,
    instance::Instance,
    shell::{Handle, TurnEnd},
};

/// How often it is looked at what need not be kept any longer, where no turn ends.
const TIDY: Duration = Duration::from_secs(60);

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
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    root: PathBuf,
    uploads: Uploads,
    clock: Clock,
    reserve: Reserve,
    pub(super) table: Mutex<Table>,
    asking: Asking,
    untidy: Notify,
    /// Who is told of turns that end.
    pub(super) ends: OnceLock<UnboundedSender<Ended>>,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    /// Those that wait or run, and those that are over and whose record the disk has not taken yet.
    pub(super) live: HashMap<TurnId, Arc<Live>>,
    pub(super) kept: Kept,
}

impl Turns {
    /// The turns in `root`, by what the kernel and its journal know of them.
    ///
    /// # Errors
    /// Where the folder cannot be read or made.
    pub fn open(
        root: PathBuf,
        clock: Clock,
        reserve: Reserve,
        known: start::Known,
    ) -> io::Result<Self> {
        crate::files::private_folder(&root.join("uploads"))?;
        let table = start::read(&root, known, clock.now())?;
        let uploads = Uploads::open(root.join("uploads"), reserve.clone())?;
        for (turn, live) in &table.live {
            uploads.taken_before(*turn, &live.agent, &live.folder.mount(INPUT_MOUNT));
        }
        Ok(Self {
            shared: Arc::new(Shared {
                uploads,
                root,
                clock,
                reserve,
                table: Mutex::new(table),
                asking: Asking::default(),
                untidy: Notify::new(),
                ends: OnceLock::new(),
            }),
        })
    }

    /// The uploads that wait.
    pub fn uploads(&self) -> &Uploads {
        &self.shared.uploads
    }

    /// The turn of `agent` that was asked under `key` before, where it is kept.
    ///
    /// # Errors
    /// Another question was asked under that key.
    pub async fn asked_before(
        &self,
        agent: &str,
        key: QuestionKey,
        request: &TurnRequest,
    ) -> Result<Option<TurnId>, Problem> {
        let Some(turn) = self.shared.table.lock().asked_as(agent, key) else {
            return Ok(None);
        };
        let record = self.record(turn).await.map_err(|error| not_kept(&error))?;
        match record {
            Some(record) if record.input != request.input => Err(Problem::new(
                Code::IdempotencyMismatch,
                format!("turn {turn} was asked something else under this key"),
            )),
            None => Ok(None),
            Some(_) => {
                // What was given with the question is in the turn; what is given again is needed by nobody.
                self.shared.uploads.leave(agent, &request.uploads);
                Ok(Some(turn))
            }
        }
    }

    /// Begins a turn of `instance`, or gives the one that was asked under the same key. A caller that gives up meanwhile
    /// leaves nothing half done.
    ///
    /// # Errors
    /// [`AskError`]; nothing of the turn is left then, and its uploads still wait.
    pub async fn ask(
        &self,
        shell: &Handle,
        instance: &Instance,
        mut request: TurnRequest,
        key: Option<QuestionKey>,
        cause: Cause,
    ) -> Result<TurnId, AskError> {
        fits(&request)?;
        let (this, shell) = (self.clone(), shell.clone());
        let (uid, agent) = (instance.uid, instance.agent());
        request.input = as_known(&agent, request.input, &cause);
        let asking = async move {
            let Some(key) = key else {
                return this.begin(&shell, uid, agent, request, None, cause).await;
            };
            let _alone = this.shared.asking.alone(&agent, key).await;
            match this.asked_before(&agent, key, &request).await? {
                Some(turn) => Ok(turn),
                None => {
                    let key = Some(key);
                    this.begin(&shell, uid, agent, request, key, cause).await
                }
            }
        };
        let asked = tokio::spawn(asking).await;
        asked.unwrap_or_else(|error| Err(not_kept(&io::Error::other(error)).into()))
    }

    async fn begin(
        &self,
        shell: &Handle,
        instance: InstanceUid,
        agent: String,
        request: TurnRequest,
        key: Option<QuestionKey>,
        cause: Cause,
    ) -> Result<TurnId, AskError> {
        let room = self.shared.reserve.check(request.input.len() as u64);
        room.map_err(|error| not_kept(&error))?;
        let files = self.shared.uploads.find(&agent, &request.uploads)?;
        let names = files.iter().map(|(name, _)| name.clone()).collect();
        let (why, now) = (cause.name(), self.shared.clock.read());
        let payer = cause.payer();
        let asked = Asked::new(agent, request.input, names, now);
        let asked = asked.under(key).by(cause);
        let asked = asked.called(request.context, request.message_id);
        let root = self.shared.root.clone();
        let made = blocking(move || {
            TurnFolder::make(&root, &asked, |input| {
                for (name, path) in &files {
                    // A second name, not a move: a turn that is refused leaves the upload where it is.
                    std::fs::hard_link(path, input.join(name))?;
                }
                Ok(())
            })
        });
        let (folder, input) = made.await.map_err(|error| not_kept(&error))?;
        let invoke = Invoke {
            ticket: None,
            instance,
            cause: why,
            input,
            deadline_ms: request.deadline_ms,
            payer,
        };
        let turn = match shell.invoke(invoke).await {
            Ok(turn) => turn,
            Err(problem) => {
                folder.remove();
                return Err(problem.into());
            }
        };
        if let Err(error) = self.folder(turn, input.digest).await {
            shell.tell(Event::CancelTurn { turn });
            return Err(not_kept(&error).into());
        }
        self.shared.uploads.taken(turn, &request.uploads);
        Ok(turn)
    }

    /// Makes the folder of a turn that a call of another is to begin, where the kernel lets it.
    ///
    /// # Errors
    /// A question that is too long, or a disk that is full.
    pub async fn prepare(
        &self,
        instance: &Instance,
        request: TurnRequest,
        caller: TurnCaller,
    ) -> Result<Prepared, Problem> {
        fits(&request)?;
        let room = self.shared.reserve.check(request.input.len() as u64);
        room.map_err(|error| not_kept(&error))?;
        let (above, root) = (self.known(TurnId(caller.turn)), self.shared.root.clone());
        let now = self.shared.clock.read();
        let cause = Cause::Agent(caller);
        let input = as_known(&instance.agent(), request.input, &cause);
        let asked = Asked::new(instance.agent(), input, Vec::new(), now);
        let asked = asked.by(cause);
        let made = blocking(move || {
            let above = above.map(|it| it.asked()).transpose()?;
            TurnFolder::make(&root, &asked.within(above.as_ref()), |_| Ok(()))
        });
        let (folder, input) = made.await.map_err(|error| not_kept(&error))?;
        Ok(Prepared::new(input, move || {
            let folder = folder.clone();
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn_blocking(move || folder.remove())),
                Err(_) => folder.remove(),
            }
        }))
    }

    /// The folder of a turn that the kernel has.
    pub async fn folder(&self, turn: TurnId, input: BodyDigest) -> io::Result<TurnFolder> {
        let this = self.clone();
        blocking(move || Ok(this.live(turn, input)?.folder.clone())).await
    }

    /// The folder of a turn that waits, runs or is kept.
    pub fn known(&self, turn: TurnId) -> Option<TurnFolder> {
        let table = self.shared.table.lock();
        match table.live.get(&turn) {
            Some(live) => Some(live.folder.clone()),
            None => table
                .kept
                .get(turn)
                .map(|it| it.folder.folder(&self.shared.root)),
        }
    }

    /// The folder of a turn that has not ended, and the account of its output, which takes `most`.
    pub fn output(&self, turn: TurnId, most: Room) -> Option<(TurnFolder, Arc<Account>)> {
        let live = self.shared.table.lock().live.get(&turn).cloned()?;
        let account = live.output.get_or_init(|| Arc::new(Account::new(most)));
        Some((live.folder.clone(), Arc::clone(account)))
    }

    /// Its live entry, made where it is mentioned for the first time. Blocks on the disk.
    fn live(&self, turn: TurnId, input: BodyDigest) -> io::Result<Arc<Live>> {
        let there = self.shared.table.lock().live.get(&turn).cloned();
        let live = match there {
            Some(live) => live,
            None => {
                let opened = Arc::new(Live::open(Name::of(input).folder(&self.shared.root))?);
                let mut table = self.shared.table.lock();
                if table.kept.get(turn).is_some() {
                    return Ok(opened);
                }
                Arc::clone(table.live.entry(turn).or_insert(opened))
            }
        };
        live.begin(turn)?;
        Ok(live)
    }

    /// Its worker runs.
    pub fn started(&self, turn: TurnId, incarnation: Incarnation) {
        let live = self.shared.table.lock().live.get(&turn).cloned();
        if let Some(live) = live
            && let Err(error) = live.start(incarnation)
        {
            tracing::warn!(%turn, %error, "an event of a turn was lost");
        }
    }

    /// Tells whoever follows it, now or later.
    pub fn tell(&self, turn: TurnId, event: TurnEvent) {
        let live = self.shared.table.lock().live.get(&turn).cloned();
        if let Some(live) = live.filter(|live| !live.ended())
            && let Err(error) = live.tell(event, &self.shared.reserve)
        {
            tracing::warn!(%turn, %error, "an event of a turn was lost");
        }
    }

    /// A worker of it ended, having used this.
    pub fn used(&self, turn: TurnId, used: &Resources) {
        let live = self.shared.table.lock().live.get(&turn).cloned();
        if let Some(live) = live {
            live.used.lock().get_or_insert_default().add(used);
        }
    }

    /// Relays what its program says; gives a notice that its caller was not told before.
    ///
    /// # Errors
    /// Why it is not relayed.
    pub async fn message(
        &self,
        turn: TurnId,
        message: MessageRequest,
    ) -> Result<Option<Noted>, Problem> {
        let live = self.shared.table.lock().live.get(&turn).cloned();
        let Some(live) = live else {
            return Err(Problem::new(Code::NotRunning, "the turn has ended"));
        };
        let reserve = self.shared.reserve.clone();
        blocking(move || Ok(live.message(message, &reserve)))
            .await
            .unwrap_or_else(|error| Err(not_kept(&error)))
    }

    /// It ended, and the kernel has let go of it: its record is written.
    /// Gives whose it is, and how it ended, also where the record is to be written again.
    pub async fn done(&self, input: BodyDigest, end: TurnEnd) -> Option<(String, TurnOutcome)> {
        let (this, turn) = (self.clone(), end.turn);
        self.shared.uploads.ended(turn);
        let ended = blocking(move || {
            let live = this.live(end.turn, input)?;
            let kept = live.end(&end);
            let mut table = this.shared.table.lock();
            let kept = kept.map(|kept| {
                table.live.remove(&end.turn);
                table.kept.insert(end.turn, kept);
            });
            drop(table);
            if let Some(ends) = this.shared.ends.get() {
                let agent = Arc::clone(&live.agent);
                let _ = ends.send(Ended {
                    turn: end.turn,
                    agent,
                });
            }
            let over = live.over();
            Ok((over.map(|it| (live.agent.to_string(), it.outcome)), kept))
        });
        let (over, kept) = match ended.await {
            Ok((over, kept)) => (over, kept),
            Err(error) => (None, Err(error)),
        };
        if let Err(error) = kept {
            tracing::error!(%turn, %error, "the record of a turn was not kept; it is tried again");
        }
        self.shared.untidy.notify_one();
        over
    }

    /// Removes what need not be kept any longer, whenever a turn has ended and from time to time. For ever.
    /// What a turn that goes on began is kept until that ends: it may wait for the answer still.
    pub async fn keep_tidy(self, shell: Handle) {
        loop {
            let begun = shell.look(|kernel| {
                let turns = kernel.state().turns();
                let begun = turns.flat_map(|(_, row)| row.begun.iter().map(|it| it.turn));
                begun.collect::<HashSet<_>>()
            });
            if let Some(begun) = begun.await {
                self.tidy(begun).await;
            }
            let _ = tokio::time::timeout(TIDY, self.shared.untidy.notified()).await;
        }
    }

    pub(super) async fn tidy(&self, needed: HashSet<TurnId>) {
        let this = self.clone();
        let _ = blocking(move || {
            this.keep_again();
            let now = this.shared.clock.now().0;
            let gone = this.shared.table.lock().kept.take_superfluous(now, &needed);
            for ended in gone {
                ended.folder.folder(&this.shared.root).remove();
            }
            this.shared.uploads.expire();
            Ok(())
        })
        .await;
    }

    /// Writes the records that the disk did not take when their turns ended.
    fn keep_again(&self) {
        let over = |(turn, live): (&TurnId, &Arc<Live>)| {
            live.over().is_some().then(|| (*turn, Arc::clone(live)))
        };
        let over: Vec<_> = self
            .shared
            .table
            .lock()
            .live
            .iter()
            .filter_map(over)
            .collect();
        for (turn, live) in over {
            if let Ok(kept) = live.keep() {
                let mut table = self.shared.table.lock();
                table.live.remove(&turn);
                table.kept.insert(turn, kept);
            }
        }
    }

    /// Erases the turns and uploads of an agent that is gone; one that has not ended stays.
    ///
    /// # Errors
    /// Where something of it stays.
    pub async fn erase(&self, agent: String) -> io::Result<()> {
        let this = self.clone();
        blocking(move || {
            let turns: Vec<_> = {
                let table = this.shared.table.lock();
                let over = |(turn, live): (&TurnId, &Arc<Live>)| {
                    (*live.agent == *agent && live.over().is_some()).then_some(*turn)
                };
                let over = table.live.iter().filter_map(over);
                over.chain(table.kept.of_agent(&agent)).collect()
            };
            for turn in turns {
                if let Some(folder) = this.known(turn) {
                    folder.erase()?;
                }
                let mut table = this.shared.table.lock();
                table.live.remove(&turn);
                table.kept.remove(turn);
            }
            this.shared.uploads.erase(&agent)
        })
        .await
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
