//! Identities that events, facts and effects share.
//!
//! Nothing here decides anything. Identities are small and `Copy`, so that a row
//! of the process table stays small.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment of the kernel's own time, in milliseconds. Deadlines, windows and the age of keys are reckoned by it.
///
/// It goes on by the monotonic clock: no step of the wall clock reaches it, and it stands still while the machine
/// sleeps. After a restart it goes on behind the last fact. So it is not a date, though the first start of a node
/// begins it at one: [`State::date_of`](crate::State::date_of) says which date a moment was.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// The moment `ms` milliseconds later.
    #[must_use]
    pub fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` until now, 0 when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// What the node's wall clock said, in milliseconds since the Unix epoch. It may step either way: it is recorded and
/// shown, and nothing is reckoned by it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Date(pub u64);

/// Both clocks at one moment. The shell reads them; the kernel never does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// The kernel's time. A step back is treated as standing still.
    pub at: Millis,
    /// The wall clock's.
    pub date: Date,
}

impl Now {
    /// The date of another moment, if the wall clock went as the kernel's time did.
    #[must_use]
    pub fn date_of(self, at: Millis) -> Date {
        Date(
            self.date
                .0
                .saturating_add(at.since(self.at))
                .saturating_sub(self.at.since(at)),
        )
    }
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id! {
    /// A syscall that the kernel has seen. Assigned by the kernel, durable, never
    /// reused for another call whose reply could have left the machine.
    CallId(u64)
}
number_id! {
    /// One event handled by one instance. Assigned by the kernel, durable.
    TurnId(u64)
}
number_id! {
    /// Counts the workers an instance has had, from 1 or behind those of instances that are gone. With the instance's uid it
    /// names one process and one HMAC key; a number is never given out twice.
    Incarnation(u32)
}
number_id! {
    /// A waiting connection, named by the shell and volatile: meaningless after a
    /// restart. One ticket stands for one request and gets at most one answer.
    Ticket(u64)
}
number_id! {
    /// A call that a person is asked about. Assigned by the kernel, durable.
    ApprovalId(u64)
}
number_id! {
    /// A [`crate::spec::Profile`] that one or more instances share.
    ProfileId(u32)
}
number_id! {
    /// A level's account in the ledger: the cluster's, a tenant's or an agent's.
    AccountId(u32)
}

/// The uid of an `AgentInstance`: a UUID, as the API server and standalone give.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceUid(pub u128);

/// A text that is not a UUID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("instance uid {0:?} is not a uuid")]
pub struct NotAUuid(pub String);

impl fmt::Display for InstanceUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let mut at = 0;
        for nibble in 0..32 {
            if matches!(nibble, 8 | 12 | 16 | 20) {
                at += 1;
            }
            let value = (self.0 >> (4 * (31 - nibble))) & 0xf;
            text[at] = DIGITS[value as usize];
            at += 1;
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for InstanceUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for InstanceUid {
    type Err = NotAUuid;

    fn from_str(text: &str) -> Result<Self, NotAUuid> {
        let bad = || NotAUuid(text.chars().take(64).collect());
        let bytes = text.as_bytes();
        if bytes.len() != 36 {
            return Err(bad());
        }
        let mut value = 0_u128;
        for (at, byte) in bytes.iter().enumerate() {
            if matches!(at, 8 | 13 | 18 | 23) {
                if *byte != b'-' {
                    return Err(bad());
                }
                continue;
            }
            let digit = char::from(*byte).to_digit(16).ok_or_else(bad)?;
            value = (value << 4) | u128::from(digit);
        }
        Ok(Self(value))
    }
}

impl Serialize for InstanceUid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for InstanceUid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_uid_reads_back_what_it_writes() {
        let text = "0190163d-8694-739b-aea5-966c26f8ad91";
        let uid: InstanceUid = text.parse().unwrap();
        assert_eq!(uid.to_string(), text);
        assert_eq!(
            serde_json::from_str::<InstanceUid>(&format!("\"{text}\"")).unwrap(),
            uid
        );
    }

    #[test]
    fn a_text_that_is_no_uuid_is_refused() {
        for text in [
            "",
            "0190163d-8694-739b-aea5-966c26f8ad9",
            "0190163d+8694-739b-aea5-966c26f8ad91",
            "é190163d-8694-739b-aea5-966c26f8ad9",
        ] {
            assert!(text.parse::<InstanceUid>().is_err(), "{text}");
        }
    }
}
