//! A start of a worker: who it is, what it runs, with what. Types and their bounds.

use std::net::SocketAddr;
use std::path::PathBuf;

use aion_abi::kernel_event::OnViolation;
use serde::{Deserialize, Serialize};

/// The most folders that a [`Role::Tool`] or [`Role::Process`] is shown.
pub const MAX_MOUNTS: usize = 16;

/// The most TCP ports that the network of a [`Role::Process`] has doors for.
pub const MAX_PORTS: usize = 16;

/// The most programs that its rules let through, and the longest path of one in bytes.
pub const MAX_PROGRAMS: usize = 16;
/// See there.
pub const MAX_PROGRAM: usize = 95;

/// The most destinations that its rules let through.
pub const MAX_REACH: usize = 128;

/// Where it asks for names, which is no port of a door.
pub const NAMES_PORT: u16 = 53;

/// What an image's program may keep in memory as files where its start sets no bound.
pub const DEFAULT_SCRATCH: u64 = 64 << 20;

/// The most variants of the seccomp profile that hold for one worker.
pub const MAX_VARIANTS: usize = 8;

/// The longest path of a socket, without its terminating zero byte.
pub const MAX_SOCKET_PATH: usize = 107;

/// Which worker: one turn of one instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerId {
    /// The instance's UID: 1–63 characters of `a-z`, `0-9` and `-`.
    pub instance: String,
    /// The instance's incarnation, one for each worker that is started for it.
    pub incarnation: u32,
}

impl std::fmt::Display for WorkerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.instance, self.incarnation)
    }
}

/// What a confined process is: the program of an instance, by its runtime, or one of the two that serve instances.
/// Each has a system call filter and descriptors of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The loop over model, tools and memory.
    Declarative,
    /// A WASM guest, from a module that was compiled.
    Wasm,
    /// The program of an image, which has the image's files for its root.
    Process,
    /// Not a program of an instance: the compiler, which makes of a module what
    /// [`Role::Wasm`] runs. It makes no syscalls, so it has no socket.
    Compile,
    /// Not a program of an instance either: a server of somebody else's, such as
    /// one that speaks MCP over its standard input and output. It has the
    /// machine's programs and libraries to read, a folder of its own to write to,
    /// and no socket.
    Tool,
}

/// Limits of one worker. What is `None` comes from the profile; a profile that
/// says nothing either leaves the limit, and with it the layer, unrequested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Memory in bytes, page cache included.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// The memory from which on it is told of pressure; one that is not below `memory_bytes` is the profile's.
    #[serde(default)]
    pub memory_high_bytes: Option<u64>,
    /// Processes and threads.
    #[serde(default)]
    pub pids: Option<u32>,
    /// CPU in thousandths of one core.
    #[serde(default)]
    pub cpu_milli: Option<u32>,
    /// Its share where CPU is short, 1 to 10,000; 100 is what everybody has.
    #[serde(default)]
    pub cpu_weight: Option<u32>,
    /// Its share where a block device is busy, 1 to 1,000; 100 is what everybody has.
    #[serde(default)]
    pub io_weight: Option<u32>,
    /// Bytes a second that it reads of each block device.
    #[serde(default)]
    pub io_read_bps: Option<u64>,
    /// Bytes a second that it writes to each block device.
    #[serde(default)]
    pub io_write_bps: Option<u64>,
}

impl Limits {
    /// The first that is out of its bounds, by name.
    fn out_of_bounds(&self) -> Option<&'static str> {
        let least_one = [
            ("memory_bytes", self.memory_bytes),
            ("memory_high_bytes", self.memory_high_bytes),
            ("pids", self.pids.map(u64::from)),
            ("cpu_milli", self.cpu_milli.map(u64::from)),
            ("cpu_weight", self.cpu_weight.map(u64::from)),
            ("io_weight", self.io_weight.map(u64::from)),
            ("io_read_bps", self.io_read_bps),
            ("io_write_bps", self.io_write_bps),
        ];
        let mut zero = least_one.into_iter().filter(|(_, it)| *it == Some(0));
        match (self.cpu_weight, self.io_weight) {
            (Some(10_001..), _) => Some("cpu_weight"),
            (_, Some(1_001..)) => Some("io_weight"),
            _ => zero.next().map(|(name, _)| name),
        }
    }
}

