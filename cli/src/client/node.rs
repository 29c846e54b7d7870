//! The calls of the admin interface, one function each.

use aion_abi::admin::{
    ApplyRequest, ApplyResponse, LogLine, MountMapping, NodeStatus, TurnEvent, TurnRecord,
    TurnRequest, Upload, Why,
};
use hyper::{Method, Response, body::Incoming};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    connection::{Address, Body, Call, ClientError, percent, whole},
    events::Events,
};

const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";

/// A node, by its address.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) address: Address,
}

impl Node {
    pub(crate) async fn status(&self) -> Result<NodeStatus, ClientError> {
        self.get("/api/v1/status").await
    }

    pub(crate) async fn apply(&self, request: &ApplyRequest) -> Result<ApplyResponse, ClientError> {
        self.json(Method::POST, "/api/v1/apply", request).await
    }

    /// Whole resources; `plural` is one of the kinds' own, never a person's text.
    pub(crate) async fn list(
        &self,
        plural: &str,
        namespace: Option<&str>,
    ) -> Result<Vec<Value>, ClientError> {
        let mut path = format!("/api/v1/resources/{plural}");
        if let Some(namespace) = namespace {
            path += &format!("?namespace={}", percent(namespace));
        }
        let mut list: Value = self.get(&path).await?;
        match list["items"].take() {
            Value::Array(items) => Ok(items),
            _ => Err(self.address.unexpected("a list without items")),
        }
    }

    pub(crate) async fn resource(
        &self,
        plural: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Value, ClientError> {
        self.get(&resource_path(plural, namespace, name)).await
    }

    pub(crate) async fn delete(
        &self,
        plural: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<(), ClientError> {
        let path = resource_path(plural, namespace, name);
        let response = self.send(Method::DELETE, &path, whole(""), JSON).await?;
        self.address.collect(response).await.map(|_| ())
    }

    pub(crate) async fn mounts(&self) -> Result<Value, ClientError> {
        self.get("/api/v1/mounts").await
    }

    pub(crate) async fn map_mount(
        &self,
        name: &str,
        mapping: &MountMapping,
    ) -> Result<(), ClientError> {
        let path = format!("/api/v1/mounts/{}", percent(name));
        let body = self.encode(mapping)?;
        let response = self.send(Method::PUT, &path, body, JSON).await?;
        self.address.collect(response).await.map(|_| ())
    }

    pub(crate) async fn unmap_mount(&self, name: &str) -> Result<MountMapping, ClientError> {
        let path = format!("/api/v1/mounts/{}", percent(name));
        let response = self.send(Method::DELETE, &path, whole(""), JSON).await?;
        self.decode(response).await
    }

    pub(crate) async fn upload(
        &self,
        namespace: &str,
        agent: &str,
        name: &str,
        content: Body,
    ) -> Result<Upload, ClientError> {
        let path = format!(
            "{}/uploads?name={}",
            agent_path(namespace, agent),
            percent(name)
        );
        let response = self.send(Method::POST, &path, content, BYTES).await?;
        self.decode(response).await
    }

    pub(crate) async fn start_turn(
        &self,
        namespace: &str,
        agent: &str,
        request: &TurnRequest,
    ) -> Result<Events<TurnEvent>, ClientError> {
        let path = format!("{}/turns", agent_path(namespace, agent));
        let body = self.encode(request)?;
        let response = self.send(Method::POST, &path, body, JSON).await?;
        Ok(Events::new(self.address.clone(), response))
    }

    /// The turn's events from its start.
    pub(crate) async fn turn_events(&self, turn: u64) -> Result<Events<TurnEvent>, ClientError> {
        self.stream(&format!("/api/v1/turns/{turn}/events")).await
    }

    pub(crate) async fn cancel_turn(&self, turn: u64) -> Result<TurnRecord, ClientError> {
        let path = format!("/api/v1/turns/{turn}");
        let response = self.send(Method::DELETE, &path, whole(""), JSON).await?;
        self.decode(response).await
    }

    /// A file that a turn wrote, as a stream of bytes.
    pub(crate) async fn turn_file(
        &self,
        turn: u64,
        path: &str,
    ) -> Result<Response<Incoming>, ClientError> {
        let path: Vec<_> = path.split('/').map(percent).collect();
        let path = format!("/api/v1/turns/{turn}/files/{}", path.join("/"));
        self.send(Method::GET, &path, whole(""), JSON).await
    }

    pub(crate) async fn logs(
        &self,
        namespace: &str,
        agent: &str,
        follow: bool,
        tail: Option<u32>,
    ) -> Result<Events<LogLine>, ClientError> {
        let mut path = format!("{}/logs?follow={follow}", agent_path(namespace, agent));
        if let Some(tail) = tail {
            path += &format!("&tail={tail}");
        }
        self.stream(&path).await
    }

    pub(crate) async fn why(&self, namespace: &str, agent: &str) -> Result<Why, ClientError> {
        self.get(&format!("{}/why", agent_path(namespace, agent)))
            .await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let response = self.send(Method::GET, path, whole(""), JSON).await?;
        self.decode(response).await
    }

    async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let response = self.send(method, path, self.encode(body)?, JSON).await?;
        self.decode(response).await
    }

    async fn stream<T: DeserializeOwned>(&self, path: &str) -> Result<Events<T>, ClientError> {
        let response = self.send(Method::GET, path, whole(""), JSON).await?;
        Ok(Events::new(self.address.clone(), response))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Body,
        content_type: &str,
    ) -> Result<Response<Incoming>, ClientError> {
        let call = Call {
            method,
            path,
            body,
            content_type,
        };
        self.address.send(call).await
    }

    fn encode(&self, value: &impl Serialize) -> Result<Body, ClientError> {
        let bytes = serde_json::to_vec(value).map_err(|why| self.address.unexpected(why))?;
        Ok(whole(bytes))
    }

    async fn decode<T: DeserializeOwned>(
        &self,
        response: Response<Incoming>,
    ) -> Result<T, ClientError> {
        let body = self.address.collect(response).await?;
        serde_json::from_slice(&body).map_err(|why| self.address.unexpected(why))
    }
}

fn resource_path(plural: &str, namespace: Option<&str>, name: &str) -> String {
    let namespace = namespace.map_or("-".to_owned(), percent);
    format!("/api/v1/resources/{plural}/{namespace}/{}", percent(name))
}

fn agent_path(namespace: &str, agent: &str) -> String {
    format!(
        "/api/v1/namespaces/{}/agents/{}",
        percent(namespace),
        percent(agent)
    )
}
