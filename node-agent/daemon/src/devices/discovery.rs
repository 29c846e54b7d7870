//! What devices announce of themselves at brokers that are asked for it. It is kept here until somebody looks; nothing is
//! admitted here.

use std::sync::{Arc, OnceLock};

use aion_abi::proposal::Discovering;
use aion_api::DeviceBrokerSpec;
use aion_device::{
    Message, Moment, RebirthRequest,
    announced::{Announcements, Births, Draft, LeftOut, drafts, filters},
};
use aion_resolve::Key;
use internment::ArcIntern;
use parking_lot::Mutex;

use super::{Devices, Shared, link::Link};

/// What is announced at one broker, once it is listened to: by each way of announcing that it is asked for.
#[derive(Default)]
pub(super) struct Announced(OnceLock<Vec<Listening>>);

struct Listening {
    /// What the topics of announcements begin with.
    prefix: String,
    filters: Vec<String>,
    state: Mutex<State>,
}

struct State {
    kept: Kept,
    /// What they come to, and at which revision.
    drafted: Option<(u64, Arc<[Draft]>)>,
}

enum Kept {
    HomeAssistant(Announcements),
    Sparkplug(Births),
}

impl Kept {
    fn all(&self) -> &Announcements {
        match self {
            Self::HomeAssistant(it) => it,
            Self::Sparkplug(it) => it.kept(),
        }
    }

    fn left_out(&self) -> &LeftOut {
        self.all().left_out()
    }
}

impl Listening {
    fn new(prefix: String, filters: Vec<String>, kept: Kept) -> Self {
        let state = Mutex::new(State {
            kept,
            drafted: None,
        });
        Self {
            prefix,
            filters,
            state,
        }
    }

    fn take(&self, message: Message<'_>, now: Moment) -> Option<RebirthRequest> {
        let Message {
            topic,
            payload,
            retained,
        } = message;
        match &mut self.state.lock().kept {
            Kept::HomeAssistant(it) if topic.starts_with(&self.prefix) => it.take(topic, payload),
            Kept::HomeAssistant(_) => {}
            Kept::Sparkplug(it) => return it.take(topic, payload, retained, now),
        }
        None
    }

    fn drafts(&self, broker: &str) -> Arc<[Draft]> {
        let (is_births, kept) = {
            let state = self.state.lock();
            let kept = state.kept.all();
            let revision = kept.revision();
            if let Some((of, drafts)) = &state.drafted
                && *of == revision
            {
                return Arc::clone(drafts);
            }
            // The connection does not wait for its reading.
            (matches!(state.kept, Kept::Sparkplug(_)), kept.clone())
        };
        let made: Arc<[Draft]> = match is_births {
            true => Births::drafts(broker, &kept).into(),
            false => drafts(broker, &kept).into(),
        };
        self.state.lock().drafted = Some((kept.revision(), Arc::clone(&made)));
        made
    }

    fn stands(&self, link: &Link) -> Discovering {
        let state = self.state.lock();
        let left_out = state.kept.left_out();
        let last = left_out.last.as_ref();
        Discovering {
            broker: link.key().name.clone(),
            prefix: self.prefix.clone(),
            away: link.away().or_else(|| link.refused_any(&self.filters)),
            announcements: state.kept.all().len() as u64,
            left_out: left_out.count,
            last_left_out: last.map(|(topic, why)| format!("{topic}: {why}")),
        }
    }
}

impl Announced {
    /// Listens from now on. Gives what is to be subscribed to, the first time.
    pub(super) fn listen(&self, broker: &DeviceBrokerSpec) -> Option<Vec<String>> {
        let of = broker.discovery.as_ref()?;
        let home_assistant = of.home_assistant.as_ref().map(|it| {
            let prefix = it.prefix();
            let kept = Kept::HomeAssistant(Announcements::new(prefix));
            Listening::new(prefix.to_owned(), filters(prefix).into(), kept)
        });
        let sparkplug = of.sparkplug.as_ref().map(|it| {
            let births = Births::new(it);
            let prefix = format!("spBv1.0/{}", births.groups().join(","));
            Listening::new(prefix, births.filters(), Kept::Sparkplug(births))
        });
        let all = home_assistant.into_iter().chain(sparkplug).collect();
        self.0.set(all).is_ok().then(|| self.filters())
    }

    fn each(&self) -> impl Iterator<Item = &Listening> {
        self.0.get().into_iter().flatten()
    }

    /// What is subscribed to.
    pub(super) fn filters(&self) -> Vec<String> {
        self.each().flat_map(|it| it.filters.clone()).collect()
    }

    /// Takes a message, which may be anything. Gives what an edge node is asked for its birth by.
    pub(super) fn take(&self, message: Message<'_>, now: Moment) -> Vec<RebirthRequest> {
        let asked = self.each().filter_map(|it| it.take(message, now));
        asked.collect()
    }

    /// An edge node was not asked for its birth after all, and may be later.
    pub(super) fn put_off(&self, request: &RebirthRequest) {
        for it in self.each() {
            if let Kept::Sparkplug(it) = &mut it.state.lock().kept {
                it.put_off(request);
            }
        }
    }

    /// The broker is connected to anew, and says all again that it retains: nothing that is gone stays. Births are not retained.
    pub(super) fn anew(&self) {
        for it in self.each() {
            match &mut it.state.lock().kept {
                Kept::HomeAssistant(it) => it.clear(),
                Kept::Sparkplug(it) => it.anew(),
            }
        }
    }
}

impl Devices {
    /// Devices that are announced in a namespace, by broker. Costs what reading all of it does where something changed: not for a
    /// task that others wait for.
    pub(crate) fn announced(&self, namespace: &str) -> Vec<(String, Arc<[Draft]>)> {
        let links = self.links(namespace);
        let all = links.iter().flat_map(|link| {
            let broker = &link.key().name;
            let each = link.announced.each();
            each.map(move |it| (broker.clone(), it.drafts(broker)))
        });
        all.collect()
    }

    /// The brokers of a namespace whose announcements are listened to.
    pub(crate) fn discovering(&self, namespace: &str) -> Vec<Discovering> {
        let links = self.links(namespace);
        let all = links
            .iter()
            .flat_map(|link| link.announced.each().map(|it| it.stands(link)));
        all.collect()
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
    pub(super) fn discover(
        self: &Arc<Self>,
        key: &Key,
        reached: Option<&ArcIntern<DeviceBrokerSpec>>,
    ) {
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
