//! Following workers in the kernel: who is followed, when latencies are sampled, and what is told of it. What may not
//! enter: what an event means. The daemon may be slow and an agent may be loud; neither holds the launcher up.

mod told;

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use aion_abi::kernel_event::{Hook, KernelCounts, KernelEvent, KernelHook, OnViolation};
use aion_tracer::{Follow, Tracer};

use super::Server;
use aion_sandbox::plan::What;
use aion_sandbox::protocol::{EVENTS_PER_MESSAGE, Reply, Role, Rules, Start, Traced, WorkerId};
use told::{Lost, UNFOLLOWED, counts, rule, told, untold};

/// Between two looks at what was counted.
const COUNTED: Duration = Duration::from_secs(1);
/// How long latencies are taken, and after how long again: it makes system calls longer.
const SAMPLE: Duration = Duration::from_millis(200);
const BETWEEN_SAMPLES: Duration = Duration::from_secs(30);
/// How long the programs stay attached after the last worker: the next one is often near, and attaching again takes
/// tens of milliseconds.
const REST: Duration = Duration::from_secs(10);
/// Events that are read before it is others' turn.
const EVENTS: usize = 512;
/// So often as a worker ends: more than the ring holds.
const ROUNDS: usize = 16;

/// See the module.
#[derive(Debug)]
pub(super) struct Following {
    tracer: Result<Tracer, String>,
    followed: BTreeMap<WorkerId, Followed>,
    workers: BTreeMap<u64, WorkerId>,
    look: Option<Instant>,
    sampling_until: Option<Instant>,
    sample_from: Instant,
    rest: Option<Instant>,
}

#[derive(Debug)]
struct Followed {
    key: u64,
    rules: Rules,
    told: KernelCounts,
    /// Events that were read from the ring.
    read: u64,
    /// Those of them that the daemon was not told.
    untold: u64,
}

/// What an image's program is not shown though it is within its root: the beginnings of what of `/proc` is masked.
const MASKED: [&str; 8] = [
    "/proc/ac", "/proc/as", "/proc/in", "/proc/kc", "/proc/ke", "/proc/la", "/proc/sc", "/proc/ti",
];

/// How a worker is followed that is started so, with this in its root. `own_network`: its loopback is its own.
pub(super) fn follow(start: &Start, what: Option<&What>, own_network: bool) -> Follow {
    let rule = |action: Option<OnViolation>| action.map(rule);
    let hidden: &[&str] = match what {
        Some(What::Image { .. }) => &MASKED,
        _ => &[],
    };
    Follow {
        shown: shown(what),
        hidden: hidden.iter().map(|path| (*path).to_owned()).collect(),
        exec: rule(start.rules.exec),
        open: rule(start.rules.open),
        connect: rule(start.rules.connect),
        // The worker gives its place to it.
        own: match start.role {
            Role::Process | Role::Tool => 1,
            Role::Declarative | Role::Wasm | Role::Compile => 0,
        },
        programs: start.rules.programs.clone(),
        reach: start.rules.reach.clone(),
        own_loopback: own_network && start.role == Role::Process,
    }
}

/// What a worker may know, by the first bytes of a path.
fn shown(what: Option<&What>) -> Vec<String> {
    let paths: &[&str] = match what {
        // Its root is its own, and the machine's files are not in it.
        Some(What::Image { .. }) => &["/"],
        Some(What::Machine { .. }) => &[
            "/usr/", "/lib", "/bin/", "/etc/", "/mnt/", "/tmp/", "/dev/", "/proc/",
        ],
        None => &[],
    };
    paths.iter().map(|path| (*path).to_owned()).collect()
}

impl Following {
    /// Loads the programs, where there can be any.
    pub(super) fn start() -> Self {
        let tracer = match rustix::process::geteuid().is_root() {
            true => Tracer::load().map_err(|error| error.to_string()),
            false => Err(
                "the launcher is an ordinary user's; root's loads programs into the kernel"
                    .to_owned(),
            ),
        };
        if let Err(why) = &tracer {
            tracing::info!(%why, "workers are not followed in the kernel");
        }
        Self {
            tracer,
            followed: BTreeMap::new(),
            workers: BTreeMap::new(),
            look: None,
            sampling_until: None,
            sample_from: Instant::now(),
            rest: None,
        }
    }

