//! The feed of a node: what happens to its agents, told as it happens.
//!
//! | method and path | answer |
//! |---|---|
//! | `GET /api/v1/events[?after=CURSOR][&follow=false]` · `/api/v1/namespaces/{ns}/events` | → stream of [`Told`]; without `after` from now on, without following up to now |
//!
//! Nothing is told of what is asked, answered, or given to a syscall. What was told and is not kept any more, or was never
//! kept, is told as [`Missed`] and never passed over.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{approval::Word, code::Code, date::UnixMillis};

/// A place in the feed: behind what bears it. Of one start of a node; another start has other ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Which start.
    pub epoch: u64,
    /// How much was told before and with it.
    pub seq: u64,
}

/// A text that is not a cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a cursor")]
pub struct NotACursor(String);

/// The longest text that is quoted, in characters.
const QUOTED: usize = 64;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.epoch, self.seq)
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let read = || {
            let (epoch, seq) = text.split_once('-')?;
            let epoch = u64::from_str_radix(epoch, 16).ok()?;
            Some(Self {
                epoch,
                seq: seq.parse().ok()?,
            })
        };
        // One cursor has one text.
        read()
            .filter(|it| it.to_string() == text)
            .ok_or_else(|| NotACursor(text.chars().take(QUOTED).collect()))
    }
}

impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schemars")]
impl schemars::JsonSchema for Cursor {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cursor".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-9a-f]+-[0-9]+$",
            "description": "A place in the feed: behind what bears it.",
        })
    }
}

/// One item of the feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "EventTold"))]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// Where the feed goes on behind it.
    pub cursor: Cursor,
    /// What is told.
    #[serde(flatten)]
    pub what: Item,
}

/// What a newer version tells is passed over by its cursor, and said to be: one event that is not known here
/// does not end the feed.
impl<'de> Deserialize<'de> for Told {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Envelope {
            cursor: Cursor,
            #[serde(flatten)]
            content: Content,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Content {
            Known(Item),
            Unknown(serde::de::IgnoredAny),
        }
        let Envelope { cursor, content } = Envelope::deserialize(from)?;
        let what = match content {
            Content::Known(what) => what,
            Content::Unknown(_) => Item::Missed(Missed {
                events: None,
                because: Because::Unknown,
            }),
        };
        Ok(Self { cursor, what })
    }
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "EventItem"))]
#[serde(rename_all = "camelCase")]
pub enum Item {
    /// The feed is followed from here.
    Listening {},
    /// Something happened.
    Event(Event),
    /// Something happened that is not told.
    Missed(Missed),
    /// The node does not answer. What it tells when it is back follows.
    Away {},
}

/// What is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Missed {
    /// How many events of the feed, of whatever kind; absent where nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// Why.
    pub because: Because,
}

/// Why something is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "MissedBecause"))]
#[serde(rename_all = "camelCase")]
pub enum Because {
    /// The node was started again, or the cursor is another node's.
    Restarted,
    /// Nobody listened, and nothing was kept.
    Unheard,
    /// It was not read in time, and newer events took its place.
    Late,
    /// It is of a newer version than the part that reads it.
    Unknown,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When.
    pub at_ms: UnixMillis,
    /// Whose, as `namespace/agent`; absent for what is of the whole node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// What.
    #[serde(flatten)]
    pub what: Happened,
}

impl Event {
    /// Of which kind it is.
    pub fn kind(&self) -> Kind {
        match self.what {
            Happened::Agent { .. } => Kind::Agent,
            Happened::Turn(_) => Kind::Turn,
            Happened::Syscall(_) => Kind::Syscall,
            Happened::Queue(_) => Kind::Queue,
            Happened::Log { .. } => Kind::Log,
        }
    }
}

