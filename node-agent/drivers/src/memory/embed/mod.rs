//! Text to vectors, by an OpenAI-compatible `/embeddings` endpoint. Knows nothing of pools.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
#[cfg(any(test, feature = "conformance"))]
pub mod fake;
mod http;
mod paused;

use futures::future::BoxFuture;

use super::Embedding;

pub use http::HttpEmbedder;
pub(super) use paused::Paused;

/// The most numbers of a vector.
const MAX_DIMENSION: usize = 8192;

/// Why there are no vectors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmbedError {
    /// The endpoint does not answer, not in time, or with an error of its own; later it may.
    #[error("{0}")]
    Away(String),
    /// It answers, and does not take these texts.
    #[error("{0}")]
    Refused(String),
}

/// Makes vectors.
pub trait Embedder: Send + Sync {
    /// One vector a text, in their order, each of length one and all of one dimension.
    ///
    /// # Errors
    /// [`EmbedError`]; then there is none of them.
    fn embed<'a>(
        &'a self,
        embedding: &'a Embedding,
        texts: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Vec<f32>>, EmbedError>>;
}

/// The vector at length one; nothing for one that points nowhere or holds what is not a number.
fn unit(mut vector: Vec<f32>) -> Option<Vec<f32>> {
    let length = vector
        .iter()
        .map(|part| f64::from(*part).powi(2))
        .sum::<f64>()
        .sqrt();
    if vector.is_empty()
        || vector.len() > MAX_DIMENSION
        || !length.is_finite()
        || length <= f64::EPSILON
    {
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
