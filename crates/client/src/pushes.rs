//! Whom the ends of turns are told to.

use aion_abi::push::{Push, Pushes};
use reqwest::{Body, Method};
use serde::Deserialize;

use crate::{address::JSON, failure::ClientError, node::Node};

#[derive(Deserialize)]
struct Granted {
    granted: bool,
}

#[derive(Deserialize)]
struct Nothing {}

impl Node {
    /// Whether the node tells anybody.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn pushes_granted(&self) -> Result<bool, ClientError> {
        let granted: Granted = self.get(self.url(["push"])?).await?;
        Ok(granted.granted)
    }

    /// Whether it would tell this one; nothing is kept.
    ///
    /// # Errors
    /// [`ClientError`]: also why it would not.
    pub async fn judge_push(&self, push: &Push) -> Result<(), ClientError> {
        let Nothing {} = self.post(&["push"], push).await?;
        Ok(())
    }

    /// Has the end of a turn told.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn add_push(&self, turn: u64, push: &Push) -> Result<Push, ClientError> {
        self.post(&["turns", &turn.to_string(), "push"], push).await
    }

    /// Who is told the end of a turn.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn pushes(&self, turn: u64) -> Result<Pushes, ClientError> {
        self.get(self.url(["turns", &turn.to_string(), "push"])?)
            .await
    }

    /// Tells one no more.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn remove_push(&self, turn: u64, id: &str) -> Result<(), ClientError> {
        let url = self.url(["turns", &turn.to_string(), "push", id])?;
        let response = self
            .send(Method::DELETE, url, Body::default(), JSON)
            .await?;
        let Nothing {} = self.decode(response).await?;
        Ok(())
    }

    async fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: &[&str],
        push: &Push,
    ) -> Result<T, ClientError> {
        let url = self.url(path.iter().copied())?;
        let body = serde_json::to_vec(push).unwrap_or_default();
        let response = self.send(Method::POST, url, body.into(), JSON).await?;
        self.decode(response).await
    }
}
