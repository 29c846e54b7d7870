//! The calls about API keys (`aion_abi::key`).

use aion_abi::key::{Admit, Admitted, Issuers, Key, Keys, Made, NewKey};
use reqwest::{Body, Method};

use crate::{address::JSON, failure::ClientError, node::Node};

impl Node {
    /// All keys.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn keys(&self) -> Result<Keys, ClientError> {
        self.get(self.url(["keys"])?).await
    }

    /// One of them.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn key(&self, name: &str) -> Result<Key, ClientError> {
        self.get(self.url(["keys", name])?).await
    }

    /// Makes one, and gives it this once.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn make_key(&self, wanted: &NewKey) -> Result<Made, ClientError> {
        let body = self.encode(wanted)?;
        let url = self.url(["keys"])?;
        let response = self.send(Method::POST, url, body, JSON).await?;
        self.decode(response).await
    }

    /// Has it count no longer; gives what it was.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn revoke_key(&self, name: &str) -> Result<Key, ClientError> {
        let url = self.url(["keys", name])?;
        let response = self
            .send(Method::DELETE, url, Body::default(), JSON)
            .await?;
        self.decode(response).await
    }

    /// Whose tokens are taken in the place of keys.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn issuers(&self) -> Result<Issuers, ClientError> {
        self.get(self.url(["issuers"])?).await
    }

    /// Asks whose request this is, of the key in whose name this node is asked.
    ///
    /// # Errors
    /// [`ClientError`]; where it is refused, why.
    pub async fn admit(&self, admit: Admit) -> Result<Admitted, ClientError> {
        let body = self.encode(&admit)?;
        let url = self.url(["key"])?;
        let response = self.send(Method::POST, url, body, JSON).await?;
        self.decode(response).await
    }
}
