//! A turn that waits or runs, or is still being read: its events, and whoever follows them.

use std::{
    fs::File,
    io::{self, Write},
    sync::{Arc, OnceLock},
};

use aion_abi::{
    admin::{TurnEvent, TurnOutcome},
    code::Code,
    problem::Problem,
    syscall::agent::{MessageKind, MessageRequest},
};
use aion_drivers::{files::Account, reserve::Reserve};
use aion_kernel::TurnId;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use super::{TurnFolder, ending::Over};

/// Bytes that a turn may say in all, as they are kept: each event counts for its line and for [`EVENT`].
const MAX_SAID: usize = 8 * 1024 * 1024;
/// What an event costs whatever its text, in bytes.
const EVENT: usize = 64;

/// See the module.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) folder: TurnFolder,
    /// `namespace/agent`.
    pub(super) agent: Arc<str>,
    pub(super) asked_at_ms: u64,
    /// What its program may write to its output, and wrote.
    pub(super) output: OnceLock<Arc<Account>>,
    said: Mutex<Said>,
    /// How many events there are.
    count: watch::Sender<usize>,
}

#[derive(Debug)]
struct Said {
    events: Vec<TurnEvent>,
    bytes: usize,
    file: Option<File>,
    /// What ended the output.
    last: Option<Last>,
    /// How the turn ended.
    over: Option<Over>,
}

/// What ended a turn's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Last {
    /// The answer.
    Final(String),
    /// Why there is none.
    Failed(Problem),
}

impl Live {
    /// A turn with the events that its folder holds.
    pub(super) fn open(folder: TurnFolder) -> io::Result<Self> {
        let asked = folder.asked()?;
        let events = folder.events()?;
        let answer = events.iter().rev().find_map(|event| match event {
            TurnEvent::Final { text } => Some(Last::Final(text.clone())),
            _ => None,
        });
        let last = match answer {
            None => folder.failure()?.map(Last::Failed),
            answer => answer,
        };
        let count = events.len();
        Ok(Self {
            said: Mutex::new(Said {
                bytes: events.iter().map(cost).sum(),
                events,
                file: None,
                last,
                over: None,
            }),
            folder,
            asked_at_ms: asked.at().0,
            agent: asked.agent.into(),
            output: OnceLock::new(),
            count: watch::Sender::new(count),
        })
    }

    /// Says as the first thing that the kernel has the turn, if that was not said. It is durable then: a start
    /// of the daemon tells by it a turn that ended from one that never began.
    pub(super) fn begin(&self, turn: TurnId) -> io::Result<()> {
        let said = self.said.lock();
        match said.events.is_empty() {
            true => self.add_to(said, TurnEvent::Queued { turn: turn.0 }, true),
            false => Ok(()),
        }
    }

    /// Adds an event. Blocks on the disk; for a sync only where `durable`.
    pub(super) fn add(&self, event: TurnEvent, durable: bool) -> io::Result<()> {
        self.add_to(self.said.lock(), event, durable)
    }

    fn add_to(
        &self,
        mut said: MutexGuard<'_, Said>,
        event: TurnEvent,
        durable: bool,
    ) -> io::Result<()> {
        let line = line(&event)?;
        let written = self.write(&mut said, &line, durable);
        // Followers must see the end also where the disk is full; nothing else is said that is not kept.
        if written.is_ok() || matches!(event, TurnEvent::Ended(_)) {
            said.bytes += line.len() + EVENT;
            said.events.push(event);
            let count = said.events.len();
            drop(said);
            self.count.send_replace(count);
        }
        written
    }

    fn write(&self, said: &mut Said, line: &[u8], durable: bool) -> io::Result<()> {
        let file = match &mut said.file {
            Some(file) => file,
            empty => empty.insert(self.folder.event_file()?),
        };
        if let Err(error) = file.write_all(line) {
            // Half a line may be there: opening the file anew cuts it off.
            said.file = None;
            return Err(error);
        }
        match durable {
            true => file.sync_data(),
            false => Ok(()),
        }
    }

