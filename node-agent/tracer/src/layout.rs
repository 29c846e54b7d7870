//! What the programs and the loader both read: `bpf/layout.h` says the same in C, and a test compares the two.

use std::net::{IpAddr, SocketAddr};

/// Agents at the same time.
pub const SLOTS: u32 = 1024;
/// What system calls are for, in the order of `bpf/classes.h`.
pub const CLASSES: [&str; 12] = [
    "other", "read", "write", "open", "close", "stat", "names", "memory", "process", "network",
    "wait", "sync",
];
/// Parts of a histogram: the first ends at 256 ns, each further one at twice as much, and the last has no end.
pub const BUCKETS: usize = 24;
/// Paths that may be said of an agent.
pub const SHOWN: usize = 8;
/// Events of one agent in one second; further ones are counted in [`Counters::limited`].
pub const EVENTS_PER_SECOND: u64 = 256;

/// The longest path of a program that a rule lets through, in bytes.
pub const ALLOWED_PATH: usize = WHAT - 1;
/// Programs and destinations that rules let through, of all agents together.
pub const ALLOWED: usize = 4096;

/// The most bytes of a path.
pub const TEXT: usize = 192;
const KINDS: usize = 8;
const COMM: usize = 16;
const CALLS: usize = CLASSES.len();
const WHAT: usize = 96;

const KEY: usize = 0;
const RULES: usize = 1;
const MANNER: usize = 2;
const OWN: usize = 3;
const DROPPED: usize = 6;
const LIMITED: usize = 7;
const UNFOLLOWED: usize = 8;
const COUNTS: usize = 9;
const DENIED: usize = COUNTS + CALLS;
const EVENTS: usize = DENIED + CALLS;
const BROKEN: usize = EVENTS + KINDS;
const PREFIXES: usize = BROKEN + KINDS;
const HIDDEN: usize = PREFIXES + 2 * SHOWN;
const LATENCY: usize = HIDDEN + 2 * SHOWN;
const HOOKED: u64 = 1;
const OWN_LOOPBACK: u64 = 2;
/// Words of eight bytes of a slot.
pub(crate) const WORDS: usize = LATENCY + CALLS * BUCKETS / 2;

/// What an agent has in the kernel.
pub(crate) type Slot = [u64; WORDS];
/// What a thread of an agent is marked with: its agent's key, its slot.
pub(crate) type Mark = [u64; 2];

/// What a rule lets through of an agent, as the key of its map.
pub(crate) type Allowed = [u8; 16 + WHAT];

/// What is followed of one agent.
#[derive(Clone, Debug, Default)]
pub struct Follow {
    /// How the paths of what it was shown begin, at most [`SHOWN`] of them; eight bytes of each count.
    pub shown: Vec<String>,
    /// How those begin that it was not shown, whatever is said above; as many, and of the same length.
    pub hidden: Vec<String>,
    /// What is done about a program that it executes, but for its own and [`Self::programs`].
    pub exec: Option<Rule>,
    /// About a file outside what it was shown.
    pub open: Option<Rule>,
    /// About a connection to an IP address, but for those of [`Self::reach`].
    pub connect: Option<Rule>,
    /// Programs that it is yet to execute as its own: it has taken none of their places.
    pub own: u32,
    /// Paths of programs that break no rule, as they are executed; at most [`ALLOWED_PATH`] bytes each.
    pub programs: Vec<String>,
    /// Addresses and ports that break none. 198.18.0.0 stands for all of 198.18.0.0/15.
    pub reach: Vec<SocketAddr>,
    /// Its loopback is of a network of its own, and breaks none either.
    pub own_loopback: bool,
}

impl Follow {
    /// A slot in which nothing was counted yet.
    pub(crate) fn slot(&self, key: u64, hooked: bool) -> Slot {
        let mut slot = empty();
        slot[KEY] = key;
        let rule = |kind: Kind, rule: Option<Rule>| {
            rule.map_or(0, |rule| (rule as u64) << (2 * kind as u64))
        };
        slot[RULES] = rule(Kind::Exec, self.exec)
            | rule(Kind::Open, self.open)
            | rule(Kind::Connect, self.connect);
        let manner = |is: bool, manner: u64| if is { manner } else { 0 };
        slot[MANNER] = manner(hooked, HOOKED) | manner(self.own_loopback, OWN_LOOPBACK);
        slot[OWN] = self.own.into();
        for (from, paths) in [(PREFIXES, &self.shown), (HIDDEN, &self.hidden)] {
            for (at, path) in paths.iter().take(SHOWN).enumerate() {
                let (want, mask) = prefix(path);
                slot[from + 2 * at] = want;
                slot[from + 2 * at + 1] = mask;
            }
        }
        slot
    }

