//! Who is followed, in which slot, and what is read of it.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use aya::maps::MapError;
use rustix::time::{ClockId, clock_gettime};

use crate::layout::{self, ALLOWED, ALLOWED_PATH, Allowed, Counters, Event, Follow, SLOTS};
use crate::programs::{Maps, Programs, Unavailable};

/// Why one is not followed.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// There are as many as there may be.
    #[error("{SLOTS} agents are followed, which is the most")]
    Full,
    /// Rules let through as much as they may.
    #[error(
        "what the rules of all agents let through is {ALLOWED} programs and destinations, which is the most"
    )]
    AllowedFull,
    /// A program that a rule lets through.
    #[error("the path of a program that a rule lets through has at most {ALLOWED_PATH} bytes")]
    Path,
    /// A rule refuses, and nothing refuses here.
    #[error("{0}")]
    NoHooks(String),
    /// The kernel refused.
    #[error("{action}: {why}")]
    Kernel {
        /// What was tried.
        action: &'static str,
        /// What it said.
        why: String,
    },
}

/// See the crate.
pub struct Tracer {
    programs: Programs,
    maps: Maps,
    /// By key: the slot.
    followed: BTreeMap<u64, Place>,
    free: Vec<u32>,
    last_key: u64,
}

/// What an agent has in the maps.
#[derive(Debug, Default)]
struct Place {
    slot: u32,
    allowed: Vec<Allowed>,
}

impl std::fmt::Debug for Tracer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tracer")
            .field("followed", &self.followed.len())
            .finish_non_exhaustive()
    }
}

impl Tracer {
    /// Loads the programs; none is attached.
    ///
    /// # Errors
    /// This machine has none, with the reason and what it takes.
    pub fn load() -> Result<Self, Unavailable> {
        let (programs, maps) = Programs::load()?;
        Ok(Self {
            programs,
            maps,
            followed: BTreeMap::new(),
            free: (0..SLOTS).rev().collect(),
            last_key: 0,
        })
    }