    /// What workers are followed by.
    pub(super) fn hooks(&self) -> Vec<KernelHook> {
        let hook = |name, lacking| KernelHook { name, lacking };
        let none = self.tracer.as_ref().err();
        let found = self.tracer.as_ref().ok();
        let refuses = found.and_then(|it| it.without_hooks().map(str::to_owned));
        // The one tracepoint that there may be no other without.
        let victims = found.and_then(|it| it.lacking().first().map(|(_, why)| why.clone()));
        vec![
            hook(Hook::Tracepoints, none.cloned()),
            hook(Hook::MarkVictim, victims.or(none.cloned())),
            hook(Hook::Lsm, refuses.or(none.cloned())),
            hook(
                Hook::Cgroup,
                Some("this release takes the hooks of BPF LSM, which see every connection".into()),
            ),
        ]
    }

    /// What is ready when an event is there.
    pub(super) fn watch(&self) -> Option<BorrowedFd<'_>> {
        self.tracer.as_ref().ok().map(AsFd::as_fd)
    }

    /// Follows a worker from now on. One that is not is told, and runs where nothing is to be done about it.
    ///
    /// # Errors
    /// Its rules cannot be held.
    pub(super) fn follow(
        &mut self,
        id: &WorkerId,
        process: &OwnedFd,
        follow: &Follow,
        rules: &Rules,
    ) -> Result<(), String> {
        let key = match &mut self.tracer {
            Ok(tracer) => {
                let key = tracer.follow(&[process.as_fd()], follow);
                key.map_err(|error| error.to_string())
            }
            Err(why) if rules.act() => Err(why.clone()),
            Err(_) => return Ok(()),
        };
        match key {
            Ok(key) => {
                self.workers.insert(key, id.clone());
                let followed = Followed {
                    key,
                    rules: rules.clone(),
                    told: KernelCounts::default(),
                    read: 0,
                    untold: 0,
                };
                self.followed.insert(id.clone(), followed);
                self.rest = None;
                self.look.get_or_insert_with(|| Instant::now() + COUNTED);
                Ok(())
            }
            Err(why) if rules.act() => Err(format!("hold it to the rules of its policy: {why}")),
            Err(why) => {
                tracing::warn!(worker = %id, %why, "a worker is not followed in the kernel");
                Ok(())
            }
        }
    }

    /// Follows it no more; gives what is still to be told.
    pub(super) fn let_go(&mut self, id: &WorkerId) -> Option<Traced> {
        let followed = self.followed.remove(id)?;
        self.workers.remove(&followed.key);
        let tracer = self.tracer.as_mut().ok()?;
        let counters = tracer.let_go(followed.key)?;
        if self.followed.is_empty() {
            self.look = None;
            self.rest = Some(Instant::now() + REST);
        }
        // Its key is nobody's from here on: what it left in the ring can be told of nobody.
        let lost = Lost {
            untold: followed.untold,
            unread: counters.sent().saturating_sub(followed.read),
        };
        let counts = counts(&counters, &followed.rules, lost);
        Some(Traced {
            id: id.clone(),
            events: Vec::new(),
            counts: Some(counts),
        })
    }

    /// The events that are there, by worker, and whether there may be more.
    fn take(&mut self) -> (Vec<Traced>, bool) {
        let mut all: Vec<Traced> = Vec::new();
        let Ok(tracer) = &mut self.tracer else {
            return (all, false);
        };
        let mut taken = 0;
        for event in std::iter::from_fn(|| tracer.take()).take(EVENTS) {
            taken += 1;
            // One of a worker that was let go: its last counts have it among the unread.
            let Some(id) = self.workers.get(&event.key) else {
                continue;
            };
            if let Some(followed) = self.followed.get_mut(id) {
                followed.read += 1;
            }
            let open = all.iter_mut().rev().find(|it| it.id == *id);
            let event = told(event);
            match open.filter(|it| it.events.len() < EVENTS_PER_MESSAGE) {
                Some(traced) => traced.events.push(event),
                None => all.push(Traced {
                    id: id.clone(),
                    events: vec![event],
                    counts: None,
                }),
            }
        }
        (all, taken == EVENTS)
    }

    /// What was counted since it was told last.
    fn counted(&mut self) -> Vec<Traced> {
        let Ok(tracer) = &self.tracer else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for (id, followed) in &self.followed {
            let Some(counters) = tracer.counters(followed.key) else {
                continue;
            };
            let lost = Lost {
                untold: followed.untold,
                unread: 0,
            };
            let counts = counts(&counters, &followed.rules, lost);
            if counts != followed.told {
                all.push(Traced {
                    id: id.clone(),
                    events: Vec::new(),
                    counts: Some(counts),
                });
            }
        }
        all
    }

    fn was_told(&mut self, traced: &Traced) {
        if let (Some(followed), Some(counts)) = (self.followed.get_mut(&traced.id), &traced.counts)
        {
            followed.told = counts.clone();
        }
    }

    fn was_not_told(&mut self, traced: &Traced) {
        if let Some(followed) = self.followed.get_mut(&traced.id) {
            followed.untold += traced.events.len() as u64;
        }
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        let sample = (!self.followed.is_empty()).then_some(self.sample_from);
        let times = [self.look, self.sampling_until.or(sample), self.rest];
        times.into_iter().flatten().min()
    }

    fn sample(&mut self, now: Instant) {
        let begin =
            self.sampling_until.is_none() && self.sample_from <= now && !self.followed.is_empty();
        let end = self.sampling_until.is_some_and(|until| until <= now);
        let Ok(tracer) = &mut self.tracer else {
            return;
        };
        if begin || end {
            if let Err(error) = tracer.sample(begin) {
                tracing::warn!(%error, "latencies are not sampled");
            }
            self.sampling_until = begin.then(|| now + SAMPLE);
            self.sample_from = now + BETWEEN_SAMPLES;
        }
    }

    fn rest(&mut self, now: Instant) {
        if let (Ok(tracer), true) = (&mut self.tracer, self.rest.is_some_and(|at| at <= now)) {
            tracer.rest();
            self.rest = None;
        }
    }
}

