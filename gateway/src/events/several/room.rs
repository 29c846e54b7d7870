//! How many feeds of several nodes there are at once: of all callers, and of one of them, so that nobody keeps the others from theirs.

use std::{collections::HashMap, sync::Arc};

use aion_abi::{code::Code, problem::Problem};
use parking_lot::Mutex;

/// Of the connections of the gateway, there is one feed for so many.
const SHARE: usize = 32;
/// Of these, one caller has one in so many at most.
const EACH: usize = 4;

/// See the module. Clones share it.
#[derive(Clone)]
pub(in crate::events) struct Room {
    most: usize,
    /// Those of each caller, by name.
    taken: Arc<Mutex<HashMap<String, usize>>>,
}

/// A feed's place, for as long as it is there.
pub(in crate::events) struct Taken {
    room: Room,
    caller: String,
}

impl Room {
    pub(in crate::events) fn of_gateway() -> Self {
        Self::of(aion_serve::connections().div_ceil(SHARE))
    }

    pub(super) fn of(most: usize) -> Self {
        Self {
            most,
            taken: Arc::default(),
        }
    }

    /// # Errors
    /// As many are followed as there is room for.
    pub(in crate::events) fn take(&self, caller: &str) -> Result<Taken, Problem> {
        let mut taken = self.taken.lock();
        let all: usize = taken.values().sum();
        let own = taken.get(caller).copied().unwrap_or_default();
        let each = self.most.div_ceil(EACH);
        let what = match (all >= self.most, own >= each) {
            (true, _) => "as many feeds are followed as the gateway has connections to nodes for",
            (_, true) => "as many feeds are followed for this caller as one has at this gateway",
            _ => {
                *taken.entry(caller.to_owned()).or_default() += 1;
                drop(taken);
                return Ok(Taken {
                    room: self.clone(),
                    caller: caller.to_owned(),
                });
            }
        };
        Err(Problem::new(Code::Overloaded, what)
            .remedy("have one feed with more kinds and agents in it, or close others")
            .retry_after_ms(5_000))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut taken = self.room.taken.lock();
        if let Some(own) = taken.get_mut(&self.caller) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_caller_leaves_room_for_others_and_what_ends_makes_room() {
        let room = Room::of(8);
        let refused = |caller: &str| room.take(caller).err().map(|it| it.code);
        let mut ann: Vec<_> = (0..2).map(|_| room.take("ann").unwrap()).collect();
        assert_eq!(refused("ann"), Some(Code::Overloaded));
        let others: Vec<_> = ["bob", "cid", "dan"]
            .iter()
            .flat_map(|it| [room.take(it).unwrap(), room.take(it).unwrap()])
            .collect();
        assert_eq!(refused("eve"), Some(Code::Overloaded));
        ann.pop();
        let _eve = room.take("eve").unwrap();
        assert_eq!(refused("ann"), Some(Code::Overloaded), "all is taken");
        drop(others);
        assert_eq!(refused("ann"), None);
        assert_eq!(room.taken.lock().len(), 2);
    }
}
