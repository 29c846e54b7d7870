//! Watchdogs: devices that the node brings into their safe state by itself, where no agent has moved them for a while.
//!
//! Durable: an end of the daemon or of an agent stops none. A device is armed from the first call that leads out of its safe
//! state until all parts of that state were done again, by agents or by the node.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Measure;
use crate::{ids::Millis, name::Name};

/// The most parts of a safe state.
pub const MAX_SAFE_PARTS: usize = 8;
/// How long after the first try that was in vain the next one follows, in milliseconds; twice as long after each more.
const FIRST_AGAIN_MS: u64 = 5_000;
/// The longest time between two tries.
const LAST_AGAIN_MS: u64 = 300_000;
/// The longest digest of a safe state, in bytes.
pub const MAX_WHAT: usize = 64;

/// What a device is to be when nobody moves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watchdog {
    /// So long after the last call, in milliseconds; at most [`super::MAX_SPAN_MS`].
    pub after_ms: u64,
    /// What is done then, in this order; 1 to [`MAX_SAFE_PARTS`].
    pub safe: Vec<SafePart>,
    /// A digest of the safe state in full, at most [`MAX_WHAT`] bytes: its parts and which of them may be repeated, values and
    /// arguments. What was done of one counts for no other. It is stored: equal safe states have equal digests in all builds.
    pub what: Name,
}

/// A part of a safe state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafePart {
    /// The property or command.
    pub point: Name,
    /// What the property is to be, where that is compared.
    pub value: Option<Measure>,
    /// Doing it twice changes nothing more than once.
    pub repeatable: bool,
}

impl Watchdog {
    /// All parts.
    #[must_use]
    pub fn all(&self) -> Parts {
        self.those(|_| true)
    }

    pub(crate) fn repeatable(&self) -> Parts {
        self.those(|it| it.repeatable)
    }

    fn those(&self, which: impl Fn(&SafePart) -> bool) -> Parts {
        let parts = (0_u8..).zip(&self.safe).filter(|(_, it)| which(it));
        parts.fold(Parts::default(), |all, (at, _)| all.with(at))
    }
}

/// Parts of a safe state, by their places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parts(u8);

impl Parts {
    /// These and the one at a place.
    #[must_use]
    pub fn with(self, at: u8) -> Self {
        Self(self.0 | 1_u8.checked_shl(at.into()).unwrap_or_default())
    }

    /// Whether the one at a place is among them.
    #[must_use]
    pub fn has(self, at: u8) -> bool {
        self.0 & Self::default().with(at).0 != 0
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// A device that was moved out of its safe state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Armed {
    /// When an agent last called for it.
    fed: Millis,
    /// The parts that were not done since it was led out of its safe state.
    left: Parts,
    /// Parts of which safe state these are, see [`Watchdog::what`]. None, in what was stored before it was noted: of another
    /// one than any is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    what: Option<Name>,
    /// What is being done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    doing: Option<Doing>,
    /// So often it was tried in vain.
    #[serde(default)]
    tries: u32,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    again: Option<Millis>,
}

/// Parts that are being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Doing {
    pub(crate) parts: Parts,
    repeatable: Parts,
    #[serde(default)]
    meanwhile: Meanwhile,
}

/// What agents called for while the node did something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Meanwhile {
    Nothing,
    /// A part of the safe state.
    Part,
    /// Something else, or the safe state is another one now: it may have come behind what the node did. What was stored before
    /// this was noted does not say, and is taken for it.
    #[default]
    LedOut,
}

impl Armed {
    pub(crate) fn left(&self) -> Parts {
        self.left
    }

    /// Whether what was done of it was done of the safe state that a watchdog has.
    pub(crate) fn is_of(&self, watchdog: &Watchdog) -> bool {
        self.what.as_ref() == Some(&watchdog.what)
    }

    pub(crate) fn doing(&self) -> Option<Doing> {
        self.doing
    }

    pub(crate) fn fed(&self) -> Millis {
        self.fed
    }

    /// When something is to be done; none while it is.
    pub(crate) fn due(&self, watchdog: &Watchdog) -> Option<Millis> {
        match self.doing {
            Some(_) => None,
            None => Some(self.again.unwrap_or(self.fed.plus(watchdog.after_ms))),
        }
    }

    /// When the next try follows one that ends at `now` in vain.
    pub(crate) fn again(&self, now: Millis) -> Millis {
        let wait = FIRST_AGAIN_MS.checked_shl(self.tries.min(16));
        now.plus(wait.unwrap_or(LAST_AGAIN_MS).min(LAST_AGAIN_MS))
    }
}

/// All that are armed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Watchdogs(BTreeMap<Name, Armed>);

impl Watchdogs {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn get(&self, device: &Name) -> Option<&Armed> {
        self.0.get(device)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Name, &Armed)> {
        self.0.iter()
    }

    /// An agent called: out of the safe state of these parts, which is `what`, or for one of them.
    pub(crate) fn feed(
        &mut self,
        device: &Name,
        leaves: Option<Parts>,
        what: Option<&Name>,
        fed: Millis,
    ) -> Option<()> {
        let Some(all) = leaves else {
            let it = self.0.get_mut(device)?;
            (it.fed, it.tries, it.again) = (fed, 0, None);
            if let Some(doing) = &mut it.doing {
                doing.meanwhile = doing.meanwhile.max(Meanwhile::Part);
            }
            return Some(());
        };
        let doing = self.0.get(device).and_then(|it| it.doing);
        let new = Armed {
            fed,
            left: all,
            what: what.cloned(),
            doing: doing.map(|doing| Doing {
                meanwhile: Meanwhile::LedOut,
                ..doing
            }),
            tries: 0,
            again: None,
        };
        self.0.insert(device.clone(), new);
        Some(())
    }

    /// An agent did these parts.
    pub(crate) fn do_parts(&mut self, device: &Name, parts: Parts) -> Option<()> {
        let it = self.0.get_mut(device)?;
        it.left = it.left.without(parts);
        self.settle(device);
        Some(())
    }

    /// The node begins to do these parts.
    pub(crate) fn begin(&mut self, device: &Name, parts: Parts, repeatable: Parts) -> Option<()> {
        let it = self.0.get_mut(device)?;
        it.doing = Some(Doing {
            parts,
            repeatable,
            meanwhile: Meanwhile::Nothing,
        });
        Some(())
    }

    /// The node did some of what it began; of others it does not know.
    pub(crate) fn end(
        &mut self,
        device: &Name,
        done: Parts,
        unknown: Parts,
        again: Millis,
    ) -> Option<()> {
        let it = self.0.get_mut(device)?;
        let doing = it.doing.take()?;
        // What was called for meanwhile may have come behind it.
        if doing.meanwhile != Meanwhile::LedOut {
            let once = unknown.without(doing.repeatable);
            it.left = it.left.without(done.or(once));
        }
        // Where an agent called for it meanwhile, its time runs anew.
        if doing.meanwhile == Meanwhile::Nothing {
            (it.tries, it.again) = (it.tries.saturating_add(1), Some(again));
        }
        self.settle(device);
        Some(())
    }

    pub(crate) fn stop(&mut self, device: &Name) -> Option<()> {
        self.0.remove(device).map(|_| ())
    }

    fn settle(&mut self, device: &Name) {
        let safe = |it: &Armed| it.left.is_empty() && it.doing.is_none();
        if self.0.get(device).is_some_and(safe) {
            self.0.remove(device);
        }
    }
}
