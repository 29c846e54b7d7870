//! The processes of tools that run: what each is for, what it was shown, what it last said, and why it is no longer
//! wanted. What may not enter: the launcher, which ends them.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use aion_abi::admin::MountMapping;
use aion_drivers::tool::{OutOf, ToolServer};
use aion_sandbox::protocol::{ExitStatus, Exited, WorkerId};
use parking_lot::Mutex;
use tokio::{sync::watch, time::timeout};

use crate::{instance::Instances, launching::one_line, mounts::Mounts};

/// How long the news of an end may be behind the end.
const END_BEHIND: Duration = Duration::from_secs(1);
/// What is kept of what a process writes to its standard error, in bytes.
const KEPT: usize = 2 * 1024;

/// All of them, by the worker's id.
#[derive(Default)]
pub(super) struct AllRunning(Mutex<HashMap<WorkerId, Arc<Running>>>);

impl AllRunning {
    pub(super) fn insert(&self, id: WorkerId, running: Arc<Running>) {
        self.0.lock().insert(id, running);
    }

    pub(super) fn get(&self, id: &WorkerId) -> Option<Arc<Running>> {
        self.0.lock().get(id).cloned()
    }

    pub(super) fn remove(&self, id: &WorkerId) {
        self.0.lock().remove(id);
    }

    /// Those that are no longer wanted and were not found so before, with the reason.
    pub(super) fn newly_unwanted(
        &self,
        instances: &Instances,
        mounts: &Mounts,
    ) -> Vec<(WorkerId, Arc<Running>)> {
        let all = self.0.lock();
        all.iter()
            .filter(|(_, it)| it.unwanted().is_none() && it.judge(instances, mounts).is_err())
            .map(|(id, it)| (id.clone(), Arc::clone(it)))
            .collect()
    }
}

/// A process, from before it is started until it is let go of.
pub(super) struct Running {
    server: ToolServer,
    /// The mounts that it is shown, as they were mapped.
    shown: Vec<(String, Option<MountMapping>)>,
    unwanted: OnceLock<String>,
    tail: Mutex<Vec<u8>>,
    end: watch::Sender<Option<Ended>>,
}

/// How it ended.
#[derive(Clone, Debug)]
struct Ended {
    how: String,
    out_of: Option<OutOf>,
}

impl Running {
    pub(super) fn new(server: ToolServer, shown: Vec<(String, Option<MountMapping>)>) -> Self {
        Self {
            server,
            shown,
            unwanted: OnceLock::new(),
            tail: Mutex::default(),
            end: watch::Sender::default(),
        }
    }

    pub(super) fn server(&self) -> &ToolServer {
        &self.server
    }

    pub(super) fn tool(&self) -> &str {
        &self.server.name
    }

    /// Why it is no longer wanted, where that was found.
    pub(super) fn unwanted(&self) -> Option<&str> {
        self.unwanted.get().map(String::as_str)
    }

    /// Finds whether it is wanted still, for good: one that is not stays so.
    ///
    /// # Errors
    /// Why it is not.
    pub(super) fn judge(&self, instances: &Instances, mounts: &Mounts) -> Result<(), String> {
        let remapped = self
            .shown
            .iter()
            .find(|(name, mapping)| mounts.mapping(name) != *mapping);
        let why = match remapped {
            Some((name, _)) => format!("the mount {name} is no longer the folder that it is shown"),
            None if !instances.have(&self.server) => "no agent here has it any more".to_owned(),
            None => return Ok(()),
        };
        Err(self.unwanted.get_or_init(|| why).clone())
    }

    /// Keeps the end of what it writes to its standard error.
    pub(super) fn wrote(&self, bytes: &[u8]) {
        let mut tail = self.tail.lock();
        tail.extend_from_slice(bytes);
        let over = tail.len().saturating_sub(KEPT);
        tail.drain(..over);
    }

    /// It ended.
    pub(super) fn ended(&self, exited: &Exited) {
        let memory = match (exited.oom, exited.process_refused) {
            (Some(true), _) => ", out of memory",
            (_, Some(true)) => ", refused a process or thread, having as many as it may",
            _ => "",
        };
        let how = match exited.status {
            ExitStatus::Code(code) => format!("it ended with code {code}{memory}"),
            ExitStatus::Signal(signal) => format!("it was ended by signal {signal}{memory}"),
            ExitStatus::Unknown => "it ended".to_owned(),
            ExitStatus::Evicted => "it ended with the launcher, which was stopped".to_owned(),
        };
        let note = exited.note.as_deref().unwrap_or_default();
        let end = [how.as_str(), note].join(if note.is_empty() { "" } else { ": " });
        tracing::info!(tool = %exited.id, end, said = self.said(), "a tool's process ended");
        let out_of = match (exited.oom, exited.process_refused) {
            (Some(true), _) => Some(OutOf::Memory(None)),
            (_, Some(true)) => Some(OutOf::Processes),
            _ => None,
        };
        self.end.send_replace(Some(Ended { how: end, out_of }));
    }

    /// Why it is not wanted; else what it last wrote to its standard error, and how it ended: one line.
    pub(super) fn said(&self) -> String {
        if let Some(why) = self.unwanted() {
            return why.to_owned();
        }
        let tail = self.tail.lock();
        let end = self.end.borrow();
        let end = end.as_ref().map_or("", |end| &*end.how).as_bytes();
        one_line(&[tail.as_slice(), b" ", end].concat())
    }

    /// What it had no more of when it ended; its end may be known a moment later.
    pub(super) async fn out_of(&self) -> Option<OutOf> {
        let mut end = self.end.subscribe();
        let known = timeout(END_BEHIND, end.wait_for(Option::is_some)).await;
        known.ok()?.ok()?.as_ref()?.out_of
    }
}
