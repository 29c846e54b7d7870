//! An OCI registry (distribution spec 1.1) as a source and target: manifests,
//! blobs, and referrers, by the API where there is one and by the tag
//! `sha256-<digest>` where there is none. How it is spoken to is `http`'s
//! matter.

use std::{fmt, fs};

use futures::stream;
use reqwest::{
    Body, Method, RequestBuilder, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, LINK, LOCATION},
};
use tokio::io::AsyncReadExt;

use crate::{
    artifact::{
        digest::Digest,
        document::media_type,
        manifest::{Descriptor, INDEX, Index, MANIFEST, MAX_MANIFEST},
    },
    source::{
        contract::{
            Answer, Payload, Referrers, Source, Target, checked, describe_referrer, subject_of,
        },
        credentials::Credentials,
        failure::SourceError,
        http::{Access, Http, blob_time, is_loopback},
        reference::Reference,
        sink::Sink,
    },
};

const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";
/// How many pages of referrers are read, and how many bytes of them in all.
const MAX_PAGES: usize = 8;
const MAX_LISTED: usize = 4 << 20;
/// How often a tag with referrers is written again when another writer's list
/// replaced ours.
const MAX_LOST: usize = 5;
const PIECE: usize = 64 << 10;

/// How registries are reached from this node.
#[derive(Clone, Debug, Default)]
pub struct RegistryAccess {
    /// Hosts (`host` or `host:port`) spoken to in plain HTTP beside this
    /// machine's own.
    pub insecure_hosts: Vec<String>,
    /// Refuse every registry that is not on this machine.
    pub offline: bool,
    /// Who we are; anonymous without.
    pub credentials: Option<Credentials>,
}

/// One repository of a registry.
pub struct Registry {
    http: Http,
}

impl Registry {
    /// The repository that `reference` names. Nothing is sent yet.
    pub fn new(reference: &Reference, access: &RegistryAccess) -> Result<Self, SourceError> {
        let host = reference.host.as_str();
        let plain = is_loopback(host) || access.insecure_hosts.iter().any(|h| h == host);
        let credentials = access.credentials.clone();
        let http = Http::new(
            host,
            &reference.repository,
            plain,
            access.offline,
            credentials,
        )?;
        Ok(Self { http })
    }

    /// The digest of what `tag` names now.
    pub async fn resolve(&self, tag: &str) -> Result<Digest, SourceError> {
        Ok(Digest::of(&self.manifest_at(tag, MAX_MANIFEST).await?))
    }

    /// The manifest under a tag or a digest, unchecked.
    async fn manifest_at(&self, reference: &str, most: u64) -> Result<Vec<u8>, SourceError> {
        let (url, most) = (format!("manifests/{reference}"), most.min(MAX_MANIFEST));
        let url = self.http.url(&url)?;
        let (_, bytes) = self.http.get(&url, ACCEPT, reference, most).await?;
        Ok(bytes)
    }

    async fn stream(&self, sink: &mut Sink) -> Result<(), SourceError> {
        let Descriptor { digest, size, .. } = *sink.expected();
        let url = self.http.url(&format!("blobs/{digest}"))?;
        let shape = |r: RequestBuilder| Ok(r.timeout(blob_time(size)));
        let mut answer = self
            .http
            .send(Access::Pull, Method::GET, &url, shape)
            .await?;
        if answer.status() != StatusCode::OK {
            return Err(self.http.complaint(answer, &digest.to_string()).await);
        }
        while let Some(piece) = self.http.piece(&mut answer).await? {
            sink.write(&self.http.name, &piece).await?;
        }
        Ok(())
    }

    async fn holds(&self, blob: &Descriptor) -> Result<(), SourceError> {
        let digest = blob.digest.to_string();
        let url = self.http.url(&format!("blobs/{digest}"))?;
        let head = self.http.send(Access::Pull, Method::HEAD, &url, Ok).await?;
        match head.status() {
            StatusCode::OK => Ok(()),
            _ => Err(self.http.complaint(head, &digest).await),
        }
    }

