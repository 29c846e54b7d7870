//! What becomes of a device: whether it can be listened to, by what it is guarded, and how it stands.

use std::collections::BTreeSet;
use std::sync::Arc;

use aion_abi::date::UnixMillis;
use aion_abi::syscall::device::Reach;
use aion_api::condition::{
    self, ACCEPTED, CONNECTED, GUARDED, Judgement, READY, RECONCILING, RESOLVED_REFS, STALLED,
    reason,
};
use aion_api::{Device, DeviceBroker, DeviceBrokerSpec, DeviceModel, DeviceModelSpec};
use aion_device::{Compiled, Http, Of, compile};
use aion_kernel::Guards;
use aion_policy::{Devices, Imposed, guards};
use aion_trigger::Zone;
use internment::ArcIntern;

use crate::problem::{self, Problem};
use crate::universe::{Key, Universe};

/// What devices of a namespace are found by.
pub trait Things {
    /// A DeviceModel.
    fn model(&self, name: &str) -> Option<&DeviceModel>;
    /// A DeviceBroker.
    fn broker(&self, name: &str) -> Option<&DeviceBroker>;
    /// Another Device.
    fn device(&self, name: &str) -> Option<&Device>;
    /// Names of devices, as many as may help somebody who misspelled one.
    fn names(&self) -> Vec<String>;
}

/// The devices that guardrails refer to.
struct Others<'a, T>(&'a T);

impl<T: Things> Devices for Others<'_, T> {
    fn model(&self, device: &str) -> Option<&DeviceModelSpec> {
        let device = self.0.device(device)?;
        self.0.model(&device.spec.model).map(|it| &it.spec)
    }

    fn names(&self) -> Vec<String> {
        self.0.names()
    }
}

/// Those of one namespace of a universe.
#[derive(Debug, Clone, Copy)]
pub struct InNamespace<'a> {
    /// Where they are.
    pub universe: &'a Universe,
    /// The namespace.
    pub namespace: &'a str,
}

impl<'a> InNamespace<'a> {
    /// What policies put upon devices here.
    #[must_use]
    pub fn imposed(&self) -> Vec<Imposed<'a>> {
        let first = Key::new(self.namespace, "");
        let own = self.universe.agent_policies.range(first..);
        let own = own.take_while(|(it, _)| it.namespace == self.namespace);
        let cluster = self.universe.cluster_policies.values();
        let labels = self.universe.namespace_labels(self.namespace);
        Imposed::of(cluster, own.map(|(_, it)| it), &labels)
    }
}

impl Things for InNamespace<'_> {
    fn model(&self, name: &str) -> Option<&DeviceModel> {
        self.universe
            .device_models
            .get(&Key::new(self.namespace, name))
    }

    fn broker(&self, name: &str) -> Option<&DeviceBroker> {
        self.universe
            .device_brokers
            .get(&Key::new(self.namespace, name))
    }

    fn device(&self, name: &str) -> Option<&Device> {
        self.universe.devices.get(&Key::new(self.namespace, name))
    }

    fn names(&self) -> Vec<String> {
        let first = Key::new(self.namespace, "");
        let behind = self.universe.devices.range(first..).map(|(key, _)| key);
        let own = behind.take_while(|it| it.namespace == self.namespace);
        own.take(NAMED).map(|it| it.name.clone()).collect()
    }
}

/// As many devices are named where one is not found.
const NAMED: usize = 9;
/// As many guardrails are named in a condition: its message has a bound.
const NAMED_GUARDRAILS: usize = 16;

/// A device with nothing left to choose.
#[derive(Debug, Clone)]
pub struct ResolvedDevice {
    /// Its namespace and name.
    pub key: Key,
    /// By what it is reached.
    pub reached: Reached,
    /// What it says and is told.
    pub compiled: Arc<Compiled>,
    /// What must hold of whatever is written to it or commanded.
    pub guards: Arc<Guards>,
    /// The time zone of its guardrails' hours.
    pub zone: Zone,
}

/// By what a device is reached.
#[derive(Debug, Clone)]
pub enum Reached {
    /// A broker of its namespace.
    Broker {
        /// Its name.
        name: String,
        /// What it says.
        says: ArcIntern<DeviceBrokerSpec>,
    },
    /// It is asked by HTTP.
    Http(Arc<Http>),
}

impl Reached {
    /// The name of the broker, if it is one.
    #[must_use]
    pub fn broker(&self) -> Option<&str> {
        match self {
            Self::Broker { name, .. } => Some(name),
            Self::Http(_) => None,
        }
    }
}

/// A device and what was found of it.
#[derive(Debug, Clone)]
pub struct JudgedDevice {
    /// Whether it makes sense.
    pub accepted: Judgement,
    /// Whether what it refers to is there.
    pub resolved_refs: Judgement,
    /// By what it is guarded.
    pub guarded: Judgement,
    /// What is wrong with it, and what it refers to and is not there.
    pub problems: Vec<Problem>,
    /// All of it, where it makes sense and what it refers to is there.
    pub resolved: Option<Arc<ResolvedDevice>>,
    /// Devices of its namespace that its guardrails look at: what they are decides about it.
    pub looks_at: BTreeSet<String>,
}