/// A kind of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "EventKind"))]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// How agents stand.
    Agent,
    /// Questions, from queue to answer.
    Turn,
    /// What programs of agents have the kernel do.
    Syscall,
    /// How much waits.
    Queue,
    /// What workers write.
    Log,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Agent,
        Self::Turn,
        Self::Syscall,
        Self::Queue,
        Self::Log,
    ];

    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Turn => "turn",
            Self::Syscall => "syscall",
            Self::Queue => "queue",
            Self::Log => "log",
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "EventContent"))]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Happened {
    /// An instance of an agent stands otherwise than before.
    Agent {
        /// Which of its instances.
        replica: u32,
        /// How it stands.
        state: Standing,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<String>,
    },
    /// A turn went on.
    Turn(Turn),
    /// A syscall ended.
    Syscall(Syscall),
    /// Another number waits or runs on the node.
    Queue(Queue),
    /// A worker wrote a line, or the node about it.
    Log {
        /// The run.
        incarnation: u32,
        /// `stdout`, `stderr` or `node`.
        source: String,
        /// The text, without its newline.
        text: String,
    },
}

/// How an instance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "EventStanding"))]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// It can be asked.
    Ready,
    /// It cannot.
    Unready,
    /// It was removed.
    Gone,
}

/// A turn went on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "TurnWentOn"))]
#[serde(rename_all = "camelCase")]
pub struct Turn {
    /// Its number.
    pub turn: u64,
    /// How far it is.
    #[serde(flatten)]
    pub state: TurnState,
}

/// How far a turn is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum TurnState {
    /// It waits for a worker.
    Queued {
        /// What made it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
        /// The turn that called it, where one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caller: Option<u64>,
    },
    /// A worker is started for it.
    Started {
        /// Which start.
        incarnation: u32,
    },
    /// A person is asked about a call of it.
    Asked {
        /// The approval's number.
        approval: u64,
        /// `family.verb` and its target.
        capability: String,
    },
    /// Nobody is asked any more.
    Answered {
        /// The approval's number.
        approval: u64,
        /// What was said.
        word: Word,
    },
    /// It waits for the word without a worker.
    Paused,
    /// It has the word, and waits for a worker.
    Resumed,
    /// It ended, and its record is there.
    Ended {
        /// Whether its program ended well.
        ok: bool,
        /// Why it did not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<Code>,
        /// Tokens charged.
        tokens: u64,
        /// Syscalls made.
        syscalls: u64,
        /// From start to end.
        #[serde(rename = "elapsedMs")]
        elapsed_ms: u64,
    },
}

/// A syscall ended, or was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "SyscallEnded"))]
#[serde(rename_all = "camelCase")]
pub struct Syscall {
    /// Its number.
    pub call: u64,
    /// Whose turn.
    pub turn: u64,
    /// `family.verb` and its target, e.g. `tool.call:mail.send`.
    pub capability: String,
    /// It was done.
    pub ok: bool,
    /// Why it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// How long its driver worked; absent where none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_ms: Option<u64>,
    /// Tokens charged.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tokens: u64,
}

/// What waits and runs on the node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "QueueDepths"))]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    /// Turns that wait for a worker.
    pub turns_waiting: u64,
    /// Turns that have one.
    pub turns_running: u64,
    /// Turns that wait for a person's word.
    pub turns_paused: u64,
    /// Calls that wait for their driver.
    pub calls_waiting: u64,
    /// Calls whose driver works.
    pub calls_running: u64,
    /// Calls that wait for a person's approval.
    pub approvals_pending: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// Which events are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(rename = "EventFilter"))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filter {
    /// Of these kinds; of all where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<Kind>,
    /// Of these agents, as `namespace/agent`; of all where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<String>,
    /// Of this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

impl Filter {
    /// Whether the event is wanted. What is of the whole node is nobody's: where agents or a namespace are named it
    /// comes only if its kind is named, too.
    pub fn wants(&self, event: &Event) -> bool {
        let kind = self.kinds.contains(&event.kind());
        if !kind && !self.kinds.is_empty() {
            return false;
        }
        let Some(agent) = &event.agent else {
            return kind || (self.agents.is_empty() && self.namespace.is_none());
        };
        let is_named = self.agents.is_empty() || self.agents.contains(agent);
        let within = |namespace: &String| {
            let rest = agent.strip_prefix(namespace.as_str());
            rest.is_some_and(|rest| rest.starts_with('/'))
        };
        is_named && self.namespace.as_ref().is_none_or(within)
    }
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
