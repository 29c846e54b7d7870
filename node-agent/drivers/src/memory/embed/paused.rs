//! Leaves an endpoint that failed alone for a while, so that every recall does not wait for it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{EmbedError, Embedder, Embedding};

/// Endpoints that are remembered as failing; past that the oldest are asked again.
const REMEMBERED: usize = 256;

pub(in crate::memory) struct Paused {
    inner: Arc<dyn Embedder>,
    timeout: Duration,
    pause: Duration,
    failed: Mutex<HashMap<Embedding, (Instant, String)>>,
}

impl Paused {
    pub(in crate::memory) fn new(
        inner: Arc<dyn Embedder>,
        timeout: Duration,
        pause: Duration,
    ) -> Self {
        Self {
            inner,
            timeout,
            pause,
            failed: Mutex::default(),
        }
    }

    pub(in crate::memory) async fn embed(
        &self,
        embedding: &Embedding,
        texts: &[String],
    ) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.not_resting(embedding)?;
        let asked = self.inner.embed(embedding, texts);
        let done = tokio::time::timeout(self.timeout, asked)
            .await
            .unwrap_or_else(|_| {
                let name = &embedding.endpoint.name;
                Err(EmbedError::Away(format!(
                    "embedding endpoint {name} did not answer in {} s",
                    self.timeout.as_secs()
                )))
            });
        if let Err(EmbedError::Away(why)) = &done {
            self.rest(embedding, why);
        }
        match done {
            Ok(vectors) if vectors.len() != texts.len() => Err(EmbedError::Away(format!(
                "embedding endpoint {} gave {} vectors for {} texts",
                embedding.endpoint.name,
                vectors.len(),
                texts.len()
            ))),
            done => done,
        }
    }

    pub(in crate::memory) async fn embed_one(
        &self,
        embedding: &Embedding,
        text: &str,
    ) -> Result<Vec<f32>, EmbedError> {
        let mut vectors = self.embed(embedding, &[text.to_owned()]).await?;
        vectors
            .pop()
            .ok_or_else(|| EmbedError::Away("no vector was given".to_owned()))
    }

    fn not_resting(&self, embedding: &Embedding) -> Result<(), EmbedError> {
        let failed = self.failed.lock();
        match failed.get(embedding) {
            Some((since, why)) if since.elapsed() < self.pause => {
                Err(EmbedError::Away(why.clone()))
            }
            _ => Ok(()),
        }
    }

    fn rest(&self, embedding: &Embedding, why: &str) {
        let mut failed = self.failed.lock();
        failed.retain(|_, (since, _)| since.elapsed() < self.pause);
        if failed.len() < REMEMBERED {
            failed.insert(embedding.clone(), (Instant::now(), why.to_owned()));
        }
    }
}
