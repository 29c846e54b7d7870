//! Triggers, and deliveries of webhooks (`aion_abi::trigger`).

use aion_abi::trigger::{Fired, Triggers};
use reqwest::{Body, Method, StatusCode, header::HeaderMap};

use crate::{
    address::JSON,
    failure::ClientError,
    node::{Download, Node},
};

impl Node {
    /// Passes on what came for a hook (`aion_abi::trigger`). A refusal is an answer too.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn deliver(
        &self,
        (namespace, agent): (&str, &str),
        trigger: &str,
        headers: HeaderMap,
        body: Body,
    ) -> Result<(StatusCode, HeaderMap, Download), ClientError> {
        let url = self.url(["namespaces", namespace, "agents", agent, "hooks", trigger])?;
        self.pass(Method::POST, url, headers, body).await
    }

    /// What starts turns on this node.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn triggers(&self) -> Result<Triggers, ClientError> {
        self.get(self.url(["triggers"])?).await
    }

    /// What starts turns of an agent.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn triggers_of(&self, namespace: &str, agent: &str) -> Result<Triggers, ClientError> {
        self.get(self.agent(namespace, agent, "triggers")?).await
    }

    /// Starts a turn of a trigger by hand.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn fire(
        &self,
        namespace: &str,
        agent: &str,
        trigger: &str,
    ) -> Result<Fired, ClientError> {
        let at = [
            "namespaces",
            namespace,
            "agents",
            agent,
            "triggers",
            trigger,
            "fire",
        ];
        let url = self.url(at)?;
        let response = self.send(Method::POST, url, Body::default(), JSON).await?;
        self.decode(response).await
    }
}
