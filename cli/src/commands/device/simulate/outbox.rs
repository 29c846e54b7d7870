//! What devices said and the broker does not have yet. What they say, and when, may not enter.
//!
//! The queue is bounded and whoever puts something into it never waits: a broker that is away or slow holds up nobody who listens
//! for Ctrl-C.

use std::collections::BTreeSet;

use rumqttc::{AsyncClient, ClientError, QoS, SubscribeFilter};
use tokio::sync::mpsc;

use super::play::Out;

/// What may wait.
const WAITING: usize = 10_000;

/// What is to be sent.
#[derive(Debug)]
pub(super) enum Word {
    /// These topics are listened to.
    Listen(Vec<String>),
    /// A device says something.
    Say(Out),
}

/// See the module.
pub(super) struct Outbox {
    waiting: mpsc::Sender<Word>,
    /// Topics where the broker retains something.
    retained: BTreeSet<String>,
}

impl Outbox {
    /// What is put into it leaves by this client, in this order.
    pub(super) fn to(client: AsyncClient) -> Self {
        let (waiting, words) = mpsc::channel(WAITING);
        tokio::spawn(send(client, words));
        Self {
            waiting,
            retained: BTreeSet::new(),
        }
    }

    /// Until there is room.
    pub(super) async fn room(&self) {
        // It is the only one who puts something in: what is free stays free.
        let _ = self.waiting.reserve().await;
    }

    /// Whether there was room for it.
    pub(super) fn put(&mut self, word: Word) -> bool {
        if let Word::Say(it) = &word
            && it.retain
            && !self.retained.contains(&it.said.topic)
            && self.waiting.capacity() > 0
        {
            self.retained.insert(it.said.topic.clone());
        }
        self.waiting.try_send(word).is_ok()
    }

    /// Puts as many as there is room for; what is left stays.
    pub(super) fn put_some(&mut self, words: &mut impl Iterator<Item = Word>) {
        while self.waiting.capacity() > 0
            && let Some(it) = words.next()
        {
            self.put(it);
        }
    }

    /// Topics where the broker retains something that went through here.
    pub(super) fn retained(&self) -> impl Iterator<Item = &String> {
        self.retained.iter()
    }

    /// The last words. The connection is closed behind them.
    pub(super) fn end(self, words: Vec<Word>) {
        tokio::spawn(async move {
            for it in words {
                if self.waiting.send(it).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// Hands over what waits until nobody puts anything in, and says goodbye.
async fn send(client: AsyncClient, mut words: mpsc::Receiver<Word>) {
    while let Some(it) = words.recv().await {
        if hand_over(&client, it).await.is_err() {
            return;
        }
    }
    let _ = client.disconnect().await;
}

async fn hand_over(client: &AsyncClient, word: Word) -> Result<(), ClientError> {
    match word {
        Word::Listen(topics) => {
            let filter = |it| SubscribeFilter::new(it, QoS::AtLeastOnce);
            client.subscribe_many(topics.into_iter().map(filter)).await
        }
        Word::Say(Out { said, retain, .. }) => {
            let quality = QoS::AtLeastOnce;
            client
                .publish(said.topic, quality, retain, said.payload)
                .await
        }
    }
}
