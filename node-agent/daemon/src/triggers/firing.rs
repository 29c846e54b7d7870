//! The task that waits for what is next of all triggers, and rows as the instances have their triggers.

use std::{sync::Arc, time::Duration};

use aion_abi::date::UnixMillis;
use aion_api::Trigger;
use aion_kernel::TurnId;
use aion_trigger::Schedule;
use tokio::sync::mpsc;

use super::{
    Triggers, device,
    row::{Moment, Row, Skipped},
    table::{Entry, Id},
};
use crate::{devices::Happened, instance::Instance, turns::Ended};

/// The next that a device says, where devices are listened to.
async fn said(from: &mut Option<mpsc::Receiver<Happened>>) -> Option<Happened> {
    from.as_mut()?.recv().await
}

/// The longest that is waited for a date: a wall clock may be set meanwhile, and a machine sleeps.
const LOOK: Duration = Duration::from_secs(60);
/// Where nothing has a date.
const REST: Duration = Duration::from_secs(3600);
/// Instances change together; they are looked at together.
const GATHER: Duration = Duration::from_millis(100);
/// A wall clock that went on otherwise than the kernel's was set, or the machine slept.
const STEP_MS: u64 = 60_000;

impl Triggers {
    /// Starts turns for ever.
    pub(crate) async fn run(self) {
        let parts = &self.shared.parts;
        let mut changes = parts.instances.changes();
        let (tell, mut ends) = mpsc::unbounded_channel();
        parts.turns.tell_of_ends(tell);
        let mut happenings = parts.devices.happenings();
        self.refresh();
        let mut before = self.now();
        loop {
            let pause = self.pause();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.shared.wake.notified() => {}
                changed = changes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    tokio::time::sleep(GATHER).await;
                    changes.borrow_and_update();
                    self.refresh();
                }
                Some(ended) = ends.recv() => self.ended(&ended),
                Some(happened) = said(&mut happenings) => self.device_said(&happened),
            }
            let now = self.now();
            if stepped(before, now) {
                self.reckon_anew();
            }
            before = now;
            self.tick();
        }
    }

    fn pause(&self) -> Duration {
        let now = self.now();
        let table = self.shared.table.lock();
        let most = if table.has_dates() { LOOK } else { REST };
        let next = table.pause(now).map(Duration::from_millis);
        next.map_or(most, |next| next.min(most))
    }

    /// Does what has come.
    pub(super) fn tick(&self) {
        let (due, looked) = self.shared.table.lock().come(self.now());
        for id in due {
            self.come(&id);
            self.spawn(id);
        }
        for id in looked {
            self.spawn(id);
        }
    }

    fn spawn(&self, id: Id) {
        let this = self.clone();
        tokio::spawn(async move {
            // What came of it is in the row.
            let _ = this.advance(&id).await;
        });
    }

    /// Rows as the instances have their triggers now. Costs nothing for those that were looked at.
    pub(super) fn refresh(&self) {
        let all = self.shared.parts.instances.all();
        let named: Vec<_> = all
            .iter()
            .filter(|it| !it.spec().triggers.is_empty())
            .collect();
        for instance in named {
            let agent = instance.agent();
            for trigger in &instance.spec().triggers {
                let id = Id::new(&agent, trigger.name.as_deref().unwrap_or_default());
                self.follow(&id, instance);
            }
        }
        let ids = self.shared.table.lock().ids();
        for id in ids {
            if self.look(&id).is_none() {
                self.rest(&id);
            }
        }
        self.shared.parts.devices.listen_to(self.devices());
    }

    /// Looks at one trigger of an instance that may be new.
    fn follow(&self, id: &Id, instance: &Instance) {
        let looked = |entry: &Entry| entry.of == Some(instance.uid);
        if self.shared.table.lock().get(id).is_some_and(looked) {
            return;
        }
        let Some((first, trigger)) = self.look(id).filter(|it| it.0.uid == instance.uid) else {
            return;
        };
        self.ensure(id, &first, &trigger);
        let mut hears = None;
        {
            let mut table = self.shared.table.lock();
            let Some(entry) = table.get_mut(id) else {
                return;
            };
            entry.of = Some(first.uid);
            if let Some(turn) = entry.row.running {
                match self.shared.parts.turns.is_under_way(TurnId(turn)) {
                    true => table.runs(id, turn),
                    false => entry.row.running = None,
                }
            }
            if let Some(event) = &trigger.event {
                let source: Arc<str> = format!("{}/{}", first.namespace(), event.agent).into();
                hears = Some(Arc::clone(&source));
                table.hear(id, Some(source));
            } else {
                let device = trigger.device.as_ref();
                let source = device.map(|it| device::source(first.namespace(), it));
                table.hear(id, source.map(Arc::from));
            }
        }
        self.reckon(id, &trigger);
        if let Some(source) = hears {
            for turn in self.shared.parts.turns.ended_of(&source) {
                self.ended(&Ended {
                    turn,
                    agent: Arc::clone(&source),
                });
            }
        }
        self.spawn(id.clone());
    }

    /// The trigger has a row, of this agent.
    pub(super) fn ensure(&self, id: &Id, instance: &Instance, trigger: &Trigger) {
        let (now, uid) = (self.now(), instance.spec().agent.uid.as_str());
        let same = |entry: &Entry| {
            let row = &entry.row;
            row.uid == uid && row.is_of(trigger) && row.left.is_none()
        };
        if self.shared.table.lock().get(id).is_some_and(same) {
            return;
        }
        let (from, ended) = match &trigger.event {
            Some(event) => {
                let source = format!("{}/{}", instance.namespace(), event.agent);
                self.shared.parts.turns.before_now(&source)
            }
            None => Default::default(),
        };
        let mut table = self.shared.table.lock();
        let (mut left, mut heard) = (Vec::new(), Vec::new());
        match table.get_mut(id) {
            Some(entry) if same(entry) => return,
            Some(entry) if entry.row.uid == uid => {
                left = entry.row.uploads();
                entry.row.come_back(made(instance), now.date);
                if !entry.row.is_of(trigger) {
                    entry.row.follow(trigger, from.0, now.date);
                    heard.extend(ended);
                }
                let asked = entry.row.uploads();
                left.retain(|it| !asked.contains(it));
            }
            before => {
                left.extend(before.into_iter().flat_map(|it| it.row.uploads()));
                let row = Row::new(uid, trigger, from.0, now.date);
                table.put(id.clone(), Entry::of(row, Default::default()));
                heard.extend(ended);
            }
        }
        if let Some(entry) = table.get_mut(id) {
            heard.iter().for_each(|turn| entry.see(turn.to_string()));
        }
        drop(table);
        self.leave(id, &left);
        self.keep_later(id);
    }

    /// Nobody waits any more for a turn that is given these.
    pub(super) fn leave(&self, id: &Id, uploads: &[String]) {
        self.shared.parts.turns.uploads().leave(&id.agent, uploads);
    }

    /// Its agent takes no turns here now, or has no such trigger: that goes with the agent's next revision.
    fn rest(&self, id: &Id) {
        let Some((namespace, agent)) = id.agent.split_once('/') else {
            return;
        };
        let of_agent = self.shared.parts.instances.of_agent(namespace, agent);
        let named = |it: &Arc<Instance>| {
            let mut triggers = it.spec().triggers.iter();
            triggers.any(|it| it.name.as_deref() == Some(&id.name))
        };
        let gone = !of_agent.is_empty() && !of_agent.iter().any(named);
        let mut table = self.shared.table.lock();
        let mut left = Vec::new();
        if gone {
            left.extend(table.get(id).into_iter().flat_map(|it| it.row.uploads()));
            table.remove(id);
        } else if let Some(entry) = table.get_mut(id) {
            entry.of = None;
            table.set_date(id, None);
            table.set_time(id, None);
        }
        drop(table);
        self.leave(id, &left);
        if gone {
            self.keep_later(id);
        }
    }

    fn reckon_anew(&self) {
        let ids = self.shared.table.lock().ids();
        for id in ids {
            if let Some((_, trigger)) = self.look(&id) {
                self.reckon(&id, &trigger);
            }
        }
    }

    /// Finds the date at which it is due next.
    fn reckon(&self, id: &Id, trigger: &Trigger) {
        let Some(schedule) = schedule(trigger) else {
            return;
        };
        let mut table = self.shared.table.lock();
        let Some(entry) = table.get_mut(id) else {
            return;
        };
        entry.row.set_back(self.now().date);
        let next = entry
            .row
            .next(&schedule, offset(id, &entry.row.uid, trigger));
        table.set_date(id, next);
    }

    /// Deals with the times of a schedule that have come.
    fn come(&self, id: &Id) {
        let Some((_, trigger)) = self.look(id) else {
            // Its date is set where it is followed again.
            if let Some(entry) = self.shared.table.lock().get_mut(id) {
                entry.of = None;
            }
            return;
        };
        let (Some(schedule), now) = (schedule(&trigger), self.now()) else {
            return;
        };
        let mut table = self.shared.table.lock();
        let Some(entry) = table.get_mut(id) else {
            return;
        };
        self.settle(entry);
        let offset = offset(id, &entry.row.uid, &trigger);
        let before = entry.row.skipped.clone();
        if let Some(occasion) = entry.row.come(&trigger, &schedule, offset, now) {
            let _ = entry.row.take(occasion, &trigger, now);
        }
        let left_out = entry
            .row
            .skipped
            .clone()
            .filter(|it| Some(it) != before.as_ref());
        let next = entry.row.next(&schedule, offset);
        table.set_date(id, next);
        drop(table);
        self.count(&trigger, left_out.as_ref());
        self.keep_later(id);
    }

    pub(super) fn count(&self, trigger: &Trigger, left_out: Option<&Skipped>) {
        if let Some(skipped) = left_out {
            let telemetry = &self.shared.parts.telemetry;
            telemetry.trigger_skipped(trigger.kind(), skipped.why.label());
        }
    }

    pub(super) fn keep_later(&self, id: &Id) {
        let (this, id) = (self.clone(), id.clone());
        tokio::spawn(async move {
            if let Err(error) = this.keep(&id).await {
                tracing::warn!(trigger = %id, %error, "what is known of a trigger is not kept yet");
            }
        });
    }
}

