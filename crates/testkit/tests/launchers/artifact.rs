//! Pushes the smallest artifact that a registry takes, by plain HTTP.

use aion_testkit::Registry;
use aws_lc_rs::digest::{SHA256, digest};
use reqwest::blocking::{Client, RequestBuilder, Response};
use serde_json::json;

pub(crate) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// A client that logs in where the registry wants it.
pub(crate) struct Pusher<'a> {
    pub(crate) registry: &'a Registry,
    client: Client,
}

impl<'a> Pusher<'a> {
    pub(crate) fn to(registry: &'a Registry) -> Self {
        Self {
            registry,
            client: Client::new(),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/v2/{path}", self.registry.address())
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.send(
            self.client
                .get(self.url(path))
                .header("accept", MANIFEST_TYPE),
        )
    }

    /// Pushes an artifact with that content and gives its digest.
    pub(crate) fn push(&self, name: &str, content: &str) -> String {
        let config = self.push_blob(name, b"{}");
        let layer = self.push_blob(name, content.as_bytes());
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {
                "mediaType": "application/vnd.oci.empty.v1+json",
                "digest": config,
                "size": 2,
            },
            "layers": [{
                "mediaType": "application/octet-stream",
                "digest": layer,
                "size": content.len(),
            }],
        })
        .to_string();
        let digest = sha256(manifest.as_bytes());
        let put = self
            .client
            .put(self.url(&format!("{name}/manifests/{digest}")))
            .header("content-type", MANIFEST_TYPE)
            .body(manifest);
        let answer = self.send(put);
        assert_eq!(answer.status(), 201, "{}", self.registry.log_tail());
        digest
    }

    fn push_blob(&self, name: &str, bytes: &[u8]) -> String {
        let digest = sha256(bytes);
        let begun = self.send(
            self.client
                .post(self.url(&format!("{name}/blobs/uploads/"))),
        );
        assert_eq!(begun.status(), 202, "{}", self.registry.log_tail());
        let place = begun.headers()["location"].to_str().unwrap();
        let place = match place.strip_prefix('/') {
            Some(path) => format!("http://{}/{path}", self.registry.address()),
            None => place.to_owned(),
        };
        let join = if place.contains('?') { '&' } else { '?' };
        let put = self
            .client
            .put(format!("{place}{join}digest={digest}"))
            .header("content-type", "application/octet-stream")
            .body(bytes.to_vec());
        assert_eq!(self.send(put).status(), 201, "{}", self.registry.log_tail());
        digest
    }

    fn send(&self, request: RequestBuilder) -> Response {
        let request = match self.registry.credentials() {
            Some(login) => request.basic_auth(login.user, Some(login.password)),
            None => request,
        };
        request.send().unwrap()
    }
}

fn sha256(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .fold("sha256:".to_owned(), |hex, byte| format!("{hex}{byte:02x}"))
}