    /// Relays what the turn's program says. Blocks on the disk.
    pub(super) fn message(
        &self,
        message: MessageRequest,
        reserve: &Reserve,
    ) -> Result<(), Problem> {
        let mut said = self.said.lock();
        if said.last.is_some() {
            return Err(Problem::new(
                Code::BadRequest,
                "the turn's output has ended with its answer",
            )
            .remedy("say everything before the final message"));
        }
        let text = message.text;
        let (event, last) = match message.kind {
            MessageKind::Progress => (TurnEvent::Progress { text }, None),
            MessageKind::Delta => (TurnEvent::Delta { text }, None),
            MessageKind::Final => {
                let last = Last::Final(text.clone());
                (TurnEvent::Final { text }, Some(last))
            }
            MessageKind::Failed => {
                let problem = message
                    .problem
                    .unwrap_or_else(|| Problem::new(Code::Unanswered, text));
                self.folder
                    .keep_failure(&problem)
                    .map_err(|error| not_kept(&error))?;
                said.last = Some(Last::Failed(problem));
                return Ok(());
            }
        };
        let line = line(&event).map_err(|error| not_kept(&error))?;
        if said.bytes + line.len() + EVENT > MAX_SAID {
            return Err(Problem::new(
                Code::TooLarge,
                format!("a turn says at most {MAX_SAID} bytes, and each message counts for {EVENT} besides its own"),
            )
            .remedy("write long results to a file in the output mount"));
        }
        if last.is_none() {
            // The answer itself may use what is kept for the records of turns.
            reserve
                .check(line.len() as u64)
                .map_err(|error| not_kept(&error))?;
        }
        let is_last = last.is_some();
        said.last = last;
        let added = self.add_to(said, event, is_last);
        added.map_err(|error| {
            self.said.lock().last = None;
            not_kept(&error)
        })
    }

    /// All events so far.
    pub(super) fn events(&self) -> Vec<TurnEvent> {
        self.said.lock().events.clone()
    }

    /// How the turn ended, if it has.
    pub(super) fn over(&self) -> Option<Over> {
        self.said.lock().over.clone()
    }

    pub(super) fn be_over(&self, over: Over) {
        self.said.lock().over = Some(over);
    }

    /// Says the end again that a record tells, where the last event is missing: a crash may come between the two.
    pub(super) fn end_as_recorded(&self, outcome: TurnOutcome) {
        let mut said = self.said.lock();
        if !matches!(said.events.last(), Some(TurnEvent::Ended(_))) {
            said.events.push(TurnEvent::Ended(outcome));
        }
    }

    /// What ended the output so far.
    pub(super) fn last(&self) -> Option<Last> {
        self.said.lock().last.clone()
    }

    /// Whether it is over.
    pub(super) fn ended(&self) -> bool {
        matches!(self.said.lock().events.last(), Some(TurnEvent::Ended(_)))
    }
}

/// An event as it stands in its file.
fn line(event: &TurnEvent) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    Ok(line)
}

fn cost(event: &TurnEvent) -> usize {
    line(event).map_or(0, |line| line.len()) + EVENT
}

/// What a disk says when a turn's folder cannot be written.
pub(super) fn not_kept(error: &io::Error) -> Problem {
    let code = match aion_journal::is_full(error) {
        true => Code::StorageFull,
        false => Code::Internal,
    };
    Problem::new(
        code,
        format!("the turn's folder cannot be written: {error}"),
    )
}

/// Follows a turn from its first event to its last.
#[derive(Debug)]
pub struct Follow {
    live: Arc<Live>,
    next: usize,
    count: watch::Receiver<usize>,
}

impl Follow {
    pub(super) fn new(live: Arc<Live>) -> Self {
        let count = live.count.subscribe();
        Self {
            live,
            next: 0,
            count,
        }
    }

    /// The next event; `None` after the last. Safe to drop and call again.
    pub async fn next(&mut self) -> Option<TurnEvent> {
        loop {
            let event = self.live.said.lock().events.get(self.next).cloned();
            if let Some(event) = event {
                self.next += 1;
                return Some(event);
            }
            if self.live.ended() {
                return None;
            }
            self.count.changed().await.ok()?;
        }
    }
}
