//! What devices announce of themselves at brokers that are asked for it. It is kept here until somebody looks; nothing is
//! admitted here.

use std::sync::{Arc, OnceLock};

use aion_abi::proposal::Discovering;
use aion_api::DeviceBrokerSpec;
use aion_device::announced::{Announcements, Draft, drafts, filters};
use aion_resolve::Key;
use parking_lot::Mutex;

use super::{Devices, Shared, link::Link};

/// The announcements of one broker, once they are listened to.
#[derive(Default)]
pub(super) struct Announced(OnceLock<Listening>);

struct Listening {
    prefix: String,
    state: Mutex<State>,
}

struct State {
    announcements: Announcements,
    /// What they come to, and at which revision.
    drafted: Option<(u64, Arc<[Draft]>)>,
}

impl Announced {
    /// Listens from now on. Gives what is to be subscribed to, the first time.
    pub(super) fn listen(&self, broker: &DeviceBrokerSpec) -> Option<Vec<String>> {
        let of = broker.discovery.as_ref()?.home_assistant.as_ref()?;
        let prefix = of.prefix().to_owned();
        let listening = Listening {
            state: Mutex::new(State {
                announcements: Announcements::new(&prefix),
                drafted: None,
            }),
            prefix,
        };
        self.0.set(listening).is_ok().then(|| self.filters())
    }

    /// What is subscribed to.
    pub(super) fn filters(&self) -> Vec<String> {
        let prefix = self.0.get().map(|it| filters(&it.prefix));
        prefix.into_iter().flatten().collect()
    }

    /// Takes a message, which may be anything.
    pub(super) fn take(&self, topic: &str, payload: &[u8]) {
        if let Some(it) = self.0.get()
            && topic.starts_with(&it.prefix)
        {
            it.state.lock().announcements.take(topic, payload);
        }
    }

    /// The broker is connected to anew, and says all again that it retains: nothing that is gone stays.
    pub(super) fn anew(&self) {
        if let Some(it) = self.0.get() {
            it.state.lock().announcements.clear();
        }
    }

    /// The devices that are announced.
    fn drafts(&self, broker: &str) -> Arc<[Draft]> {
        let Some(it) = self.0.get() else {
            return Arc::default();
        };
        let announcements = {
            let state = it.state.lock();
            let revision = state.announcements.revision();
            if let Some((of, drafts)) = &state.drafted
                && *of == revision
            {
                return Arc::clone(drafts);
            }
            // The connection does not wait for its reading.
            state.announcements.clone()
        };
        let made: Arc<[Draft]> = drafts(broker, &announcements).into();
        it.state.lock().drafted = Some((announcements.revision(), Arc::clone(&made)));
        made
    }

    fn stands(&self, link: &Link) -> Option<Discovering> {
        let it = self.0.get()?;
        let state = it.state.lock();
        let left_out = state.announcements.left_out();
        let last = left_out.last.as_ref();
        Some(Discovering {
            broker: link.key().name.clone(),
            prefix: it.prefix.clone(),
            away: link.away().or_else(|| link.refused_any(&self.filters())),
            announcements: state.announcements.len() as u64,
            left_out: left_out.count,
            last_left_out: last.map(|(topic, why)| format!("{topic}: {why}")),
        })
    }
}

impl Devices {
    /// Devices that are announced in a namespace, by broker. Costs what reading all of it does where something changed: not for a
    /// task that others wait for.
    pub(crate) fn announced(&self, namespace: &str) -> Vec<(String, Arc<[Draft]>)> {
        let links = self.links(namespace).into_iter();
        links
            .map(|it| (it.key().name.clone(), it.announced.drafts(&it.key().name)))
            .collect()
    }

    /// The brokers of a namespace whose announcements are listened to.
    pub(crate) fn discovering(&self, namespace: &str) -> Vec<Discovering> {
        let links = self.links(namespace);
        links
            .iter()
            .filter_map(|it| it.announced.stands(it))
            .collect()
    }

    fn links(&self, namespace: &str) -> Vec<Arc<Link>> {
        let table = self.0.table.read();
        let all = table
            .links
            .iter()
            .filter(|(key, _)| key.namespace == namespace);
        all.map(|(_, it)| Arc::clone(it)).collect()
    }
}

impl Shared {
    /// Listens to what is announced at a broker, whether or not a device is reached by it; or no longer.
    pub(super) fn discover(self: &Arc<Self>, key: &Key, reached: Option<&Arc<DeviceBrokerSpec>>) {
        let mut table = self.table.write();
        match reached {
            Some(reached) => {
                table.discovering.insert(key.clone());
                // Opens it where it is not there.
                self.link(&mut table, key, reached);
            }
            None => {
                table.discovering.remove(key);
                if let Some(link) = table.links.get(key).cloned() {
                    self.let_go(&mut table, &link);
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "discovery_tests.rs"]
mod tests;
