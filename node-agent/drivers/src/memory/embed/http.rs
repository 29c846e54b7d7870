//! `POST <endpoint>/embeddings`.

use std::sync::Arc;

use futures::future::BoxFuture;
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{EmbedError, Embedder, Embedding, unit};
use crate::{
    outbound::{Outbound, REFUSAL, describe, error_text, read_at_most, refusal_of},
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
    ) -> Result<Vec<Vec<f32>>, EmbedError> {
        let endpoint = &embedding.endpoint;
        let name = &endpoint.name;
        let away = |why: String| EmbedError::Away(format!("embedding endpoint {name}: {why}"));
        let (client, base) = self
            .outbound
            .client(endpoint)
            .map_err(|problem| away(problem.detail))?;
        let secret = match &endpoint.secret {
            Some(reference) => Some(
                self.secrets
                    .read(&endpoint.tenant, reference)
                    .await
                    .map_err(|error| away(error.to_string()))?,
            ),
            None => None,
        };
        let url = format!("{}/embeddings", base.as_str().trim_end_matches('/'));
        let mut request = client.post(url).json(&Request {
            model: &embedding.model,
            input: texts,
            encoding_format: "float",
        });
        if let Some(secret) = &secret {
            request = request.bearer_auth(secret.expose());
        }
        let response = request
            .send()
            .await
            .map_err(|error| match refusal_of(name, &error) {
                Some(problem) => EmbedError::Away(problem.detail),
                None => away(describe(&error)),
            })?;
        let status = response.status();
        if !status.is_success() {
            let until = Instant::now() + REFUSAL;
            let text = error_text(response, secret.as_ref(), until).await;
            let why = format!("{status}: {text}");
            let about_the_texts = matches!(
                status,
                StatusCode::BAD_REQUEST
                    | StatusCode::PAYLOAD_TOO_LARGE
                    | StatusCode::UNPROCESSABLE_ENTITY
            );
            return Err(if about_the_texts {
                EmbedError::Refused(format!("embedding endpoint {name}: {why}"))
            } else {
                away(why)
            });
        }
        let most = MAX_ANSWER.min(texts.len().saturating_mul(MAX_ONE));
        let body = read_at_most(response, most).await.map_err(away)?;
        let answer: Answer = serde_json::from_slice(&body).map_err(|error| {
            away(format!(
                "its answer is not of the form of /embeddings: {error}"
            ))
        })?;
        vectors(answer, texts.len())
            .ok_or_else(|| away("it gave vectors that are missing, empty or uneven".to_owned()))
    }
}

impl Embedder for HttpEmbedder {
    fn embed<'a>(
        &'a self,
        embedding: &'a Embedding,
        texts: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Vec<f32>>, EmbedError>> {
        Box::pin(self.ask(embedding, texts))
    }
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: &'a [String],
    encoding_format: &'static str,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Datum>,
}

#[derive(Deserialize)]
struct Datum {
    index: Option<usize>,
    embedding: Vec<f32>,
}

/// In the order of the texts; servers may answer in another.
fn vectors(answer: Answer, wanted: usize) -> Option<Vec<Vec<f32>>> {
    let mut ordered: Vec<Option<Vec<f32>>> = vec![None; wanted];
    for (at, datum) in answer.data.into_iter().enumerate() {
        *ordered.get_mut(datum.index.unwrap_or(at))? = Some(unit(datum.embedding)?);
    }
    let ordered: Vec<Vec<f32>> = ordered.into_iter().collect::<Option<_>>()?;
    let dimension = ordered.first()?.len();
    ordered
        .iter()
        .all(|vector| vector.len() == dimension)
        .then_some(ordered)
}
