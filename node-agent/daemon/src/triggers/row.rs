//! What is durable of one trigger, and every decision about it: what is due, what waits, what is left out, when a turn
//! starts. Dates and times are given.
//!
//! What may not enter: a clock, IO, a lock.

use std::collections::VecDeque;

use aion_abi::date::UnixMillis;
use aion_api::{Busy, Missed, Trigger, TriggerBudget};
use aion_kernel::Millis;
use aion_trigger::{Schedule, template};
use serde::{Deserialize, Serialize};

use super::text;

/// A run that is later than this was missed, in milliseconds.
const LATE_MS: u64 = 60_000;
/// A clock that was set back by less runs nothing twice, as with Vixie's cron; one that was set back by more was wrong before.
const BACK_MS: u64 = 3 * 3_600_000;
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// Occasions that wait at most, of deliveries and events.
const WAITING: usize = 64;
/// Turns that a webhook and an event start in an hour, unless said otherwise.
const PER_HOUR: i32 = 60;
/// What a turn is for at most where it gathers, as for devices, unless said otherwise.
const GATHERED: i32 = 16;
/// So many times as long as it is to be quiet is waited for that.
const LONGEST: u64 = 10;
/// How often a turn that is refused for now is asked for, and the pause between.
const TRIES: u32 = 20;
const RETRY_MS: u64 = 15_000;

/// Something that a turn may be started for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Occasion {
    /// Names it among those of its trigger.
    pub(super) key: String,
    pub(super) at: UnixMillis,
    /// By the kernel's time.
    pub(super) since: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) scheduled: Option<UnixMillis>,
    /// What came, as an upload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<File>,
    /// The turn whose end it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<Source>,
    /// What a device said, in the node's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) said: Option<String>,
    /// How many turns led to it, one by the end of another.
    #[serde(default)]
    pub(super) depth: u32,
}

/// A file that came from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct File {
    pub(super) upload: String,
    pub(super) name: String,
}

/// A turn that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Source {
    pub(super) agent: String,
    pub(super) turn: u64,
}

/// A turn that is asked for: the same question, under the same key, until the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Question {
    pub(super) key: String,
    pub(super) input: String,
    pub(super) uploads: Vec<String>,
    pub(super) depth: u32,
    #[serde(default)]
    tries: u32,
}

/// What was started in a stretch of time, by the kernel's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Window {
    began: Millis,
    used: u32,
}

/// Why an occasion starts no turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Why {
    /// A turn of the trigger is under way.
    Busy,
    /// It passed while nobody could run it.
    Missed,
    /// The budget is used up.
    Budget,
    /// Too many turns led to it.
    Chain,
    /// Too much waits.
    Full,
    /// The turn is refused.
    Refused,
}

impl Why {
    /// As metrics have it.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Missed => "missed",
            Self::Budget => "budget",
            Self::Chain => "chain",
            Self::Full => "full",
            Self::Refused => "refused",
        }
    }
}

/// What was left out last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Skipped {
    pub(super) at: UnixMillis,
    pub(super) why: Why,
    #[serde(default)]
    pub(super) told: String,
}

/// A turn that was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) at: UnixMillis,
    pub(super) turn: u64,
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Row {
    /// The uid of its agent: another agent of the name begins anew.
    pub(super) uid: String,
    /// What it is due by, or waits for: what waits for something else begins anew.
    occasions: String,
    /// Times up to here are dealt with.
    until: UnixMillis,
    /// How often its clock was found to have been wrong: times that it dealt with before were others.
    epoch: u64,
    /// When its agent left this node: what comes meanwhile comes elsewhere.
    pub(super) left: Option<UnixMillis>,
    /// Turns of its source up to this one are none of its business.
    pub(super) from: u64,
    /// Files that came, which names them.
    pub(super) files: u64,
    pub(super) waiting: VecDeque<Occasion>,
    pub(super) asking: Option<Question>,
    /// Not before, by the kernel's time.
    pub(super) retry: Option<Millis>,
    pub(super) running: Option<u64>,
    hour: Window,
    day: Window,
    pub(super) last: Option<Run>,
    pub(super) skipped: Option<Skipped>,
}

/// What is to be done about what waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    /// Nothing, until something else happens.
    Nothing,
    /// Nothing before this, by the kernel's time.
    Later(Millis),
    /// This is asked.
    Ask(Question),
}

/// Both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) date: UnixMillis,
    pub(super) at: Millis,
}

impl Row {
    /// The row of a trigger that is seen for the first time.
    pub(super) fn new(uid: &str, trigger: &Trigger, from: u64, date: UnixMillis) -> Self {
        Self {
            uid: uid.to_owned(),
            occasions: occasions(trigger),
            until: date,
            from,
            ..Self::default()
        }
    }

    /// Whether it is of a trigger with these occasions.
    pub(super) fn is_of(&self, trigger: &Trigger) -> bool {
        self.occasions == occasions(trigger)
    }

    /// Begins anew for other occasions. Budget, and what is asked and runs, stay.
    pub(super) fn follow(&mut self, trigger: &Trigger, from: u64, date: UnixMillis) {
        self.occasions = occasions(trigger);
        (self.from, self.until) = (from, date);
        self.waiting.clear();
    }

