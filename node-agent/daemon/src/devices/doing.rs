//! What devices are told: one message that leaves once, and the word of the device that it did it. By HTTP it is a request
//! ([`super::asked`]).

use std::time::Duration;

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::device::{CommandRequest, ConfirmedBy, DoneResponse, Value, WriteRequest},
};
use aion_api::Delivery;
use aion_device::{Confirm, How, Order};
use aion_drivers::device::{Publish, Qos};
use aion_kernel::{Breach, Generation, Refusal};
use tokio::time::timeout;

use super::{Devices, Entry, Told};
use crate::call::refusal;

/// When a device that is being told something is worth another try.
const AGAIN_MS: u64 = 500;

impl Devices {
    /// Sets a property. Ends when the device says that it is so.
    ///
    /// # Errors
    /// `guarded` where the device is another than the kernel judged, and `unreachable`: nothing was sent. `outcome-unknown` where
    /// something was and nobody says that it was done.
    pub(crate) async fn write(
        &self,
        namespace: &str,
        request: &WriteRequest,
        judged: Generation,
    ) -> Result<DoneResponse, Problem> {
        let entry = self.as_judged(namespace, &request.device, judged)?;
        let order = entry
            .device
            .compiled
            .set(&request.property, &request.value)?;
        self.order(&entry, order).await
    }

    /// Has a device do something. Ends when the device says that it did.
    ///
    /// # Errors
    /// As [`Devices::write`].
    pub(crate) async fn command(
        &self,
        namespace: &str,
        request: &CommandRequest,
        judged: Generation,
    ) -> Result<DoneResponse, Problem> {
        let entry = self.as_judged(namespace, &request.device, judged)?;
        let order = entry
            .device
            .compiled
            .command(&request.command, &request.arguments)?;
        self.order(&entry, order).await
    }

    /// A device, where it is what the kernel judged: it may have become another while that was made durable.
    ///
    /// # Errors
    /// Where it is another, as the kernel says it of a call that waits; nothing was sent.
    pub(super) fn as_judged(
        &self,
        namespace: &str,
        name: &str,
        judged: Generation,
    ) -> Result<Entry, Problem> {
        let entry = self.entry(namespace, name)?;
        match entry.generation == judged {
            true => Ok(entry),
            false => Err(refusal::problem(&Refusal::Guarded {
                rule: None,
                why: Breach::Changed,
                reason: None,
            })),
        }
    }

    async fn order(&self, entry: &Entry, order: Order) -> Result<DoneResponse, Problem> {
        let Ok(told) = entry.told.try_lock() else {
            let name = &entry.device.compiled.key().name;
            let what = format!("device {name} is being told something already");
            return Err(Problem::new(Code::Overloaded, what).retry_after_ms(AGAIN_MS));
        };
        self.send(entry, *told, (order, false)).await
    }

    /// Whoever calls holds what the device is told by, and says whether it is a part of its safe state.
    pub(super) async fn send(
        &self,
        entry: &Entry,
        told: Told,
        (order, safe): (Order, bool),
    ) -> Result<DoneResponse, Problem> {
        let (link, key) = (&entry.link, entry.device.compiled.key());
        if told == Told::NoMore || !self.0.parts.tenure.holds() {
            let what = format!("this node does not serve device {} any more", key.name);
            return Err(Problem::new(Code::Unreachable, what)
                .remedy("nothing was sent: kubectl get devices -o wide says which node has it"));
        }
        if let Some(asked) = link.asked() {
            return self.request(entry, asked, (order, safe)).await;
        }
        let How::Publish(delivery) = order.how else {
            let what = "a request of HTTP cannot be sent by a broker";
            return Err(Problem::new(Code::Internal, what));
        };
        let connection = link.connection()?;
        let now = self.0.now();
        let (topic, payload, confirm) = link.registry(|it| it.outgoing(key, &order, now))?;
        let heard = match &confirm {
            Confirm::Broker => None,
            confirm => Some(link.expect(key, confirm.clone())),
        };
        let publish = Publish {
            topic,
            payload: payload.into(),
            qos: match delivery {
                Delivery::AtMostOnce => Qos::AtMostOnce,
                Delivery::AtLeastOnce => Qos::AtLeastOnce,
                Delivery::ExactlyOnce => Qos::ExactlyOnce,
            },
            retain: false,
        };
        connection.publish(publish).await?;
        let Some(heard) = heard else {
            return Ok(confirmed(ConfirmedBy::Broker, None));
        };
        let within = Duration::from_millis(order.confirm_ms);
        match timeout(within, heard).await {
            Ok(Ok(value)) => Ok(confirmed(ConfirmedBy::Device, value)),
            // The device is gone from this node, or is another one now.
            Ok(Err(_)) => Err(unknown(format!(
                "device {} was changed or taken away before it said that it did it",
                key.name
            ))),
            Err(_) => self.as_it_was(entry, &confirm, within),
        }
    }

    /// A device that is as it was to be may have nothing to say about it: then what it said itself before counts.
    fn as_it_was(
        &self,
        entry: &Entry,
        confirm: &Confirm,
        within: Duration,
    ) -> Result<DoneResponse, Problem> {
        if let Confirm::State { property, value } = confirm {
            let (key, now) = (entry.device.compiled.key(), self.0.now());
            let is = entry.link.registry(|it| it.said(key, property, now));
            if is.as_ref() == Some(value) {
                return Ok(confirmed(ConfirmedBy::Device, is));
            }
        }
        Err(self.not_said(entry, confirm, within))
    }

    /// That a device was told, and did not say in time that it did it.
    pub(super) fn not_said(&self, entry: &Entry, confirm: &Confirm, within: Duration) -> Problem {
        let key = entry.device.compiled.key();
        let name = &key.name;
        let seconds = within.as_secs();
        let Confirm::State { property, value } = confirm else {
            return unknown(format!(
                "device {name} was told, and did not say within {seconds} s that it did it"
            ));
        };
        let now = self.0.now();
        let read = entry
            .link
            .registry(|it| it.read(key, std::slice::from_ref(property), now));
        let last = read.ok().and_then(|it| it.readings.into_iter().next());
        let last = last.and_then(|it| it.value);
        let is = last.map_or_else(|| "nothing".to_owned(), |it| it.to_string());
        unknown(format!(
            "device {name} was told, and did not say within {seconds} s that {property} is {value}: it says {is}"
        ))
    }
}

pub(super) fn confirmed(confirmed_by: ConfirmedBy, value: Option<Value>) -> DoneResponse {
    DoneResponse {
        confirmed_by,
        value,
    }
}

pub(super) fn unknown(what: String) -> Problem {
    Problem::new(Code::OutcomeUnknown, what)
        .remedy("look at the device before you tell it again: it may have done it, or may still")
}
