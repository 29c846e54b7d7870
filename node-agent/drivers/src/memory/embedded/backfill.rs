//! Making vectors that are missing: of new items, of items stored while the endpoint was away, of all of
//! them when the model changes. Started by a call, bounded, and over by itself.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use aion_abi::problem::Problem;

use super::{
    super::{Embedding, Pool, embed::EmbedError},
    EmbeddedMemory,
    place::Shelf,
    pools::Slot,
    vectors::{self, Pending},
};

/// Requests that one call may set off; the next call sets off more.
const BATCHES: usize = 16;
/// How long one call may keep an endpoint at it, however slowly that answers.
const LONGEST: Duration = Duration::from_secs(600);
/// How much of a text the model is shown. Models take a few hundred to some thousand tokens, and servers
/// refuse what is longer; the beginning of a passage tells what it is about.
const SHOWN: usize = 8 * 1024;

impl EmbeddedMemory {
    /// Sets a task off that makes missing vectors, where none is at it.
    pub(super) fn backfill(&self, pool: &Pool) {
        let Some(embedding) = pool.embedding.clone() else {
            return;
        };
        let shelf = Shelf::of(pool);
        let Ok(slot) = self.0.pools.slot(&shelf) else {
            return;
        };
        if slot.backfilling.swap(true, Ordering::AcqRel) {
            // If it is past its last look, the next call sees what is missing.
            return;
        }
        let memory = self.clone();
        tokio::spawn(async move {
            let held = Running(slot);
            let making = memory.make_missing(&shelf, &embedding);
            match tokio::time::timeout(LONGEST, making).await {
                Ok(Ok(())) => {}
                Ok(Err(problem)) => {
                    tracing::warn!(%problem, pool = shelf.pool.pool, "vectors could not be made");
                }
                Err(_) => {
                    tracing::info!(
                        pool = shelf.pool.pool,
                        "vectors are made slowly: the others later"
                    )
                }
            }
            drop(held);
        });
    }

    async fn make_missing(&self, shelf: &Shelf, embedding: &Embedding) -> Result<(), Problem> {
        let model = embedding.model.clone();
        for _ in 0..BATCHES {
            let (wanted, limit) = (model.clone(), self.0.config.embedding.batch);
            let missing = self.on_existing(shelf, move |open| {
                open.unless_caught_up(&wanted, || {
                    open.read(|reader| vectors::pending(reader, &wanted, limit))
                })
            });
            let missing = missing.await?.unwrap_or_default();
            if missing.is_empty() {
                return Ok(());
            }
            let made = match self.embed_all(embedding, missing).await {
                Ok(made) => made,
                Err(error) => {
                    tracing::info!(%error, pool = shelf.pool.pool, "vectors are made later");
                    return Ok(());
                }
            };
            let named = model.clone();
            self.on_existing(shelf, move |open| {
                open.write(|writer| vectors::keep(writer, &named, &made))
            })
            .await?;
        }
        Ok(())
    }

    /// All at once; where the endpoint refuses the batch, one by one, so that a single text that it does
    /// not take keeps no other from its vector.
    async fn embed_all(
        &self,
        embedding: &Embedding,
        missing: Vec<Pending>,
    ) -> Result<Vec<(i64, Option<Vec<f32>>)>, EmbedError> {
        let (numbers, texts): (Vec<i64>, Vec<String>) = missing
            .into_iter()
            .map(|item| (item.n, beginning(&item.text).to_owned()))
            .unzip();
        match self.0.embedder.embed(embedding, &texts).await {
            Ok(vectors) => {
                return Ok(numbers
                    .into_iter()
                    .zip(vectors.into_iter().map(Some))
                    .collect());
            }
            Err(EmbedError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
        let mut made = Vec::with_capacity(texts.len());
        for (n, text) in numbers.into_iter().zip(&texts) {
            match self.0.embedder.embed_one(embedding, text).await {
                Ok(vector) => made.push((n, Some(vector))),
                Err(EmbedError::Refused(why)) => {
                    tracing::info!(
                        item = n,
                        why = why.detail,
                        "an item is recalled by words only"
                    );
                    made.push((n, None));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(made)
    }
}

/// Says that nobody is at it any more, however the task ends.
struct Running(Arc<Slot>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.backfilling.store(false, Ordering::Release);
    }
}

fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(SHOWN)]
}