/// What is done where a program breaks a rule that the kernel watches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// It executes another program than its own and [`Self::programs`].
    #[serde(default)]
    pub exec: Option<OnViolation>,
    /// It opens what it was not shown.
    #[serde(default)]
    pub open: Option<OnViolation>,
    /// It connects to an IP address and port beside [`Self::reach`].
    #[serde(default)]
    pub connect: Option<OnViolation>,
    /// Programs that it may execute beside its own, at most [`MAX_PROGRAMS`] paths of [`MAX_PROGRAM`] bytes.
    #[serde(default)]
    pub programs: Vec<String>,
    /// Where it may connect to, at most [`MAX_REACH`]; 198.18.0.0 stands for what names are given.
    #[serde(default)]
    pub reach: Vec<SocketAddr>,
}

impl Rules {
    /// Whether something is to be done beside telling.
    pub fn act(&self) -> bool {
        let actions = [self.exec, self.open, self.connect];
        let mut said = actions.into_iter().flatten();
        said.any(|action| action != OnViolation::Alert)
    }

    fn check(&self) -> bool {
        let program =
            |path: &String| path.starts_with('/') && (2..=MAX_PROGRAM).contains(&path.len());
        self.programs.len() <= MAX_PROGRAMS
            && self.programs.iter().all(program)
            && self.reach.len() <= MAX_REACH
    }
}

/// Who a program is inside its sandbox. On the host it is the worker's own unprivileged user, whichever this is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InsideUser {
    /// Its user.
    pub uid: u32,
    /// Its one group.
    pub gid: u32,
}

/// Start one worker. Beside it ride the read end of the boot document, the
/// write ends for its standard output and standard error and then: nothing for
/// [`Role::Declarative`]; for [`Role::Wasm`] and [`Role::Compile`] the
/// module; for [`Role::Tool`] the read end of its standard input, its program
/// and its folders; for [`Role::Process`] the root of its unpacked image and its
/// folders, all opened by the daemon with what it may open itself. The boot document of a
/// [`Role::Process`] is a file in memory: it is read twice, by the worker and by the program.
/// Exactly [`Start::fds`] descriptors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// Which worker; refused while one of the same id runs.
    pub id: WorkerId,
    /// What it runs.
    #[serde(rename = "runtime")]
    pub role: Role,
    /// A profile of `cgroup_profiles.yaml` by name.
    pub profile: String,
    /// What differs from the profile.
    #[serde(default)]
    pub limits: Limits,
    /// Stricter variants of the seccomp profile by name, at most [`MAX_VARIANTS`]; all of them hold.
    #[serde(default)]
    pub seccomp: Vec<String>,
    /// The daemon's listening socket for this worker: absolute, at most
    /// [`MAX_SOCKET_PATH`] bytes, called `aion_abi::boot::SOCKET_NAME`. The worker
    /// runs as another user and is shown the folder that it is in, so the socket
    /// has mode 0666, its folder 0711, and one above it 0700. None for
    /// [`Role::Compile`] and [`Role::Tool`], and for nothing else.
    #[serde(default)]
    pub socket: Option<PathBuf>,
    /// For [`Role::Tool`] and [`Role::Process`], the names of its folders, at most
    /// [`MAX_MOUNTS`]: it finds them at `/mnt/NAME`.
    #[serde(default)]
    pub mounts: Vec<String>,
    /// For [`Role::Process`], who it is inside; root unless set, with none of root's rights.
    #[serde(default)]
    pub user: Option<InsideUser>,
    /// For [`Role::Process`], how much it may keep in `/tmp` and `/dev/shm` together;
    /// [`DEFAULT_SCRATCH`] unless set.
    #[serde(default)]
    pub scratch_bytes: Option<u64>,
    /// For [`Role::Process`], the ports of its network, at most [`MAX_PORTS`] and each once: it reaches the
    /// daemon at them, whatever address it dials, and nobody else. It has no network where there is none.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// What is done where it breaks a rule; for programs of instances alone.
    #[serde(default)]
    pub rules: Rules,
}

/// See [`Start::doors`].
pub fn doors(ports: &[u16]) -> usize {
    match ports.len() {
        0 => 0,
        some => some + 2,
    }
}

