//! The calls of the admin interface, one function each.

use aion_abi::admin::{
    ApplyRequest, ApplyResponse, KernelTrace, LogLine, MountMapping, NodeStatus, TurnEvent,
    TurnRecord, TurnRequest, Upload, Why,
};
use aion_abi::event::{Cursor, Told};
use bytes::Bytes;
use reqwest::{Body, Method, Response, StatusCode, Url, header::HeaderMap};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use crate::{
    address::{Address, JSON},
    events::Events,
    failure::ClientError,
};

const BYTES: &str = "application/octet-stream";

/// How much of a file is read at once.
const PIECE: usize = 64 << 10;

/// A node, by its address.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it listens.
    pub address: Address,
}

/// What stands for the namespace of a resource that has none.
const NONE: &str = "-";

/// A file on its way from the node.
#[derive(Debug)]
pub struct Download {
    address: Address,
    response: Response,
}

impl Download {
    /// The next part; `None` at the end.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        let part = self.response.chunk().await;
        part.map_err(|why| self.address.broken(&why))
    }

    /// All of it.
    ///
    /// # Errors
    /// The connection broke, or it is larger than an answer may be.
    pub async fn whole(self) -> Result<Bytes, ClientError> {
        self.address.collect(self.response).await
    }

    /// The values in it, where it is a stream of events.
    #[must_use]
    pub fn events<T: DeserializeOwned>(self) -> Events<T> {
        Events::new(self.address, self.response)
    }
}

