//! Safe states: what devices are told by the node itself, as the kernel says. Each part leaves once for each time that it is
//! asked for.

use std::{collections::BTreeMap, sync::Arc};

use aion_abi::{code::Code, device::MadeSafe, problem::Problem, syscall::device::DoneResponse};
use aion_device::SafeStep;
use aion_kernel::{Name, Parts};
use aion_resolve::Key;
use parking_lot::Mutex;

use super::{Devices, Entry, Told};
use crate::clock;

/// What was told last, of each device that still is one.
#[derive(Default)]
pub(super) struct LastSafe(Mutex<BTreeMap<Key, MadeSafe>>);

impl LastSafe {
    pub(super) fn of(&self, device: &Key) -> Option<MadeSafe> {
        self.0.lock().get(device).cloned()
    }

    pub(super) fn forget(&self, device: &Key) {
        self.0.lock().remove(device);
    }
}

impl Devices {
    /// Brings a device into its safe state, as far as `parts` say. Gives what was done, and what may have been done; nothing was
    /// sent of the rest.
    pub(crate) async fn make_safe(&self, device: &Name, parts: Parts) -> (Parts, Parts) {
        let (mut done, mut unknown) = (Parts::default(), Parts::default());
        let key = device.as_str().split_once('/');
        let key = key.map(|(namespace, name)| Key::new(namespace, name));
        let Some((key, entry)) = key.and_then(|key| {
            let entry = self.entry(&key.namespace, &key.name).ok()?;
            Some((key, entry))
        }) else {
            return (done, unknown);
        };
        // Whatever it is being told comes to its end first.
        let held = entry.told.lock().await;
        let mut words = Vec::new();
        let compiled = &entry.device.compiled;
        for (at, step) in (0_u8..).zip(compiled.safe_state()) {
            if !parts.has(at) {
                continue;
            }
            // What was taken away meanwhile is told nothing more.
            let here = self.entry(&key.namespace, &key.name);
            if !here.is_ok_and(|it| Arc::ptr_eq(&it.told, &entry.told)) {
                break;
            }
            let said = self.do_part(&entry, *held, step).await;
            match &said {
                Ok(_) => done = done.with(at),
                Err(why) if why.code == Code::OutcomeUnknown => unknown = unknown.with(at),
                Err(_) => {}
            }
            words.push(match said {
                Ok(_) => format!("{}: done", told(step)),
                Err(why) => format!("{}: {why}", told(step)),
            });
        }
        let what = words.join("; ");
        tracing::warn!(device = %key, %what, "no agent called for a device: its watchdog makes it safe");
        let last = MadeSafe {
            at_ms: clock::date(),
            what,
        };
        self.0.last_safe.0.lock().insert(key, last);
        (done, unknown)
    }

    async fn do_part(
        &self,
        entry: &Entry,
        held: Told,
        step: &SafeStep,
    ) -> Result<DoneResponse, Problem> {
        let order = entry.device.compiled.safe_order(step)?;
        self.send(entry, held, order).await
    }
}

fn told(step: &SafeStep) -> String {
    match step {
        SafeStep::Property { name, value } => format!("{name} {value}"),
        SafeStep::Command { name, .. } => name.clone(),
    }
}
