//! Devices: what they say is heard here, and what they are told leaves from here.
//!
//! A device is put in fully resolved ([`Devices::change`]); the node listens to it by its broker or asks it by HTTP, keeps what it said last and for
//! a while before, and tells the kernel what guardrails look at. A message costs a look at a table; nothing of it reaches an API
//! server, and none a disk but of devices that triggers listen to. What may not enter: whether somebody may (the kernel), payloads and topics
//! (`aion-device`), connections (`aion_drivers::device`).

mod aim;
mod answers;
mod asked;
mod discovery;
mod doing;
mod due;
mod elsewhere;
mod failsafe;
mod happening;
mod link;
mod rebirth;
mod sensing;
mod standing;
mod tenure;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod watching;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use aion_abi::{code::Code, problem::Problem};
use aion_api::DeviceBrokerSpec;
use aion_device::Moment;
use aion_drivers::{
    device::{BrokerDriver, http::HttpDriver},
    secrets::Secrets,
};
use aion_kernel::{Event, Generation, Guarding, Name};
use aion_resolve::{
    Key,
    device::{Reached, ResolvedDevice},
};
use internment::ArcIntern;
use parking_lot::RwLock;

use failsafe::LastSafe;
use happening::Happenings;
use link::Link;
use sensing::Sensing;
use standing::Standing;
use watching::Watching;

use crate::{
    clock::{self, Clock},
    telemetry::Telemetry,
};

pub(crate) use answers::May;
pub(crate) use elsewhere::Elsewhere;
#[cfg(feature = "kubernetes")]
pub(crate) use elsewhere::Place;
pub(crate) use happening::Happened;
pub(crate) use standing::{DeviceChange, DeviceSource};
#[cfg(feature = "kubernetes")]
pub(crate) use tenure::Renewals;
pub(crate) use tenure::Tenure;

/// See the module. Clones share it.
#[derive(Clone)]
pub(crate) struct Devices(Arc<Shared>);

struct Shared {
    parts: Parts,
    table: RwLock<Table>,
    sensing: Sensing,
    standing: Standing,
    happenings: Happenings,
    watching: Watching,
    last_safe: LastSafe,
    /// How often a device became another.
    generations: AtomicU64,
}

/// What devices are reached and told of by.
pub(crate) struct Parts {
    /// The node's name, which its brokers know it by.
    pub(crate) node: String,
    /// The way to brokers.
    pub(crate) driver: Arc<dyn BrokerDriver>,
    /// The way to devices that are asked by HTTP.
    pub(crate) http: Arc<dyn HttpDriver>,
    /// Where the brokers' authorities are.
    pub(crate) secrets: Arc<dyn Secrets>,
    /// The way to the kernel.
    pub(crate) tell: Box<dyn Fn(Event) + Send + Sync>,
    /// Counters.
    pub(crate) telemetry: Arc<Telemetry>,
    /// The clock that ages go by.
    pub(crate) clock: Clock,
    /// For how long the node may serve.
    pub(crate) tenure: Tenure,
    /// Where devices are that are not here, where that can be.
    pub(crate) elsewhere: Option<Arc<dyn Elsewhere>>,
}

#[derive(Default)]
struct Table {
    devices: BTreeMap<Key, Entry>,
    /// By namespace and name of the broker.
    links: BTreeMap<Key, Arc<Link>>,
    /// Brokers whose announcements are listened to.
    discovering: BTreeSet<Key>,
}

/// A device that the node listens to.
#[derive(Clone)]
struct Entry {
    device: Arc<ResolvedDevice>,
    link: Arc<Link>,
    /// What it is counted by each time that it becomes another.
    generation: Generation,
    /// Held by whoever tells it something: what two equal orders come to cannot be told apart.
    told: Arc<tokio::sync::Mutex<Told>>,
}

/// Whether a device is still told anything from here.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Told {
    #[default]
    Here,
    NoMore,
}

/// A device that is being taken away.
pub(crate) struct Stopping {
    pub(crate) key: Key,
    told: Arc<tokio::sync::Mutex<Told>>,
}

impl Stopping {
    /// Resolves when nothing leaves for it any more, not of an order either that was on its way.
    pub(crate) async fn stopped(self) -> Key {
        *self.told.lock().await = Told::NoMore;
        self.key
    }
}

/// A device as the kernel knows it.
fn name_of(key: &Key) -> Name {
    format!("{}/{}", key.namespace, key.name).into()
}

