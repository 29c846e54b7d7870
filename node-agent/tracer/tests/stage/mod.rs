//! Real processes, followed on the kernel that the tests run on.
#![allow(missing_docs, clippy::unwrap_used, dead_code)]

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};

use aion_tracer::{Counters, Event, Follow, Kind, Tracer};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

pub(crate) fn tracer() -> Option<Tracer> {
    if !rustix::process::geteuid().is_root() {
        aion_testkit::skip("root", "only root loads programs into the kernel");
        return None;
    }
    match Tracer::load() {
        Ok(tracer) => Some(tracer),
        Err(error) => {
            aion_testkit::skip("eBPF", &error.to_string());
            None
        }
    }
}

/// A shell that waits before it does anything.
pub(crate) struct Waiting {
    pub(crate) child: Child,
    pub(crate) handle: OwnedFd,
}

impl Waiting {
    pub(crate) fn new(script: &str) -> Self {
        let mut child = Command::new("/bin/sh")
            .args(["-c", &format!("echo here; read go; {script}")])
            // Cargo's, which names folders to look for libraries in.
            .env_remove("LD_LIBRARY_PATH")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It is the shell from now on, and no copy of this process that is to become one.
        let said = child.stdout.as_mut().unwrap();
        said.read_exact(&mut [0; "here\n".len()]).unwrap();
        let handle = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap();
        Self { child, handle }
    }

    pub(crate) fn run(mut self) -> ExitStatus {
        self.child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        let mut said = String::new();
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        self.child.wait().unwrap()
    }
}

pub(crate) fn everything() -> Follow {
    Follow {
        shown: vec!["/".into()],
        ..Follow::default()
    }
}

pub(crate) struct Followed {
    pub(crate) status: ExitStatus,
    pub(crate) events: Vec<Event>,
    pub(crate) counters: Counters,
}

pub(crate) fn followed(tracer: &mut Tracer, script: &str, follow: &Follow) -> Followed {
    let waiting = Waiting::new(script);
    let key = tracer.follow(&[waiting.handle.as_fd()], follow).unwrap();
    let status = waiting.run();
    let events: Vec<Event> = std::iter::from_fn(|| tracer.take()).collect();
    let counters = tracer.let_go(key).unwrap();
    assert!(events.iter().all(|event| event.key == key));
    Followed {
        status,
        events,
        counters,
    }
}

pub(crate) fn of(events: &[Event], kind: Kind) -> Vec<&Event> {
    events.iter().filter(|event| event.kind == kind).collect()
}

pub(crate) fn happened(counters: &Counters) -> u64 {
    Kind::ALL.into_iter().map(|kind| counters.of(kind)).sum()
}