impl Start {
    /// How many descriptors must ride with the message.
    pub fn fds(&self) -> usize {
        match self.role {
            Role::Declarative => 3,
            Role::Wasm | Role::Compile => 4,
            Role::Process => 4 + self.mounts.len(),
            Role::Tool => 5 + self.mounts.len(),
        }
    }

    /// How many descriptors ride with the answer that it started: a listening socket for each port, then those at
    /// which names are asked, for datagrams and for streams.
    pub fn doors(&self) -> usize {
        doors(&self.ports)
    }
}

/// A message that breaks a bound of the protocol.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Invalid {
    /// See [`WorkerId::instance`].
    #[error("instance id must be 1 to 63 characters of a-z, 0-9 and -")]
    InstanceId,
    /// See [`Start::profile`].
    #[error("profile must be 1 to 63 characters of a-z, 0-9 and -")]
    Profile,
    /// See [`Start::socket`].
    #[error("socket must be an absolute path of at most {MAX_SOCKET_PATH} bytes")]
    Socket,
    /// See [`Start::socket`].
    #[error("a compiler or a tool takes no socket, and every other worker takes one")]
    SocketForRuntime,
    /// See [`Start::mounts`].
    #[error(
        "a tool or an image's program takes at most {MAX_MOUNTS} mounts, named with 1 to 63 characters of a-z, 0-9 and -, and no other worker takes any"
    )]
    Mounts,
    /// See [`Start::user`] and [`Start::scratch_bytes`].
    #[error("only an image's program takes a user, a bound on what it keeps, and a network")]
    OfProcessOnly,
    /// The kernel's word for no user at all.
    #[error("user and group must be less than {0}", u32::MAX)]
    User,
    /// See [`Start::ports`].
    #[error(
        "a network has at most {MAX_PORTS} ports, each once, and {NAMES_PORT} is where names are asked"
    )]
    Ports,
    /// See [`Start::rules`].
    #[error(
        "rules are for programs of instances, with at most {MAX_PROGRAMS} paths of {MAX_PROGRAM} bytes and {MAX_REACH} destinations"
    )]
    Rules,
    /// See [`Request::Kill`].
    #[error("grace must be at most 600000 ms")]
    Grace,
    /// A limit of zero would forbid the worker to exist, and a weight has an end.
    #[error("limit {0} must be greater than 0, and a weight at most what the kernel takes")]
    Limit(&'static str),
    /// See [`Start::seccomp`].
    #[error("at most {MAX_VARIANTS} variants of the seccomp profile hold for a worker")]
    Variants,
}

