//! `POST <endpoint>/embeddings`.

use std::sync::Arc;

use aion_abi::{code::Code, syscall::embed::MAX_DIMENSIONS};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    AT_ONCE, EmbedError, Embedder, Embedding, Vectors,
    refused::{self, problem},
};
use crate::{
    outbound::{Outbound, describe, read_at_most, refusal_of, said},
    secrets::Secrets,
};

/// The largest answer, in bytes: 256 vectors of 4,096 numbers as text.
const MAX_ANSWER: usize = 32 * 1024 * 1024;
/// The largest answer for one text, in bytes: the longest vector as text, and a frame round it.
const MAX_ONE: usize = 256 * 1024;

/// Asks endpoints over HTTP.
pub struct HttpEmbedder {
    outbound: Arc<Outbound>,
    secrets: Arc<dyn Secrets>,
}

impl HttpEmbedder {
    /// Dials by `outbound`, with keys from `secrets`.
    pub fn new(outbound: Arc<Outbound>, secrets: Arc<dyn Secrets>) -> Self {
        Self { outbound, secrets }
    }

    async fn ask(
        &self,
        embedding: &Embedding,
        texts: &[String],
        dimensions: Option<u32>,
    ) -> Result<Vectors, EmbedError> {
        let endpoint = &embedding.endpoint;
        let odd = |why: &str| EmbedError::Away(problem(embedding, Code::UpstreamFailed, why));
        let (client, base) = self.outbound.client(endpoint).map_err(EmbedError::Away)?;
        let secret = match &endpoint.secret {
            Some(reference) => Some(
                self.secrets
                    .read(&endpoint.tenant, reference)
                    .await
                    .map_err(|error| EmbedError::Away(error.into()))?,
            ),
            None => None,
        };
        let url = format!("{}/embeddings", base.as_str().trim_end_matches('/'));
        let mut request = client.post(url).json(&Request {
            model: &embedding.model,
            input: texts,
            encoding_format: "float",
            dimensions,
        });
        if let Some(secret) = &secret {
            request = request.bearer_auth(secret.expose());
        }
        let response = request.send().await.map_err(|error| {
            let unsent = refusal_of(&endpoint.name, &error).unwrap_or_else(|| {
                let remedy = format!(
                    "start the server behind ModelEndpoint {}, or correct its address",
                    endpoint.name
                );
                let why = describe(&error);
                let why = secret.as_ref().map_or(why.clone(), |it| it.redact(&why));
                problem(embedding, Code::Unreachable, &why).remedy(remedy)
            });
            EmbedError::Away(unsent)
        })?;
        if !response.status().is_success() {
            return Err(refused::read(embedding, response, secret.as_ref()).await);
        }
        let most = MAX_ANSWER.min(texts.len().saturating_mul(MAX_ONE));
        let body = read_at_most(response, most).await;
        let body = body.map_err(|why| odd(&why))?;
        // Neither what serde says is told, which repeats what it read, nor a key in it.
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| {
            odd(&format!(
                "what it answered is not of the form of /embeddings: {}",
                said(&body, secret.as_ref())
            ))
        })?;
        let vectors = vectors(answer.data, texts.len())
            .ok_or_else(|| odd("it gave vectors that are missing, empty or uneven"))?;
        let length = vectors.first().map_or(0, Vec::len);
        if let Some(wanted) = dimensions.filter(|it| *it as usize != length) {
            let why = format!("it was asked for vectors of {wanted} numbers and gave {length}");
            return Err(EmbedError::Refused(
                problem(embedding, Code::BadRequest, &why)
                    .remedy("leave dimensions out: the model makes vectors of one length only"),
            ));
        }
        let bytes: usize = texts.iter().map(String::len).sum();
        Ok(Vectors {
            vectors,
            input_tokens: answer.usage.and_then(|it| counted(&it, bytes, texts.len())),
        })
    }
}

impl Embedder for HttpEmbedder {
    fn embed<'a>(
        &'a self,
        embedding: &'a Embedding,
        texts: &'a [String],
        dimensions: Option<u32>,
    ) -> BoxFuture<'a, Result<Vectors, EmbedError>> {
        debug_assert!(texts.len() <= AT_ONCE);
        Box::pin(self.ask(embedding, texts, dimensions))
    }
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: &'a [String],
    encoding_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Datum>,
    usage: Option<Value>,
}

#[derive(Deserialize)]
struct Datum {
    index: Option<usize>,
    embedding: Numbers,
}

/// Some servers answer base64 whatever they are asked for.
#[derive(Deserialize)]
#[serde(untagged)]
enum Numbers {
    List(Vec<f32>),
    Base64(String),
}

impl Numbers {
    fn read(self) -> Option<Vec<f32>> {
        let text = match self {
            Self::List(list) => return Some(list),
            Self::Base64(text) => text,
        };
        let bytes = STANDARD.decode(text).ok()?;
        let (numbers, rest) = bytes.as_chunks();
        let numbers = numbers.iter().map(|it| f32::from_le_bytes(*it));
        rest.is_empty().then(|| numbers.collect())
    }
}

/// The server's figure, where it is one: some write nought for what they do not count, and no text has more tokens than
/// bytes and a few.
fn counted(usage: &Value, bytes: usize, texts: usize) -> Option<u64> {
    let figures = ["prompt_tokens", "total_tokens"].map(|it| usage[it].as_u64());
    let counted = figures.into_iter().flatten().find(|it| *it > 0)?;
    (counted <= (bytes + 16 * texts) as u64).then_some(counted)
}

/// Says where the one vector is that has no index beside others that have theirs: servers leave out a nought.
fn placed(data: &mut [Datum], wanted: usize) {
    let mut bare = data.iter().enumerate().filter(|(_, it)| it.index.is_none());
    let (Some((at, _)), None) = (bare.next(), bare.next()) else {
        return;
    };
    let mut left = (0..wanted).filter(|at| data.iter().all(|it| it.index != Some(*at)));
    if let (Some(place), None) = (left.next(), left.next()) {
        data[at].index = Some(place);
    }
}

/// In the order of the texts; servers may answer in another.
fn vectors(mut data: Vec<Datum>, wanted: usize) -> Option<Vec<Vec<f32>>> {
    placed(&mut data, wanted);
    let mut ordered: Vec<Option<Vec<f32>>> = vec![None; wanted];
    // Where all are said to be at one place, or some nowhere, they are in the order of the texts.
    let first = data.first()?.index;
    let in_order =
        data.iter().any(|it| it.index.is_none()) || data.iter().all(|it| it.index == first);
    for (at, datum) in data.into_iter().enumerate() {
        let at = datum.index.filter(|_| !in_order).unwrap_or(at);
        let numbers = datum.embedding.read()?;
        let is_one = (1..=MAX_DIMENSIONS as usize).contains(&numbers.len())
            && numbers.iter().all(|it| it.is_finite());
        *ordered.get_mut(at)? = is_one.then_some(numbers);
    }
    let ordered: Vec<Vec<f32>> = ordered.into_iter().collect::<Option<_>>()?;
    let dimension = ordered.first()?.len();
    ordered
        .iter()
        .all(|vector| vector.len() == dimension)
        .then_some(ordered)
}
