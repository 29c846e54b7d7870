//! The programs: loaded once, attached and detached together.

use std::os::fd::{AsFd, AsRawFd};
use std::{fs, io};

use aya::maps::{Array, HashMap, IterableMap, Map, MapData, RingBuf, SkStorage};
use aya::programs::{
    BtfTracePoint, Lsm, Program, ProgramError, lsm::LsmLinkId, tp_btf::BtfTracePointLinkId,
};
use aya::{Btf, Ebpf, EbpfLoader};

use crate::layout::{Allowed, Mark, Slot};
use crate::modules;

/// Built from `bpf/trace.bpf.c`; a test builds it again and compares.
const OBJECT: &[u8] = aya::include_bytes_aligned!("../bpf/trace.bpf.o");

/// Each program that is attached while somebody is followed, its tracepoint, and whether there is no following
/// without it. Where memory runs out, the kernels before 6.8 tell otherwise than this reads.
const FOLLOWING: [(&str, &str, bool); 5] = [
    ("made", "sched_process_fork", true),
    ("ended", "sched_process_exit", true),
    ("executed", "sched_process_exec", true),
    ("out_of_memory", "mark_victim", false),
    ("call_ended", "sys_exit", true),
];
/// Attached while latencies are sampled.
const SAMPLING: (&str, &str) = ("call_began", "sys_enter");
/// Attached while somebody is followed whom a rule refuses something, or has killed: each program, and its hook.
const REFUSING: [(&str, &str); 3] = [
    ("executing", "bprm_check_security"),
    ("opening", "file_open"),
    ("connecting", "socket_connect"),
];

/// Why agents are not followed on this machine.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub(crate) String);

