//! Looks at devices.

use aion_abi::{
    admin::TurnEvent,
    device::{Command, HistoryWanted, Page, SeenDevice, Wanted, Watched, Write},
    syscall::device::HistoryResponse,
};

use serde::Serialize;

use crate::{events::Events, failure::ClientError, node::Node};

impl Node {
    /// Some of the devices of a namespace.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn devices(&self, namespace: &str, wanted: &Wanted) -> Result<Page, ClientError> {
        let mut url = self.url(["namespaces", namespace, "devices"])?;
        let limit = wanted.limit.map(|it| it.to_string());
        let asked = [("after", wanted.after.clone()), ("limit", limit)];
        let asked = asked.into_iter();
        url.query_pairs_mut()
            .extend_pairs(asked.filter_map(|(name, value)| Some((name, value?))));
        self.get(url).await
    }

    /// One device.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn device(&self, namespace: &str, device: &str) -> Result<SeenDevice, ClientError> {
        let url = self.url(["namespaces", namespace, "devices", device])?;
        self.get(url).await
    }

    /// What a property of a device was.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn device_history(
        &self,
        (namespace, device, property): (&str, &str, &str),
        wanted: &HistoryWanted,
    ) -> Result<HistoryResponse, ClientError> {
        let mut url = self.url([
            "namespaces",
            namespace,
            "devices",
            device,
            "history",
            property,
        ])?;
        let asked = [
            ("fromMs", wanted.from_ms.map(|it| it.0.to_string())),
            ("toMs", wanted.to_ms.map(|it| it.0.to_string())),
            ("points", wanted.points.map(|it| it.to_string())),
        ];
        let asked = asked.into_iter();
        url.query_pairs_mut()
            .extend_pairs(asked.filter_map(|(name, value)| Some((name, value?))));
        self.get(url).await
    }

    /// Writes a property by hand: the events of the turn that does it. `key` makes it one turn, however often it is asked for.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn write_device(
        &self,
        (namespace, device): (&str, &str),
        write: &Write,
        key: &str,
    ) -> Result<Events<TurnEvent>, ClientError> {
        self.by_hand([namespace, device, "write"], write, key).await
    }

    /// Has a device do something by hand; as [`Node::write_device`].
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn command_device(
        &self,
        (namespace, device): (&str, &str),
        command: &Command,
        key: &str,
    ) -> Result<Events<TurnEvent>, ClientError> {
        self.by_hand([namespace, device, "command"], command, key)
            .await
    }

    async fn by_hand(
        &self,
        [namespace, device, what]: [&str; 3],
        request: &impl Serialize,
        key: &str,
    ) -> Result<Events<TurnEvent>, ClientError> {
        let url = self.url(["namespaces", namespace, "devices", device, what])?;
        self.begin(url, request, Some(key)).await
    }

    /// What devices say as they say it; of all of the namespace where none are named.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn watch_devices(
        &self,
        namespace: &str,
        devices: &[String],
    ) -> Result<Events<Watched>, ClientError> {
        let mut url = self.url(["namespaces", namespace, "device-changes"])?;
        if !devices.is_empty() {
            url.query_pairs_mut()
                .append_pair("devices", &devices.join(","));
        }
        self.stream(url).await
    }
}
