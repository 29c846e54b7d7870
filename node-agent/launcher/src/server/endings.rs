//! What workers say and how they end.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::Server;
use super::cgroup::Group;
use super::leftover::Leftover;
use super::readback::{Claims, read_back};
use super::record::Record;
use super::sys::{self, Ended, Failure};
use super::worker::Phase;
use aion_sandbox::plan::WorkerMessage;
use aion_sandbox::protocol::{self, ExitStatus, Exited, Reply, StartFailure, WorkerId};
use aion_sandbox::wire::{self, WireError};

/// How long the status of an adopted worker is waited for: its new parent has to
/// take its end first.
const STATUS_PATIENCE: Duration = Duration::from_secs(1);
/// Messages of one worker that are read before it is the others' turn: it may be
/// writing them as fast as they are read.
const MESSAGES: usize = 8;

impl Server {
    /// Reads what a worker says.
    pub(super) fn hear(&mut self, id: &WorkerId) {
        for _ in 0..MESSAGES {
            let Some(worker) = self.workers.get_mut(id) else {
                return;
            };
            let Some(link) = &worker.link else {
                return;
            };
            match wire::receive_bytes(link) {
                Ok((bytes, fds)) => self.take_in(id, &bytes, fds),
                Err(WireError::WouldBlock) => return,
                Err(_) => {
                    worker.link = None;
                    return;
                }
            }
        }
    }

    fn take_in(&mut self, id: &WorkerId, bytes: &[u8], fds: Vec<OwnedFd>) {
        let Some(worker) = self.workers.get_mut(id) else {
            return;
        };
        if let Some(failure) = Failure::from_bytes(bytes) {
            worker.note = Some(failure.to_string());
            return;
        }
        match (serde_json::from_slice(bytes), &worker.phase) {
            (Ok(WorkerMessage::Note(note)), _) => worker.note = Some(one_line(&note)),
            (Ok(WorkerMessage::Ready { landlock, failures }), Phase::Starting(begun, _))
                if fds.len() == protocol::doors(&begun.ports) =>
            {
                self.make_ready(id, &Claims { landlock, failures }, fds);
            }
            // From here on it is somebody else's program that may be speaking.
            _ => {
                tracing::warn!(worker = %id, "a worker said what it may not say now; it is killed");
                worker.note = Some("spoke out of turn to the launcher".into());
                worker.link = None;
                worker.kill();
            }
        }
    }

    fn make_ready(&mut self, id: &WorkerId, claims: &Claims, doors: Vec<OwnedFd>) {
        let Some(worker) = self.workers.get_mut(id) else {
            return;
        };
        let Phase::Starting(begun, _) = std::mem::replace(&mut worker.phase, Phase::Open) else {
            return;
        };
        let layers = read_back(&self.starter, &begun, claims);
        worker.phase = Phase::Waiting(begun.gate);
        let (pid, start_time) = (worker.known.pid, worker.known.start_time);
        let started = Reply::Started {
            id: id.clone(),
            pid,
            start_time,
            layers,
        };
        self.tell_with(started, doors);
    }

    /// Takes a worker's end, if it ended.
    pub(super) fn look_after(&mut self, id: &WorkerId) {
        let Some(worker) = self.workers.get_mut(id) else {
            return;
        };
        if worker.child {
            match sys::wait(worker.pidfd.as_fd(), false) {
                Ok(None) => {}
                Ok(Some(ended)) => self.finish(id, ended.status, Some(ended)),
                Err(error) => {
                    tracing::error!(worker = %id, %error, "cannot wait for a worker");
                    self.finish(id, ExitStatus::Unknown, None);
                }
            }
            return;
        }
        let since = *worker.gone_since.get_or_insert_with(Instant::now);
        match sys::exit_of_adopted(worker.pidfd.as_fd()) {
            Some(status) => self.finish(id, status, None),
            None if since.elapsed() > STATUS_PATIENCE => {
                self.finish(id, ExitStatus::Unknown, None);
            }
            None => {}
        }
    }

    fn finish(&mut self, id: &WorkerId, status: ExitStatus, ended: Option<Ended>) {
        // Its last words may still be in the socket.
        self.hear(id);
        self.let_go(id);
        let Some(worker) = self.workers.remove(id) else {
            return;
        };
        let exited = Exited {
            id: id.clone(),
            status,
            oom: worker.known.group.out_of_memory(),
            process_refused: worker.known.group.refused_a_process(),
            violation: worker.violation,
            throttled: worker.known.group.throttled(),
            cpu_us: ended.map(|it| it.cpu_us),
            peak_memory_bytes: worker
                .known
                .group
                .peak_memory()
                .or(ended.map(|it| it.peak_resident_bytes)),
            note: worker.note,
        };
        self.clear_away(worker.known.group, worker.known.user);
        if let Phase::Starting(..) = worker.phase {
            self.records.forget(id);
            let why = why_not_ready(&exited);
            tracing::warn!(worker = %id, %why, "worker not started");
            self.tell(Reply::StartFailed {
                id: id.clone(),
                failure: StartFailure::NotReady,
                why,
            });
        } else {
            self.keep_exit(exited);
        }
    }

    /// Keeps an exit until it is acknowledged, and tells it.
    pub(super) fn keep_exit(&mut self, exited: Exited) {
        if let Err(error) = self
            .records
            .keep(&exited.id, &Record::Exited(exited.clone()))
        {
            tracing::error!(worker = %exited.id, %error, "an exit is kept in memory only");
        }
        self.exits.insert(exited.id.clone(), exited.clone());
        self.tell(Reply::Exited(exited));
    }

    /// Ends what is left of a worker, where no process-id namespace did, and
    /// removes its group.
    pub(super) fn clear_away(&mut self, mut group: Group, user: Option<u32>) {
        if !group.end() {
            self.leftovers.push(Leftover::new(group, user));
        }
    }

    /// Ends every worker and keeps the exits for the next launcher to tell.
    pub(super) fn end_all(&mut self) {
        if let Some(blank) = self.spare.blank.take() {
            blank.made.end();
        }
        for worker in self.workers.values() {
            worker.kill();
        }
        let ids: Vec<WorkerId> = self.workers.keys().cloned().collect();
        for id in ids {
            let Some(worker) = self.workers.get(&id) else {
                continue;
            };
            if worker.child {
                let ended = sys::wait(worker.pidfd.as_fd(), true).ok().flatten();
                let status = match ended.map(|it| it.status) {
                    // The signal above; one that had ended by itself has its own status.
                    Some(ExitStatus::Signal(signal)) if signal == Signal::KILL.as_raw() => {
                        ExitStatus::Evicted
                    }
                    status => status.unwrap_or(ExitStatus::Unknown),
                };
                self.finish(&id, status, ended);
            } else {
                self.finish(&id, ExitStatus::Evicted, None);
            }
        }
    }
}

fn why_not_ready(exited: &Exited) -> String {
    let status = match exited.status {
        ExitStatus::Code(code) => format!("it exited with {code}"),
        ExitStatus::Signal(signal) => format!("signal {signal} ended it"),
        ExitStatus::Unknown => "it is gone".into(),
        ExitStatus::Evicted => "the launcher was stopped".into(),
    };
    match (&exited.note, exited.oom) {
        (Some(note), _) => format!("{note} ({status})"),
        (None, Some(true)) => format!("out of memory ({status})"),
        (None, _) => status,
    }
}

/// What a confined process wrote, fit for one line of a log.
fn one_line(note: &str) -> String {
    note.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(aion_sandbox::plan::MAX_NOTE)
        .collect()
}
