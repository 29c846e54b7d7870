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
        let done = done.and_then(|made| match made.vectors.len() == texts.len() {
            true => Ok(made.vectors),
            false => {
                let (made, of) = (made.vectors.len(), texts.len());
                Err(away(
                    embedding,
                    &format!("it gave {made} vectors for {of} texts"),
                ))
            }
        });
        if let Err(EmbedError::Away(why)) = &done {
            self.rest(embedding, why);
        }
        // That is about a text: the others have theirs.
        let made = done?.into_iter().map(unit).collect::<Option<_>>();
        made.ok_or_else(|| {
            let what = format!("{}: it gave a vector that points nowhere", embedding.name());
            EmbedError::Refused(Problem::new(Code::UpstreamFailed, what))
        })
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::{BoxFuture, ready};

    use super::{super::embed::Vectors, *};
    use crate::outbound::Endpoint;

    /// Gives this many vectors of nought, whatever it is asked.
    struct Noughts {
        given: usize,
        asked: AtomicUsize,
    }

    impl Embedder for Noughts {
        fn embed<'a>(
            &'a self,
            _: &'a Embedding,
            _: &'a [String],
            _: Option<u32>,
        ) -> BoxFuture<'a, Result<Vectors, EmbedError>> {
            self.asked.fetch_add(1, Ordering::AcqRel);
            Box::pin(ready(Ok(Vectors {
                vectors: vec![vec![0.0, 0.0]; self.given],
                input_tokens: None,
            })))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_vector_that_points_nowhere_is_its_texts_and_one_too_few_its_endpoints() {
        let embedding = Embedding {
            endpoint: Endpoint {
                name: "near".into(),
                tenant: "home".into(),
                url: String::new(),
                secret: None,
            },
            model: "e".into(),
        };
        for (given, asked) in [(1, 2), (0, 1)] {
            let inner = Arc::new(Noughts {
                given,
                asked: AtomicUsize::new(0),
            });
            let second = Duration::from_secs(1);
            let paused = Paused::new(Arc::clone(&inner) as Arc<dyn Embedder>, second, second);
            for _ in 0..2 {
                let error = paused.embed_one(&embedding, "a").await.unwrap_err();
                assert_eq!(
                    matches!(error, EmbedError::Refused(_)),
                    given == 1,
                    "{error:?}"
                );
            }
            assert_eq!(inner.asked.load(Ordering::Acquire), asked);
        }
    }
}