fn is_name(s: &str) -> bool {
    (1..=63).contains(&s.len())
        && s.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

impl WorkerId {
    /// Checks the bounds.
    pub fn check(&self) -> Result<(), Invalid> {
        is_name(&self.instance)
            .then_some(())
            .ok_or(Invalid::InstanceId)
    }
}

impl Start {
    /// Checks the bounds.
    pub fn check(&self) -> Result<(), Invalid> {
        self.id.check()?;
        if !is_name(&self.profile) {
            return Err(Invalid::Profile);
        }
        if self.socket.is_none() != matches!(self.role, Role::Compile | Role::Tool) {
            return Err(Invalid::SocketForRuntime);
        }
        let mounts = self.mounts.iter().all(|name| is_name(name));
        let most = match self.role {
            Role::Tool | Role::Process => MAX_MOUNTS,
            Role::Declarative | Role::Wasm | Role::Compile => 0,
        };
        if !mounts || self.mounts.len() > most {
            return Err(Invalid::Mounts);
        }
        let of_process =
            self.user.is_some() || self.scratch_bytes.is_some() || !self.ports.is_empty();
        if of_process && self.role != Role::Process {
            return Err(Invalid::OfProcessOnly);
        }
        if (self.user).is_some_and(|user| user.uid == u32::MAX || user.gid == u32::MAX) {
            return Err(Invalid::User);
        }
        let usable = |(at, port): (usize, &u16)| {
            ![0, NAMES_PORT].contains(port) && !self.ports[..at].contains(port)
        };
        if self.ports.len() > MAX_PORTS || !self.ports.iter().enumerate().all(usable) {
            return Err(Invalid::Ports);
        }
        let of_instance = !matches!(self.role, Role::Compile | Role::Tool);
        if !self.rules.check() || !(of_instance || self.rules == Rules::default()) {
            return Err(Invalid::Rules);
        }
        if let Some(path) = &self.socket {
            let bytes = path.as_os_str().as_encoded_bytes();
            if !path.is_absolute() || bytes.len() > MAX_SOCKET_PATH || bytes.contains(&0) {
                return Err(Invalid::Socket);
            }
        }
        if let Some(name) = self.limits.out_of_bounds() {
            return Err(Invalid::Limit(name));
        }
        if self.seccomp.len() > MAX_VARIANTS {
            return Err(Invalid::Variants);
        }
        if self.scratch_bytes == Some(0) {
            return Err(Invalid::Limit("scratch_bytes"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn start() -> Start {
        Start {
            id: WorkerId {
                instance: "0198c1c5-7f0e-7d22-9c11-1f2a3b4c5d6e".into(),
                incarnation: 3,
            },
            role: Role::Declarative,
            profile: "declarative".into(),
            limits: Limits::default(),
            seccomp: Vec::new(),
            socket: Some("/run/aion/s/7.sock".into()),
            mounts: Vec::new(),
            user: None,
            scratch_bytes: None,
            ports: Vec::new(),
            rules: Rules::default(),
        }
    }

    #[test]
    fn a_start_within_its_bounds_is_accepted() {
        assert_eq!(start().check(), Ok(()));
    }

    #[test]
    fn a_start_outside_its_bounds_is_refused_by_field() {
        let mut it = start();
        it.id.instance = "../../etc".into();
        assert_eq!(it.check(), Err(Invalid::InstanceId));
        let mut it = start();
        it.profile = String::new();
        assert_eq!(it.check(), Err(Invalid::Profile));
        let mut it = start();
        it.socket = Some("relative.sock".into());
        assert_eq!(it.check(), Err(Invalid::Socket));
        it.socket = Some(format!("/{}", "s".repeat(MAX_SOCKET_PATH)).into());
        assert_eq!(it.check(), Err(Invalid::Socket));
        it.socket = None;
        assert_eq!(it.check(), Err(Invalid::SocketForRuntime));
        let mut it = start();
        it.role = Role::Compile;
        assert_eq!(it.check(), Err(Invalid::SocketForRuntime));
        let mut it = start();
        it.mounts = vec!["docs".into()];
        assert_eq!(it.check(), Err(Invalid::Mounts));
        (it.role, it.socket) = (Role::Tool, None);
        assert_eq!(it.check(), Ok(()));
        it.mounts = vec!["../x".into()];
        assert_eq!(it.check(), Err(Invalid::Mounts));
        let mut it = start();
        it.limits.pids = Some(0);
        assert_eq!(it.check(), Err(Invalid::Limit("pids")));
        let mut it = start();
        it.limits.cpu_weight = Some(10_001);
        assert_eq!(it.check(), Err(Invalid::Limit("cpu_weight")));
        let mut it = start();
        it.seccomp = vec![String::new(); MAX_VARIANTS + 1];
        assert_eq!(it.check(), Err(Invalid::Variants));
        let mut it = start();
        it.user = Some(InsideUser::default());
        assert_eq!(it.check(), Err(Invalid::OfProcessOnly));
        it.role = Role::Process;
        assert_eq!(it.check(), Ok(()));
        it.mounts = vec!["docs".into()];
        assert_eq!((it.check(), it.fds()), (Ok(()), 5));
        it.ports = vec![443, 80];
        assert_eq!((it.check(), it.doors()), (Ok(()), 4));
        for wrong in [vec![80, 80], vec![0], vec![NAMES_PORT]] {
            it.ports = wrong;
            assert_eq!(it.check(), Err(Invalid::Ports));
        }
        it.ports = Vec::new();
        it.rules.programs = vec!["/usr/bin/git".into()];
        assert_eq!(it.check(), Ok(()));
        for wrong in ["git", "/", &format!("/{}", "g".repeat(MAX_PROGRAM))] {
            it.rules.programs = vec![wrong.to_owned()];
            assert_eq!(it.check(), Err(Invalid::Rules));
        }
        it.rules = Rules::default();
        it.scratch_bytes = Some(0);
        assert_eq!(it.check(), Err(Invalid::Limit("scratch_bytes")));
        it.user = Some(InsideUser {
            uid: 0,
            gid: u32::MAX,
        });
        assert_eq!(it.check(), Err(Invalid::User));
    }
}