impl Server {
    /// Tells what the kernel was seen to do. `true` where it may have seen more.
    pub(super) fn hear_kernel(&mut self) -> bool {
        let (all, more) = self.following.take();
        for traced in all {
            self.tell_traced(traced);
        }
        more
    }

    /// What is due of following.
    pub(super) fn keep_following(&mut self, now: Instant) {
        if self.following.look.is_some_and(|at| at <= now) {
            self.following.look = Some(now + COUNTED);
            for traced in self.following.counted() {
                self.tell_traced(traced);
            }
        }
        self.following.sample(now);
        self.following.rest(now);
    }

    /// A worker that ended is followed no more. What was counted of it is told with its exit.
    pub(super) fn let_go(&mut self, id: &WorkerId) {
        for _ in 0..ROUNDS {
            if !self.hear_kernel() {
                break;
            }
        }
        if let Some(traced) = self.following.let_go(id) {
            self.act(&traced);
            if let Some(connection) = &mut self.connection {
                connection.tell_with_exit(traced);
            }
        }
    }

    /// Ends a worker of which a process was killed for a breach of its rules, or got away from them: what is left of
    /// it would go on.
    fn act(&mut self, traced: &Traced) {
        let Some(worker) = self.workers.get_mut(&traced.id) else {
            return;
        };
        let kills = |action| action == OnViolation::Kill;
        let broken = |it: &&KernelEvent| it.violation.is_some_and(kills);
        let told = traced.events.iter().find(broken).cloned();
        let counts = traced.counts.as_ref();
        // An event may be lost, and what was counted is not.
        let counted = || {
            let mut broken = counts?.violations.iter();
            let (kind, _) = broken.find(|(_, it)| kills(it.action))?;
            Some(untold(*kind))
        };
        let known = worker.violation.is_some();
        if let Some(violation) = told.or_else(|| counted().filter(|_| !known)) {
            worker.violation.get_or_insert(violation);
            worker.kill();
        }
        let escaped = counts.is_some_and(|it| it.lost.contains_key(UNFOLLOWED));
        if escaped && worker.rules.act() {
            worker.note = Some(
                "the kernel had no memory to follow a process of it, and it has rules to be held to"
                    .into(),
            );
            worker.kill();
        }
    }

    fn tell_traced(&mut self, traced: Traced) {
        self.act(&traced);
        match &self.connection {
            Some(connection) if connection.keeps_up() => {
                self.following.was_told(&traced);
                self.tell(Reply::Traced(traced));
            }
            _ => self.following.was_not_told(&traced),
        }
    }
}
