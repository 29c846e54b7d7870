//! Devices for tests, on a broker and at addresses that are held in memory.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use aion_drivers::{
    device::{
        FakeBroker,
        http::{FakeHttp, Reply},
    },
    secrets::SecretFolder,
};
use aion_kernel::Event;
use tokio::sync::mpsc;

use super::{Devices, Parts, Tenure};
use crate::{clock::Clock, telemetry::Telemetry};

impl Devices {
    /// On a broker in memory; what the kernel is told comes out.
    pub(crate) fn fake() -> (Self, FakeBroker, mpsc::UnboundedReceiver<Event>) {
        let nobody = FakeHttp::new(Arc::new(|_| Reply::of(404)));
        let broker = FakeBroker::default();
        let (devices, told) = Self::faked(broker.clone(), nobody);
        (devices, broker, told)
    }

    /// Asked at addresses in memory.
    pub(super) fn faked(
        broker: FakeBroker,
        http: FakeHttp,
    ) -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (out, told) = mpsc::unbounded_channel();
        let devices = Self::new(Parts {
            node: "here".to_owned(),
            driver: Arc::new(broker),
            http: Arc::new(http),
            secrets: Arc::new(SecretFolder::new("/nowhere")),
            tell: Box::new(move |event| {
                let _ = out.send(event);
            }),
            telemetry: Arc::new(Telemetry::new().unwrap()),
            clock: Clock::behind(None),
            tenure: Tenure::endless(),
            elsewhere: None,
        });
        (devices, told)
    }
}
