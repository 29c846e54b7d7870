//! What agents ask people, and what people say.

use aion_abi::approval::{Answer, Approval, Approvals};
use reqwest::{Body, Method, Url};

use crate::{address::JSON, failure::ClientError, node::Node};

/// The largest list of approvals of a namespace, in bytes: what a node shows of requests, and their rows, however many of their
/// characters are escaped in JSON.
pub const MAX_LIST: usize = 8 << 20;

impl Node {
    /// What all agents of the node ask people.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn approvals(&self) -> Result<Approvals, ClientError> {
        self.get(self.url(["approvals"])?).await
    }

    /// What an agent asks people.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn approvals_of(
        &self,
        namespace: &str,
        agent: &str,
    ) -> Result<Approvals, ClientError> {
        self.get(self.agent(namespace, agent, "approvals")?).await
    }

    /// What an agent asks people, in an answer of `left` bytes at most, which are fewer afterwards: for several lists that have one bound
    /// together.
    ///
    /// # Errors
    /// [`ClientError`]; also where the list is larger.
    pub async fn approvals_of_within(
        &self,
        (namespace, agent): (&str, &str),
        left: &mut usize,
    ) -> Result<Approvals, ClientError> {
        let url = self.agent(namespace, agent, "approvals")?;
        let response = self.send(Method::GET, url, Body::default(), JSON).await?;
        let body = self.address.collect_within(response, *left).await?;
        *left -= body.len();
        serde_json::from_slice(&body).map_err(|why| self.address.unexpected(why))
    }

    /// What agents of a namespace ask people, in an answer of 8 MiB at most.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn approvals_in(&self, namespace: &str) -> Result<Approvals, ClientError> {
        let url = self.url(["namespaces", namespace, "approvals"])?;
        let response = self.send(Method::GET, url, Body::default(), JSON).await?;
        let body = self.address.collect_within(response, MAX_LIST).await?;
        serde_json::from_slice(&body).map_err(|why| self.address.unexpected(why))
    }

    /// A call that a person is asked about, or was.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn approval(&self, approval: u64) -> Result<Approval, ClientError> {
        self.get(self.url(["approvals", &approval.to_string()])?)
            .await
    }

    /// The same, of an agent.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn approval_of(
        &self,
        namespace: &str,
        agent: &str,
        approval: u64,
    ) -> Result<Approval, ClientError> {
        self.get(self.approval_url(namespace, agent, approval)?)
            .await
    }

    /// Says yes or no.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn answer_approval(
        &self,
        namespace: &str,
        agent: &str,
        approval: u64,
        answer: &Answer,
    ) -> Result<Approval, ClientError> {
        let url = self.approval_url(namespace, agent, approval)?;
        let body = self.encode(answer)?;
        let response = self.send(Method::POST, url, body, JSON).await?;
        self.decode(response).await
    }

    /// Takes a word back that stands.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn revoke_word(
        &self,
        namespace: &str,
        agent: &str,
        approval: u64,
    ) -> Result<(), ClientError> {
        let url = self.approval_url(namespace, agent, approval)?;
        let response = self
            .send(Method::DELETE, url, Body::default(), JSON)
            .await?;
        self.address.collect(response).await.map(|_| ())
    }

    /// The same, by the approval's number alone.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn revoke(&self, approval: u64) -> Result<(), ClientError> {
        let url = self.url(["approvals", &approval.to_string()])?;
        let response = self
            .send(Method::DELETE, url, Body::default(), JSON)
            .await?;
        self.address.collect(response).await.map(|_| ())
    }

    fn approval_url(
        &self,
        namespace: &str,
        agent: &str,
        approval: u64,
    ) -> Result<Url, ClientError> {
        let approval = approval.to_string();
        self.url([
            "namespaces",
            namespace,
            "agents",
            agent,
            "approvals",
            &approval,
        ])
    }
}
