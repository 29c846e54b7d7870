//! Embeddings without a model: the words of a text, hashed into a few dimensions
//! and scaled to length one. Texts that share words are near each other, always
//! and everywhere the same way, which is all that a test of ranking needs.

use serde_json::{Value, json};

const DIMENSIONS: usize = 64;

pub(super) fn answer(body: &Value) -> Option<Value> {
    let texts: Vec<&str> = match &body["input"] {
        Value::String(text) => vec![text],
        Value::Array(texts) => texts.iter().map(Value::as_str).collect::<Option<_>>()?,
        _ => return None,
    };
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| json!({"object": "embedding", "index": index, "embedding": embed(text)}))
        .collect();
    let tokens: usize = texts
        .iter()
        .map(|text| text.split_whitespace().count())
        .sum();
    Some(json!({
        "object": "list",
        "data": data,
        "model": body["model"],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }))
}

fn embed(text: &str) -> Vec<f64> {
    let mut vector = vec![0.0; DIMENSIONS];
    for word in text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        vector[bucket(&word.to_lowercase())] += 1.0;
    }
    let length = vector.iter().map(|x: &f64| x * x).sum::<f64>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    }
    vector
}

/// FNV-1a, 32 bit.
fn bucket(word: &str) -> usize {
    let hash = word.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    hash as usize % DIMENSIONS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_share_words_are_nearer_than_texts_that_do_not() {
        let near =
            |a: &str, b: &str| -> f64 { embed(a).iter().zip(embed(b)).map(|(x, y)| x * y).sum() };
        let question = "where is the journal kept";
        assert!(
            near(question, "The journal is kept on a host path.")
                > near(question, "Lanes are weighted with aging.")
        );
    }
}