    /// The tracepoints that this kernel has otherwise, with the reason.
    pub fn lacking(&self) -> &[(&'static str, String)] {
        &self.programs.lacking
    }

    /// Why there are no hooks of BPF LSM, where there are none: nothing is refused then.
    pub fn without_hooks(&self) -> Option<&str> {
        self.programs.without_hooks.as_deref()
    }

    /// Follows the processes that these descriptors (`pidfd`) stand for, from now on, and all that they make. Gives
    /// the key, which is never given again.
    ///
    /// # Errors
    /// See [`FollowError`]; nothing is followed then.
    pub fn follow(
        &mut self,
        processes: &[BorrowedFd<'_>],
        follow: &Follow,
    ) -> Result<u64, FollowError> {
        let slot = *self.free.last().ok_or(FollowError::Full)?;
        let key = self.last_key + 1;
        if let Some(why) = self.without_hooks()
            && follow.refuses()
        {
            return Err(FollowError::NoHooks(why.to_owned()));
        }
        let allowed = follow.allowed(key).ok_or(FollowError::Path)?;
        let taken: usize = self.followed.values().map(|it| it.allowed.len()).sum();
        if taken + allowed.len() > ALLOWED {
            return Err(FollowError::AllowedFull);
        }
        let place = Place { slot, allowed };
        if let Err(error) = self.begin(key, &place, processes, follow) {
            self.clear(&place);
            return Err(error);
        }
        self.free.pop();
        self.last_key = key;
        self.followed.insert(key, place);
        Ok(key)
    }

    fn begin(
        &mut self,
        key: u64,
        place: &Place,
        processes: &[BorrowedFd<'_>],
        follow: &Follow,
    ) -> Result<(), FollowError> {
        for one in &place.allowed {
            let let_through = self.maps.allowed.insert(one, 1, 0);
            let_through.map_err(|error| refused("let a program or destination through", &error))?;
        }
        let hooked = self.programs.without_hooks.is_none();
        let slot = follow.slot(key, hooked && follow.acts());
        let filled = self.maps.slots.set(place.slot, slot, 0);
        filled.map_err(|error| refused("fill a slot", &error))?;
        let attached = self.programs.attach(follow.acts());
        attached.map_err(|why| FollowError::Kernel {
            action: "attach the programs",
            why,
        })?;
        for process in processes {
            let mark = [key, u64::from(place.slot)];
            let marked = self.maps.marks.insert(&process.as_raw_fd(), mark, 0);
            marked.map_err(|error| refused("mark a process", &error))?;
        }
        Ok(())
    }

    /// Follows it no more, and gives what was counted. Its events that were told and not taken yet are lost.
    pub fn let_go(&mut self, key: u64) -> Option<Counters> {
        let counters = self.counters(key);
        if let Some(place) = self.followed.remove(&key) {
            // What is still marked with this key finds another in its slot.
            self.clear(&place);
            self.free.insert(0, place.slot);
        }
        counters
    }

    /// What was counted so far.
    pub fn counters(&self, key: u64) -> Option<Counters> {
        let place = self.followed.get(&key)?;
        match self.maps.slots.get(&place.slot, 0) {
            Ok(slot) => Some(Counters::read(&slot)),
            Err(error) => {
                tracing::warn!(%error, "what was counted of an agent cannot be read");
                None
            }
        }
    }

    /// Takes latencies from now on, or no more. It makes every system call of the machine a little longer, so it is
    /// done for a while.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn sample(&mut self, on: bool) -> Result<(), FollowError> {
        let on = on && !self.followed.is_empty();
        let since = match on {
            true => now(),
            false => 0,
        };
        let set = self.maps.settings.set(0, since, 0);
        set.map_err(|error| refused("set the sampling", &error))?;
        let action = "attach the sampling";
        let sampled = self.programs.sample(on);
        sampled.map_err(|why| FollowError::Kernel { action, why })
    }

    /// The next event that is there.
    pub fn take(&mut self) -> Option<Event> {
        loop {
            let item = self.maps.events.next()?;
            if let Some(event) = Event::read(&item) {
                return Some(event);
            }
        }
    }

    /// Whether somebody is followed.
    pub fn is_needed(&self) -> bool {
        !self.followed.is_empty()
    }

    /// Detaches the programs, where nobody is followed. They are not at each end, as attaching them again waits until
    /// every processor has left the old ones: tens of milliseconds.
    pub fn rest(&mut self) {
        if self.followed.is_empty() {
            self.programs.detach();
        }
    }

    /// The kernel's memory that the maps take, in bytes, by its own account. Marks are not in it: they are a few
    /// dozen bytes a thread.
    ///
    /// # Errors
    /// `/proc` is not to be read.
    pub fn bytes(&self) -> std::io::Result<u64> {
        self.maps.bytes()
    }

    fn clear(&mut self, place: &Place) {
        if let Err(error) = self.maps.slots.set(place.slot, layout::empty(), 0) {
            tracing::warn!(%error, "a slot could not be cleared");
        }
        for one in &place.allowed {
            // Where filling broke off, some are not there.
            let _ = self.maps.allowed.remove(one);
        }
    }
}

/// Ready to read when there is an event.
impl AsFd for Tracer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.maps.events.as_fd()
    }
}

fn refused(action: &'static str, error: &MapError) -> FollowError {
    let source = std::error::Error::source(error).map(|it| format!(": {it}"));
    FollowError::Kernel {
        action,
        why: format!("{error}{}", source.unwrap_or_default()),
    }
}

/// The time now as events have it: nanoseconds since the machine booted.
fn now() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

/// The date at this moment of an event that was at `at`, in milliseconds since 1970.
pub fn date_of(at: u64) -> u64 {
    let age = now().saturating_sub(at);
    nanoseconds(ClockId::Realtime).saturating_sub(age) / 1_000_000
}

fn nanoseconds(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
