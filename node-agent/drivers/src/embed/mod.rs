//! Text to vectors, by an OpenAI-compatible `/embeddings` endpoint. Knows nothing of pools and of agents.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
#[cfg(any(test, feature = "conformance"))]
pub mod fake;
mod http;
mod refused;

use aion_abi::{problem::Problem, syscall::embed::MAX_TEXTS};
use futures::future::BoxFuture;

use super::outbound::Endpoint;

pub use http::HttpEmbedder;

/// The most texts that are shown to an endpoint at once.
pub const AT_ONCE: usize = MAX_TEXTS;

/// An embedding model at an OpenAI-compatible endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Embedding {
    /// Where it answers: the address before `/embeddings`.
    pub endpoint: Endpoint,
    /// The model's name there.
    pub model: String,
}

impl Embedding {
    /// `endpoint/model`, for people.
    pub fn name(&self) -> String {
        format!("{}/{}", self.endpoint.name, self.model)
    }
}

/// Vectors as a model gave them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vectors {
    /// One a text, in their order, all of one dimension, of finite numbers.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens of the texts, where the endpoint counts them.
    pub input_tokens: Option<u64>,
}

/// Why there are no vectors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmbedError {
    /// The endpoint does not answer, not in time, or with an error of its own; where it may soon, the problem says when.
    #[error("{}", .0.detail)]
    Away(Problem),
    /// It answers, and does not take these texts.
    #[error("{}", .0.detail)]
    Refused(Problem),
}

impl From<EmbedError> for Problem {
    fn from(error: EmbedError) -> Self {
        match error {
            EmbedError::Away(problem) | EmbedError::Refused(problem) => problem,
        }
    }
}

/// Makes vectors.
pub trait Embedder: Send + Sync {
    /// One vector a text, of which there are at most [`AT_ONCE`]; of `dimensions` numbers, where that is said.
    ///
    /// # Errors
    /// [`EmbedError`]; then there is none of them.
    fn embed<'a>(
        &'a self,
        embedding: &'a Embedding,
        texts: &'a [String],
        dimensions: Option<u32>,
    ) -> BoxFuture<'a, Result<Vectors, EmbedError>>;
}

/// The vector at length one; nothing for one that points nowhere or holds what is not a number.
pub(crate) fn unit(mut vector: Vec<f32>) -> Option<Vec<f32>> {
    let length = vector
        .iter()
        .map(|part| f64::from(*part).powi(2))
        .sum::<f64>()
        .sqrt();
    if vector.is_empty() || !length.is_finite() || length <= f64::EPSILON {
        return None;
    }
    for part in &mut vector {
        *part = (f64::from(*part) / length) as f32;
    }
    Some(vector)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_vector_that_points_nowhere_is_none() {
        assert_eq!(unit(vec![3.0, 4.0]).unwrap(), [0.6, 0.8]);
        for bad in [
            vec![],
            vec![0.0, 0.0],
            vec![f32::NAN, 1.0],
            vec![f32::INFINITY],
        ] {
            assert_eq!(unit(bad), None);
        }
    }
}