    /// What its rules let through, as keys; `None` where a path is too long.
    pub(crate) fn allowed(&self, key: u64) -> Option<Vec<Allowed>> {
        // Of a kind that has no rule nothing is looked up.
        let programs = self.exec.iter().flat_map(|_| &self.programs).map(|path| {
            let bytes = path.as_bytes();
            (bytes.len() <= ALLOWED_PATH).then(|| allowed(key, Kind::Exec, bytes))
        });
        let reach = self.connect.iter().flat_map(|_| &self.reach).map(|to| {
            let six = match to.ip() {
                IpAddr::V4(four) => four.to_ipv6_mapped(),
                IpAddr::V6(six) => six,
            };
            let what = [&six.octets()[..], &to.port().to_be_bytes()].concat();
            Some(allowed(key, Kind::Connect, &what))
        });
        programs.chain(reach).collect()
    }

    /// Whether a rule demands more than telling.
    pub(crate) fn acts(&self) -> bool {
        let rules = [self.exec, self.open, self.connect];
        rules.into_iter().flatten().any(|rule| rule != Rule::Alert)
    }

    /// Whether a rule refuses.
    pub(crate) fn refuses(&self) -> bool {
        [self.exec, self.open, self.connect].contains(&Some(Rule::Deny))
    }
}

/// A slot of nobody.
pub(crate) fn empty() -> Slot {
    [0; WORDS]
}

fn allowed(key: u64, kind: Kind, what: &[u8]) -> Allowed {
    let mut all = [0; 16 + WHAT];
    let words = [key, kind as u64].map(u64::to_ne_bytes).concat();
    let bytes = words.iter().chain(what);
    all.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte);
    all
}

/// The first eight bytes of a path, and the bits in which they count.
fn prefix(path: &str) -> (u64, u64) {
    let bytes = path.bytes().take(8).enumerate();
    bytes.fold((0, 0), |(want, mask), (at, byte)| {
        let place = 8 * at;
        (want | u64::from(byte) << place, mask | 0xff << place)
    })
}

/// What the kernel counted of an agent since it is followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// System calls that ended, by class in the order of [`CLASSES`].
    pub calls: [u64; CALLS],
    /// Those of them that were refused: `EPERM`, `EACCES` or `EROFS`.
    pub denied: [u64; CALLS],
    /// Events by kind, those included that were not told; see [`Counters::of`].
    events: [u64; KINDS],
    /// Those of them that broke a rule; see [`Counters::broken`].
    broken: [u64; KINDS],
    /// Events for which the ring had no room.
    pub dropped: u64,
    /// Events above [`EVENTS_PER_SECOND`].
    pub limited: u64,
    /// Threads and processes that the kernel had no memory to mark: nothing is known of them.
    pub unfollowed: u64,
    /// How long sampled calls took, by class, in parts as [`BUCKETS`] says.
    pub latency: [[u32; BUCKETS]; CALLS],
}

impl Counters {
    pub(crate) fn read(slot: &Slot) -> Self {
        let row = |from: usize| std::array::from_fn(|at| slot[from + at]);
        let cell = |at: usize| {
            let word = slot[LATENCY + at / 2];
            (match at % 2 {
                0 => word,
                _ => word >> 32,
            }) as u32
        };
        Self {
            calls: row(COUNTS),
            denied: row(DENIED),
            events: std::array::from_fn(|at| slot[EVENTS + at]),
            broken: std::array::from_fn(|at| slot[BROKEN + at]),
            dropped: slot[DROPPED],
            limited: slot[LIMITED],
            unfollowed: slot[UNFOLLOWED],
            latency: std::array::from_fn(|class| {
                std::array::from_fn(|bucket| cell(class * BUCKETS + bucket))
            }),
        }
    }

    /// Events of one kind, told or not.
    pub fn of(&self, kind: Kind) -> u64 {
        self.events[kind as usize]
    }

    /// Those that came into the ring.
    pub fn sent(&self) -> u64 {
        let all: u64 = self.events.iter().sum();
        all.saturating_sub(self.dropped + self.limited)
    }

