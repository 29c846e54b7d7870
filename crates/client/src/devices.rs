//! Looks at devices.

use aion_abi::{
    device::{HistoryWanted, Page, SeenDevice, Wanted},
    syscall::device::HistoryResponse,
};

use crate::{failure::ClientError, node::Node};

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
}
