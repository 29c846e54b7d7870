//! The task that asks a device, each of its paths in each round, as long as there is somebody to ask.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use aion_backoff::Backoff;
use aion_device::Compiled;
use aion_drivers::device::http::{Answer, NotAnswered, Validators};
use aion_resolve::device::Silent;
use tokio::time::{Instant, sleep_until};

use super::{Asked, Link, Shared};

/// Within so long a device is asked first, and again once it did not answer. By chance: not all of them at once.
const SOON: Duration = Duration::from_secs(2);
/// The longest pause after failures, for a device that is not asked more rarely anyway.
const LONGEST: Duration = Duration::from_secs(60);
/// One failure may be chance: a device that did not answer so often in a row is not there.
const ENOUGH: u32 = 2;

/// What is remembered from one round to the next.
struct Rounds {
    /// What was asked for.
    of: Option<Arc<Compiled>>,
    /// By path, by what it may say the same again.
    known: BTreeMap<String, Validators>,
    failures: u32,
    answered_once: bool,
    backoff: Backoff,
}

/// How a round ended.
enum Round {
    Answered,
    /// There is nothing to ask it.
    Nothing,
    /// Somebody has to tell it something.
    GaveWay,
    Failed(NotAnswered),
}

/// Asks until nobody listens to the device any more. Holds nothing of the link while it waits.
pub(super) async fn ask(link: Weak<Link>, shared: Weak<Shared>) {
    let begun = link.upgrade().and_then(|it| {
        let asked = it.asked()?;
        let every = Duration::from_millis(asked.http.every_ms);
        Some((every, Arc::clone(&asked.now)))
    });
    let Some((every, now)) = begun else { return };
    let mut rounds = Rounds {
        of: None,
        known: BTreeMap::new(),
        failures: 0,
        answered_once: false,
        backoff: Backoff::new(SOON.min(every), LONGEST.max(every)),
    };
    let mut next = Instant::now() + SOON.min(every).mul_f64(fastrand::f64());
    loop {
        tokio::select! {
            () = now.notified() => {}
            () = sleep_until(next) => {}
        }
        let Some((it, of)) = link.upgrade().zip(shared.upgrade()) else {
            return;
        };
        let Some(asked) = it.asked() else { return };
        let begun = Instant::now();
        next = match rounds.ask(&it, asked, &of).await {
            Round::Answered => {
                rounds.answered(&it, asked, &of);
                // Rounds of devices that began together come apart.
                begun + every.mul_f64(0.95 + fastrand::f64() / 10.0)
            }
            Round::Nothing => begun + every,
            Round::GaveWay => begun,
            Round::Failed(why) => {
                let named = why.after.map(Backoff::after).unwrap_or_default();
                rounds.failed(&it, asked, &of, why);
                // One that took all of its time would be asked again at once.
                Instant::now() + rounds.backoff.pause().max(named)
            }
        };
    }
}

impl Asked {
    /// It answered: a round of questions, or an order.
    pub(super) fn answers(&self, link: &Link, shared: &Shared) {
        if self.silent.lock().take().is_some() {
            tracing::info!(device = %link.key(), "a device answers again");
        }
        link.answers(shared, true);
    }
}

impl Rounds {
    async fn ask(&mut self, link: &Link, asked: &Asked, shared: &Shared) -> Round {
        let _turn = asked.turn.lock().await;
        let Some(device) = link.only_device() else {
            return Round::Nothing;
        };
        if self.of.as_ref().is_none_or(|it| **it != *device) {
            // What is known of answers is of what was asked for before.
            self.known.clear();
            self.of = Some(Arc::clone(&device));
        }
        if asked.told.swap(false, Ordering::SeqCst) {
            self.known.clear();
        }
        let paths = device.paths();
        if paths.is_empty() {
            return Round::Nothing;
        }
        for path in paths {
            let mut hurried = pin!(asked.hurry.notified());
            hurried.as_mut().enable();
            if asked.urgent.load(Ordering::SeqCst) > 0 {
                return Round::GaveWay;
            }
            let known = self.known.get(&path).cloned().unwrap_or_default();
            let answer = tokio::select! {
                biased;
                () = &mut hurried => return Round::GaveWay,
                answer = asked.asks.get(&path, &known) => answer,
            };
            match answer {
                Ok(Answer::Said { body, validators }) => {
                    link.said(shared, &path, Some(&body));
                    self.known.insert(path, validators);
                }
                Ok(Answer::Same) => link.said(shared, &path, None),
                Err(why) => return Round::Failed(why),
            }
        }
        Round::Answered
    }

    fn answered(&mut self, link: &Link, asked: &Asked, shared: &Shared) {
        self.answered_once = true;
        self.failures = 0;
        self.backoff.reset();
        asked.answers(link, shared);
    }

    fn failed(&mut self, link: &Link, asked: &Asked, shared: &Shared, failed: NotAnswered) {
        // What was said before a failure may be of another life of the device.
        self.known.clear();
        self.failures = self.failures.saturating_add(1);
        if self.answered_once && self.failures < ENOUGH {
            return;
        }
        let NotAnswered { why, mend, .. } = failed;
        let silent = Silent {
            why: format!("{}: {}", why.detail, why.remedy),
            mend,
        };
        let before = asked.silent.lock().replace(silent.clone());
        if before.is_none() {
            tracing::warn!(device = %link.key(), %why, "a device does not answer");
            link.lost();
        }
        link.answers(shared, false);
        if before != Some(silent) {
            shared.standing.changed(link.key());
        }
    }
}
