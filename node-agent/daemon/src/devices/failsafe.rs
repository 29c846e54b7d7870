//! Safe states: what devices are told by the node itself, as the kernel says. Each part leaves once for each time that it is
//! asked for.

use std::{collections::BTreeMap, sync::Arc};

use aion_abi::{code::Code, device::MadeSafe, problem::Problem, syscall::device::DoneResponse};
use aion_device::SafeStep;
use aion_kernel::{Generation, MAX_SAFE_PARTS, Name, Parts};
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

    /// Once the device is taken out of the table: what comes later finds it there no more.
    pub(super) fn forget(&self, device: &Key) {
        self.0.lock().remove(device);
    }
}

impl Devices {
    /// Brings a device into its safe state, as far as `parts` say, and as long as it is as the kernel knew it by `judged`. Gives
    /// what was done, and what may have been done; nothing was sent of the rest.
    pub(crate) async fn make_safe(
        &self,
        device: &Name,
        judged: Generation,
        parts: Parts,
    ) -> (Parts, Parts) {
        let (mut done, mut unknown) = (Parts::default(), Parts::default());
        let Some((namespace, name)) = device.as_str().split_once('/') else {
            return (done, unknown);
        };
        let Ok(entry) = self.entry(namespace, name) else {
            return (done, unknown);
        };
        // Whatever it is being told comes to its end first.
        let held = entry.told.lock().await;
        let mut words = Vec::new();
        for at in (0_u8..).take(MAX_SAFE_PARTS).filter(|at| parts.has(*at)) {
            // What was taken away or became another meanwhile is told nothing more.
            let now = match self.as_judged(namespace, name, judged) {
                Ok(now) => now,
                Err(why) => {
                    words.push(why.to_string());
                    break;
                }
            };
            let Some(step) = now.device.compiled.safe_state().get(usize::from(at)) else {
                continue;
            };
            let said = self.do_part(&now, *held, step).await;
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
        tracing::warn!(%device, %what, "no agent called for a device: its watchdog makes it safe");
        let last = MadeSafe {
            at_ms: clock::date(),
            what,
        };
        self.remember(Key::new(namespace, name), &entry, last);
        (done, unknown)
    }

    /// Nothing is remembered of a device that was taken away meanwhile, nor of it for another one of its name.
    fn remember(&self, key: Key, entry: &Entry, last: MadeSafe) {
        let table = self.0.table.read();
        let there = table.devices.get(&key);
        if there.is_some_and(|it| Arc::ptr_eq(&it.told, &entry.told)) {
            self.0.last_safe.0.lock().insert(key, last);
        }
    }

    async fn do_part(
        &self,
        entry: &Entry,
        held: Told,
        step: &SafeStep,
    ) -> Result<DoneResponse, Problem> {
        let order = entry.device.compiled.safe_order(step)?;
        self.send(entry, held, (order, true)).await
    }
}

fn told(step: &SafeStep) -> String {
    match step {
        SafeStep::Property { name, value } => format!("{name} {value}"),
        SafeStep::Command { name, .. } => name.clone(),
    }
}

#[cfg(test)]
#[path = "failsafe_tests.rs"]
mod tests;
