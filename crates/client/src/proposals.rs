//! Devices that are announced, looked at, admitted and rejected.

use aion_abi::{
    admin::ApplyResponse,
    proposal::{Admission, Proposals, ProposalsWanted, Proposed},
};
use reqwest::{Body, Method};

use crate::{address::JSON, failure::ClientError, node::Node};

impl Node {
    /// Some of the devices that are announced in a namespace.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn proposals(
        &self,
        namespace: &str,
        wanted: &ProposalsWanted,
    ) -> Result<Proposals, ClientError> {
        let mut url = self.url(["namespaces", namespace, "device-proposals"])?;
        let limit = wanted.limit.map(|it| it.to_string());
        let all = wanted.all.then(|| "true".to_owned());
        let asked = [
            ("after", wanted.after.clone()),
            ("limit", limit),
            ("all", all),
        ];
        let asked = asked.into_iter();
        url.query_pairs_mut()
            .extend_pairs(asked.filter_map(|(name, value)| Some((name, value?))));
        self.get(url).await
    }

    /// One of them.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn proposal(&self, namespace: &str, name: &str) -> Result<Proposed, ClientError> {
        let url = self.url(["namespaces", namespace, "device-proposals", name])?;
        self.get(url).await
    }

    /// Admits one.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn approve_device(
        &self,
        (namespace, name): (&str, &str),
        admission: &Admission,
    ) -> Result<ApplyResponse, ClientError> {
        let url = self.url(["namespaces", namespace, "device-proposals", name, "approve"])?;
        let body = self.encode(admission)?;
        let response = self.send(Method::POST, url, body, JSON).await?;
        self.decode(response).await
    }

    /// Rejects one: it is not proposed again.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn reject_device(
        &self,
        (namespace, name): (&str, &str),
    ) -> Result<Proposed, ClientError> {
        let url = self.url(["namespaces", namespace, "device-proposals", name, "reject"])?;
        let response = self.send(Method::POST, url, Body::default(), JSON).await?;
        self.decode(response).await
    }
}
