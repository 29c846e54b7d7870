//! What devices are reached by, and what they say there: a broker with the connection to it, or a device that is asked.

mod ear;

use std::{
    collections::BTreeSet,
    sync::{Arc, Weak},
    time::Duration,
};

use aion_abi::{code::Code, problem::Problem, syscall::device::Value};
use aion_api::{DeviceBrokerSpec, MqttVersion, ValueType};
use aion_device::{Change, Confirm, Heard, Limits, Moment, Registry, Subscriptions};
use aion_drivers::{
    device::{Broker, Connection, Qos, Version},
    outbound::Endpoint,
    secrets::SecretRef,
};
use aion_policy::count;
use aion_resolve::{Key, device::ResolvedDevice};
use internment::ArcIntern;
use parking_lot::{Mutex, RwLock};
use tokio::{
    sync::{Notify, oneshot},
    time::sleep,
};

use super::{Happened, Shared, asked::Asked, discovery::Announced, due};
use crate::telemetry::BrokerCounters;

/// Unless the broker says otherwise.
const KEEP_ALIVE_SECONDS: u32 = 30;
const MAX_MESSAGE_KIB: u32 = 64;
pub(super) const MESSAGES_PER_SECOND: u32 = 50;
/// How long after an authority could not be read it is looked for again.
const AGAIN: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct Link {
    /// By what its devices are reached.
    pub(super) by: By,
    /// Namespace and name of the broker, or of the device that is asked.
    key: Key,
    pub(super) counters: BrokerCounters,
    registry: Mutex<Registry>,
    /// What is announced at it, where that is listened to.
    pub(super) announced: Announced,
    /// What of the devices is waited for.
    waiting: Mutex<Vec<Waiter>>,
    /// There once the broker's authority is read, until nobody is reached by it.
    pub(super) connection: RwLock<Connected>,
    /// Why the broker is away, while it is.
    away: Mutex<Option<String>>,
    /// Topics that the broker does not let the node listen to.
    refused: Mutex<BTreeSet<String>>,
    /// What was left out is due, or it is closed.
    pub(super) due: Arc<Notify>,
}

/// By what devices are reached.
pub(super) enum By {
    /// A broker, which says this of itself.
    Broker(ArcIntern<DeviceBrokerSpec>),
    /// The one device is asked.
    Asked(Box<Asked>),
}

/// The connection to a broker.
pub(super) enum Connected {
    NotYet,
    By(Arc<dyn Connection>),
    Closed,
}

/// Somebody who waits for a device to say that it did something.
struct Waiter {
    device: aion_device::Key,
    confirm: Confirm,
    told: oneshot::Sender<Option<Value>>,
}

impl Link {
    /// Begins to reach a broker.
    pub(super) fn open(
        shared: &Arc<Shared>,
        key: Key,
        reached: ArcIntern<DeviceBrokerSpec>,
    ) -> Arc<Self> {
        let messages = reached
            .messages_per_second
            .map_or(MESSAGES_PER_SECOND, count);
        let counters = shared.parts.telemetry.broker(&key.to_string());
        let link = Self::new(shared, (key, By::Broker(reached)), messages, counters);
        *link.away.lock() = Some("its broker is not connected yet".to_owned());
        let link = Arc::new(link);
        let (weak, of) = (Arc::downgrade(&link), Arc::downgrade(shared));
        tokio::spawn(connect(weak.clone(), of.clone()));
        tokio::spawn(due::take(weak, of));
        link
    }

    pub(super) fn new(
        shared: &Shared,
        (key, by): (Key, By),
        messages_per_second: u32,
        counters: BrokerCounters,
    ) -> Self {
        let limits = Limits {
            messages_per_second,
            ..Limits::default()
        };
        Self {
            by,
            key,
            registry: Mutex::new(Registry::new(limits, shared.now())),
            counters,
            announced: Announced::default(),
            waiting: Mutex::default(),
            connection: RwLock::new(Connected::NotYet),
            away: Mutex::default(),
            refused: Mutex::default(),
            due: Arc::default(),
        }
    }

    /// Whether it is a broker that says this of itself.
    pub(super) fn is_by(&self, reached: &DeviceBrokerSpec) -> bool {
        matches!(&self.by, By::Broker(it) if **it == *reached)
    }