    /// Its agent is on this node again, in an instance made at `made`: what it waited for before, it had elsewhere.
    pub(super) fn come_back(&mut self, made: Option<UnixMillis>, date: UnixMillis) {
        let left = self.left.take();
        let made = made.unwrap_or(date).min(date);
        if left.is_some_and(|left| left < made) {
            self.until = self.until.max(made);
            self.waiting.clear();
            self.asking = None;
        }
    }

    /// The files of all that waits or is asked.
    pub(super) fn uploads(&self) -> Vec<String> {
        let waiting = self.waiting.iter().filter_map(|it| it.file.as_ref());
        let asking = self.asking.iter().flat_map(|it| it.uploads.iter().cloned());
        waiting.map(|it| it.upload.clone()).chain(asking).collect()
    }

    /// Goes by a clock that was wrong before: what it dealt with then was of no time.
    pub(super) fn set_back(&mut self, date: UnixMillis) {
        if self.until.since(date) > BACK_MS {
            self.until = date;
            self.epoch += 1;
        }
    }

    /// When it is due next, `offset` after its schedule.
    pub(super) fn next(&self, schedule: &Schedule, offset: u64) -> Option<UnixMillis> {
        Some(schedule.next(self.until)?.plus(offset))
    }

    /// Deals with the times of its schedule that have come. Gives the one to run, if one is.
    pub(super) fn come(
        &mut self,
        trigger: &Trigger,
        schedule: &Schedule,
        offset: u64,
        now: Moment,
    ) -> Option<Occasion> {
        let by = UnixMillis(now.date.0.saturating_sub(offset));
        self.set_back(by);
        let newest = schedule.newest(by).filter(|newest| *newest > self.until)?;
        let one = schedule.next(self.until) == Some(newest);
        self.until = newest;
        let late = by.since(newest) > LATE_MS;
        if late && trigger.missed.unwrap_or_default() == Missed::Skip {
            let told = match one {
                true => text::date(newest, trigger.time_zone.as_deref()),
                false => format!(
                    "several times, the last at {}",
                    text::date(newest, trigger.time_zone.as_deref())
                ),
            };
            self.skip(now.date, Why::Missed, told);
            return None;
        }
        Some(Occasion {
            key: match self.epoch {
                0 => newest.to_string(),
                epoch => format!("{newest}.{epoch}"),
            },
            at: now.date,
            since: now.at,
            scheduled: Some(newest),
            file: None,
            source: None,
            said: None,
            depth: 0,
        })
    }

    /// Whether an occasion would be taken now.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn admits(&self, trigger: &Trigger, now: Millis) -> Result<(), Why> {
        let under_way = self.running.is_some() || self.asking.is_some();
        if under_way && trigger.busy.unwrap_or_default() == Busy::Skip {
            return Err(Why::Busy);
        }
        let most = if trigger.cron.is_some() { 1 } else { WAITING };
        // Of what devices say the newest counts: the oldest gives it room.
        if self.waiting.len() >= most && trigger.device.is_none() {
            return Err(if trigger.cron.is_some() {
                Why::Busy
            } else {
                Why::Full
            });
        }
        // The end of a turn has no sender who brings it again, nor has what a device says: it waits for the budget.
        let waits = trigger.event.is_some() || trigger.device.is_some();
        match self.budgeted(trigger, now) {
            Some(_) if !waits => Err(Why::Budget),
            _ => Ok(()),
        }
    }

    /// Takes an occasion, or notes why it does not.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn take(
        &mut self,
        occasion: Occasion,
        trigger: &Trigger,
        now: Moment,
    ) -> Result<(), Why> {
        let admitted = self.admits(trigger, now.at);
        match admitted {
            Ok(()) => {
                if self.waiting.len() >= WAITING {
                    let oldest = self.waiting.pop_front().and_then(|it| it.said);
                    self.skip(now.date, Why::Full, oldest.unwrap_or_default());
                }
                self.waiting.push_back(occasion);
            }
            Err(why) => self.skip(now.date, why, String::new()),
        }
        admitted
    }

    pub(super) fn skip(&mut self, at: UnixMillis, why: Why, told: String) {
        self.skipped = Some(Skipped { at, why, told });
    }

    /// What is to be done now. What is to be asked is reserved in the budget, and stays until [`Row::asked`] or [`Row::refused`].
    pub(super) fn start(&mut self, agent: &str, trigger: &Trigger, now: Moment) -> Start {
        if let Some(retry) = self.retry.filter(|retry| *retry > now.at) {
            return Start::Later(retry);
        }
        if let Some(asking) = &self.asking {
            return Start::Ask(asking.clone());
        }
        let (Some(first), Some(last), None) =
            (self.waiting.front(), self.waiting.back(), self.running)
        else {
            return Start::Nothing;
        };
        if let Some(quiet) = trigger.debounce_seconds {
            let quiet = u64::try_from(quiet).unwrap_or_default() * 1000;
            let longest = first.since.plus(quiet.saturating_mul(LONGEST));
            let due = last.since.plus(quiet).min(longest);
            // What fills a turn does not wait for quiet.
            if due > now.at && self.waiting.len() < batch(trigger) {
                return Start::Later(due);
            }
        }
        if let Some(free) = self.budgeted(trigger, now.at) {
            return Start::Later(free);
        }
        let most = batch(trigger).min(self.waiting.len());
        let gathered: Vec<Occasion> = self.waiting.drain(..most).collect();
        let question = question(agent, trigger, &gathered);
        reserve(&mut self.hour, HOUR_MS, now.at);
        reserve(&mut self.day, DAY_MS, now.at);
        self.asking = Some(question.clone());
        Start::Ask(question)
    }

    /// The kernel has the turn.
    pub(super) fn asked(&mut self, turn: u64, at: UnixMillis) {
        self.asking = None;
        self.retry = None;
        self.running = Some(turn);
        self.last = Some(Run { at, turn });
    }

    /// The turn is refused. Whether it is given up.
    pub(super) fn refused(&mut self, told: String, passing: bool, now: Moment) -> bool {
        let tries = self.asking.as_mut().map_or(TRIES, |asking| {
            asking.tries += 1;
            asking.tries
        });
        let over = !passing || tries >= TRIES;
        self.retry = (!over).then(|| now.at.plus(RETRY_MS));
        if over {
            self.asking = None;
            self.skip(now.date, Why::Refused, told);
        }
        over
    }

    /// When its budget has room again, where it has none.
    fn budgeted(&self, trigger: &Trigger, now: Millis) -> Option<Millis> {
        let budget = budget(trigger);
        let windows = [
            (self.hour, HOUR_MS, budget.per_hour),
            (self.day, DAY_MS, budget.per_day),
        ];
        let full = windows.into_iter().filter_map(|(window, length, most)| {
            let most = u32::try_from(most?).unwrap_or_default();
            let ends = window.began.plus(length);
            (window.used >= most && ends > now).then_some(ends)
        });
        full.max()
    }
}

