//! The task that waits for what is next of all triggers, and the way of an occasion to its turn.

use std::{sync::Arc, time::Duration};

use aion_abi::{admin::TurnRequest, code::Code, problem::Problem};
use aion_api::Trigger;
use aion_kernel::TurnId;
use aion_trigger::Schedule;
use tokio::sync::mpsc;

use super::{
    Triggers,
    row::{Moment, Question, Row, Skipped, Start, Why},
    table::{Entry, Id},
};
use crate::{
    instance::Instance,
    turns::{AskError, Cause, Ended, QuestionKey},
};

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
                table.hear(id, None);
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
        let heard = trigger.event.as_ref().map(|event| {
            let source = format!("{}/{}", instance.namespace(), event.agent);
            self.shared.parts.turns.ended_of(&source)
        });
        let mut table = self.shared.table.lock();
        let changed = match table.get_mut(id) {
            Some(entry) if entry.row.uid == uid => entry.row.follow(trigger, now.date),
            _ => {
                let from = heard.and_then(|turns| turns.into_iter().max());
                let row = Row::new(uid, trigger, from.map_or(0, |turn| turn.0), now.date);
                table.put(id.clone(), Entry::of(row, Default::default()));
                true
            }
        };
        drop(table);
        if changed {
            self.keep_later(id);
        }
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
        if gone {
            table.remove(id);
        } else if let Some(entry) = table.get_mut(id) {
            entry.of = None;
            table.set_date(id, None);
            table.set_time(id, None);
        }
        drop(table);
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
            return;
        };
        let (Some(schedule), now) = (schedule(&trigger), self.now()) else {
            return;
        };
        let mut table = self.shared.table.lock();
        let Some(entry) = table.get_mut(id) else {
            return;
        };
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

    /// Starts turns for what waits, as far as that may be. Gives the last that was started.
    ///
    /// # Errors
    /// Why a turn was not started now.
    pub(super) async fn advance(&self, id: &Id) -> Result<Option<TurnId>, Problem> {
        let mut started = None;
        loop {
            let Some((instance, trigger)) = self.look(id) else {
                return Ok(started);
            };
            let question = {
                let mut table = self.shared.table.lock();
                let Some(entry) = table.get_mut(id) else {
                    return Ok(started);
                };
                if entry.in_flight {
                    return Ok(started);
                }
                match entry
                    .row
                    .start(&instance.spec().agent.name, &trigger, self.now())
                {
                    Start::Nothing => return Ok(started),
                    Start::Later(at) => {
                        table.set_time(id, Some(at));
                        self.shared.wake.notify_one();
                        return Ok(started);
                    }
                    Start::Ask(question) => {
                        entry.in_flight = true;
                        question
                    }
                }
            };
            let asked = self.ask(id, &instance, &trigger, &question).await;
            let came = self.asked(id, &trigger, asked);
            if let Err(error) = self.keep(id).await {
                tracing::warn!(trigger = %id, %error, "the turn of a trigger is not noted yet");
            }
            started = Some(came?);
        }
    }

    async fn ask(
        &self,
        id: &Id,
        instance: &Instance,
        trigger: &Trigger,
        question: &Question,
    ) -> Result<TurnId, AskError> {
        let parts = &self.shared.parts;
        // First what is asked: a daemon that is killed after this asks the same.
        self.keep(id).await.map_err(|error| not_kept(&error))?;
        let _permit = self.shared.asking.acquire().await;
        let request = TurnRequest {
            input: question.input.clone(),
            uploads: question.uploads.clone(),
            deadline_ms: None,
        };
        let key = QuestionKey::of_trigger(&id.name, &question.key);
        let cause = Cause::Trigger {
            name: id.name.to_string(),
            depth: question.depth,
        };
        let turn = parts
            .turns
            .ask(&parts.shell, instance, request, Some(key), cause)
            .await?;
        parts.telemetry.turns_asked.inc();
        parts.telemetry.trigger_started(trigger.kind());
        tracing::info!(trigger = %id, %turn, "a trigger started a turn");
        Ok(turn)
    }

    /// Notes what came of a question.
    fn asked(
        &self,
        id: &Id,
        trigger: &Trigger,
        asked: Result<TurnId, AskError>,
    ) -> Result<TurnId, Problem> {
        let now = self.now();
        let mut table = self.shared.table.lock();
        let Some(entry) = table.get_mut(id) else {
            return asked.map_err(problem);
        };
        entry.in_flight = false;
        match asked {
            Ok(turn) => {
                entry.row.asked(turn.0, now.date);
                table.runs(id, turn.0);
                // It may have ended before anybody was told whose it is.
                if !self.shared.parts.turns.is_under_way(turn) {
                    table.ended(turn.0);
                }
                Ok(turn)
            }
            Err(error) => {
                let problem = problem(error);
                let over = entry
                    .row
                    .refused(problem.detail.clone(), passes(problem.code), now);
                let left_out = entry.row.skipped.clone().filter(|_| over);
                // What waits behind it is not held up.
                let again = entry.row.retry.unwrap_or(now.at);
                table.set_time(id, Some(again));
                drop(table);
                self.shared.wake.notify_one();
                self.count(trigger, left_out.as_ref());
                tracing::warn!(trigger = %id, %problem, over, "a trigger could not start a turn");
                Err(problem)
            }
        }
    }
}

/// What passes without anybody's doing.
fn passes(code: Code) -> bool {
    code.passes()
        || matches!(
            code,
            Code::StorageFull | Code::QuotaExceeded | Code::NotRunning | Code::Internal
        )
}

fn problem(error: AskError) -> Problem {
    match error {
        AskError::Problem(problem) => problem,
        AskError::Upload(error) => Problem::new(Code::NotFound, error.to_string()),
    }
}

pub(super) fn not_kept(error: &std::io::Error) -> Problem {
    let code = match aion_journal::is_full(error) {
        true => Code::StorageFull,
        false => Code::Internal,
    };
    Problem::new(code, format!("what a trigger does cannot be kept: {error}"))
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

/// Why an occasion is not taken, for whoever brought it.
pub(super) fn refusal(why: Why) -> Problem {
    match why {
        Why::Busy => Problem::new(Code::Overloaded, "a turn of this trigger is under way")
            .retry_after_ms(10_000),
        Why::Full => Problem::new(Code::Overloaded, "as much waits for this trigger as may")
            .retry_after_ms(10_000),
        Why::Budget => Problem::new(Code::QuotaExceeded, "the budget of this trigger is used up")
            .retry_after_ms(60_000),
        Why::Missed | Why::Chain | Why::Refused => {
            Problem::new(Code::Denied, "this trigger starts no turn for that")
        }
    }
}

#[cfg(test)]
#[path = "firing_tests.rs"]
mod tests;
