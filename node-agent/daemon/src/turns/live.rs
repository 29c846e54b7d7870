//! A turn that waits or runs, or is still being read: its events, and whoever follows them.

use std::{
    fs::File,
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aion_abi::{
    admin::TurnEvent,
    code::Code,
    problem::Problem,
    syscall::agent::{MessageKind, MessageRequest},
};
use tokio::sync::watch;

use super::TurnFolder;

/// Bytes that a turn may say in all.
const MAX_SAID: usize = 4 * 1024 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) folder: TurnFolder,
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
                bytes: events.iter().map(size).sum(),
                events,
                file: None,
                last,
            }),
            folder,
            count: watch::Sender::new(count),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event. Blocks on the disk; for a sync only where `durable`.
    pub(super) fn add(&self, event: TurnEvent, durable: bool) -> io::Result<()> {
        let mut said = self.lock();
        let written = self.write(&mut said, &event, durable);
        // Followers must see the end also where the disk is full; nothing else is said that is not kept.
        if written.is_ok() || matches!(event, TurnEvent::Ended(_)) {
            said.bytes += size(&event);
            said.events.push(event);
            let count = said.events.len();
            drop(said);
            self.count.send_replace(count);
        }
        written
    }

    fn write(&self, said: &mut Said, event: &TurnEvent, durable: bool) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        let file = match &mut said.file {
            Some(file) => file,
            empty => empty.insert(self.folder.event_file()?),
        };
        if let Err(error) = file.write_all(&line) {
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
    pub(super) fn message(&self, message: MessageRequest) -> Result<(), Problem> {
        {
            let said = self.lock();
            if said.last.is_some() {
                return Err(Problem::new(
                    Code::BadRequest,
                    "the turn's output has ended with its answer",
                )
                .remedy("say everything before the final message"));
            }
            if said.bytes + message.text.len() > MAX_SAID {
                return Err(Problem::new(
                    Code::TooLarge,
                    format!("a turn says at most {MAX_SAID} bytes"),
                )
                .remedy("write long results to a file in the output mount"));
            }
        }
        let text = message.text;
        let (event, last) = match message.kind {
            MessageKind::Progress => (Some(TurnEvent::Progress { text }), None),
            MessageKind::Delta => (Some(TurnEvent::Delta { text }), None),
            MessageKind::Final => {
                let last = Last::Final(text.clone());
                (Some(TurnEvent::Final { text }), Some(last))
            }
            MessageKind::Failed => {
                let problem = message
                    .problem
                    .unwrap_or_else(|| Problem::new(Code::Internal, text));
                self.folder
                    .keep_failure(&problem)
                    .map_err(|error| not_kept(&error))?;
                (None, Some(Last::Failed(problem)))
            }
        };
        if let Some(event) = event {
            self.add(event, last.is_some())
                .map_err(|error| not_kept(&error))?;
        }
        if last.is_some() {
            self.lock().last = last;
        }
        Ok(())
    }

    /// How many events there are.
    pub(super) fn count(&self) -> usize {
        self.lock().events.len()
    }

    /// What ended the output so far.
    pub(super) fn last(&self) -> Option<Last> {
        self.lock().last.clone()
    }

    /// Whether it is over.
    pub(super) fn ended(&self) -> bool {
        matches!(self.lock().events.last(), Some(TurnEvent::Ended(_)))
    }
}

fn size(event: &TurnEvent) -> usize {
    match event {
        TurnEvent::Progress { text } | TurnEvent::Delta { text } | TurnEvent::Final { text } => {
            text.len()
        }
        _ => 0,
    }
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
            let event = self.live.lock().events.get(self.next).cloned();
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
