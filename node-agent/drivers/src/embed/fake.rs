//! Vectors without a model: words are hashed into a few dimensions, synonyms are told.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use aion_abi::{code::Code, problem::Problem};
use futures::future::{BoxFuture, ready};
use parking_lot::Mutex;

use super::{EmbedError, Embedder, Embedding, Vectors, unit};

const DIMENSION: usize = 64;

/// An embedder that can be away, and can refuse a text.
#[derive(Default)]
pub struct FakeEmbedder {
    /// It does not answer.
    pub away: AtomicBool,
    /// Texts it was shown.
    pub shown: AtomicUsize,
    /// A word to the word it means the same as.
    pub meanings: Mutex<HashMap<String, String>>,
    /// A text with this word is refused.
    pub refused: Mutex<Option<String>>,
}

impl FakeEmbedder {
    /// `word` means the same as `other`.
    pub fn means(self, word: &str, other: &str) -> Self {
        self.meanings.lock().insert(word.into(), other.into());
        self
    }

    fn vector(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        let refused = self.refused.lock();
        if refused
            .as_ref()
            .is_some_and(|word| text.contains(word.as_str()))
        {
            return Err(not_taken("the text is not taken"));
        }
        let meanings = self.meanings.lock();
        let mut vector = vec![0.0; DIMENSION];
        for word in text
            .to_lowercase()
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
        {
            let meant = meanings.get(word).map_or(word, String::as_str);
            let hash = meant.bytes().fold(7_usize, |hash, byte| {
                hash.wrapping_mul(31).wrapping_add(byte.into())
            });
            vector[hash % DIMENSION] += 1.0;
        }
        unit(vector).ok_or_else(|| not_taken("the text has no words"))
    }
}

impl Embedder for FakeEmbedder {
    fn embed<'a>(
        &'a self,
        _: &'a Embedding,
        texts: &'a [String],
        _: Option<u32>,
    ) -> BoxFuture<'a, Result<Vectors, EmbedError>> {
        if self.away.load(Ordering::Acquire) {
            let away = Problem::new(Code::Unreachable, "fake: connection refused");
            return Box::pin(ready(Err(EmbedError::Away(away))));
        }
        self.shown.fetch_add(texts.len(), Ordering::AcqRel);
        let vectors = texts.iter().map(|text| self.vector(text));
        let vectors = vectors.collect::<Result<_, _>>().map(|vectors| Vectors {
            vectors,
            input_tokens: Some(texts.len() as u64),
        });
        Box::pin(ready(vectors))
    }
}

fn not_taken(why: &str) -> EmbedError {
    EmbedError::Refused(Problem::new(Code::UpstreamFailed, why))
}
