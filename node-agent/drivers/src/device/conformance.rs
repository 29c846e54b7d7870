//! What every driver of brokers must do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{sync::Arc, time::Duration};

use aion_abi::{code::Code, problem::Problem};
use bytes::Bytes;
use tokio::{sync::mpsc, time::timeout};

use super::{Broker, BrokerDriver, Connection, Hearing, LinkState, Message, Publish, Qos};

#[cfg(test)]
pub(super) mod ours;

/// How long a test waits for what comes: only a failing one waits so long.
const BOUND: Duration = Duration::from_secs(30);

/// A broker under test: nothing is retained, and everybody may everything but what is said of `denied`.
pub trait Bench {
    /// The driver.
    fn driver(&self) -> &dyn BrokerDriver;
    /// The broker, for a client of this name, with packets of at most 4 KiB.
    fn broker(&self, client: &str) -> Broker;
    /// Ends it as `kill -9` does.
    fn cut(&mut self);
    /// Starts it again.
    fn mend(&mut self);
    /// Whether it forgets what is retained when it is cut.
    fn forgets(&self) -> bool;
    /// Whether it says why it refuses a publish; if so, nobody may publish to or subscribe by `denied/topic`.
    fn denies(&self) -> bool;
}

/// What was heard, as it came.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// Topic, payload, whether it was retained.
    Message(String, Vec<u8>, bool),
    /// The link.
    Link(LinkState),
    /// A filter that is refused.
    Refused(String, Problem),
    /// A message that was dropped.
    Dropped(String, Problem),
}

struct Ear(mpsc::UnboundedSender<Heard>);

impl Hearing for Ear {
    fn message(&self, message: Message<'_>) {
        let Message {
            topic,
            payload,
            retained,
        } = message;
        let _ = self
            .0
            .send(Heard::Message(topic.into(), payload.into(), retained));
    }

    fn link(&self, link: LinkState) {
        let _ = self.0.send(Heard::Link(link));
    }

    fn refused(&self, topic: &str, why: Problem) {
        let _ = self.0.send(Heard::Refused(topic.into(), why));
    }

    fn dropped(&self, topic: &str, _size: Option<u64>, why: Problem) {
        let _ = self.0.send(Heard::Dropped(topic.into(), why));
    }
}

/// A connection and what is heard by it.
pub struct Client {
    /// The connection.
    pub connection: Box<dyn Connection>,
    heard: mpsc::UnboundedReceiver<Heard>,
}

impl Client {
    /// Opens a connection.
    pub fn open(driver: &dyn BrokerDriver, broker: Broker) -> Self {
        let (tell, heard) = mpsc::unbounded_channel();
        let connection = driver.open(broker, Arc::new(Ear(tell)));
        Self { connection, heard }
    }

    /// The next that is heard.
    ///
    /// # Panics
    /// Where nothing is.
    pub async fn next(&mut self) -> Heard {
        let heard = timeout(BOUND, self.heard.recv()).await;
        heard.expect("something is heard").expect("it goes on")
    }

    /// Waits until the link is up.
    pub async fn up(&mut self) {
        while self.next().await != Heard::Link(LinkState::Up) {}
    }

    /// Waits until the link is down, and gives the reason.
    pub async fn down(&mut self) -> Problem {
        loop {
            if let Heard::Link(LinkState::Down { why, .. }) = self.next().await {
                return why;
            }
        }
    }

