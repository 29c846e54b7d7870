//! The workers of an earlier launcher. Those whose gate was open go on under this
//! one; those still waiting ended with the launcher that held their gate.

use anyhow::Context;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::Server;
use super::record::{Known, Record, start_time};
use super::worker::{Phase, Worker};
use aion_sandbox::protocol::{ExitStatus, Exited, Rules};
use aion_tracer::Follow;

impl Server {
    /// Takes over what the records name: live workers, and exits that nobody
    /// acknowledged.
    pub(super) fn adopt(&mut self) -> anyhow::Result<()> {
        for record in self.records.load().context("read the records")? {
            match record {
                Record::Exited(exited) => {
                    self.exits.insert(exited.id.clone(), exited);
                }
                Record::Worker(known) => self.adopt_one(known),
            }
        }
        Ok(())
    }

    fn adopt_one(&mut self, known: Known) {
        let found = (known.boot == self.boot)
            .then(|| i32::try_from(known.pid).ok().and_then(Pid::from_raw))
            .flatten()
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
            // The descriptor stands for whatever has the number now; if that is
            // our worker, it cannot become another any more.
            .filter(|_| start_time(known.pid) == Some(known.start_time));
        match found {
            Some(pidfd) if known.running && !known.acts => {
                tracing::info!(worker = %known.id, pid = known.pid, "adopted");
                // What it made before is not known here, nor what it was shown: it is told less of, and nothing wrong.
                let follow = Follow {
                    shown: vec!["/".to_owned()],
                    ..Follow::default()
                };
                let rules = Rules::default();
                if let Err(why) = self.following.follow(&known.id, &pidfd, &follow, &rules) {
                    tracing::warn!(worker = %known.id, %why, "an adopted worker is not followed");
                }
                let mut worker = Worker {
                    known,
                    pidfd,
                    child: false,
                    phase: Phase::Open,
                    follow,
                    rules,
                    violation: None,
                    link: None,
                    note: None,
                    kill_at: None,
                    gone_since: None,
                    pressure: None,
                    peak: None,
                };
                worker.watch_memory();
                self.workers.insert(worker.known.id.clone(), worker);
            }
            found => {
                if let Some(pidfd) = found {
                    let _ = pidfd_send_signal(pidfd, Signal::KILL);
                }
                let held_by_nobody = known.running && known.acts;
                tracing::info!(worker = %known.id, held_by_nobody, "ended with its launcher");
                let oom = known.group.out_of_memory();
                let process_refused = known.group.refused_a_process();
                let throttled = known.group.throttled();
                let peak_memory_bytes = known.group.peak_memory();
                self.clear_away(known.group, known.user);
                self.keep_exit(Exited {
                    id: known.id,
                    // Nothing that the program did, as far as anybody knows.
                    status: match held_by_nobody {
                        true => ExitStatus::Evicted,
                        false => ExitStatus::Unknown,
                    },
                    violation: None,
                    oom,
                    process_refused,
                    throttled,
                    cpu_us: None,
                    peak_memory_bytes,
                    note: Some("the launcher restarted".into()),
                });
            }
        }
    }
}
