//! A broker in memory, for the tests of other rooms: topics, retained messages, subscriptions, and a link that is cut when
//! a test wants it.
//!
//! Like a real one it is heard in a task of the connection's own.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use aion_abi::{code::Code, problem::Problem};
use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::{
    Broker, BrokerDriver, Connection, Hearing, LinkState, MAX_PUBLISHES, Message, Publish, Qos,
    filter_fault, matches, refused, refused::Refusal, topic_fault,
};

/// What the fake says of its next try.
const RETRY_IN: Duration = Duration::from_millis(500);

/// A broker in memory; clones are the same one.
#[derive(Clone, Default)]
pub struct FakeBroker {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    cut: bool,
    held: bool,
    denied: BTreeSet<String>,
    retained: BTreeMap<String, Bytes>,
    published: Vec<Publish>,
    clients: BTreeMap<u64, Client>,
    next: u64,
}

struct Client {
    broker: Broker,
    filters: BTreeMap<String, Qos>,
    events: mpsc::UnboundedSender<Event>,
    up: bool,
    /// Publishes that wait to be acknowledged.
    waiting: Vec<oneshot::Sender<Result<(), Problem>>>,
}

enum Event {
    Link(LinkState),
    Message(String, Bytes, bool),
    Refused(String, Problem),
}

impl FakeBroker {
    /// Ends all connections, and takes none. Publishes that wait to be acknowledged have an unknown outcome.
    pub fn cut(&self) {
        let mut state = self.state.lock();
        state.cut = true;
        for client in state.clients.values_mut() {
            client.down(|name| refused::unreachable(name, "the broker closed the connection"));
        }
    }

    /// Takes connections again; all that is wanted is subscribed to again. What is retained is still there.
    pub fn mend(&self) {
        let mut state = self.state.lock();
        state.cut = false;
        let ids: Vec<u64> = state.clients.keys().copied().collect();
        for id in ids {
            state.connect(id);
        }
    }

    /// Whether publishes are not acknowledged until it is said otherwise. They are passed on all the same.
    pub fn hold(&self, held: bool) {
        let mut state = self.state.lock();
        state.held = held;
        if !held {
            for client in state.clients.values_mut() {
                for waiting in client.waiting.drain(..) {
                    let _ = waiting.send(Ok(()));
                }
            }
        }
    }

    /// Refuses subscriptions by this filter, and publishes to this topic.
    pub fn deny(&self, topic: &str) {
        self.state.lock().denied.insert(topic.to_owned());
    }

    /// All that was published, in order.
    pub fn published(&self) -> Vec<Publish> {
        self.state.lock().published.clone()
    }

    /// Passes on what a device says.
    pub fn say(&self, topic: &str, payload: impl Into<Bytes>, retain: bool) {
        let payload = payload.into();
        self.state.lock().pass_on(topic, &payload, retain);
    }
}

impl State {
    fn connect(&mut self, id: u64) {
        let cut = self.cut;
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if cut {
            client.down(|name| refused::unreachable(name, "connection refused"));
            return;
        }
        client.up = true;
        client.tell(Event::Link(LinkState::Up));
        let filters = client.filters.clone();
        for filter in filters.into_keys() {
            self.subscribe(id, filter);
        }
    }

    fn subscribe(&mut self, id: u64, filter: String) {
        let denied = self.denied.contains(&filter);
        let Some(client) = self.clients.get(&id).filter(|client| client.up) else {
            return;
        };
        if denied {
            let why = Refusal::denied("this client may not");
            let why = why.of_filter(&client.broker.endpoint.name, &filter);
            client.tell(Event::Refused(filter, why));
            return;
        }
        for (topic, payload) in &self.retained {
            let fits = topic.len() + payload.len() <= client.broker.max_packet as usize;
            if fits && matches(&filter, topic) {
                client.tell(Event::Message(topic.clone(), payload.clone(), true));
            }
        }
    }

    fn pass_on(&mut self, topic: &str, payload: &Bytes, retain: bool) {
        match (retain, payload.is_empty()) {
            (true, true) => drop(self.retained.remove(topic)),
            (true, false) => drop(self.retained.insert(topic.to_owned(), payload.clone())),
            (false, _) => {}
        }
        for client in self.clients.values().filter(|client| client.up) {
            let heard = |filter: &String| matches(filter, topic) && !self.denied.contains(filter);
            let fits = topic.len() + payload.len() <= client.broker.max_packet as usize;
            if fits && client.filters.keys().any(heard) {
                client.tell(Event::Message(topic.to_owned(), payload.clone(), false));
            }
        }
    }
}

