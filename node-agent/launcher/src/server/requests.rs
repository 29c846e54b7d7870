//! What the daemon asks, answered.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use super::Server;
use super::following::follow;
use super::record::{Known, Record, start_time};
use super::starter::{NotBegun, StartFds};
use super::worker::{Phase, Worker};
use aion_sandbox::Layer;
use aion_sandbox::protocol::{
    self, Refusable, Reply, Request, Start, StartFailure, VERSION, WORKERS_PER_PAGE, WorkerId,
};

impl Server {
    /// Does what is asked. An error is the reason to close the connection.
    pub(super) fn answer(&mut self, request: Request, fds: Vec<OwnedFd>) -> Result<(), String> {
        if !matches!(request, Request::Start(_)) && !fds.is_empty() {
            return Err("descriptors came with a message that takes none".into());
        }
        let greeted = self.connection.as_ref().is_some_and(|it| it.greeted);
        match request {
            Request::Hello { version } => return self.greet(version),
            _ if !greeted => return Err("the first message was not a hello".into()),
            Request::Start(start) => self.start(&start, fds),
            Request::OpenGate { id } => {
                let reply = match self.open_gate(&id) {
                    Ok(()) => Reply::GateOpened { id },
                    Err(why) => refused(id, Refusable::OpenGate, why),
                };
                self.tell(reply);
            }
            Request::Kill { id, grace_ms } => {
                let reply = match self.stop(&id, Duration::from_millis(grace_ms.into())) {
                    Ok(()) => Reply::Stopping { id },
                    Err(why) => refused(id, Refusable::Kill, why),
                };
                self.tell(reply);
            }
            Request::Measure { id } => {
                let reply = match self.workers.get_mut(&id) {
                    Some(worker) => Reply::Measured {
                        measured: worker.measure(),
                        id,
                    },
                    None => refused(id, Refusable::Measure, "no such worker".into()),
                };
                self.tell(reply);
            }
            Request::List => self.list(),
            Request::Acknowledge { id } => {
                if self.exits.remove(&id).is_some() {
                    self.records.forget(&id);
                }
            }
            Request::Features => {
                let layers = self.features.clone();
                let hooks = self.following.hooks();
                self.tell(Reply::Features { layers, hooks });
            }
        }
        Ok(())
    }

    fn greet(&mut self, version: u32) -> Result<(), String> {
        if let Some(connection) = &mut self.connection {
            connection.greeted = true;
        }
        self.tell(Reply::Hello {
            version: VERSION,
            pid: std::process::id(),
        });
        if version != VERSION {
            return Err(format!(
                "the daemon speaks version {version} and not {VERSION}"
            ));
        }
        let exits: Vec<_> = self.exits.values().cloned().collect();
        for exited in exits {
            self.tell(Reply::Exited(exited));
        }
        Ok(())
    }

    fn start(&mut self, start: &Start, fds: Vec<OwnedFd>) {
        if let Err((failure, why)) = self.try_start(start, fds) {
            tracing::warn!(worker = %start.id, ?failure, %why, "worker not started");
            self.tell(Reply::StartFailed {
                id: start.id.clone(),
                failure,
                why,
            });
        }
    }

