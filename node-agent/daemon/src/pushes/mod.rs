//! Calls to addresses that callers of turns name, made when the turn ends: kept on the disk until they are made or given up,
//! through restarts, and to hosts alone that whoever runs the node lets be called.
//!
//! What may not enter: who may name one, which is the interface's, and what is dialled, which the outbound rule judges.

mod telling;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fs, io, path::PathBuf, sync::Arc};

use aion_abi::{
    code::Code,
    problem::Problem,
    push::{MAX_ID, MAX_OF_TURN, MAX_SECRET, MAX_URL, Push},
    turn::TurnRequest,
};
use aion_drivers::outbound::{Outbound, call_headers, called_host};
use aion_kernel::TurnId;
use aion_policy::Destination;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use uuid::Uuid;

use crate::{files, turns::Turns};

/// The most turns whose end is told.
const MAX_TURNS: usize = 1024;
/// Calls at once.
const AT_ONCE: usize = 16;

/// See the module. Clones share it.
#[derive(Clone)]
pub(crate) struct Pushes {
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    /// Which hosts may be called.
    hosts: Vec<Destination>,
    outbound: Arc<Outbound>,
    turns: Turns,
    rows: Mutex<BTreeMap<TurnId, Row>>,
    /// Turns that are watched from now on.
    watch: mpsc::UnboundedSender<TurnId>,
    calls: Semaphore,
}

/// Who is told the end of a turn.
#[derive(Default)]
struct Row {
    pushes: Vec<Push>,
    /// Somebody waits for the end.
    is_watched: bool,
}