    /// Its namespace and name.
    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// Nobody is to be reached by it any more.
    pub(super) fn close(&self) {
        match &self.by {
            By::Broker(_) => {
                *self.away.lock() = Some("its broker is reached otherwise now".to_owned());
            }
            By::Asked(asked) => asked.close(),
        }
        *self.connection.write() = Connected::Closed;
        self.due.notify_one();
    }

    /// Why its broker is away, while it is.
    pub(super) fn away(&self) -> Option<String> {
        self.away.lock().clone()
    }

    /// A topic of a device that the broker does not let the node listen to.
    pub(super) fn refused(&self, device: &ResolvedDevice) -> Option<String> {
        let refused = self.refused.lock();
        if refused.is_empty() {
            return None;
        }
        let mut topics = device.compiled.topics().into_iter();
        let topic = topics.find(|it| refused.contains(it))?;
        Some(format!(
            "broker {} does not let the node listen to {topic}: give its user the right to it",
            self.key.name
        ))
    }

    /// The first of some filters that the broker does not let the node listen to.
    pub(super) fn refused_any(&self, filters: &[String]) -> Option<String> {
        let refused = self.refused.lock();
        let filter = filters.iter().find(|it| refused.contains(*it))?;
        Some(format!(
            "it does not let the node listen to {filter}: give its user the right to it"
        ))
    }

    /// Listens to what devices announce at the broker, if that is asked for.
    pub(super) fn discover(&self) {
        let By::Broker(reached) = &self.by else {
            return;
        };
        if let Some(filters) = self.announced.listen(reached) {
            self.subscribe(Subscriptions {
                add: filters,
                remove: Vec::new(),
            });
        }
    }

    fn topics(&self) -> Vec<String> {
        let mut topics: Vec<String> = self.registry(|it| it.topics().collect());
        topics.extend(self.announced.filters());
        topics
    }

    pub(super) fn registry<T>(&self, with: impl FnOnce(&mut Registry) -> T) -> T {
        with(&mut self.registry.lock())
    }

    pub(super) fn listen(&self, device: &ResolvedDevice) {
        let changed = self.registry(|it| it.insert(Arc::clone(&device.compiled)));
        self.subscribe(changed);
        // Its edge node may have to be asked for its birth.
        self.due.notify_one();
    }

    pub(super) fn forget(&self, device: &ResolvedDevice) {
        let key = device.compiled.key();
        let changed = self.registry(|it| it.remove(key));
        self.waiting.lock().retain(|it| it.device != *key);
        self.subscribe(changed);
    }

    fn subscribe(&self, changed: Subscriptions) {
        let mut refused = self.refused.lock();
        changed.remove.iter().for_each(|it| {
            refused.remove(it);
        });
        drop(refused);
        let Connected::By(connection) = &*self.connection.read() else {
            // All of it is subscribed when there is one.
            return;
        };
        if !changed.remove.is_empty() {
            connection.unsubscribe(changed.remove);
        }
        if !changed.add.is_empty() {
            connection.subscribe(at_least_once(changed.add));
        }
    }

    /// The connection, while the broker is there.
    ///
    /// # Errors
    /// Where it is not: nothing was sent.
    pub(super) fn connection(&self) -> Result<Arc<dyn Connection>, Problem> {
        if let Some(why) = self.away() {
            let what = format!("broker {} is away: {why}", self.key.name);
            return Err(Problem::new(Code::Unreachable, what)
                .remedy("nothing was sent: try again when it is back"));
        }
        match &*self.connection.read() {
            Connected::By(connection) => Ok(Arc::clone(connection)),
            Connected::NotYet | Connected::Closed => Err(Problem::new(
                Code::Unreachable,
                "its broker is not connected",
            )),
        }
    }

    /// Waits for a device to say from now on that it did something. Gives what the property is then.
    pub(super) fn expect(
        &self,
        device: &aion_device::Key,
        confirm: Confirm,
    ) -> oneshot::Receiver<Option<Value>> {
        let (told, heard) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        waiting.retain(|it| !it.told.is_closed());
        waiting.push(Waiter {
            device: device.clone(),
            confirm,
            told,
        });
        heard
    }