impl Devices {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(Shared {
            parts,
            table: RwLock::default(),
            sensing: Sensing::default(),
            standing: Standing::default(),
            happenings: Happenings::default(),
            watching: Watching::default(),
            last_safe: LastSafe::default(),
            generations: AtomicU64::default(),
        }))
    }

    /// Listens to what is to be listened to, and to nothing else any longer. What changes together is given together: guardrails of one
    /// device look at others, and the kernel is told nothing of a device as it was by rules for what it is.
    /// Gives those that are taken away.
    pub(crate) fn change(&self, changes: Vec<DeviceChange>) -> Vec<Stopping> {
        let shared = &self.0;
        let mut stopping = Vec::new();
        let (mut guarded, mut looked_at) = (Vec::new(), BTreeSet::new());
        let mut present = None;
        for change in changes {
            let key = match change {
                DeviceChange::Put(device) => {
                    let key = device.key.clone();
                    looked_at.extend(shared.sensing.guarded(&key, &device.guards));
                    let guards = Arc::clone(&device.guards);
                    // Until all of it is put, what it is is not known.
                    shared.tell_unknown(&key);
                    let generation = shared.put(device);
                    guarded.push((key.clone(), Guarding::By { guards, generation }));
                    key
                }
                DeviceChange::Discover { broker, reached } => {
                    shared.discover(&broker, reached.as_ref());
                    continue;
                }
                DeviceChange::All(devices) => {
                    present = Some(devices.iter().map(name_of).collect());
                    continue;
                }
                DeviceChange::Gone { key, deleted } => {
                    shared.sensing.gone(&key);
                    let guards = match deleted {
                        true => Guarding::Gone,
                        false => Guarding::Unknown,
                    };
                    guarded.push((key.clone(), guards));
                    shared.tell_unknown(&key);
                    let told = shared.remove(&key).unwrap_or_default();
                    shared.last_safe.forget(&key);
                    stopping.push(Stopping {
                        key: key.clone(),
                        told,
                    });
                    key
                }
            };
            let points = shared.sensing.points_of(&key).into_iter();
            looked_at.extend(points.map(|point| (key.clone(), point)));
            shared.standing.changed(&key);
        }
        for (key, guards) in guarded {
            let device = name_of(&key);
            (shared.parts.tell)(Event::Guard { device, guards });
        }
        if let Some(devices) = present {
            (shared.parts.tell)(Event::Present { devices });
        }
        for (device, point) in looked_at {
            shared.tell_point(&device, &point);
        }
        stopping
    }

    fn entry(&self, namespace: &str, name: &str) -> Result<Entry, Problem> {
        let key = Key::new(namespace, name);
        let found = self.0.table.read().devices.get(&key).cloned();
        found.ok_or_else(|| {
            let what = format!("this node listens to no device {name}");
            Problem::new(Code::NotFound, what).remedy(
                "device.list names those that there are; aionctl get devices says why one is not ready",
            )
        })
    }
}

impl Shared {
    fn now(&self) -> Moment {
        Moment {
            at: self.parts.clock.now().0,
            wall: clock::date(),
        }
    }

    fn put(self: &Arc<Self>, device: Arc<ResolvedDevice>) -> Generation {
        let key = device.key.clone();
        let mut table = self.table.write();
        let before = table.devices.get(&key).cloned();
        let link = match &device.reached {
            Reached::Http(http) => self.asks(before.as_ref().map(|it| &it.link), &key, http),
            Reached::Broker { name, says } => {
                let broker = Key::new(&key.namespace, name);
                self.link(&mut table, &broker, says)
            }
        };
        let told = before.as_ref().map(|it| Arc::clone(&it.told));
        // What waits for a word or for its turn is not refused where nothing that it was aimed by changed.
        let same = before.as_ref().filter(|it| {
            let (now, then) = (&device, &it.device);
            (&now.compiled, &now.guards, &now.zone) == (&then.compiled, &then.guards, &then.zone)
        });
        let generation = match same {
            Some(before) => before.generation,
            None => Generation(self.generations.fetch_add(1, Ordering::Relaxed) + 1),
        };
        if let Some(left) = before.filter(|it| !Arc::ptr_eq(&it.link, &link)) {
            left.link.forget(&left.device);
            self.let_go(&mut table, &left.link);
        }
        link.listen(&device);
        let told = told.unwrap_or_default();
        let entry = Entry {
            device,
            link,
            generation,
            told,
        };
        table.devices.insert(key, entry);
        generation
    }

    fn remove(&self, key: &Key) -> Option<Arc<tokio::sync::Mutex<Told>>> {
        let mut table = self.table.write();
        let entry = table.devices.remove(key)?;
        entry.link.forget(&entry.device);
        self.let_go(&mut table, &entry.link);
        Some(entry.told)
    }

    /// The connection to a broker, which whoever is the first of it opens, or who finds that it says something else now.
    fn link(
        self: &Arc<Self>,
        table: &mut Table,
        key: &Key,
        reached: &ArcIntern<DeviceBrokerSpec>,
    ) -> Arc<Link> {
        let there = table.links.get(key).filter(|it| it.is_by(reached));
        let link = there.cloned().unwrap_or_else(|| {
            if let Some(there) = table.links.get(key) {
                // Two of one name would take the broker from one another.
                there.close();
            }
            let link = Link::open(self, key.clone(), reached.clone());
            table.links.insert(key.clone(), Arc::clone(&link));
            link
        });
        if table.discovering.contains(key) {
            link.discover();
        }
        link
    }

    /// A connection by which no device is reached and nothing is discovered is closed.
    fn let_go(&self, table: &mut Table, link: &Arc<Link>) {
        let of_table = table
            .links
            .get(link.key())
            .is_some_and(|it| Arc::ptr_eq(it, link));
        let discovers = of_table && table.discovering.contains(link.key());
        if discovers || !link.registry(|it| it.is_empty()) {
            return;
        }
        link.close();
        table.links.retain(|_, it| !Arc::ptr_eq(it, link));
        if !table.links.contains_key(link.key()) {
            self.parts.telemetry.forget_broker(&link.key().to_string());
        }
    }
}