    async fn list_referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, SourceError> {
        let mut url = self.http.url(&format!("referrers/{subject}"))?;
        let (mut found, mut listed) = (Vec::new(), 0);
        for _ in 0..MAX_PAGES {
            let page = self.http.get(&url, INDEX, "referrers", MAX_MANIFEST).await;
            let (answer, bytes) = match page {
                // No such endpoint: the distribution spec has clients turn to
                // the tag.
                Err(SourceError::NotFound { .. }) => {
                    return match self.tag_of_referrers(subject).await? {
                        Some(bytes) => self.listed(&bytes),
                        None => Ok(Vec::new()),
                    };
                }
                other => other?,
            };
            listed += bytes.len();
            found.extend(self.listed(&bytes)?);
            match next_page(&answer) {
                Some(next) if listed < MAX_LISTED => {
                    url = url.join(&next).map_err(|e| self.malformed(e))?;
                }
                _ => break,
            }
        }
        Ok(found)
    }

    async fn tag_of_referrers(&self, subject: &Digest) -> Result<Option<Vec<u8>>, SourceError> {
        let tag = subject.referrers_tag();
        match self.manifest_at(&tag, MAX_MANIFEST).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(SourceError::NotFound { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    async fn upload(&self, blob: &Descriptor, payload: Payload<'_>) -> Result<(), SourceError> {
        let digest = blob.digest.to_string();
        let url = self.http.url(&format!("blobs/{digest}"))?;
        let head = self.http.send(Access::Push, Method::HEAD, &url, Ok).await?;
        if head.status() == StatusCode::OK {
            return Ok(());
        }
        let url = self.http.url("blobs/uploads/")?;
        let empty = |r: RequestBuilder| Ok(r.header(CONTENT_LENGTH, 0));
        let begun = self
            .http
            .send(Access::Push, Method::POST, &url, empty)
            .await?;
        if begun.status() != StatusCode::ACCEPTED {
            return Err(self.http.complaint(begun, "an upload").await);
        }
        let location = begun.headers().get(LOCATION).and_then(|l| l.to_str().ok());
        let location = location.ok_or_else(|| self.malformed("an upload without location"))?;
        let mut url = url.join(location).map_err(|e| self.malformed(e))?;
        url.query_pairs_mut().append_pair("digest", &digest);
        let shape = |r: RequestBuilder| {
            Ok(r.timeout(blob_time(blob.size))
                .header(CONTENT_TYPE, "application/octet-stream")
                .header(CONTENT_LENGTH, blob.size)
                .body(body(payload)?))
        };
        let done = self
            .http
            .send(Access::Push, Method::PUT, &url, shape)
            .await?;
        if done.status() != StatusCode::CREATED {
            return Err(self.http.complaint(done, &digest).await);
        }
        Ok(())
    }

    async fn write(
        &self,
        reference: &str,
        kind: &str,
        bytes: &[u8],
    ) -> Result<Response, SourceError> {
        let url = self.http.url(&format!("manifests/{reference}"))?;
        let shape = |r: RequestBuilder| Ok(r.header(CONTENT_TYPE, kind).body(bytes.to_vec()));
        let done = self
            .http
            .send(Access::Push, Method::PUT, &url, shape)
            .await?;
        if done.status() != StatusCode::CREATED {
            return Err(self.http.complaint(done, reference).await);
        }
        Ok(done)
    }

    async fn refer(&self, bytes: &[u8]) -> Result<Digest, SourceError> {
        let (manifest, subject) = subject_of(bytes)?;
        let descriptor = describe_referrer(bytes, &manifest);
        let digest = descriptor.digest;
        let written = self.write(&digest.to_string(), MANIFEST, bytes).await?;
        // A registry with the referrers API says with this header that it
        // lists the manifest itself.
        if written.headers().contains_key("oci-subject") {
            return Ok(digest);
        }
        for _ in 0..MAX_LOST {
            let mut listed = match self.tag_of_referrers(&subject).await? {
                Some(bytes) => {
                    Index::parse(&bytes)
                        .map_err(|e| self.malformed(e))?
                        .manifests
                }
                None => Vec::new(),
            };
            if listed.iter().any(|m| m.digest == digest) {
                return Ok(digest);
            }
            listed.push(descriptor.clone());
            let list = serde_json::to_vec(&Index::new(listed)).map_err(|e| self.malformed(e))?;
            self.write(&subject.referrers_tag(), INDEX, &list).await?;
        }
        Err(SourceError::Unreachable {
            at: self.http.name.clone(),
            why: "other writers keep replacing the list of signatures".to_owned(),
        })
    }

    fn listed(&self, bytes: &[u8]) -> Result<Vec<Descriptor>, SourceError> {
        Index::entries(bytes).map_err(|e| self.malformed(e))
    }

    fn malformed(&self, why: impl ToString) -> SourceError {
        SourceError::malformed(&self.http.name, why)
    }
}

impl Source for Registry {
    fn describe(&self) -> String {
        self.http.name.clone()
    }

    fn manifest_within<'a>(&'a self, digest: &'a Digest, most: u64) -> Answer<'a, Vec<u8>> {
        Box::pin(async move {
            let bytes = self.manifest_at(&digest.to_string(), most).await?;
            checked(&self.http.name, bytes, digest)
        })
    }

    fn blob<'a>(&'a self, sink: &'a mut Sink) -> Answer<'a, ()> {
        Box::pin(self.stream(sink))
    }

    fn has_blob<'a>(&'a self, blob: &'a Descriptor) -> Answer<'a, ()> {
        Box::pin(self.holds(blob))
    }

    fn referrers<'a>(&'a self, digest: &'a Digest) -> Answer<'a, Referrers> {
        Box::pin(async move { self.list_referrers(digest).await.map(Referrers::from) })
    }
}

impl Target for Registry {
    fn put_blob<'a>(&'a self, blob: &'a Descriptor, payload: Payload<'a>) -> Answer<'a, ()> {
        Box::pin(self.upload(blob, payload))
    }

    fn put_manifest<'a>(&'a self, bytes: &'a [u8], tag: Option<&'a str>) -> Answer<'a, Digest> {
        Box::pin(async move {
            let digest = Digest::of(bytes);
            let by_digest = digest.to_string();
            let kind = media_type(bytes);
            self.write(tag.unwrap_or(&by_digest), &kind, bytes).await?;
            Ok(digest)
        })
    }

    fn put_listed<'a>(&'a self, bytes: &'a [u8]) -> Answer<'a, ()> {
        Box::pin(async move { self.put_manifest(bytes, None).await.map(|_| ()) })
    }

    fn put_referrer<'a>(&'a self, bytes: &'a [u8]) -> Answer<'a, Digest> {
        Box::pin(self.refer(bytes))
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registry").field(&self.http.name).finish()
    }
}

/// The address of the next page (RFC 8288).
fn next_page(answer: &Response) -> Option<String> {
    let link = answer.headers().get(LINK)?.to_str().ok()?;
    let (address, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    rest.replace(['"', ' '], "")
        .contains("rel=next")
        .then(|| address.to_owned())
}

/// A body that can be made again when a request is sent a second time.
fn body(payload: Payload<'_>) -> Result<Body, SourceError> {
    match payload {
        Payload::Bytes(bytes) => Ok(bytes.to_vec().into()),
        Payload::File(path) => {
            let file = fs::File::open(path)
                .map_err(|e| SourceError::io(format!("read {}", path.display()), e))?;
            let file = tokio::fs::File::from_std(file);
            Ok(Body::wrap_stream(stream::try_unfold(
                file,
                |mut file| async move {
                    let mut piece = bytes::BytesMut::with_capacity(PIECE);
                    let read = file.read_buf(&mut piece).await?;
                    Ok::<_, std::io::Error>((read > 0).then(|| (piece.freeze(), file)))
                },
            )))
        }
    }
}