    /// Takes in what was heard of its devices.
    pub(super) fn heard(&self, shared: &Shared, heard: Vec<Heard>, now: Moment) {
        for it in heard {
            self.answer(&it);
            if shared.watching.any() {
                shared.watching.heard(&it, now);
            }
            let of = it.device().key();
            let key = Key::new(&of.namespace, &of.name);
            match it {
                Heard::Value {
                    device,
                    property,
                    value,
                    change,
                } => {
                    shared.sensed(&key, &property, change != Change::Same);
                    let before = match change {
                        Change::First => None,
                        Change::From(before) => Some(before),
                        Change::Same | Change::Retained => continue,
                    };
                    if shared.happenings.wants(&key) {
                        let kind = device.kind_of(&property).map(|(kind, _)| kind);
                        shared.happenings.tell(Happened {
                            device: key,
                            property: property.to_string(),
                            value,
                            before,
                            text: kind == Some(ValueType::Text),
                            at: now.wall,
                        });
                    }
                }
                Heard::Reach { .. } | Heard::Doubted { property: None, .. } => {
                    shared.reach_changed(&key);
                }
                Heard::Doubted {
                    property: Some(property),
                    ..
                } => {
                    self.counters.unread.inc();
                    shared.sensed(&key, &property, true);
                }
                Heard::Unread { .. } => self.counters.unread.inc(),
                Heard::Done { .. } => {}
            }
        }
    }

    /// Tells those who wait for it.
    fn answer(&self, heard: &Heard) {
        let mut waiting = self.waiting.lock();
        let mut at = 0;
        while let Some(it) = waiting.get(at) {
            if heard.confirms(&it.device, &it.confirm) {
                let value = match heard {
                    Heard::Value { value, .. } => Some(value.clone()),
                    _ => None,
                };
                let _ = waiting.swap_remove(at).told.send(value);
            } else {
                at += 1;
            }
        }
    }

    fn broker(&self, node: &str, spec: &DeviceBrokerSpec, authority: Option<Arc<str>>) -> Broker {
        let secret = |key: &aion_api::program::SecretKey| SecretRef {
            secret: key.secret.clone(),
            key: key.key.clone(),
        };
        Broker {
            endpoint: Endpoint {
                name: self.key.name.clone(),
                tenant: self.key.namespace.as_str().into(),
                url: spec.url.clone(),
                secret: spec.password.as_ref().map(secret),
            },
            authority,
            version: match spec.version {
                MqttVersion::V5 => Version::V5,
                MqttVersion::V311 => Version::V311,
            },
            client_id: client_id(node, &self.key),
            username: spec.username.clone(),
            keep_alive: Duration::from_secs(
                spec.keep_alive_seconds
                    .map_or(KEEP_ALIVE_SECONDS, count)
                    .into(),
            ),
            max_packet: spec.max_message_kib.map_or(MAX_MESSAGE_KIB, count) << 10,
        }
    }
}

/// Connects, once the authority whose certificates count is read.
async fn connect(link: Weak<Link>, shared: Weak<Shared>) {
    loop {
        let (Some(it), Some(of)) = (link.upgrade(), shared.upgrade()) else {
            return;
        };
        let By::Broker(reached) = &it.by else { return };
        let authority = match &reached.authority {
            None => None,
            Some(key) => {
                let secret = SecretRef {
                    secret: key.secret.clone(),
                    key: key.key.clone(),
                };
                let tenant = it.key.namespace.as_str().into();
                match of.parts.secrets.text(&tenant, &secret).await {
                    Ok(pem) => Some(Arc::from(pem.expose())),
                    Err(problem) => {
                        *it.away.lock() = Some(problem.to_string());
                        drop((it, of));
                        sleep(AGAIN).await;
                        continue;
                    }
                }
            }
        };
        let ear = ear::Ear {
            link: link.clone(),
            shared: shared.clone(),
        };
        let broker = it.broker(&of.parts.node, reached, authority);
        let connection = of.parts.driver.open(broker, Arc::new(ear));
        let connection: Arc<dyn Connection> = Arc::from(connection);
        let mut connected = it.connection.write();
        // What is put in from now on finds the connection.
        if matches!(*connected, Connected::NotYet) {
            connection.subscribe(at_least_once(it.topics()));
            *connected = Connected::By(connection);
        }
        return;
    }
}

fn at_least_once(topics: Vec<String>) -> Vec<(String, Qos)> {
    topics
        .into_iter()
        .map(|it| (it, Qos::AtLeastOnce))
        .collect()
}

/// One name for each node and broker: a broker ends the connection of who comes under a name that is there already.
fn client_id(node: &str, broker: &Key) -> String {
    format!("aion-{node}-{}-{}", broker.namespace, broker.name)
}