impl Pushes {
    /// Those that are kept in `folder`, and whom to watch.
    ///
    /// # Errors
    /// The folder cannot be read or made.
    pub(crate) fn open(
        folder: PathBuf,
        hosts: Vec<Destination>,
        outbound: Arc<Outbound>,
        turns: Turns,
    ) -> io::Result<(Self, mpsc::UnboundedReceiver<TurnId>)> {
        files::private_folder(&folder)?;
        let mut rows = BTreeMap::new();
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let turn: Option<u64> = name.parse().ok();
            let read = fs::read(&path)
                .ok()
                .and_then(|text| serde_json::from_slice(&text).ok());
            match (turn, read) {
                (Some(turn), Some(pushes)) => {
                    let row = Row {
                        pushes,
                        is_watched: true,
                    };
                    rows.insert(TurnId(turn), row);
                }
                _ => {
                    tracing::error!(file = %path.display(), "whom the end of a turn is told to cannot be read: it is left as it is")
                }
            }
        }
        let (watch, watched) = mpsc::unbounded_channel();
        for turn in rows.keys() {
            let _ = watch.send(*turn);
        }
        let shared = Arc::new(Shared {
            folder,
            hosts,
            outbound,
            turns,
            rows: Mutex::new(rows),
            watch,
            calls: Semaphore::new(AT_ONCE),
        });
        Ok((Self { shared }, watched))
    }

    /// Whether one is taken.
    ///
    /// # Errors
    /// `denied` where its host may not be called, `bad-request` with what is wrong.
    pub(crate) fn judge(&self, push: &Push) -> Result<(), Problem> {
        let wrong = |what: &str| {
            Err(Problem::new(Code::BadRequest, what).remedy("correct it, or leave it out"))
        };
        let long = |text: &Option<String>| text.as_ref().is_some_and(|it| it.len() > MAX_SECRET);
        if !push.id.is_empty() && !TurnRequest::is_context(&push.id) {
            return wrong(&format!("id is not 1 to {MAX_ID} of A-Z a-z 0-9 - . _ ~"));
        }
        if push.url.len() > MAX_URL || long(&push.token) || long(&push.credentials) {
            return wrong("url, token or credentials are longer than they may be");
        }
        let scheme = push.scheme.as_deref().unwrap_or_default();
        let is_token = |it: u8| it.is_ascii_alphanumeric() || it == b'-';
        if scheme.len() > 64 || !scheme.bytes().all(is_token) {
            return wrong("authentication.scheme is not the name of a scheme, such as Bearer");
        }
        if scheme.is_empty() != push.credentials.as_ref().is_none_or(String::is_empty) {
            return wrong("authentication has a scheme and credentials, or neither");
        }
        if call_headers(push.token.as_deref(), authorization(push).as_deref()).is_none() {
            return wrong("token or credentials have characters that no header has");
        }
        let host = called_host(&push.url)?;
        let to = Destination::parse(&host)
            .map_err(|why| Problem::new(Code::BadRequest, format!("the host of url {why}")))?;
        match self.shared.hosts.iter().any(|it| it.covers(&to)) {
            true => Ok(()),
            false => Err(Problem::new(
                Code::Denied,
                format!("{host} is not called from this node"),
            )
            .remedy("whoever runs the node lets a host be called by pushHosts in node.yaml")),
        }
    }

    /// Whether any host may be called.
    pub(crate) fn is_granted(&self) -> bool {
        !self.shared.hosts.is_empty()
    }

    /// Keeps one for a turn that has not ended; gives it as it is answered.
    ///
    /// # Errors
    /// As [`judge`](Self::judge); `not-running` for a turn that ended, `overloaded` where there are as many as may be.
    pub(crate) fn add(&self, turn: TurnId, mut push: Push) -> Result<Push, Problem> {
        self.judge(&push)?;
        if push.id.is_empty() {
            push.id = Uuid::new_v4().to_string();
        }
        if !self.shared.turns.is_under_way(turn) {
            return Err(
                Problem::new(Code::NotRunning, format!("turn {turn} has ended"))
                    .remedy("ask for its record: there is nothing to follow"),
            );
        }
        let mut rows = self.shared.rows.lock();
        let full = rows.len() >= MAX_TURNS && !rows.contains_key(&turn);
        let known = rows.get(&turn).map(|it| it.pushes.clone());
        let mut of_turn = known.unwrap_or_default();
        of_turn.retain(|it| it.id != push.id);
        if full || of_turn.len() >= MAX_OF_TURN {
            let what = format!(
                "the end of a turn is told to {MAX_OF_TURN} addresses at most, and of {MAX_TURNS} turns"
            );
            return Err(Problem::new(Code::Overloaded, what)
                .remedy("delete one of the turn, or ask again later"));
        }
        of_turn.push(push.clone());
        self.keep(turn, &of_turn)
            .map_err(|error| Problem::new(Code::Internal, format!("it cannot be kept: {error}")))?;
        let row = rows.entry(turn).or_default();
        row.pushes = of_turn;
        if !std::mem::replace(&mut row.is_watched, true) {
            let _ = self.shared.watch.send(turn);
        }
        Ok(shown(push))
    }

    /// Those of a turn, without credentials.
    pub(crate) fn of(&self, turn: TurnId) -> Vec<Push> {
        let rows = self.shared.rows.lock();
        let of_turn = rows.get(&turn).into_iter().flat_map(|it| &it.pushes);
        of_turn.cloned().map(shown).collect()
    }

    /// Forgets one, also where it is gone: nobody is told by it any more.
    ///
    /// # Errors
    /// The disk's: it may be told after a restart.
    pub(crate) fn remove(&self, turn: TurnId, id: &str) -> io::Result<()> {
        let mut rows = self.shared.rows.lock();
        let Some(row) = rows.get_mut(&turn) else {
            return Ok(());
        };
        row.pushes.retain(|it| it.id != id);
        self.keep(turn, &row.pushes)
    }

    /// Writes what is kept of a turn, whole or not at all.
    fn keep(&self, turn: TurnId, pushes: &[Push]) -> io::Result<()> {
        let path = self.shared.folder.join(format!("{}.json", turn.0));
        match pushes.is_empty() {
            true => files::remove_if_there(&path),
            false => files::write_whole(&path, &serde_json::to_vec(pushes)?),
        }
    }
}

/// As it is answered.
fn shown(push: Push) -> Push {
    Push {
        credentials: None,
        ..push
    }
}

/// What it is sent with as `Authorization`.
fn authorization(push: &Push) -> Option<String> {
    let (scheme, credentials) = (push.scheme.as_ref()?, push.credentials.as_ref()?);
    (!scheme.is_empty()).then(|| format!("{scheme} {credentials}"))
}