    /// Those of one kind that broke a rule, told or not.
    pub fn broken(&self, kind: Kind) -> u64 {
        self.broken[kind as usize]
    }
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A program was executed; its path is the text.
    Exec = 1,
    /// A file was opened, or was to be, whose path was not shown.
    Open = 2,
    /// A connection to an IP address was made, or was to be.
    Connect = 3,
    /// A system call was refused.
    Denied = 4,
    /// The kernel chose the process as it ran out of memory.
    OutOfMemory = 5,
    /// A signal ended a process; its number is the result.
    Signal = 6,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Exec,
        Self::Open,
        Self::Connect,
        Self::Denied,
        Self::OutOfMemory,
        Self::Signal,
    ];

    fn of(number: u16) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|kind| u16::from(*kind as u8) == number)
    }
}

/// What is done about an event of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Rule {
    /// It is told, as a violation.
    Alert = 1,
    /// It is refused, where the kernel has a hook for it.
    Deny = 2,
    /// The process is killed.
    Kill = 3,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whose: as [`crate::Tracer::follow`] gave it.
    pub key: u64,
    /// When, in nanoseconds since the machine booted, without the time that it slept (`CLOCK_MONOTONIC`).
    pub at: u64,
    /// The process, as the machine numbers it.
    pub pid: u32,
    /// What it is about.
    pub kind: Kind,
    /// The system call by its number, where there is one.
    pub call: Option<u16>,
    /// What the system call returned (a negative `errno` where it failed), or the signal.
    pub result: i32,
    /// The rule that was broken.
    pub rule: Option<Rule>,
    /// The process' name. Of an untrusted process, like the text.
    pub comm: String,
    /// A path, or an address and a port.
    pub text: String,
}

/// The system calls of x86-64 in the order of their numbers, as Linux' headers have them; `-` where there is none.
const NAMES: &str = include_str!("calls.txt");

impl Event {
    /// The name of its system call; its number where this release knows none.
    pub fn call_name(&self) -> Option<String> {
        let call = self.call?;
        let known = NAMES.split_whitespace().nth(call.into());
        let known = known.filter(|name| *name != "-");
        Some(known.map_or_else(|| format!("syscall {call}"), str::to_owned))
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (head, text) = bytes.split_at_checked(32 + COMM)?;
        let half = |at: usize| Some(u16::from_ne_bytes(head.get(at..at + 2)?.try_into().ok()?));
        let word = |at: usize| Some(u32::from_ne_bytes(head.get(at..at + 4)?.try_into().ok()?));
        let long = |at: usize| Some(u64::from_ne_bytes(head.get(at..at + 8)?.try_into().ok()?));
        let kind = Kind::of(half(24)?)?;
        let text = text.get(..usize::from(half(30)?))?;
        let by_call = matches!(kind, Kind::Open | Kind::Connect | Kind::Denied);
        Some(Self {
            key: long(0)?,
            at: long(8)?,
            pid: word(16)?,
            kind,
            call: by_call.then_some(half(26)?),
            result: word(20)?.cast_signed(),
            rule: match half(28)? {
                1 => Some(Rule::Alert),
                2 => Some(Rule::Deny),
                3 => Some(Rule::Kill),
                _ => None,
            },
            comm: to_zero(head.get(32..)?),
            text: match kind {
                Kind::Connect => address(text)?,
                _ => String::from_utf8_lossy(text).into_owned(),
            },
        })
    }
}

fn to_zero(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0);
    let (name, _) = bytes.split_at(end.unwrap_or(bytes.len()));
    String::from_utf8_lossy(name).into_owned()
}

