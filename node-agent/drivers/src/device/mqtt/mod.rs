//! Brokers over the network: one task a broker, which connects, listens and says what is asked, until it is dropped.
//!
//! What may not enter: an event loop of a client library, which dials by itself and keeps what is pending to send it again.

mod flight;
mod hello;
mod link;
mod request;
mod task;
mod times;
mod wanted;

use std::sync::Arc;

use aion_abi::{code::Code, problem::Problem};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::AbortHandle,
};

use request::{Request, Waiter};
use times::Times;
use wanted::Wanted;

use super::{
    Broker, BrokerDriver, Connection, Hearing, MAX_PUBLISHES, Publish, Qos, refused, topic_fault,
};
use crate::{outbound::Outbound, secrets::Secrets};

/// Bytes of publishes that are not written yet, on one connection; one may be of any size.
const MAX_WAITING_BYTES: usize = super::MAX_PACKET as usize;

/// Connections to brokers at addresses that the outbound rule lets through.
pub struct MqttBrokers {
    outbound: Arc<Outbound>,
    secrets: Arc<dyn Secrets>,
    times: Times,
}

impl MqttBrokers {
    /// Brokers by `outbound`, with passwords of `secrets`.
    pub fn new(outbound: Arc<Outbound>, secrets: Arc<dyn Secrets>) -> Self {
        Self {
            outbound,
            secrets,
            times: Times::default(),
        }
    }

    #[cfg(test)]
    pub(in crate::device) fn in_short(mut self) -> Self {
        self.times = Times::short();
        self
    }
}

impl BrokerDriver for MqttBrokers {
    fn open(&self, broker: Broker, hearing: Arc<dyn Hearing>) -> Box<dyn Connection> {
        let shared = Arc::new(Shared {
            broker,
            hearing,
            outbound: Arc::clone(&self.outbound),
            secrets: Arc::clone(&self.secrets),
            times: self.times,
            wanted: Wanted::default(),
            line: Mutex::new(None),
        });
        let task = tokio::spawn(task::keep(Arc::clone(&shared))).abort_handle();
        Box::new(Kept {
            shared,
            slots: Arc::new(Semaphore::new(MAX_PUBLISHES)),
            bytes: Arc::new(Semaphore::new(MAX_WAITING_BYTES)),
            task,
        })
    }
}

/// What the task and its owner have in common.
struct Shared {
    broker: Broker,
    hearing: Arc<dyn Hearing>,
    outbound: Arc<Outbound>,
    secrets: Arc<dyn Secrets>,
    times: Times,
    wanted: Wanted,
    /// To the connection there is; it is closed with it, and what is in it then is dropped.
    line: Mutex<Option<mpsc::Sender<Request>>>,
}

impl Shared {
    fn name(&self) -> &str {
        &self.broker.endpoint.name
    }
}

struct Kept {
    shared: Arc<Shared>,
    slots: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    task: AbortHandle,
}

impl Kept {
    fn asked(&self, publish: Publish) -> Result<oneshot::Receiver<Result<(), Problem>>, Problem> {
        let name = self.shared.name();
        if let Some(why) = topic_fault(&publish.topic) {
            return Err(refused::unfit(name, &publish.topic, Code::BadRequest, why));
        }
        let most = self.shared.broker.max_packet;
        let size = publish.payload.len() + publish.topic.len();
        if size > most as usize {
            let why = format!("{size} bytes are more than the {most} that a packet may have");
            return Err(refused::unfit(name, &publish.topic, Code::TooLarge, why));
        }
        let down = || refused::unreachable(name, "it is not connected to");
        let line = self.shared.line.lock().clone().ok_or_else(down)?;
        if line.is_closed() {
            return Err(down());
        }
        let overloaded = |why: &str| {
            refused::unfit(name, &publish.topic, Code::Overloaded, why).retry_after_ms(1000)
        };
        let slot = Arc::clone(&self.slots).try_acquire_owned();
        let slot = slot.map_err(|_| overloaded("256 publishes wait for the broker already"))?;
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let bytes = Arc::clone(&self.bytes).try_acquire_many_owned(size);
        let bytes = bytes.map_err(|_| overloaded("16 MiB wait to be written already"))?;
        let (ends, end) = oneshot::channel();
        let request = Request {
            publish,
            waiter: Waiter::new(ends, slot),
            bytes,
        };
        match line.try_send(request) {
            Ok(()) => Ok(end),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(down()),
            // There is room for as many as there are slots.
            Err(mpsc::error::TrySendError::Full(request)) => Err(refused::unfit(
                name,
                &request.publish.topic,
                Code::Overloaded,
                "256 publishes wait for the broker already",
            )),
        }
    }
}

impl Connection for Kept {
    fn subscribe(&self, filters: Vec<(String, Qos)>) {
        self.shared.wanted.add(filters);
    }

    fn unsubscribe(&self, filters: Vec<String>) {
        self.shared.wanted.remove(filters);
    }

    fn publish(&self, publish: Publish) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(async move {
            let end = self.asked(publish)?;
            // What was written always has an end, even where the task has none.
            end.await.unwrap_or_else(|_| {
                Err(refused::unreachable(
                    self.shared.name(),
                    "the connection was lost before the message was written",
                ))
            })
        })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}