    /// The next message, whatever is heard before: topic, payload, whether it was retained.
    ///
    /// # Panics
    /// Where a subscription is refused.
    pub async fn message(&mut self) -> (String, Vec<u8>, bool) {
        loop {
            match self.next().await {
                Heard::Message(topic, payload, retained) => return (topic, payload, retained),
                Heard::Link(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Says it, with a bound to the wait.
    ///
    /// # Errors
    /// As the connection's.
    ///
    /// # Panics
    /// Where there is no end to it.
    pub async fn say(&self, publish: Publish) -> Result<(), Problem> {
        let end = timeout(BOUND, self.connection.publish(publish)).await;
        end.expect("a publish has an end")
    }
}

/// A publish that is not retained.
pub fn publish(topic: &str, payload: &str, qos: Qos) -> Publish {
    Publish {
        topic: topic.to_owned(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        qos,
        retain: false,
    }
}

/// # Panics
/// Where the driver does something else.
pub async fn conforms(bench: &mut dyn Bench) {
    passes_on(bench).await;
    retains(bench).await;
    refuses(bench).await;
    comes_back(bench).await;
}

/// Subscribes and waits until the broker has it: a retained message is subscribed to after all else, and is heard.
///
/// # Panics
/// Where another message is heard before.
pub async fn subscribed(client: &mut Client, filters: &[&str]) {
    let last = "~/ready";
    let ready = Publish {
        retain: true,
        ..publish(last, "ready", Qos::AtLeastOnce)
    };
    client.say(ready).await.unwrap();
    let filters = filters
        .iter()
        .map(|it| ((*it).to_owned(), Qos::ExactlyOnce));
    let filters = filters.chain([(last.to_owned(), Qos::AtLeastOnce)]);
    client.connection.subscribe(filters.collect());
    assert_eq!(client.message().await.0, last);
    client.connection.unsubscribe(vec![last.to_owned()]);
}

async fn passes_on(bench: &mut dyn Bench) {
    let mut hears = Client::open(bench.driver(), bench.broker("hears"));
    let mut says = Client::open(bench.driver(), bench.broker("says"));
    hears.up().await;
    says.up().await;
    subscribed(&mut hears, &["exact/topic", "wild/+/state", "deep/#"]).await;
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        for topic in ["exact/topic", "wild/é/state", "deep", "deep/er/still"] {
            for unheard in ["exact/other", "wild/a/b/state", "deeper"] {
                says.say(publish(unheard, "nobody", qos)).await.unwrap();
            }
            let text = format!("{qos:?}");
            says.say(publish(topic, &text, qos)).await.unwrap();
            let heard = hears.message().await;
            assert_eq!(heard, (topic.to_owned(), text.into_bytes(), false));
        }
    }
    // In order, and as many at once as may be.
    let said = (0..200).map(|it| publish("deep/many", &it.to_string(), Qos::AtLeastOnce));
    let said = futures::future::join_all(said.map(|it| says.say(it))).await;
    assert!(said.iter().all(Result::is_ok), "{said:?}");
    for it in 0..200 {
        assert_eq!(hears.message().await.1, it.to_string().into_bytes());
    }
    hears.connection.unsubscribe(vec!["deep/#".into()]);
    subscribed(&mut hears, &[]).await;
    says.say(publish("deep/er", "gone", Qos::AtLeastOnce))
        .await
        .unwrap();
    says.say(publish("exact/topic", "here", Qos::AtLeastOnce))
        .await
        .unwrap();
    assert_eq!(hears.message().await.1, b"here");
}

async fn retains(bench: &mut dyn Bench) {
    let mut says = Client::open(bench.driver(), bench.broker("keeps"));
    says.up().await;
    let kept = |text: &str| Publish {
        retain: true,
        ..publish("kept/state", text, Qos::AtLeastOnce)
    };
    says.say(kept("open")).await.unwrap();
    let mut hears = Client::open(bench.driver(), bench.broker("late"));
    for _ in 0..2 {
        // Each time it is asked for.
        hears
            .connection
            .subscribe(vec![("kept/+".into(), Qos::AtLeastOnce)]);
        let heard = hears.message().await;
        assert_eq!(heard, ("kept/state".into(), b"open".into(), true));
    }
    says.say(kept("closed")).await.unwrap();
    assert_eq!(
        hears.message().await,
        ("kept/state".into(), b"closed".into(), false)
    );
    // Nothing in it: it is kept no longer.
    says.say(kept("")).await.unwrap();
    assert_eq!(hears.message().await.1, b"");
    let mut later = Client::open(bench.driver(), bench.broker("later"));
    later.up().await;
    subscribed(&mut later, &["kept/+"]).await;
}

async fn refuses(bench: &mut dyn Bench) {
    let mut client = Client::open(bench.driver(), bench.broker("odd"));
    client.up().await;
    let large = "x".repeat(5000);
    let long = "x".repeat(2000);
    for (topic, payload, code) in [
        ("a", large.as_str(), Code::TooLarge),
        ("a/+", "", Code::BadRequest),
        ("#", "", Code::BadRequest),
        ("", "", Code::BadRequest),
        ("a\0", "", Code::BadRequest),
        (long.as_str(), "", Code::BadRequest),
    ] {
        let problem = client.say(publish(topic, payload, Qos::AtLeastOnce)).await;
        assert_eq!(problem.unwrap_err().code, code);
    }
    for filter in ["", "a/#/b", "a+"] {
        client
            .connection
            .subscribe(vec![(filter.to_owned(), Qos::AtMostOnce)]);
        let Heard::Refused(refused, why) = client.next().await else {
            panic!("{filter} is refused");
        };
        assert_eq!((refused.as_str(), why.code), (filter, Code::BadRequest));
    }
    if bench.denies() {
        let said = client
            .say(publish("denied/topic", "", Qos::AtLeastOnce))
            .await;
        assert_eq!(said.unwrap_err().code, Code::Denied);
        let said = client
            .say(publish("denied/topic", "", Qos::ExactlyOnce))
            .await;
        assert_eq!(said.unwrap_err().code, Code::Denied);
    }
    client
        .say(publish("a", "fits", Qos::ExactlyOnce))
        .await
        .unwrap();
}

async fn comes_back(bench: &mut dyn Bench) {
    let mut hears = Client::open(bench.driver(), bench.broker("stays"));
    let mut says = Client::open(bench.driver(), bench.broker("stays-too"));
    hears.up().await;
    says.up().await;
    let mut filters: Vec<String> = (0..1500).map(|it| format!("back/{it}/state")).collect();
    filters.push("back/+".into());
    let names: Vec<&str> = filters.iter().map(String::as_str).collect();
    subscribed(&mut hears, &names).await;
    hears.connection.unsubscribe(vec!["back/7/state".into()]);
    let kept = Publish {
        retain: true,
        ..publish("back/kept", "still", Qos::AtLeastOnce)
    };
    says.say(kept.clone()).await.unwrap();
    assert_eq!(hears.message().await.1, b"still");
    bench.cut();
    assert_eq!(hears.down().await.code, Code::Unreachable);
    assert_eq!(says.down().await.code, Code::Unreachable);
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let problem = says
            .say(publish("back/1/state", "lost", qos))
            .await
            .unwrap_err();
        assert_eq!(problem.code, Code::Unreachable, "{problem}");
    }
    bench.mend();
    says.up().await;
    hears.up().await;
    if bench.forgets() {
        says.say(kept).await.unwrap();
    }
    assert_eq!(
        hears.message().await,
        ("back/kept".into(), b"still".into(), !bench.forgets())
    );
    subscribed(&mut hears, &[]).await;
    for topic in ["back/7/state", "back/0/state", "back/1499/state"] {
        says.say(publish(topic, "again", Qos::ExactlyOnce))
            .await
            .unwrap();
    }
    assert_eq!(hears.message().await.0, "back/0/state");
    assert_eq!(hears.message().await.0, "back/1499/state");
}