    fn try_start(&mut self, start: &Start, fds: Vec<OwnedFd>) -> Result<(), NotBegun> {
        let invalid = |why: &str| Err((StartFailure::Invalid, why.to_owned()));
        let fds = StartFds::take(start, fds)?;
        if self.workers.contains_key(&start.id) {
            return invalid("a worker of this id runs");
        }
        if self.exits.contains_key(&start.id) {
            return invalid("a worker of this id ended and its exit is not acknowledged");
        }
        if self.workers.len() >= self.options.max_workers {
            let why = format!("{} workers run, which is the most", self.workers.len());
            return Err((StartFailure::Busy, why));
        }
        let taken = self.users();
        let (starter, spare) = (&self.starter, &mut self.spare);
        let inside = start.user.unwrap_or_default();
        let mut begun = starter.begin(start, &fds, || match spare.take(start.role, inside) {
            Some(blank) => Ok(blank),
            None => starter.blank(start.role, inside, &taken),
        })?;
        let known = Known {
            id: start.id.clone(),
            pid: begun.made.pid,
            start_time: start_time(begun.made.pid).unwrap_or(0),
            boot: self.boot.clone(),
            running: false,
            group: begun.group.clone(),
            user: begun.user,
            acts: start.rules.act(),
        };
        let duplicates = begun.made.pidfd.try_clone().and_then(|pidfd| {
            self.records
                .keep(&start.id, &Record::Worker(known.clone()))
                .and_then(|()| Ok((pidfd, begun.link.try_clone()?)))
        });
        let (pidfd, link) = match duplicates {
            Ok(duplicates) => duplicates,
            Err(error) => {
                begun.made.end();
                begun.group.remove();
                return Err((StartFailure::Spawn, format!("remember the worker: {error}")));
            }
        };
        let deadline = Instant::now() + self.options.start_timeout;
        let own_network = self.starter.namespaces.has(Layer::NetworkNamespace);
        let follow = follow(start, begun.shown.as_ref(), own_network);
        self.workers.insert(
            start.id.clone(),
            Worker {
                known,
                pidfd,
                child: true,
                phase: Phase::Starting(Box::new(begun), deadline),
                follow,
                rules: start.rules.clone(),
                violation: None,
                link: Some(link),
                note: None,
                kill_at: None,
                gone_since: None,
                pressure: None,
                peak: None,
            },
        );
        Ok(())
    }

    fn open_gate(&mut self, id: &WorkerId) -> Result<(), String> {
        let worker = self.workers.get_mut(id).ok_or("no such worker")?;
        match &worker.phase {
            Phase::Starting(..) => return Err("the worker is not confined yet".into()),
            // Asked again by a daemon that restarted in between.
            Phase::Open => return Ok(()),
            Phase::Waiting(gate) => {
                // It is confined and alone, and nothing of its program ran yet.
                let (follow, rules) = (&worker.follow, &worker.rules);
                self.following.follow(id, &worker.pidfd, follow, rules)?;
                let mut known = worker.known.clone();
                known.running = true;
                self.records
                    .keep(id, &Record::Worker(known.clone()))
                    .map_err(|error| format!("remember the worker: {error}"))?;
                rustix::io::write(gate, &[aion_abi::boot::GO])
                    .map_err(|error| format!("open the gate: {error}"))?;
                worker.known = known;
            }
        }
        worker.phase = Phase::Open;
        worker.watch_memory();
        Ok(())
    }

    fn stop(&mut self, id: &WorkerId, grace: Duration) -> Result<(), String> {
        let worker = self.workers.get_mut(id).ok_or("no such worker")?;
        let runs = matches!(worker.phase, Phase::Open);
        if grace.is_zero() || !runs {
            worker.kill();
        } else {
            worker.ask_to_stop();
            worker.kill_at = Some(Instant::now() + grace);
        }
        Ok(())
    }

    fn list(&mut self) {
        let all: Vec<protocol::Worker> = self
            .workers
            .values()
            .filter(|worker| !matches!(worker.phase, Phase::Starting(..)))
            .map(|worker| protocol::Worker {
                id: worker.known.id.clone(),
                pid: worker.known.pid,
                start_time: worker.known.start_time,
                running: matches!(worker.phase, Phase::Open),
            })
            .collect();
        let mut pages = all.chunks(WORKERS_PER_PAGE).peekable();
        if pages.peek().is_none() {
            self.tell(Reply::Workers {
                workers: Vec::new(),
                more: false,
            });
        }
        while let Some(page) = pages.next() {
            let reply = Reply::Workers {
                workers: page.to_vec(),
                more: pages.peek().is_some(),
            };
            self.tell(reply);
        }
    }
}

fn refused(id: WorkerId, request: Refusable, why: String) -> Reply {
    Reply::Refused { id, request, why }
}
