//! The Rust implementation against `sdk/vectors/`, which another implementation made.
#![allow(clippy::unwrap_used)]

use aion_abi::canonical::{CanonicalRequest, body_digest};
use aion_abi::date::UnixMillis;
use aion_abi::signing::NodeSecret;
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    scheme: String,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    name: String,
    node_secret: String,
    instance: String,
    incarnation: u32,
    key: String,
    request: Request,
    signature: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: String,
    path: String,
    timestamp_ms: UnixMillis,
    counter: u64,
    idempotency_key: Option<String>,
    deadline_ms: Option<u64>,
    body: String,
}

#[test]
fn every_vector_gives_its_key_and_signature() {
    let text = include_str!("../../../sdk/vectors/signing.json");
    let file: File = serde_json::from_str(text).unwrap();
    assert_eq!(file.scheme, aion_abi::canonical::SCHEME);
    assert!(!file.vectors.is_empty());
    for vector in file.vectors {
        let mut secret = [0u8; 32];
        hex::decode_to_slice(&vector.node_secret, &mut secret).unwrap();
        let key = NodeSecret::new(secret).derive(&vector.instance, vector.incarnation);
        assert_eq!(hex::encode(key.expose()), vector.key, "{}", vector.name);
        let request = CanonicalRequest {
            method: &vector.request.method,
            path: &vector.request.path,
            timestamp_ms: vector.request.timestamp_ms,
            counter: vector.request.counter,
            idempotency_key: vector.request.idempotency_key.as_deref(),
            deadline_ms: vector.request.deadline_ms,
            body_digest: body_digest(vector.request.body.as_bytes()),
        };
        assert_eq!(key.sign(&request), vector.signature, "{}", vector.name);
        key.verify(&request, vector.signature.as_bytes()).unwrap();
    }
}
