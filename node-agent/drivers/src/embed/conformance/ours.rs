//! The fake and endpoints that speak as OpenAI does, held to it.
#![allow(clippy::unwrap_used)]

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{
    super::{EmbedError, Embedder, Embedding, HttpEmbedder, fake::FakeEmbedder},
    conforms,
};
use crate::{
    outbound::{Endpoint, NodeAddresses, Outbound, Place, Rule},
    secrets::{HeldSecrets, SecretRef},
};

#[derive(Default)]
struct Shared {
    away: AtomicBool,
    keys: Mutex<Vec<String>>,
}

/// Lengths of the text's words, not of length one, and answered in the wrong order.
async fn embeddings(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let key = headers
        .get("authorization")
        .and_then(|key| key.to_str().ok())
        .unwrap_or_default();
    shared.keys.lock().push(key.to_owned());
    if shared.away.load(Ordering::Acquire) {
        return (StatusCode::SERVICE_UNAVAILABLE, "loading for sk-hunter2").into_response();
    }
    assert_eq!(body["encoding_format"], "float");
    let texts: Vec<&str> = body["input"]
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
        .collect();
    if texts.iter().any(|text| text.contains("poison")) {
        return (
            StatusCode::BAD_REQUEST,
            Json(json!({"error": {"message": "too long"}})),
        )
            .into_response();
    }
    let mut data: Vec<Value> = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let mut lengths = text.split(' ').map(str::len).chain([0, 0, 0]);
        let embedding: Vec<usize> = (0..3).map(|_| lengths.next().unwrap()).collect();
        data.push(json!({"object": "embedding", "index": index, "embedding": embedding}));
    }
    data.reverse();
    match body["model"].as_str().unwrap() {
        "none" => Json(json!({"data": []})).into_response(),
        "odd" => Json(json!({"data": [{"index": 0, "embedding": []}]})).into_response(),
        "text" => "no json".into_response(),
        "packed" => {
            let packed = |it: &Value| {
                let numbers = it["embedding"].as_array().unwrap().iter();
                let bytes: Vec<u8> = numbers
                    .flat_map(|it| (it.as_f64().unwrap() as f32).to_le_bytes())
                    .collect();
                json!({"index": it["index"], "embedding": STANDARD.encode(bytes)})
            };
            let data: Vec<Value> = data.iter().map(packed).collect();
            let usage = json!({"prompt_tokens": 0, "total_tokens": 0});
            Json(json!({"data": data, "usage": usage})).into_response()
        }
        "zero" => {
            data.reverse();
            data.iter_mut().for_each(|it| it["index"] = 0.into());
            Json(json!({"data": data, "usage": {"prompt_tokens": u64::MAX}})).into_response()
        }
        // The other way round, without the index that is nought.
        "bare" => {
            data[texts.len() - 1]["index"] = Value::Null;
            Json(json!({"data": data})).into_response()
        }
        "loading" => Json(json!({"error": {"message": "loading for sk-hunter2"}})).into_response(),
        _ => Json(json!({"data": data, "usage": {"prompt_tokens": 1}})).into_response(),
    }
}

async fn server() -> (Embedding, Arc<Shared>) {
    let shared = Arc::<Shared>::default();
    let app = Router::new()
        .route("/v1/embeddings", post(embeddings))
        .with_state(shared.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint {
        name: "local".into(),
        tenant: "me".into(),
        url: format!("http://{}/v1/", listener.local_addr().unwrap()),
        secret: Some(SecretRef {
            secret: "openai".into(),
            key: "key".into(),
        }),
    };
    tokio::spawn(async move { axum::serve(listener, app).await });
    (
        Embedding {
            endpoint,
            model: "minilm".into(),
        },
        shared,
    )
}

fn http(offline: bool, place: Place) -> HttpEmbedder {
    let outbound = Outbound::new(Rule {
        offline,
        place,
        nodes: NodeAddresses::none(),
    });
    let secrets = HeldSecrets([("me/openai/key".to_owned(), "sk-hunter2".to_owned())].into());
    HttpEmbedder::new(Arc::new(outbound), Arc::new(secrets))
}

#[tokio::test]
async fn the_fake_conforms() {
    let (embedding, _) = server().await;
    let embedder = FakeEmbedder::default();
    *embedder.refused.lock() = Some("poison".into());
    conforms(&embedder, &embedding, |away| {
        embedder.away.store(away, Ordering::Release)
    })
    .await;
}

#[tokio::test]
async fn openai_compatible_endpoints_conform() {
    let (embedding, shared) = server().await;
    conforms(&http(false, Place::Standalone), &embedding, |away| {
        shared.away.store(away, Ordering::Release)
    })
    .await;
    assert!(
        shared
            .keys
            .lock()
            .iter()
            .all(|key| key == "Bearer sk-hunter2")
    );
}

#[tokio::test]
async fn answers_that_make_no_vectors_and_endpoints_that_may_not_be_dialled_are_away() {
    let (embedding, shared) = server().await;
    let texts = ["a dog".to_owned()];
    for model in ["none", "odd", "text"] {
        let odd = Embedding {
            model: model.into(),
            ..embedding.clone()
        };
        let error = http(false, Place::Standalone)
            .embed(&odd, &texts, None)
            .await
            .unwrap_err();
        assert!(matches!(error, EmbedError::Away(_)), "{model}: {error:?}");
    }
    shared.away.store(true, Ordering::Release);
    let error = http(false, Place::Standalone)
        .embed(&embedding, &texts, None)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("503") && !error.contains("hunter2"),
        "{error}"
    );
    let error = http(false, Place::Cluster)
        .embed(&embedding, &texts, None)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("loopback"), "{error}");
    let mut far = embedding;
    far.endpoint.url = "https://api.example.org/v1".into();
    let error = http(true, Place::Standalone)
        .embed(&far, &texts, None)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("OFFLINE_MODE"), "{error}");
}

#[tokio::test]
async fn what_servers_make_of_the_form_is_read_right_or_told_in_their_words() {
    let (embedding, _) = server().await;
    let texts = ["a dog".to_owned(), "some cats".to_owned()];
    let http = http(false, Place::Standalone);
    let of = |model: &str| Embedding {
        model: model.into(),
        ..embedding.clone()
    };
    let whole = http.embed(&embedding, &texts, None).await.unwrap();
    // In base64, all said to be at the first place, and without that place; with figures that are none.
    for odd in ["packed", "zero", "bare"] {
        let made = http.embed(&of(odd), &texts, None).await.unwrap();
        assert_eq!(made.vectors, whole.vectors, "{odd}");
        assert_eq!(made.input_tokens, None, "{odd}");
    }
    let error = http.embed(&of("loading"), &texts, None).await.unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("loading for") && !said.contains("hunter2"),
        "{said}"
    );
}

#[tokio::test]
async fn a_length_that_a_model_does_not_make_is_refused_and_not_passed_off_as_asked_for() {
    let (embedding, _) = server().await;
    let texts = ["a dog".to_owned()];
    let http = http(false, Place::Standalone);
    let three = http.embed(&embedding, &texts, Some(3)).await.unwrap();
    assert_eq!(three.vectors[0].len(), 3);
    let error = http.embed(&embedding, &texts, Some(2)).await.unwrap_err();
    let said = "asked for vectors of 2 numbers and gave 3";
    assert!(
        matches!(&error, EmbedError::Refused(it) if it.detail.contains(said)),
        "{error:?}"
    );
}