/// What the node that listens to a device knows of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveDevice {
    /// Whether it can be reached.
    pub reach: Reach,
    /// Why its broker is away, where it is.
    pub away: Option<String>,
    /// A topic that the broker does not let the node listen to, and why.
    pub refused: Option<String>,
    /// Why it does not answer, where it is asked.
    pub silent: Option<Silent>,
    /// When it was heard of last.
    pub last_seen: Option<UnixMillis>,
}

/// A device that does not answer what it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silent {
    /// Why, and what to do about it.
    pub why: String,
    /// Somebody has to mend it: it does not pass by itself.
    pub mend: bool,
}

/// Judges a device by what is there, and by what policies put upon the devices of its namespace.
#[must_use]
pub fn judge_device(
    device: &Device,
    things: &impl Things,
    imposed: &[Imposed<'_>],
) -> JudgedDevice {
    let spec = &device.spec;
    let by = spec.broker();
    let (model, broker) = (
        things.model(&spec.model),
        by.and_then(|it| things.broker(it)),
    );
    let mut missing = Vec::new();
    let mut miss = |field: &str, kind: &str, name: &str| {
        let what = format!("there is no {kind} {name} in its namespace");
        let remedy = format!("apply one of that name, or correct {field}");
        missing.push(Problem::new(field, (what, remedy)));
    };
    if model.is_none() {
        miss("spec.model", "DeviceModel", &spec.model);
    }
    if let (Some(name), None) = (by, broker) {
        let field = match spec.sparkplug {
            Some(_) => "spec.sparkplug.broker",
            None => "spec.mqtt.broker",
        };
        miss(field, "DeviceBroker", name);
    }
    let resolved_refs = match missing.is_empty() {
        true => Judgement::new(
            RESOLVED_REFS,
            true,
            reason::RESOLVED,
            match by {
                Some(_) => "its model and its broker are there",
                None => "its model is there",
            },
        ),
        false => Judgement::new(
            RESOLVED_REFS,
            false,
            reason::NOT_FOUND,
            problem::list(&missing),
        ),
    };
    let Some(model) = model else {
        let waits = "it is judged when its model is there";
        let pending = |type_| {
            let unknown = condition::Status::Unknown;
            Judgement::new(type_, unknown, reason::PENDING, waits)
        };
        return JudgedDevice {
            accepted: pending(ACCEPTED),
            resolved_refs,
            guarded: pending(GUARDED),
            problems: missing,
            resolved: None,
            looks_at: BTreeSet::new(),
        };
    };
    let mut faults = Vec::new();
    let compiled = compile(device, model).map_err(|found| {
        let found = found.into_iter();
        faults.extend(found.map(|it| fault(device, it.of, it.field, it.what, it.remedy)));
    });
    let (namespace, name) = (
        device.metadata.namespace.as_deref().unwrap_or_default(),
        device.metadata.name.as_deref().unwrap_or_default(),
    );
    let held = guards(namespace, device, model, &Others(things), imposed).map_err(|found| {
        let found = found.into_iter();
        faults.extend(found.map(|it| fault(device, it.of, it.field, it.what, it.remedy)));
    });
    let zone = Zone::named(spec.time_zone.as_deref()).map_err(|none| {
        let remedy = "write one such as Europe/Berlin";
        faults.push(Problem::new("spec.timeZone", (none.to_string(), remedy)));
    });
    let accepted = match faults.is_empty() {
        true => Judgement::new(ACCEPTED, true, reason::ACCEPTED, "it makes sense"),
        false => Judgement::new(ACCEPTED, false, reason::INVALID, problem::list(&faults)),
    };
    let looks_at = held
        .as_ref()
        .map(|it| looked_at(it, device))
        .unwrap_or_default();
    let both = compiled.ok().zip(held.ok()).zip(zone.ok());
    let both = both.filter(|_| faults.is_empty());
    let guarded = match &both {
        Some(((compiled, _), _)) => guarded(device, model, imposed, compiled),
        None => Judgement::new(
            GUARDED,
            false,
            reason::INVALID,
            "its guardrails hold when it makes sense",
        ),
    };
    let resolved = both.and_then(|it| {
        let reached = match (it.0.0.http(), broker) {
            (Some(http), _) => Reached::Http(Arc::clone(http)),
            (None, Some(broker)) => Reached::Broker {
                name: by?.to_owned(),
                says: ArcIntern::new(broker.spec.clone()),
            },
            (None, None) => return None,
        };
        Some((reached, it))
    });
    let resolved = resolved.map(|(reached, ((compiled, guards), zone))| {
        Arc::new(ResolvedDevice {
            key: Key::new(namespace, name),
            reached,
            compiled: Arc::new(compiled),
            guards: Arc::new(guards),
            zone,
        })
    });
    missing.extend(faults);
    JudgedDevice {
        accepted,
        resolved_refs,
        guarded,
        problems: missing,
        resolved,
        looks_at,
    }
}

/// How a device stands; without `live`, no node listens to it.
#[must_use]
pub fn device_conditions(judged: &JudgedDevice, live: Option<&LiveDevice>) -> Vec<Judgement> {
    let connected = connected(live);
    let stands = [&judged.accepted, &judged.resolved_refs];
    let wrong = stands
        .into_iter()
        .find(|it| it.status != condition::Status::True);
    let ready = match (wrong, live) {
        (Some(wrong), _) => Judgement::new(READY, false, wrong.reason, wrong.message.clone()),
        (None, None) => Judgement::new(READY, false, reason::PENDING, "no node listens to it yet"),
        (None, Some(live)) => ready(live),
    };
    let stalled = wrong.is_some_and(|it| it.status == condition::Status::False);
    let reconciling = ready.status == condition::Status::False && !stalled;
    let follows =
        |type_, holds: bool| Judgement::new(type_, holds, ready.reason, ready.message.clone());
    let (reconciling, stalled) = (follows(RECONCILING, reconciling), follows(STALLED, stalled));
    vec![
        judged.accepted.clone(),
        judged.resolved_refs.clone(),
        judged.guarded.clone(),
        connected,
        ready,
        reconciling,
        stalled,
    ]
}

fn ready(live: &LiveDevice) -> Judgement {
    let no = |reason, why: &String| Judgement::new(READY, false, reason, why.clone());
    match (&live.away, &live.refused, &live.silent) {
        (Some(why), ..) => no(reason::BROKER_AWAY, why),
        (None, Some(why), _) => no(reason::TOPIC_REFUSED, why),
        (None, None, Some(Silent { why, mend: true })) => no(reason::REQUEST_REFUSED, why),
        _ => Judgement::new(READY, true, reason::LISTENING, "a node listens to it"),
    }
}

fn connected(live: Option<&LiveDevice>) -> Judgement {
    let judge = |status: condition::Status, reason, message: &str| {
        Judgement::new(CONNECTED, status, reason, message)
    };
    let unknown = condition::Status::Unknown;
    let Some(live) = live else {
        return judge(unknown, reason::PENDING, "no node listens to it yet");
    };
    match live.reach {
        Reach::Online => judge(condition::Status::True, reason::ONLINE, "it is there"),
        Reach::Offline => judge(
            condition::Status::False,
            reason::OFFLINE,
            live.silent.as_ref().map_or(
                "it says that it is not there, or its broker does of it",
                |it| &it.why,
            ),
        ),
        Reach::Unknown => judge(
            unknown,
            reason::NOT_HEARD,
            "nothing was heard of it since the node began to listen",
        ),
        Reach::BrokerAway => {
            let why = live.away.as_deref().unwrap_or("its broker is away");
            judge(unknown, reason::BROKER_AWAY, why)
        }
    }
}

fn guarded(
    device: &Device,
    model: &DeviceModel,
    imposed: &[Imposed<'_>],
    compiled: &Compiled,
) -> Judgement {
    let own = model.spec.guardrails.iter().chain(&device.spec.guardrails);
    let imposed = imposed.iter().filter(|it| it.selects(device));
    let names = own.map(|it| it.name.clone());
    let names: Vec<String> = names.chain(imposed.flat_map(Imposed::names_of)).collect();
    match (names.is_empty(), compiled.is_only_read()) {
        (_, true) => Judgement::new(
            GUARDED,
            true,
            reason::ONLY_READ,
            "nothing of it can be written or commanded",
        ),
        (true, false) => Judgement::new(
            GUARDED,
            false,
            reason::NO_GUARDRAILS,
            "whoever has the right may write whatever its model allows",
        ),
        (false, false) => {
            let shown = names.iter().take(NAMED_GUARDRAILS).cloned();
            let more = names.len().saturating_sub(NAMED_GUARDRAILS);
            let more = (more > 0).then(|| format!("and {more} more"));
            let shown: Vec<String> = shown.chain(more).collect();
            let message = format!("these hold: {}", shown.join(", "));
            Judgement::new(GUARDED, true, reason::GUARDRAILS_HOLD, message)
        }
    }
}

/// The devices whose state decides, without the device itself.
fn looked_at(guards: &Guards, device: &Device) -> BTreeSet<String> {
    let metadata = &device.metadata;
    let own = metadata.name.as_deref().unwrap_or_default();
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let looked = guards.looks_at(&format!("{namespace}/{own}").into());
    let looked = looked.into_iter().filter_map(|(device, _)| {
        let (_, name) = device.as_str().split_once('/')?;
        (name != own).then(|| name.to_owned())
    });
    looked.collect()
}

fn fault(device: &Device, of: Of, field: String, what: String, remedy: String) -> Problem {
    match of {
        // Of a policy, the field says which.
        Of::Device | Of::Policy => Problem::new(field, (what, remedy)),
        Of::Model => {
            let model = format!("DeviceModel {}: {field}", device.spec.model);
            Problem::new(model, (what, remedy))
        }
    }
}
