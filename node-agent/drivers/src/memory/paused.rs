//! Vectors for a pool, all of length one. Leaves an endpoint that failed alone for a while, so that every recall does not
//! wait for it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aion_abi::{code::Code, problem::Problem};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::embed::{AT_ONCE, EmbedError, Embedder, Embedding, unit};

/// Endpoints that are remembered as failing; past that the oldest are asked again.
const REMEMBERED: usize = 256;

pub(super) struct Paused {
    inner: Arc<dyn Embedder>,
    timeout: Duration,
    pause: Duration,
    failed: Mutex<HashMap<Embedding, (Instant, Problem)>>,
}

impl Paused {
    pub(super) fn new(inner: Arc<dyn Embedder>, timeout: Duration, pause: Duration) -> Self {
        Self {
            inner,
            timeout,
            pause,
            failed: Mutex::default(),
        }
    }

    pub(super) async fn embed(
        &self,
        embedding: &Embedding,
        texts: &[String],
    ) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.not_resting(embedding)?;
        let mut made = Vec::with_capacity(texts.len());
        for texts in texts.chunks(AT_ONCE) {
            made.extend(self.embed_some(embedding, texts).await?);
        }
        Ok(made)
    }

    async fn embed_some(
        &self,
        embedding: &Embedding,
        texts: &[String],
    ) -> Result<Vec<Vec<f32>>, EmbedError> {
        let asked = self.inner.embed(embedding, texts, None);
        let done = tokio::time::timeout(self.timeout, asked).await;
        let late = || format!("it did not answer in {} s", self.timeout.as_secs());
        let done = done.unwrap_or_else(|_| Err(away(embedding, &late())));
        if let Err(EmbedError::Away(why)) = &done {
            self.rest(embedding, why);
        }
        let made = done?.vectors;
        if made.len() != texts.len() {
            let why = format!("it gave {} vectors for {} texts", made.len(), texts.len());
            return Err(away(embedding, &why));
        }
        let made = made.into_iter().map(unit).collect::<Option<_>>();
        made.ok_or_else(|| away(embedding, "it gave a vector that points nowhere"))
    }

    pub(super) async fn embed_one(
        &self,
        embedding: &Embedding,
        text: &str,
    ) -> Result<Vec<f32>, EmbedError> {
        let mut vectors = self.embed(embedding, &[text.to_owned()]).await?;
        vectors
            .pop()
            .ok_or_else(|| away(embedding, "it gave no vector"))
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

    fn rest(&self, embedding: &Embedding, why: &Problem) {
        let mut failed = self.failed.lock();
        failed.retain(|_, (since, _)| since.elapsed() < self.pause);
        if failed.len() < REMEMBERED {
            failed.insert(embedding.clone(), (Instant::now(), why.clone()));
        }
    }
}

fn away(embedding: &Embedding, why: &str) -> EmbedError {
    let what = format!("{}: {why}", embedding.name());
    EmbedError::Away(Problem::new(Code::UpstreamFailed, what))
}