impl Node {
    /// How the node is.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn status(&self) -> Result<NodeStatus, ClientError> {
        self.get(self.url(["status"])?).await
    }

    /// Takes manifests in.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn apply(&self, request: &ApplyRequest) -> Result<ApplyResponse, ClientError> {
        let body = self.encode(request)?;
        let url = self.url(["apply"])?;
        let response = self.send(Method::POST, url, body, JSON).await?;
        self.decode(response).await
    }

    /// Whole resources; `plural` is one of the kinds' own, never a person's text.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list(
        &self,
        plural: &str,
        namespace: Option<&str>,
    ) -> Result<Vec<Value>, ClientError> {
        let mut url = self.url(["resources", plural])?;
        if let Some(namespace) = namespace {
            url.query_pairs_mut().append_pair("namespace", namespace);
        }
        let mut list: Value = self.get(url).await?;
        match list["items"].take() {
            Value::Array(items) => Ok(items),
            _ => Err(self.address.unexpected("a list without items")),
        }
    }

    /// One resource, whole.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn resource(
        &self,
        plural: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Value, ClientError> {
        let namespace = namespace.unwrap_or(NONE);
        self.get(self.url(["resources", plural, namespace, name])?)
            .await
    }

    /// Removes a resource.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn delete(
        &self,
        plural: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<(), ClientError> {
        let namespace = namespace.unwrap_or(NONE);
        let url = self.url(["resources", plural, namespace, name])?;
        let response = self
            .send(Method::DELETE, url, Body::default(), JSON)
            .await?;
        self.address.collect(response).await.map(|_| ())
    }

    /// The names of mounts and the folders they lead to.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn mounts(&self) -> Result<Value, ClientError> {
        self.get(self.url(["mounts"])?).await
    }

    /// Has a name lead to a folder.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn map_mount(&self, name: &str, mapping: &MountMapping) -> Result<(), ClientError> {
        let url = self.url(["mounts", name])?;
        let body = self.encode(mapping)?;
        let response = self.send(Method::PUT, url, body, JSON).await?;
        self.address.collect(response).await.map(|_| ())
    }

    /// Takes a name away; gives what it led to.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn unmap_mount(&self, name: &str) -> Result<MountMapping, ClientError> {
        let url = self.url(["mounts", name])?;
        let response = self
            .send(Method::DELETE, url, Body::default(), JSON)
            .await?;
        self.decode(response).await
    }

    /// Gives an agent a file, read as it is sent.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn upload(
        &self,
        namespace: &str,
        agent: &str,
        name: &str,
        content: File,
    ) -> Result<Upload, ClientError> {
        let content = Body::wrap_stream(ReaderStream::with_capacity(content, PIECE));
        self.upload_body(namespace, agent, name, content).await
    }

    /// As [`Node::upload`], of what comes from elsewhere.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn upload_body(
        &self,
        namespace: &str,
        agent: &str,
        name: &str,
        content: Body,
    ) -> Result<Upload, ClientError> {
        let mut url = self.agent(namespace, agent, "uploads")?;
        url.query_pairs_mut().append_pair("name", name);
        let response = self.send(Method::POST, url, content, BYTES).await?;
        self.decode(response).await
    }

    /// Asks an agent; gives the turn's events. Asked again under the same `key` it is the same turn.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn start_turn(
        &self,
        namespace: &str,
        agent: &str,
        request: &TurnRequest,
        key: Option<&str>,
    ) -> Result<Events<TurnEvent>, ClientError> {
        let url = self.agent(namespace, agent, "turns")?;
        self.begin(url, request, key).await
    }

    /// Begins a turn by what is posted there, and follows it.
    pub(crate) async fn begin(
        &self,
        url: Url,
        request: &impl Serialize,
        key: Option<&str>,
    ) -> Result<Events<TurnEvent>, ClientError> {
        let body = self.encode(request)?;
        let response = self.address.post(url, body, key).await?;
        Ok(Events::new(self.address.clone(), response))
    }

    /// The turn's events from its start.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn turn_events(&self, turn: u64) -> Result<Events<TurnEvent>, ClientError> {
        self.stream(self.url(["turns", &turn.to_string(), "events"])?)
            .await
    }

    /// What is kept of a turn.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn turn(&self, turn: u64) -> Result<TurnRecord, ClientError> {
        self.get(self.url(["turns", &turn.to_string()])?).await
    }

    /// Ends a turn before its time.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn cancel_turn(&self, turn: u64) -> Result<TurnRecord, ClientError> {
        let url = self.url(["turns", &turn.to_string()])?;
        let response = self
            .send(Method::DELETE, url, Body::default(), JSON)
            .await?;
        self.decode(response).await
    }

    /// A file that a turn wrote, as a stream of bytes.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn turn_file(&self, turn: u64, path: &str) -> Result<Download, ClientError> {
        let turn = turn.to_string();
        let segments = ["turns", &turn, "files"].into_iter();
        let url = self.url(segments.chain(path.split('/')))?;
        let response = self.send(Method::GET, url, Body::default(), JSON).await?;
        Ok(Download {
            address: self.address.clone(),
            response,
        })
    }

    /// What an agent's workers wrote.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn logs(
        &self,
        namespace: &str,
        agent: &str,
        follow: bool,
        tail: Option<u32>,
    ) -> Result<Events<LogLine>, ClientError> {
        let mut url = self.agent(namespace, agent, "logs")?;
        url.query_pairs_mut()
            .append_pair("follow", &follow.to_string())
            .extend_pairs(tail.map(|tail| ("tail", tail.to_string())));
        self.stream(url).await
    }

    /// What an agent did last in the kernel of the machine, and what it does.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn kernel_events(
        &self,
        namespace: &str,
        agent: &str,
    ) -> Result<Events<KernelTrace>, ClientError> {
        self.stream(self.agent(namespace, agent, "kernel-events")?)
            .await
    }

    /// What happens on the node: from now on or behind `after`, without `follow` up to now.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn events(
        &self,
        after: Option<Cursor>,
        follow: bool,
    ) -> Result<Events<Told>, ClientError> {
        self.feed(self.url(["events"])?, after, follow).await
    }

    /// What happens to agents of a namespace, as it happens.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn events_in(
        &self,
        namespace: &str,
        after: Option<Cursor>,
    ) -> Result<Events<Told>, ClientError> {
        let url = self.url(["namespaces", namespace, "events"])?;
        self.feed(url, after, true).await
    }

    async fn feed(
        &self,
        mut url: Url,
        after: Option<Cursor>,
        follow: bool,
    ) -> Result<Events<Told>, ClientError> {
        url.query_pairs_mut()
            .append_pair("follow", &follow.to_string())
            .extend_pairs(after.map(|after| ("after", after.to_string())));
        self.stream(url).await
    }

    /// The chain of reasons for how an agent is.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn why(&self, namespace: &str, agent: &str) -> Result<Why, ClientError> {
        self.get(self.agent(namespace, agent, "why")?).await
    }

    /// Passes on what a program that runs elsewhere says (`aion_abi::external`), to `below` its agent's programs. A refusal is
    /// an answer too.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn of_program(
        &self,
        method: Method,
        (namespace, agent): (&str, &str),
        below: &[&str],
        headers: HeaderMap,
        body: Body,
    ) -> Result<(StatusCode, HeaderMap, Download), ClientError> {
        let programs = ["namespaces", namespace, "agents", agent, "programs"];
        let url = self.url(programs.into_iter().chain(below.iter().copied()))?;
        self.pass(method, url, headers, body).await
    }

    pub(crate) async fn pass(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Body,
    ) -> Result<(StatusCode, HeaderMap, Download), ClientError> {
        let mut response = self.address.pass(method, url, headers, body).await?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let address = self.address.clone();
        Ok((status, headers, Download { address, response }))
    }

    pub(crate) fn url<'a>(
        &self,
        segments: impl IntoIterator<Item = &'a str>,
    ) -> Result<Url, ClientError> {
        self.address.url(["api", "v1"].into_iter().chain(segments))
    }

    pub(crate) fn agent(
        &self,
        namespace: &str,
        agent: &str,
        what: &str,
    ) -> Result<Url, ClientError> {
        self.url(["namespaces", namespace, "agents", agent, what])
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T, ClientError> {
        let response = self.send(Method::GET, url, Body::default(), JSON).await?;
        self.decode(response).await
    }

    pub(crate) async fn stream<T: DeserializeOwned>(
        &self,
        url: Url,
    ) -> Result<Events<T>, ClientError> {
        let response = self.send(Method::GET, url, Body::default(), JSON).await?;
        Ok(Events::new(self.address.clone(), response))
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        url: Url,
        body: Body,
        content_type: &'static str,
    ) -> Result<Response, ClientError> {
        self.address.send(method, url, content_type, body).await
    }

    pub(crate) fn encode(&self, value: &impl Serialize) -> Result<Body, ClientError> {
        let bytes = serde_json::to_vec(value).map_err(|why| self.address.unexpected(why))?;
        Ok(bytes.into())
    }

    pub(crate) async fn decode<T: DeserializeOwned>(
        &self,
        response: Response,
    ) -> Result<T, ClientError> {
        let body = self.address.collect(response).await?;
        serde_json::from_slice(&body).map_err(|why| self.address.unexpected(why))
    }
}
