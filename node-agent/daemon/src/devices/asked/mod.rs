//! Devices that are asked by HTTP: what is known of each, and who asks it now.
//!
//! One question or order at a time: small devices take no more. An order goes before questions, and whoever asks gives up for it.
//! What may not enter: what an answer means (`aion-device`), connections (`aion_drivers::device::http`).

mod asking;
mod saying;
mod telling;

use std::{
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use aion_api::program::SecretKey;
use aion_device::{Http, Shown};
use aion_drivers::{
    device::http::{Asks, HttpDevice, Shown as Shows},
    outbound::Endpoint,
    secrets::SecretRef,
};
use aion_resolve::{Key, device::Silent};
use parking_lot::Mutex;
use tokio::{
    sync::{MutexGuard, Notify},
    task::AbortHandle,
};

use super::{Shared, link::Link};

/// See the module.
pub(super) struct Asked {
    /// How.
    pub(super) http: Arc<Http>,
    /// By what.
    asks: Arc<dyn Asks>,
    /// Held by whoever asks it or tells it something.
    turn: tokio::sync::Mutex<()>,
    /// So many want to tell it something: whoever asks it lets them.
    urgent: AtomicUsize,
    hurry: Notify,
    /// It is to be asked now.
    now: Arc<Notify>,
    /// It was told something since it was asked last: by what it said then, nothing can be the same again.
    told: AtomicBool,
    silent: Mutex<Option<Silent>>,
    task: OnceLock<AbortHandle>,
}

/// Somebody who has a device's turn to tell it something.
struct Urgent<'a> {
    of: &'a Asked,
    _turn: Option<MutexGuard<'a, ()>>,
}

impl Drop for Urgent<'_> {
    fn drop(&mut self) {
        self.of.urgent.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Asked {
    fn new(shared: &Shared, key: &Key, http: Arc<Http>) -> Self {
        Self {
            asks: shared.parts.http.open(device(key, &http)),
            http,
            turn: tokio::sync::Mutex::default(),
            urgent: AtomicUsize::new(0),
            hurry: Notify::new(),
            now: Arc::default(),
            told: AtomicBool::new(false),
            silent: Mutex::default(),
            task: OnceLock::new(),
        }
    }

    /// Waits for its turn to tell it something. Questions give way.
    async fn urgently(&self) -> Urgent<'_> {
        self.urgent.fetch_add(1, Ordering::SeqCst);
        let mut urgent = Urgent {
            of: self,
            _turn: None,
        };
        self.hurry.notify_waiters();
        urgent._turn = Some(self.turn.lock().await);
        urgent
    }

    /// Why it does not answer, as long as it does not.
    pub(super) fn silent(&self) -> Option<Silent> {
        self.silent.lock().clone()
    }

    /// It is not asked any more.
    pub(super) fn close(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// What asks a device: what it was asked by before, unless that is otherwise now.
    pub(super) fn asks(
        self: &Arc<Self>,
        before: Option<&Arc<Link>>,
        key: &Key,
        http: &Arc<Http>,
    ) -> Arc<Link> {
        let same = before.filter(|it| it.asked().is_some_and(|it| it.http == *http));
        if let Some(link) = same {
            // What is asked may be another.
            link.asked().into_iter().for_each(|it| it.now.notify_one());
            return Arc::clone(link);
        }
        let asked = Asked::new(self, key, Arc::clone(http));
        let link = Link::asking(self, key.clone(), asked);
        // At one address it is one device, however it is asked. What is said of it elsewhere now, the registry finds out.
        if let Some(before) = before
            && before.asked().is_some_and(|it| it.http.url == http.url)
        {
            link.take_over(before);
        }
        let (weak, of): (Weak<Link>, _) = (Arc::downgrade(&link), Arc::downgrade(self));
        let task = tokio::spawn(asking::ask(weak, of)).abort_handle();
        if let Some(asked) = link.asked() {
            let _ = asked.task.set(task);
        }
        link
    }
}

fn device(key: &Key, http: &Http) -> HttpDevice {
    let headers = http.headers.iter().map(|(name, shown)| {
        let shows = match shown {
            Shown::Text(text) => Shows::Text(text.clone()),
            Shown::Secret(key) => Shows::Secret(secret(key)),
        };
        (name.clone(), shows)
    });
    HttpDevice {
        endpoint: Endpoint {
            name: key.name.clone(),
            tenant: key.namespace.as_str().into(),
            url: http.url.clone(),
            secret: None,
        },
        authority: http.authority.as_ref().map(secret),
        headers: headers.collect(),
        basic: http
            .basic
            .as_ref()
            .map(|(name, password)| (name.clone(), secret(password))),
        bearer: http.bearer.as_ref().map(secret),
        timeout: Duration::from_millis(http.timeout_ms),
    }
}

fn secret(key: &SecretKey) -> SecretRef {
    SecretRef {
        secret: key.secret.clone(),
        key: key.key.clone(),
    }
}

#[cfg(test)]
mod tests;
