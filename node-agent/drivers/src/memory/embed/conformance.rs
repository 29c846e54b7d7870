//! What every embedder must do.
#![allow(clippy::unwrap_used)]

use super::{EmbedError, Embedder, Embedding};

#[cfg(test)]
mod ours;

/// `away` switches the endpoint off; a text with `poison` is refused.
///
/// # Panics
/// Where the embedder does something else.
pub async fn conforms(embedder: &dyn Embedder, embedding: &Embedding, away: impl Fn(bool)) {
    let texts = [
        "a dog barks".to_owned(),
        "a cat sleeps".to_owned(),
        "a dog barks".to_owned(),
    ];
    let vectors = embedder.embed(embedding, &texts).await.unwrap();
    assert_eq!(vectors.len(), 3);
    for vector in &vectors {
        assert_eq!(vector.len(), vectors[0].len());
        let length: f32 = vector.iter().map(|part| part * part).sum();
        assert!((length - 1.0).abs() < 1e-4, "{length}");
    }
    assert_eq!(vectors[0], vectors[2]);
    assert_ne!(vectors[0], vectors[1], "in the order of the texts");
    let refused = embedder
        .embed(embedding, &["good".to_owned(), "poison".to_owned()])
        .await
        .unwrap_err();
    assert!(matches!(refused, EmbedError::Refused(_)), "{refused:?}");
    away(true);
    let error = embedder.embed(embedding, &texts).await.unwrap_err();
    assert!(matches!(error, EmbedError::Away(_)), "{error:?}");
    away(false);
    assert_eq!(embedder.embed(embedding, &texts).await.unwrap(), vectors);
}