/// When an instance was made.
fn made(instance: &Instance) -> Option<UnixMillis> {
    let made = instance.resource.metadata.creation_timestamp.as_ref()?;
    let made = u64::try_from(made.0.as_millisecond()).ok()?;
    Some(UnixMillis(made))
}

fn schedule(trigger: &Trigger) -> Option<Schedule> {
    let cron = trigger.cron.as_deref()?;
    match Schedule::parse(cron, trigger.time_zone.as_deref()) {
        Ok(schedule) => Some(schedule),
        // It was read where the agent was resolved, by another zone database then.
        Err(error) => {
            tracing::error!(%error, "a schedule cannot be read on this machine");
            None
        }
    }
}

/// By how much a trigger is later than its schedule: always the same, and another's is another.
fn offset(id: &Id, uid: &str, trigger: &Trigger) -> u64 {
    use sha2::{Digest as _, Sha256};
    let most = trigger.jitter_seconds.unwrap_or_default();
    let most = u64::try_from(most).unwrap_or_default() * 1000;
    let digest: [u8; 32] = Sha256::digest(format!("{uid}/{id}")).into();
    let number = u64::from_be_bytes(std::array::from_fn(|at| digest[at]));
    number % (most + 1)
}

fn stepped(before: Moment, now: Moment) -> bool {
    let measured = before.date.plus(now.at.since(before.at));
    measured.since(now.date).max(now.date.since(measured)) > STEP_MS
}

#[cfg(test)]
#[path = "firing_tests.rs"]
mod tests;