impl Client {
    fn tell(&self, event: Event) {
        // Nobody listens once the connection is dropped.
        let _ = self.events.send(event);
    }

    fn down(&mut self, why: impl Fn(&str) -> Problem) {
        let name = self.broker.endpoint.name.clone();
        self.up = false;
        for waiting in self.waiting.drain(..) {
            let _ = waiting.send(Err(refused::unknown(&name)));
        }
        self.tell(Event::Link(LinkState::Down {
            why: why(&name),
            retry_in: RETRY_IN,
        }));
    }
}

impl BrokerDriver for FakeBroker {
    fn open(&self, broker: Broker, hearing: Arc<dyn Hearing>) -> Box<dyn Connection> {
        let (events, mut heard) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(event) = heard.recv().await {
                match event {
                    Event::Link(link) => hearing.link(link),
                    Event::Refused(filter, why) => hearing.refused(&filter, why),
                    Event::Message(topic, payload, retained) => hearing.message(Message {
                        topic: &topic,
                        payload: &payload,
                        retained,
                    }),
                }
            }
        });
        let mut state = self.state.lock();
        state.next += 1;
        let id = state.next;
        let client = Client {
            broker,
            filters: BTreeMap::new(),
            events,
            up: false,
            waiting: Vec::new(),
        };
        state.clients.insert(id, client);
        state.connect(id);
        Box::new(Kept {
            state: Arc::clone(&self.state),
            id,
        })
    }
}

struct Kept {
    state: Arc<Mutex<State>>,
    id: u64,
}

impl Kept {
    /// What the publish ends with, or where that is said.
    fn published(
        &self,
        publish: Publish,
    ) -> Result<Option<oneshot::Receiver<Result<(), Problem>>>, Problem> {
        let mut state = self.state.lock();
        let State {
            clients,
            denied,
            held,
            ..
        } = &mut *state;
        let Some(client) = clients.get_mut(&self.id) else {
            return Err(refused::unreachable("the broker", "it is not connected to"));
        };
        let name = client.broker.endpoint.name.clone();
        let unfit = |code, why| refused::unfit(&name, &publish.topic, code, why);
        if let Some(why) = topic_fault(&publish.topic) {
            return Err(unfit(Code::BadRequest, why));
        }
        if publish.payload.len() + publish.topic.len() > client.broker.max_packet as usize {
            return Err(unfit(Code::TooLarge, "it is more than a packet may have"));
        }
        if !client.up {
            return Err(refused::unreachable(&name, "it is not connected to"));
        }
        if client.waiting.len() >= MAX_PUBLISHES {
            return Err(unfit(
                Code::Overloaded,
                "256 publishes wait for the broker already",
            ));
        }
        if denied.contains(&publish.topic) {
            return Err(Refusal::denied("this client may not").of_topic(&name, &publish.topic));
        }
        let end = (*held && publish.qos != Qos::AtMostOnce).then(|| {
            let (ends, end) = oneshot::channel();
            client.waiting.push(ends);
            end
        });
        state.pass_on(&publish.topic, &publish.payload, publish.retain);
        state.published.push(publish);
        Ok(end)
    }
}

impl Connection for Kept {
    fn subscribe(&self, filters: Vec<(String, Qos)>) {
        let mut state = self.state.lock();
        for (filter, qos) in filters {
            let Some(client) = state.clients.get_mut(&self.id) else {
                return;
            };
            if let Some(why) = filter_fault(&filter) {
                let why = refused::no_filter(&client.broker.endpoint.name, &filter, why);
                client.tell(Event::Refused(filter, why));
                continue;
            }
            client.filters.insert(filter.clone(), qos);
            state.subscribe(self.id, filter);
        }
    }

    fn unsubscribe(&self, filters: Vec<String>) {
        if let Some(client) = self.state.lock().clients.get_mut(&self.id) {
            for filter in filters {
                client.filters.remove(&filter);
            }
        }
    }

    fn publish(&self, publish: Publish) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(async move {
            match self.published(publish)? {
                None => Ok(()),
                Some(end) => end.await.unwrap_or(Ok(())),
            }
        })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.state.lock().clients.remove(&self.id);
    }
}
