//! What a device is told by HTTP: one request that leaves once, and the word of the device that it did it: in its answer, or when
//! it is asked right after.

use std::{sync::atomic::Ordering, time::Duration};

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::device::{ConfirmedBy, DoneResponse, Value},
};
use aion_device::{Confirm, How, Order};
use aion_drivers::device::http::{Answer, Order as Told, Validators};
use tokio::{
    sync::oneshot::Receiver,
    time::{Instant, sleep, timeout_at},
};

use super::Asked;
use crate::devices::{
    Devices, Entry,
    doing::{confirmed, unknown},
};

/// What lies between two questions whether it is as it was told, at first and at most.
const SHORTLY: Duration = Duration::from_millis(100);
const LATER: Duration = Duration::from_secs(1);

impl Devices {
    /// Whoever calls holds what the device is told by, and has looked whether the node may serve it.
    pub(in crate::devices) async fn request(
        &self,
        entry: &Entry,
        asked: &Asked,
        (order, safe): (Order, bool),
    ) -> Result<DoneResponse, Problem> {
        let How::Request {
            method,
            content_type,
            answer,
        } = order.how
        else {
            let what = "a message of a broker cannot be sent by HTTP";
            return Err(Problem::new(Code::Internal, what));
        };
        let (link, key) = (&entry.link, entry.device.compiled.key());
        let shared = &*self.0;
        let within = Duration::from_millis(order.confirm_ms);
        let until = Instant::now() + within;
        let _urgent = asked.urgently().await;
        let heard = match &order.confirm {
            Confirm::Broker => None,
            confirm => Some(link.expect(key, confirm.clone())),
        };
        let told = Told {
            method: method.as_str(),
            path: order.topic,
            content_type: content_type.map(String::from),
            payload: order.payload.into(),
            safe,
        };
        let may = || shared.parts.tenure.holds();
        asked.told.store(true, Ordering::SeqCst);
        let answered = asked.asks.tell(told, within, &may).await;
        // What it is otherwise shows soon, whatever came of it.
        asked.now.notify_one();
        let body = answered?;
        if entry.device.compiled.paths().is_empty() {
            // No question finds out that it is there.
            asked.answers(link, shared);
        }
        if let Some(topic) = &answer {
            link.said(shared, topic, Some(&body));
        }
        let Some(mut heard) = heard else {
            return Ok(confirmed(ConfirmedBy::Device, None));
        };
        let Confirm::State { property, .. } = &order.confirm else {
            return heard.try_recv().map_or_else(
                |_| {
                    let name = &key.name;
                    Err(unknown(format!(
                        "device {name} was told, and its answer does not say that it did it"
                    )))
                },
                |value| Ok(confirmed(ConfirmedBy::Device, value)),
            );
        };
        let path = entry.device.compiled.path_of(property);
        match self
            .read_back((entry, asked), path, &mut heard, until)
            .await
        {
            Some(value) => Ok(confirmed(ConfirmedBy::Device, value)),
            // It can be asked: what it said before the order says nothing of it.
            None => Err(self.not_said(entry, &order.confirm, within)),
        }
    }

    /// Asks until it is as it was told, or the time is over.
    async fn read_back(
        &self,
        (entry, asked): (&Entry, &Asked),
        path: Option<String>,
        heard: &mut Receiver<Option<Value>>,
        until: Instant,
    ) -> Option<Option<Value>> {
        let mut pause = SHORTLY;
        // Asked without what it may say the same by: what it says is to be new.
        let none = Validators::default();
        loop {
            if let Ok(value) = heard.try_recv() {
                return Some(value);
            }
            let path = path.as_deref()?;
            let answer = asked.asks.get(path, &none);
            match timeout_at(until, answer).await {
                Ok(Ok(Answer::Said { body, .. })) => {
                    entry.link.said(&self.0, path, Some(&body));
                    if let Ok(value) = heard.try_recv() {
                        return Some(value);
                    }
                }
                Ok(_) => {}
                Err(_) => return None,
            }
            if Instant::now() + pause >= until {
                return None;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LATER);
        }
    }
}
