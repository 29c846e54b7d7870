//! The Landlock domain, and the proof that it holds. The kernel has no file that
//! says in which domain a process is, so the proof is two attempts that must fail.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};
use rustix::fs::{CWD, FileType, Mode, OFlags, makedev, mknodat, open};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, Ipv4Addr, SocketAddrV4, SocketFlags, SocketType, connect, socket_with,
};

/// The newest interface whose every right is asked for; an older kernel gives the
/// part of them that it knows.
const NEWEST: ABI = ABI::V9;

/// What a program may open.
pub(super) struct Opens {
    /// To read and to execute, with all that is beneath; what is not there is
    /// passed over.
    pub(super) read: Vec<PathBuf>,
    /// To read and write.
    pub(super) devices: Vec<PathBuf>,
    /// To do anything in but execute, and make devices.
    pub(super) write: Vec<PathBuf>,
}

/// Enters a domain in which no file can be opened but what is `shown`, no TCP port
/// bound or reached, no signal sent outwards and no abstract socket reached. The
/// one thing allowed besides is to connect to sockets of the folder that `socket` is
/// in, on kernels that ask. A worker with a network is left its TCP: wherever it leads ends in its own namespace.
pub(super) fn restrict(
    socket: Option<&Path>,
    shown: Option<&Opens>,
    no_tcp: bool,
) -> Result<String, String> {
    let wanted = || -> Result<_, landlock::RulesetError> {
        let ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?;
        let ruleset = match no_tcp {
            true => ruleset.handle_access(AccessNet::from_all(NEWEST))?,
            false => ruleset,
        };
        let ruleset = ruleset.create()?;
        let ruleset = match socket.and_then(Path::parent).map(PathFd::new) {
            Some(Ok(fd)) => ruleset.add_rule(PathBeneath::new(fd, AccessFs::ResolveUnix))?,
            // Then there is nothing to connect to, which the first call will say.
            Some(Err(_)) | None => ruleset,
        };
        let rules = shown.map(Opens::rules).unwrap_or_default();
        ruleset
            .add_rules(rules.into_iter().map(Ok::<_, landlock::RulesetError>))?
            .restrict_self()
    };
    let status = wanted().map_err(|error| error.to_string())?;
    if status.ruleset == RulesetStatus::NotEnforced {
        return Err(
            "this kernel has no Landlock, or it is not among the LSMs it was booted with".into(),
        );
    }
    let abi = match status.landlock {
        landlock::LandlockStatus::Available { effective_abi, .. } => effective_abi as i32,
        _ => 0,
    };
    let file = match shown {
        Some(shown) if shown.read.iter().any(|path| path == "/") => probe_device()?,
        Some(_) | None => probe_file()?,
    };
    let tcp = match no_tcp {
        true => probe_tcp(abi)?,
        false => "TCP is left to its network namespace",
    };
    Ok(format!("probed, ABI {abi}: {file}, {tcp}"))
}

impl Opens {
    fn rules(&self) -> Vec<PathBeneath<PathFd>> {
        let read = AccessFs::from_read(NEWEST);
        let device = AccessFs::ReadFile | AccessFs::WriteFile;
        let programs = AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock;
        let all = AccessFs::from_all(NEWEST) & !programs;
        let each = (self.read.iter().map(|path| (path, read)))
            .chain(self.devices.iter().map(|path| (path, device)))
            .chain(self.write.iter().map(|path| (path, all)));
        each.filter_map(|(path, access)| {
            let access = match path.is_dir() {
                true => access,
                false => access & AccessFs::from_file(NEWEST),
            };
            Some(PathBeneath::new(PathFd::new(path).ok()?, access))
        })
        .collect()
    }
}

fn probe_file() -> Result<&'static str, String> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match open("/", flags, Mode::empty()) {
        Err(Errno::ACCESS) => Ok("opening / is refused"),
        Err(error) => Err(format!(
            "opening / fails with {error}, which is not Landlock's answer"
        )),
        Ok(_) => Err("/ can be opened in spite of the domain".into()),
    }
}

/// For whom the whole root is to be read. Without Landlock the answer is that it takes a capability.
fn probe_device() -> Result<&'static str, String> {
    let (mode, device) = (Mode::from_raw_mode(0o600), makedev(1, 3));
    match mknodat(CWD, "/tmp/probe", FileType::CharacterDevice, mode, device) {
        Err(Errno::ACCESS) => Ok("making a device is refused"),
        Err(error) => Err(format!(
            "making a device fails with {error}, which is not Landlock's answer"
        )),
        Ok(()) => Err("a device can be made in spite of the domain".into()),
    }
}

fn probe_tcp(abi: i32) -> Result<&'static str, String> {
    if abi < 4 {
        return Ok("TCP is not covered before ABI 4");
    }
    let socket = socket_with(
        AddressFamily::INET,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    );
    let socket = match socket {
        Ok(socket) => socket,
        Err(error) => return Err(format!("no TCP socket to try with: {error}")),
    };
    match connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9)) {
        Err(Errno::ACCESS) => Ok("a TCP connection is refused"),
        Err(error) => Err(format!(
            "a TCP connection fails with {error}, which is not Landlock's answer"
        )),
        Ok(()) => Err("a TCP connection is possible in spite of the domain".into()),
    }
}