/// A `sockaddr_in` or `sockaddr_in6`; nothing where it could not be read.
fn address(bytes: &[u8]) -> Option<String> {
    use std::net::{Ipv4Addr, Ipv6Addr};
    if bytes.is_empty() {
        return Some(String::new());
    }
    let port = u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?);
    let ip: IpAddr = match bytes.len() {
        16 => Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(4..8)?).ok()?).into(),
        _ => Ipv6Addr::from(<[u8; 16]>::try_from(bytes.get(8..24)?).ok()?).into(),
    };
    Some(SocketAddr::new(ip, port).to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HEADER: &str = include_str!("../bpf/layout.h");

    fn said(name: &str) -> u64 {
        let mark = format!("\t{name} = ");
        let (_, after) = HEADER.split_once(&mark).unwrap();
        let (number, _) = after.split_once(',').unwrap();
        number.parse().unwrap()
    }

    #[test]
    fn both_languages_say_the_same() {
        assert_eq!(said("SLOTS"), u64::from(SLOTS));
        assert_eq!(said("CLASSES"), CLASSES.len() as u64);
        assert_eq!(said("BUCKETS"), BUCKETS as u64);
        assert_eq!(said("SHOWN"), SHOWN as u64);
        assert_eq!(said("TEXT"), TEXT as u64);
        assert_eq!(said("WHAT"), WHAT as u64);
        assert_eq!(said("ALLOWED"), ALLOWED as u64);
        assert_eq!(said("HOOKED"), HOOKED);
        assert_eq!(said("OWN_LOOPBACK"), OWN_LOOPBACK);
        assert_eq!(said("KINDS"), KINDS as u64);
        assert_eq!(said("EVENTS_PER_SECOND"), EVENTS_PER_SECOND);
        for (kind, name) in Kind::ALL.into_iter().zip([
            "KIND_EXEC",
            "KIND_OPEN",
            "KIND_CONNECT",
            "KIND_DENIED",
            "KIND_OOM",
            "KIND_SIGNAL",
        ]) {
            assert_eq!(said(name), kind as u64);
        }
        for (rule, name) in [
            (Rule::Alert, "ACT_ALERT"),
            (Rule::Deny, "ACT_DENY"),
            (Rule::Kill, "ACT_KILL"),
        ] {
            assert_eq!(said(name), rule as u64);
        }
    }

    #[test]
    fn a_prefix_counts_as_far_as_it_goes() {
        let begins = |path: &str, with: &str| {
            let (want, mask) = prefix(with);
            prefix(path).0 & mask == want
        };
        assert!(begins("/usr/lib/x", "/usr/"));
        assert!(begins("/etc/passwd", "/"));
        assert!(!begins("/us", "/usr/"));
        assert!(!begins("/etc/passwd", "/usr/"));
    }

    #[test]
    fn what_a_rule_lets_through_is_a_key_of_its_own() {
        let follow = Follow {
            exec: Some(Rule::Kill),
            programs: vec!["/bin/true".into()],
            connect: Some(Rule::Deny),
            reach: vec!["192.0.2.7:443".parse().unwrap()],
            ..Follow::default()
        };
        let all = follow.allowed(7).unwrap();
        assert!(all.iter().all(|it| it[..8] == 7_u64.to_ne_bytes()));
        assert_eq!(&all[0][16..26], b"/bin/true\0");
        let address = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 7, 1, 187];
        assert_eq!(&all[1][16..34], address);
        let without = Follow {
            exec: None,
            connect: None,
            ..follow.clone()
        };
        assert!(without.allowed(7).unwrap().is_empty());
        let long = Follow {
            programs: vec!["/".repeat(ALLOWED_PATH + 1)],
            ..follow
        };
        assert!(long.allowed(7).is_none());
    }

    #[test]
    fn an_event_that_is_cut_short_is_none() {
        let mut bytes = vec![0; 32 + COMM + TEXT];
        bytes[24] = Kind::Open as u8;
        bytes[30] = 2;
        bytes[48..50].copy_from_slice(b"/x");
        assert_eq!(Event::read(&bytes).unwrap().text, "/x");
        for (number, name) in [
            (0, "read"),
            (257, "openat"),
            (437, "openat2"),
            (9999, "syscall 9999"),
        ] {
            let event = Event {
                call: Some(number),
                ..Event::read(&bytes).unwrap()
            };
            assert_eq!(event.call_name().unwrap(), name);
        }
        for end in 0..bytes.len() {
            let cut = Event::read(&bytes[..end]);
            assert!(end >= 50 || cut.is_none());
        }
        bytes[30] = 255;
        assert!(Event::read(&bytes).is_none());
    }

    #[test]
    fn an_address_is_read() {
        let mut four = vec![2, 0, 0, 80];
        four.extend([127, 0, 0, 1]);
        four.resize(16, 0);
        assert_eq!(address(&four).unwrap(), "127.0.0.1:80");
        let mut six = vec![10, 0, 1, 187];
        six.resize(28, 0);
        six[23] = 1;
        assert_eq!(address(&six).unwrap(), "[::1]:443");
    }
}