/// See the module.
#[derive(Debug)]
pub(crate) struct Programs {
    ebpf: Ebpf,
    following: Vec<(&'static str, BtfTracePointLinkId)>,
    sampling: Option<BtfTracePointLinkId>,
    refusing: Vec<(&'static str, LsmLinkId)>,
    /// Why nothing can be refused.
    pub(crate) without_hooks: Option<String>,
    /// Tracepoints that could not be had, with the reason.
    pub(crate) lacking: Vec<(&'static str, String)>,
}

/// The maps that the loader reads and writes.
pub(crate) struct Maps {
    pub(crate) marks: SkStorage<MapData, Mark>,
    pub(crate) slots: Array<MapData, Slot>,
    pub(crate) events: RingBuf<MapData>,
    pub(crate) settings: Array<MapData, u64>,
    pub(crate) allowed: HashMap<MapData, Allowed, u32>,
    /// Held for its size alone.
    in_flight: Array<MapData, u64>,
}

impl Programs {
    pub(crate) fn load() -> Result<(Self, Maps), Unavailable> {
        if !cfg!(target_arch = "x86_64") {
            return Err(Unavailable("the programs are made for x86-64 alone".into()));
        }
        let btf = Btf::from_sys_fs().map_err(|error| {
            let text = chain(&error);
            Unavailable(format!(
                "the kernel does not describe itself at /sys/kernel/btf/vmlinux: {text}; it takes CONFIG_DEBUG_INFO_BTF"
            ))
        })?;
        let mut ebpf = EbpfLoader::new()
            .btf(Some(&btf))
            .allow_unsupported_maps()
            .load(OBJECT)
            .map_err(|error| Unavailable(refused(&chain(&error))))?;
        let mut lacking = Vec::new();
        for (name, tracepoint, needed) in FOLLOWING {
            match load(&mut ebpf, name, tracepoint, &btf) {
                Ok(()) => {}
                Err(why) if needed => return Err(Unavailable(refused(&why))),
                Err(why) => lacking.push((tracepoint, why)),
            }
        }
        load(&mut ebpf, SAMPLING.0, SAMPLING.1, &btf).map_err(|why| Unavailable(refused(&why)))?;
        let without_hooks = modules::bpf_is_asked()
            .and_then(|()| {
                let mut each = REFUSING.iter();
                each.try_for_each(|(name, hook)| load_hook(&mut ebpf, name, hook, &btf))
            })
            .err();
        let maps = Maps::take(&mut ebpf).map_err(Unavailable)?;
        let programs = Self {
            ebpf,
            following: Vec::new(),
            sampling: None,
            refusing: Vec::new(),
            without_hooks,
            lacking,
        };
        Ok((programs, maps))
    }

    /// Attaches those that follow, and where somebody `acts` those that refuse, unless they are.
    pub(crate) fn attach(&mut self, acts: bool) -> Result<(), String> {
        let attached = self.attach_following().and_then(|()| match acts {
            true => self.attach_refusing(),
            false => Ok(()),
        });
        if attached.is_err() && self.following.len() < FOLLOWING.len() - self.lacking.len() {
            self.detach();
        }
        attached
    }

    fn attach_following(&mut self) -> Result<(), String> {
        if !self.following.is_empty() {
            return Ok(());
        }
        for (name, tracepoint, _) in FOLLOWING {
            if self.lacking.iter().any(|(it, _)| *it == tracepoint) {
                continue;
            }
            let link = attach(&mut self.ebpf, name);
            let link = link.map_err(|why| format!("attach to {tracepoint}: {why}"))?;
            self.following.push((name, link));
        }
        Ok(())
    }

    fn attach_refusing(&mut self) -> Result<(), String> {
        if self.without_hooks.is_some() || !self.refusing.is_empty() {
            return Ok(());
        }
        let mut links = Vec::new();
        for (name, hook) in REFUSING {
            let wrong = |why: String| format!("attach to the hook {hook}: {why}");
            let program: &mut Lsm = program(&mut self.ebpf, name).map_err(wrong)?;
            let link = program.attach().map_err(|error| wrong(chain(&error)))?;
            links.push((name, link));
        }
        self.refusing = links;
        Ok(())
    }

    /// Detaches all.
    pub(crate) fn detach(&mut self) {
        let following = std::mem::take(&mut self.following);
        let sampling = self.sampling.take().map(|link| (SAMPLING.0, link));
        for (name, link) in following.into_iter().chain(sampling) {
            detach(&mut self.ebpf, name, link);
        }
        for (name, link) in std::mem::take(&mut self.refusing) {
            let program = program::<Lsm>(&mut self.ebpf, name);
            let detached = program.and_then(|it| it.detach(link).map_err(|error| chain(&error)));
            told(name, detached);
        }
    }

    /// Attaches or detaches the one that latencies take.
    pub(crate) fn sample(&mut self, on: bool) -> Result<(), String> {
        match (on, self.sampling.take()) {
            (true, None) => self.sampling = Some(attach(&mut self.ebpf, SAMPLING.0)?),
            (true, link) => self.sampling = link,
            (false, Some(link)) => detach(&mut self.ebpf, SAMPLING.0, link),
            (false, None) => {}
        }
        Ok(())
    }
}

impl Maps {
    fn take(ebpf: &mut Ebpf) -> Result<Self, String> {
        let mut map = |name: &str| {
            ebpf.take_map(name)
                .ok_or_else(|| format!("the programs have no map {name}"))
        };
        // The loader knows no storage of tasks. That of sockets is used by the same calls: a descriptor is its key.
        let marks = match map("marks")? {
            Map::Unsupported(data) => Map::SkStorage(data),
            other => other,
        };
        let wrong = |error| format!("the programs' maps are others than this release's: {error}");
        Ok(Self {
            marks: marks.try_into().map_err(wrong)?,
            slots: map("slots")?.try_into().map_err(wrong)?,
            events: map("events")?.try_into().map_err(wrong)?,
            settings: map("settings")?.try_into().map_err(wrong)?,
            allowed: map("allowed")?.try_into().map_err(wrong)?,
            in_flight: map("in_flight")?.try_into().map_err(wrong)?,
        })
    }

    pub(crate) fn bytes(&self) -> io::Result<u64> {
        let maps = [
            self.slots.map().fd().as_fd().as_raw_fd(),
            self.settings.map().fd().as_fd().as_raw_fd(),
            self.allowed.map().fd().as_fd().as_raw_fd(),
            self.in_flight.map().fd().as_fd().as_raw_fd(),
            self.events.as_raw_fd(),
        ];
        let of = |fd| {
            let about = fs::read_to_string(format!("/proc/self/fdinfo/{fd}"))?;
            let mut lines = about.lines();
            let bytes: Option<u64> =
                lines.find_map(|line| line.strip_prefix("memlock:")?.trim().parse().ok());
            bytes.ok_or_else(|| io::Error::other("the kernel does not say what a map takes"))
        };
        maps.into_iter().map(of).sum::<io::Result<u64>>()
    }
}

fn program<'a, T>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut T, String>
where
    &'a mut T: TryFrom<&'a mut Program, Error = ProgramError>,
{
    let program = ebpf.program_mut(name);
    let program = program.ok_or_else(|| format!("there is no program {name}"))?;
    program.try_into().map_err(|error| chain(&error))
}

fn load(ebpf: &mut Ebpf, name: &str, tracepoint: &str, btf: &Btf) -> Result<(), String> {
    program::<BtfTracePoint>(ebpf, name)?
        .load(tracepoint, btf)
        .map_err(|error| format!("{tracepoint}: {}", chain(&error)))
}

fn load_hook(ebpf: &mut Ebpf, name: &str, hook: &str, btf: &Btf) -> Result<(), String> {
    program::<Lsm>(ebpf, name)?
        .load(hook, btf)
        .map_err(|error| format!("the hook {hook}: {}", chain(&error)))
}

fn attach(ebpf: &mut Ebpf, name: &str) -> Result<BtfTracePointLinkId, String> {
    let program = program::<BtfTracePoint>(ebpf, name)?;
    program.attach().map_err(|error| chain(&error))
}

fn detach(ebpf: &mut Ebpf, name: &str, link: BtfTracePointLinkId) {
    let program = program::<BtfTracePoint>(ebpf, name);
    told(
        name,
        program.and_then(|it| it.detach(link).map_err(|error| chain(&error))),
    );
}

fn told(name: &str, detached: Result<(), String>) {
    if let Err(why) = detached {
        tracing::warn!(name, %why, "a program could not be detached");
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let further = error.to_string();
        if !text.contains(&further) {
            text = format!("{text}: {further}");
        }
        cause = error.source();
    }
    // The verifier's log is long, and what it refuses is in its last lines.
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(4);
    lines.get(from..).unwrap_or_default().join("; ")
}

fn refused(why: &str) -> String {
    format!(
        "the kernel takes no programs: {why}; it takes root, or CAP_BPF and CAP_PERFMON, and Linux 5.11 or later"
    )
}
