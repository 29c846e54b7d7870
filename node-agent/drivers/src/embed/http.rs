//! `POST <endpoint>/embeddings`.

use std::sync::Arc;

use aion_abi::code::Code;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::{
    AT_ONCE, EmbedError, Embedder, Embedding, MAX_DIMENSION, Vectors,
    refused::{self, problem},
};
use crate::{
    outbound::{Outbound, describe, read_at_most, refusal_of},
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
                problem(embedding, Code::Unreachable, &describe(&error)).remedy(remedy)
            });
            EmbedError::Away(unsent)
        })?;
        if !response.status().is_success() {
            return Err(refused::read(embedding, response, secret.as_ref()).await);
        }
        let most = MAX_ANSWER.min(texts.len().saturating_mul(MAX_ONE));
        let body = read_at_most(response, most).await;
        let body = body.map_err(|why| odd(&why))?;
        let answer: Answer = serde_json::from_slice(&body).map_err(|error| {
            odd(&format!(
                "its answer is not of the form of /embeddings: {error}"
            ))
        })?;
        let usage = answer.usage.unwrap_or_default();
        let vectors = vectors(answer.data, texts.len())
            .ok_or_else(|| odd("it gave vectors that are missing, empty or uneven"))?;
        let length = vectors.first().map_or(0, Vec::len);
        if let Some(wanted) = dimensions.filter(|it| *it as usize != length) {
            let why = format!("it was asked for vectors of {wanted} numbers and gave {length}");
            return Err(EmbedError::Refused(
                problem(embedding, Code::UpstreamFailed, &why)
                    .remedy("leave dimensions out: the model makes vectors of one length only"),
            ));
        }
        Ok(Vectors {
            vectors,
            input_tokens: usage.prompt_tokens.or(usage.total_tokens),
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
    usage: Option<Usage>,
}

/// Servers leave it out, or a part of it, or write null.
#[derive(Default, Deserialize)]
struct Usage {
    prompt_tokens: Option<u64>,
    total_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Datum {
    index: Option<usize>,
    embedding: Vec<f32>,
}

/// In the order of the texts; servers may answer in another.
fn vectors(data: Vec<Datum>, wanted: usize) -> Option<Vec<Vec<f32>>> {
    let mut ordered: Vec<Option<Vec<f32>>> = vec![None; wanted];
    for (at, datum) in data.into_iter().enumerate() {
        let place = ordered.get_mut(datum.index.unwrap_or(at))?;
        let is_one = (1..=MAX_DIMENSION).contains(&datum.embedding.len())
            && datum.embedding.iter().all(|it| it.is_finite());
        *place = is_one.then_some(datum.embedding);
    }
    let ordered: Vec<Vec<f32>> = ordered.into_iter().collect::<Option<_>>()?;
    let dimension = ordered.first()?.len();
    ordered
        .iter()
        .all(|vector| vector.len() == dimension)
        .then_some(ordered)
}
