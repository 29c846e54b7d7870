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
    let made = embedder.embed(embedding, &texts, None).await.unwrap();
    assert!(made.input_tokens.is_some_and(|it| it > 0), "{made:?}");
    let vectors = made.vectors;
    assert_eq!(vectors.len(), 3);
    for vector in &vectors {
        assert_eq!(vector.len(), vectors[0].len());
        assert!(vector.iter().all(|it| it.is_finite()), "{vector:?}");
    }
    assert_eq!(vectors[0], vectors[2]);
    assert_ne!(vectors[0], vectors[1], "in the order of the texts");
    let refused = embedder
        .embed(embedding, &["good".to_owned(), "poison".to_owned()], None)
        .await
        .unwrap_err();
    assert!(matches!(refused, EmbedError::Refused(_)), "{refused:?}");
    away(true);
    let error = embedder.embed(embedding, &texts, None).await.unwrap_err();
    assert!(matches!(error, EmbedError::Away(_)), "{error:?}");
    away(false);
    let again = embedder.embed(embedding, &texts, None).await.unwrap();
    assert_eq!(again.vectors, vectors);
}
