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
    resources::Resources,
    steps::StepRecord,
    syscall::agent::{MessageKind, MessageRequest},
};
use aion_drivers::{files::Account, reserve::Reserve};
use aion_kernel::{Incarnation, TurnId};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use uuid::Uuid;

use super::{
    TurnFolder,
    ending::Over,
    notices::{self, Fate, Notices},
    steps::Steps,
};
use crate::clock;

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
    /// Of its question.
    pub(super) nonce: Uuid,
    pub(super) asked_at_ms: u64,
    /// What its program may write to its output, and wrote.
    pub(super) output: OnceLock<Arc<Account>>,
    /// What its workers used, those that have ended.
    pub(super) used: Mutex<Option<Resources>>,
    said: Mutex<Said>,
    /// How many events there are.
    count: watch::Sender<usize>,
}

#[derive(Debug)]
struct Said {
    events: Vec<TurnEvent>,
    bytes: usize,
    file: Option<File>,
    notices: Notices,
    steps: Steps,
    /// What ended the output.
    last: Option<Last>,
    /// How the turn ended.
    over: Option<Over>,
}

/// A notice that was told, for the agent's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// The run that said it.
    pub incarnation: Incarnation,
    /// What.
    pub text: String,
}

/// What ended a turn's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Last {
    /// The answer.
    Final(String),
    /// Why there is none.
    Failed(Problem),
}

impl Last {
    fn is(&self, message: &MessageRequest) -> bool {
        match (self, message.kind) {
            (Self::Final(text), MessageKind::Final) => *text == message.text,
            (Self::Failed(problem), MessageKind::Failed) => {
                *problem == failure(message.problem.clone(), message.text.clone())
            }
            _ => false,
        }
    }
}

fn failure(problem: Option<Problem>, text: String) -> Problem {
    problem.unwrap_or_else(|| Problem::new(Code::Unanswered, text))
}

