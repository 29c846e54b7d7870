//! Who watches devices, and what is on its way to them. Where nobody does, a message costs one look at a number.
//!
//! Whoever is slower than the devices loses what is in the middle: what came first is told, how much was lost, and what came last.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use aion_abi::{code::Code, device::Watched, problem::Problem, syscall::device::Reach};
use aion_device::{Change, Heard, Moment};
use aion_resolve::Key;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use super::{Devices, Shared};

/// Those who watch at once.
const MOST: usize = 64;
/// Devices that one names.
const NAMED: usize = 64;
/// What waits for one: so much of what came first, and so much of what came last.
const HALF: usize = 512;

/// See the module.
#[derive(Default)]
pub(super) struct Watching {
    all: RwLock<Vec<Arc<Watcher>>>,
    count: AtomicUsize,
}

struct Watcher {
    namespace: String,
    /// Empty for all.
    devices: BTreeSet<String>,
    waits: Mutex<Waits>,
    woken: Notify,
}

/// What waits for somebody.
#[derive(Default)]
struct Waits {
    first: VecDeque<Watched>,
    lost: u64,
    last: VecDeque<Watched>,
}

impl Waits {
    fn push(&mut self, it: Watched) {
        if self.last.is_empty() && self.lost == 0 && self.first.len() < HALF {
            return self.first.push_back(it);
        }
        if self.last.len() >= HALF {
            self.last.pop_front();
            self.lost += 1;
        }
        self.last.push_back(it);
    }

    fn pop(&mut self) -> Option<Watched> {
        if self.first.is_empty() {
            if self.lost > 0 {
                let count = std::mem::take(&mut self.lost);
                return Some(Watched::Missed { count });
            }
            std::mem::swap(&mut self.first, &mut self.last);
        }
        self.first.pop_front()
    }
}

impl Watching {
    /// Whether anybody is to be told anything.
    pub(super) fn any(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Tells those who watch what was heard, as far as it is new.
    pub(super) fn heard(&self, heard: &Heard, now: Moment) {
        let of = heard.device();
        let (namespace, device) = (&of.key().namespace, &of.key().name);
        match heard {
            Heard::Value {
                property,
                value,
                change,
                ..
            } if *change != Change::Same => self.tell(namespace, device, || Watched::Value {
                device: device.clone(),
                property: property.to_string(),
                value: value.clone(),
                unit: of.unit_of(property).map(str::to_owned),
                at_ms: now.wall,
                age_ms: None,
                stale: false,
                kept: *change == Change::Retained,
            }),
            Heard::Reach { reach, .. } => self.reach((namespace, device), *reach, now),
            _ => {}
        }
    }

    fn reach(&self, (namespace, device): (&str, &str), reach: Reach, now: Moment) {
        self.tell(namespace, device, || Watched::Reach {
            device: device.to_owned(),
            reach,
            at_ms: now.wall,
        });
    }

    fn tell(&self, namespace: &str, device: &str, what: impl Fn() -> Watched) {
        for it in &*self.all.read() {
            let watches = it.devices.is_empty() || it.devices.contains(device);
            if it.namespace == namespace && watches {
                it.waits.lock().push(what());
                it.woken.notify_one();
            }
        }
    }
}

impl Shared {
    /// Tells those who watch that the broker of a device came or went.
    pub(super) fn tell_reach(&self, key: &Key) {
        if !self.watching.any() {
            return;
        }
        let entry = self.table.read().devices.get(key).cloned();
        let Some(entry) = entry else { return };
        let of = entry.device.compiled.key();
        let reach = entry.link.registry(|it| it.reach(of)).unwrap_or_default();
        let at = (key.namespace.as_str(), key.name.as_str());
        self.watching.reach(at, reach, self.now());
    }
}

/// Somebody watches, as long as they hold this.
pub(crate) struct Watch {
    shared: Arc<Shared>,
    watcher: Arc<Watcher>,
}

impl Devices {
    /// Watches devices of a namespace: those that are named, beginning with what they said last, or all.
    ///
    /// # Errors
    /// `not-found` for a device that is not there, `overloaded` where as many watch as may.
    pub(crate) fn watch(&self, namespace: &str, names: &[&str]) -> Result<Watch, Problem> {
        if names.len() > NAMED {
            let what = format!("devices: {NAMED} are the most that are named");
            return Err(Problem::new(Code::BadRequest, what).remedy("name none to watch all"));
        }
        let mut waits = Waits::default();
        for name in names {
            for it in self.see(namespace, name)?.described.readings {
                let Some(value) = it.value else { continue };
                waits.push(Watched::Value {
                    device: (*name).to_owned(),
                    property: it.property,
                    value,
                    unit: it.unit,
                    at_ms: it.at_ms.unwrap_or_default(),
                    age_ms: it.age_ms,
                    stale: it.stale,
                    kept: false,
                });
            }
        }
        let watcher = Arc::new(Watcher {
            namespace: namespace.to_owned(),
            devices: names.iter().map(|it| (*it).to_owned()).collect(),
            waits: Mutex::new(waits),
            woken: Notify::new(),
        });
        let watching = &self.0.watching;
        let mut all = watching.all.write();
        if all.len() >= MOST {
            let what = format!("{MOST} watch devices of this node already, as many as may");
            return Err(Problem::new(Code::Overloaded, what));
        }
        all.push(Arc::clone(&watcher));
        watching.count.store(all.len(), Ordering::Relaxed);
        drop(all);
        Ok(Watch {
            shared: Arc::clone(&self.0),
            watcher,
        })
    }
}

impl Watch {
    /// What is seen next.
    pub(crate) async fn next(&self) -> Watched {
        loop {
            if let Some(it) = self.watcher.waits.lock().pop() {
                return it;
            }
            self.watcher.woken.notified().await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let watching = &self.shared.watching;
        let mut all = watching.all.write();
        all.retain(|it| !Arc::ptr_eq(it, &self.watcher));
        watching.count.store(all.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(it: &Watched) -> u64 {
        match it {
            Watched::Missed { count } => *count,
            Watched::Value { at_ms, .. } | Watched::Reach { at_ms, .. } => at_ms.0,
        }
    }

    #[test]
    fn whoever_is_slow_loses_the_middle_and_is_told_how_much() {
        let mut waits = Waits::default();
        let reach = |at: u64| Watched::Reach {
            device: "lamp".to_owned(),
            reach: Reach::Online,
            at_ms: aion_abi::date::UnixMillis(at),
        };
        for at in 0..3_000 {
            waits.push(reach(at));
        }
        let mut told = Vec::new();
        while let Some(it) = waits.pop() {
            told.push(it);
        }
        assert_eq!(told.len(), 2 * HALF + 1);
        assert_eq!(
            told[HALF],
            Watched::Missed {
                count: 3_000 - 2 * HALF as u64
            }
        );
        assert_eq!(
            (number(&told[0]), number(&told[HALF - 1])),
            (0, HALF as u64 - 1)
        );
        assert_eq!(
            (number(&told[HALF + 1]), number(&told[2 * HALF])),
            (3_000 - HALF as u64, 2_999)
        );
        waits.push(reach(7));
        assert_eq!(waits.pop().as_ref().map(number), Some(7));
        assert_eq!(waits.pop(), None);
    }
}
