//! `/v1/embeddings`: vectors of texts, by the embedding model that an agent lends.

use aion_abi::{
    admin::IDEMPOTENCY_KEY,
    code::Code,
    problem::Problem,
    syscall::{
        embed::{EmbedRequest, EmbedResponse},
        model::Usage,
    },
};
use axum::{
    Json,
    body::Body,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Failed, named::Named, refused::refused};
use crate::{asked::Asked, reading};

/// What is read of a request.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "EmbeddingRequest")]
pub(crate) struct Request {
    model: String,
    /// A text, or some.
    input: Value,
    encoding_format: Option<Encoding>,
    dimensions: Option<u32>,
    /// What else there is: a model is not asked where it says anything but `user`, which changes no vector.
    #[serde(flatten)]
    other: Map<String, Value>,
}

/// How the numbers of a vector are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "EmbeddingEncoding")]
enum Encoding {
    /// As a list.
    #[default]
    Float,
    /// Little-endian singles, in base64.
    Base64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EmbeddingList")]
pub(crate) struct Object {
    object: &'static str,
    data: Vec<One>,
    /// `endpoint/model` that made them.
    model: String,
    usage: Counted,
    aion: Beside,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Embedding")]
struct One {
    object: &'static str,
    index: usize,
    embedding: Vector,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "EmbeddingVector")]
enum Vector {
    Numbers(Vec<f32>),
    Base64(String),
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EmbeddingUsage")]
struct Counted {
    prompt_tokens: u64,
    total_tokens: u64,
}

/// What OpenAI has no word for.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "BesideEmbedding")]
struct Beside {
    /// The turn whose syscall it is.
    turn: u64,
    /// The server gave no figures: those of `usage` are the node's estimate.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    estimated: bool,
}

pub(crate) async fn create(
    Asked(gateway): Asked,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failed> {
    let request: Request = reading::json(&headers, body).await?;
    if headers.contains_key(IDEMPOTENCY_KEY) {
        let what = format!("{IDEMPOTENCY_KEY} is not taken for models: each request asks anew");
        let problem = Problem::new(Code::BadRequest, what).remedy("leave it out");
        return Err(Failed::of_field(problem));
    }
    let name = request.model.clone();
    let Some(Named { agent, model }) = gateway.named(&name) else {
        return Err(Failed::of_field(no_model(&name)));
    };
    let encoding = request.encoding_format.unwrap_or_default();
    let request = request.passed(model).map_err(Failed::of_field)?;
    let lent = gateway.lending.embed(gateway.by()?, agent, &request).await;
    let lent = lent.map_err(Failed::of_texts)?;
    let turn = lent.turn;
    let object = Object::of(lent.answer, turn, encoding).map_err(Failed::of_texts)?;
    Ok(Json(object).into_response())
}

/// An agent answers and makes no vectors.
fn no_model(name: &str) -> Problem {
    let what = format!("{name:?} makes no vectors");
    refused(
        "model",
        &what,
        "name the embedding model of an agent of runtime external, as AGENT:auto; GET /v1/models lists what there is",
    )
}

impl Request {
    fn passed(self, model: Option<&str>) -> Result<EmbedRequest, Problem> {
        if let Some(name) = self.other.keys().find(|it| *it != "user") {
            return Err(refused(name, "is not known", "leave it out"));
        }
        if self.dimensions == Some(0) {
            return Err(refused("dimensions", "must be at least 1", "leave it out"));
        }
        Ok(EmbedRequest {
            model: model.map(str::to_owned),
            texts: texts(self.input)?,
            dimensions: self.dimensions,
        })
    }
}

fn texts(input: Value) -> Result<Vec<String>, Problem> {
    let wrong = |what: &str, remedy: &str| Err(refused("input", what, remedy));
    let list = match input {
        Value::String(text) => return Ok(vec![text]),
        Value::Array(list) => list,
        _ => return wrong("is no text", "send a text, or a list of texts"),
    };
    let mut texts = Vec::with_capacity(list.len());
    for (at, it) in list.into_iter().enumerate() {
        match it {
            Value::String(text) => texts.push(text),
            // Which text they are only their own tokenizer knows.
            Value::Number(_) | Value::Array(_) => {
                return wrong(
                    "is tokens of a tokenizer that this model need not have",
                    "send texts (LangChain: check_embedding_ctx_length=False)",
                );
            }
            _ => {
                let what = format!("has at {at} what is no text");
                return wrong(&what, "send a text, or a list of texts");
            }
        }
    }
    Ok(texts)
}

impl Object {
    fn of(answer: EmbedResponse, turn: u64, encoding: Encoding) -> Result<Self, Problem> {
        let Usage {
            input_tokens,
            estimated,
            ..
        } = answer.usage;
        let vectors = answer.vectors.into_iter().enumerate();
        let data = vectors.map(|(index, vector)| {
            let embedding = match encoding {
                Encoding::Base64 => Vector::Base64(vector),
                Encoding::Float => Vector::Numbers(numbers(&vector)?),
            };
            Ok(One {
                object: "embedding",
                index,
                embedding,
            })
        });
        Ok(Self {
            object: "list",
            data: data.collect::<Result<_, Problem>>()?,
            model: answer.model,
            usage: Counted {
                prompt_tokens: input_tokens,
                total_tokens: input_tokens,
            },
            aion: Beside { turn, estimated },
        })
    }
}

fn numbers(vector: &str) -> Result<Vec<f32>, Problem> {
    let odd = || Problem::new(Code::Internal, "the node gave a vector that is none");
    let bytes = STANDARD.decode(vector).map_err(|_| odd())?;
    let (numbers, rest) = bytes.as_chunks();
    match rest.is_empty() {
        true => Ok(numbers.iter().map(|it| f32::from_le_bytes(*it)).collect()),
        false => Err(odd()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn passed(field: &str, value: Value) -> Result<EmbedRequest, String> {
        let mut request = json!({"model": "a:auto", "input": "x"});
        request[field] = value;
        let request: Request = serde_json::from_value(request).unwrap();
        request.passed(None).map_err(|it| it.detail)
    }

    #[test]
    fn texts_are_taken_as_clients_send_them_and_what_is_none_is_refused_by_name() {
        assert_eq!(passed("input", json!("a")).unwrap().texts, ["a"]);
        assert_eq!(passed("input", json!(["a", "b"])).unwrap().texts.len(), 2);
        assert_eq!(passed("dimensions", json!(8)).unwrap().dimensions, Some(8));
        assert!(passed("user", json!("me")).is_ok());
        for (field, value) in [
            ("input", json!([1, 2])),
            ("input", json!([[1, 2], [3]])),
            ("input", json!({"text": "a"})),
            ("input", json!(["a", null])),
            ("dimensions", json!(0)),
            ("truncate", json!(true)),
        ] {
            let said = passed(field, value).unwrap_err();
            assert!(said.starts_with(field), "{said}");
        }
    }

    #[test]
    fn a_vector_is_the_same_in_both_forms() {
        let answer = || EmbedResponse {
            model: "near/nomic".into(),
            vectors: vec![STANDARD.encode([1.5_f32, -2.0].map(f32::to_le_bytes).concat())],
            usage: Usage {
                input_tokens: 3,
                ..Usage::default()
            },
        };
        let told = |encoding| json!(Object::of(answer(), 7, encoding).unwrap());
        let list = told(Encoding::Float);
        assert_eq!(list["data"][0]["embedding"], json!([1.5, -2.0]));
        assert_eq!(
            list["usage"],
            json!({"prompt_tokens": 3, "total_tokens": 3})
        );
        assert_eq!(list["aion"], json!({"turn": 7}));
        assert_eq!(
            told(Encoding::Base64)["data"][0]["embedding"],
            "AADAPwAAAMA="
        );
    }
}