impl Live {
    /// A turn with the events that its folder holds.
    pub(super) fn open(folder: TurnFolder) -> io::Result<Self> {
        let asked = folder.asked()?;
        let events = folder.events()?;
        let is_start = |event: &&TurnEvent| matches!(event, TurnEvent::Started { .. });
        let last_run = events.iter().rev().take_while(|it| !is_start(it));
        let answer = last_run.into_iter().find_map(|event| match event {
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
                notices: Notices::of(&events),
                steps: Steps::of(&events),
                events,
                file: None,
                last,
                over: None,
            }),
            folder,
            nonce: asked.nonce,
            asked_at_ms: asked.at().0,
            agent: asked.agent.into(),
            output: OnceLock::new(),
            used: Mutex::default(),
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

    /// A run of it begins. What an earlier run said at its end is said again, or otherwise.
    pub(super) fn start(&self, incarnation: Incarnation) -> io::Result<()> {
        let mut said = self.said.lock();
        if let Some(Last::Failed(_)) = said.last.take() {
            self.folder.forget_failure()?;
        }
        let event = TurnEvent::Started {
            incarnation: incarnation.0,
        };
        self.add_to(said, event, false)
    }

    /// Adds an event. Blocks on the disk; for a sync only where `durable`.
    pub(super) fn add(&self, event: TurnEvent, durable: bool) -> io::Result<()> {
        self.add_to(self.said.lock(), event, durable)
    }

    /// Tells of what the turn waits for, where it may still say so much: questions to people are the program's doing.
    pub(super) fn tell(&self, event: TurnEvent, reserve: &Reserve) -> Result<(), Problem> {
        let said = self.said.lock();
        fits(&said, &event, Some(reserve))?;
        self.add_to(said, event, false)
            .map_err(|error| not_kept(&error))
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

    /// Relays what the turn's program says; gives a notice that its caller was not told before. Blocks on the disk.
    pub(super) fn message(
        &self,
        message: MessageRequest,
        reserve: &Reserve,
    ) -> Result<Option<Noted>, Problem> {
        let mut said = self.said.lock();
        if let Some(last) = &said.last {
            // Whoever says it again never heard that it was taken: the daemon was killed between the two.
            if last.is(&message) {
                return Ok(None);
            }
            return Err(Problem::new(
                Code::BadRequest,
                "the turn's output has ended with its answer",
            )
            .remedy("say everything before the final message"));
        }
        let text = message.text;
        let (event, last) = match message.kind {
            MessageKind::Progress => {
                let told = !message.steps.is_empty();
                let steps = said.steps.news(message.steps, clock::date())?;
                if told && steps.is_empty() {
                    return Ok(None);
                }
                (TurnEvent::Progress { text, steps }, None)
            }
            MessageKind::Notice | MessageKind::LeftOut => {
                let left_out = message.kind == MessageKind::LeftOut;
                return self.notice(said, text, left_out, reserve);
            }
            MessageKind::Delta => (TurnEvent::Delta { text }, None),
            MessageKind::Final => {
                let last = Last::Final(text.clone());
                (TurnEvent::Final { text }, Some(last))
            }
            MessageKind::Failed => {
                let problem = failure(message.problem, text);
                self.folder
                    .keep_failure(&problem)
                    .map_err(|error| not_kept(&error))?;
                said.last = Some(Last::Failed(problem));
                return Ok(None);
            }
        };
        // The answer itself may use what is kept for the records of turns.
        let reserve = last.is_none().then_some(reserve);
        fits(&said, &event, reserve)?;
        let is_last = last.is_some();
        said.last = last;
        if let TurnEvent::Progress { steps, .. } = &event {
            steps.iter().for_each(|it| said.steps.add(it));
        }
        let added = self.add_to(said, event, is_last);
        added.map_err(|error| {
            self.said.lock().last = None;
            not_kept(&error)
        })?;
        Ok(None)
    }

    /// Tells a notice that is new and has room. The first without room is told of in general.
    fn notice(
        &self,
        mut said: MutexGuard<'_, Said>,
        text: String,
        left_out: bool,
        reserve: &Reserve,
    ) -> Result<Option<Noted>, Problem> {
        let told = match said.notices.fate(&text) {
            // What is left out may be said of for the first time.
            Fate::Known | Fate::Beyond if said.notices.left_out() >= left_out => None,
            Fate::Told | Fate::Known => Some(text.clone()),
            Fate::FirstBeyond | Fate::Beyond => Some(notices::beyond()),
        };
        let Some(told) = told else {
            said.notices.add(&text, left_out);
            return Ok(None);
        };
        let event = TurnEvent::Notice {
            text: told.clone(),
            left_out,
        };
        fits(&said, &event, Some(reserve))?;
        said.notices.add(&text, left_out);
        let started = said.events.iter().rev().find_map(|event| match event {
            TurnEvent::Started { incarnation } => Some(*incarnation),
            _ => None,
        });
        self.add_to(said, event, false)
            .map_err(|error| not_kept(&error))?;
        Ok(Some(Noted {
            incarnation: Incarnation(started.unwrap_or_default()),
            text: told,
        }))
    }

    /// The notices so far, as an outcome has them: texts, how many are beyond the bound, whether something of what the
    /// caller gave was left out.
    pub(super) fn notices(&self) -> (Vec<String>, u64, bool) {
        let said = self.said.lock();
        let notices = &said.notices;
        (
            notices.texts().to_vec(),
            notices.beyond(),
            notices.left_out(),
        )
    }

    /// The steps so far, as a record has them, and how many more there are.
    pub(super) fn steps(&self) -> (Vec<StepRecord>, u64) {
        self.said.lock().steps.listed()
    }

    /// All events so far.
    pub(super) fn events(&self) -> Vec<TurnEvent> {
        self.said.lock().events.clone()
    }

    /// Whether its program was ever started.
    pub(super) fn has_started(&self) -> bool {
        let started = |event: &TurnEvent| matches!(event, TurnEvent::Started { .. });
        self.said.lock().events.iter().any(started)
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
            said.events.push(TurnEvent::Ended(Box::new(outcome)));
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

/// Whether an event may still be said; with `reserve`, whether the disk has room for it too.
fn fits(said: &Said, event: &TurnEvent, reserve: Option<&Reserve>) -> Result<(), Problem> {
    let line = line(event).map_err(|error| not_kept(&error))?;
    if said.bytes + line.len() + EVENT > MAX_SAID {
        return Err(Problem::new(
            Code::TooLarge,
            format!("a turn says at most {MAX_SAID} bytes, and each message counts for {EVENT} besides its own"),
        )
        .remedy("write long results to a file in the output mount"));
    }
    match reserve {
        Some(reserve) => reserve
            .check(line.len() as u64)
            .map_err(|error| not_kept(&error)),
        None => Ok(()),
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
