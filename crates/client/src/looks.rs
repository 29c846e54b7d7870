//! Looks at what agents have, remember, did and used, and at what waits.

use aion_abi::{
    audit::Audit,
    memory::{Page, Wanted},
    page::Part,
    syscall::memory::{ForgetResponse, Hit},
    tools::Tools,
    turn::TurnPage,
    usage::{Queues, Usage},
};
use reqwest::{Body, Method, Url};
use serde::de::DeserializeOwned;

use crate::{address::JSON, failure::ClientError, node::Node};

impl Node {
    /// What an agent remembers: what a query finds, or everything, newest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn memory(
        &self,
        (namespace, agent): (&str, &str),
        wanted: &Wanted,
    ) -> Result<Page, ClientError> {
        let mut url = self.agent(namespace, agent, "memory")?;
        let number = |it: Option<u32>| it.map(|it| it.to_string());
        let asked = [
            ("query", wanted.query.clone()),
            ("collection", wanted.collection.clone()),
            ("limit", number(wanted.limit)),
            ("after", number(wanted.after)),
        ];
        let asked = asked.into_iter();
        url.query_pairs_mut()
            .extend_pairs(asked.filter_map(|(name, value)| Some((name, value?))));
        self.get(url).await
    }

    /// One item that an agent remembers.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn remembered(
        &self,
        (namespace, agent): (&str, &str),
        item: &str,
    ) -> Result<Hit, ClientError> {
        let url = self.url(["namespaces", namespace, "agents", agent, "memory", item])?;
        self.get(url).await
    }

    /// Has an agent forget one item.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn forget(
        &self,
        (namespace, agent): (&str, &str),
        item: &str,
    ) -> Result<ForgetResponse, ClientError> {
        let url = self.url(["namespaces", namespace, "agents", agent, "memory", item])?;
        let response = self
            .send(Method::DELETE, url, Body::default(), JSON)
            .await?;
        self.decode(response).await
    }

    /// The tools that an agent has.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn tools(
        &self,
        (namespace, agent): (&str, &str),
        part: &Part,
    ) -> Result<Tools, ClientError> {
        self.part(self.agent(namespace, agent, "tools")?, part)
            .await
    }

    /// The turns that an agent has.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn turns(
        &self,
        (namespace, agent): (&str, &str),
        part: &Part,
    ) -> Result<TurnPage, ClientError> {
        self.part(self.agent(namespace, agent, "turns")?, part)
            .await
    }

    /// The syscalls that an agent's turns made.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn audit(
        &self,
        (namespace, agent): (&str, &str),
        part: &Part,
    ) -> Result<Audit, ClientError> {
        self.part(self.agent(namespace, agent, "audit")?, part)
            .await
    }

    /// The syscalls that a turn made.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn audit_of_turn(&self, turn: u64, part: &Part) -> Result<Audit, ClientError> {
        let url = self.url(["turns", &turn.to_string(), "audit"])?;
        self.part(url, part).await
    }

    /// What agents used, of a namespace where one is named.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn usage(&self, namespace: Option<&str>, part: &Part) -> Result<Usage, ClientError> {
        let mut url = self.url(["usage"])?;
        if let Some(namespace) = namespace {
            url.query_pairs_mut().append_pair("namespace", namespace);
        }
        self.part(url, part).await
    }

    /// What waits in the kernel.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn queues(&self, part: &Part) -> Result<Queues, ClientError> {
        self.part(self.url(["queues"])?, part).await
    }

    async fn part<T: DeserializeOwned>(&self, mut url: Url, part: &Part) -> Result<T, ClientError> {
        let limit = part.limit.map(|it| it.to_string());
        let asked = [
            ("limit", limit.as_deref()),
            ("after", part.after.as_deref()),
        ];
        let asked = asked.into_iter().filter_map(|(name, it)| Some((name, it?)));
        url.query_pairs_mut().extend_pairs(asked);
        self.get(url).await
    }
}