fn reserve(window: &mut Window, length: u64, now: Millis) {
    if window.used == 0 || window.began.plus(length) <= now {
        *window = Window {
            began: now,
            used: 0,
        };
    }
    window.used += 1;
}

fn budget(trigger: &Trigger) -> TriggerBudget {
    let given = trigger.budget.clone();
    given.unwrap_or_else(|| TriggerBudget {
        // A schedule bounds itself.
        per_hour: trigger.cron.is_none().then_some(PER_HOUR),
        per_day: None,
    })
}

fn batch(trigger: &Trigger) -> usize {
    let gathers = trigger.debounce_seconds.is_some() || trigger.device.is_some();
    let most = trigger.batch.unwrap_or(if gathers { GATHERED } else { 1 });
    usize::try_from(most).unwrap_or(1).max(1)
}

/// What a trigger waits for.
fn occasions(trigger: &Trigger) -> String {
    let zone = trigger.time_zone.as_deref().unwrap_or_default();
    let cron = trigger.cron.as_deref().unwrap_or_default();
    let event = trigger.event.as_ref();
    let event = event.map(|it| format!("{} {:?}", it.agent, it.turn));
    let device = trigger.device.as_ref();
    let device = device.map(|it| format!("{it} {:?} {:?}", trigger.property, trigger.becomes));
    format!(
        "{} {cron} {zone} {}",
        trigger.kind(),
        event.or(device).unwrap_or_default()
    )
}

/// What is asked for these occasions, of which there is one at least.
fn question(agent: &str, trigger: &Trigger, gathered: &[Occasion]) -> Question {
    let files: Vec<&File> = gathered.iter().filter_map(|it| it.file.as_ref()).collect();
    let newest = gathered.last();
    let zone = trigger.time_zone.as_deref();
    let source = newest.and_then(|it| it.source.as_ref());
    let value = |field: &str| match field {
        "trigger" => trigger.name.clone(),
        "agent" => Some(agent.to_owned()),
        "time" => Some(text::date(newest?.at, zone)),
        "scheduled" => Some(text::date(newest?.scheduled?, zone)),
        "files" => {
            let names: Vec<&str> = files.iter().map(|it| &*it.name).collect();
            Some(names.join(", "))
        }
        "source" => source.map(|it| it.agent.clone()).or(trigger.device.clone()),
        "events" => {
            let said: Vec<&str> = gathered
                .iter()
                .filter_map(|it| it.said.as_deref())
                .collect();
            Some(said.join("; "))
        }
        "turn" => Some(source?.turn.to_string()),
        _ => None,
    };
    let asked = trigger.input.as_deref().unwrap_or(text::default(trigger));
    Question {
        key: gathered
            .first()
            .map(|it| it.key.clone())
            .unwrap_or_default(),
        input: template::fill(asked, value),
        uploads: files.iter().map(|it| it.upload.clone()).collect(),
        depth: gathered.iter().map(|it| it.depth).max().unwrap_or_default(),
        tries: 0,
    }
}

#[cfg(test)]
#[path = "row_tests.rs"]
mod tests;
