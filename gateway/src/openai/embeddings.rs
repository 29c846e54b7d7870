//! `/v1/embeddings`: vectors of texts, by the embedding model that an agent lends.

use std::time::Duration;

use aion_abi::{
    admin::IDEMPOTENCY_KEY,
    code::Code,
    problem::Problem,
    syscall::{
        MAX_BODY,
        embed::{EmbedRequest, EmbedResponse, MAX_TEXTS},
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
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::{Failed, named::Named, refused::refused};
use crate::{asked::Asked, reading};

/// Texts of one request, as OpenAI has it.
const MOST: usize = 2048;
/// Bytes of a syscall's texts, which has more round them.
const PART: usize = MAX_BODY - 4096;
/// Bytes of the vectors of one answer.
const MOST_BYTES: usize = 16 << 20;
/// Requests of several syscalls that are answered at once.
const AT_ONCE: usize = 2;
/// How long another waits for its place.
const WAITED: Duration = Duration::from_secs(30);

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
    #[serde(skip)]
    encoding: Encoding,
    /// Of the vectors so far.
    #[serde(skip)]
    bytes: usize,
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
    /// The turn whose syscall it is, or the last of them.
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
    let parts = request.passed(model).map_err(Failed::of_field)?;
    let by = gateway.by()?;
    let _place = place(parts.len()).await.map_err(Failed::from)?;
    let mut object = Object::new(encoding);
    for part in &parts {
        let lent = gateway.lending.embed(by, agent, part).await;
        let lent = lent.map_err(|it| Failed::of_texts(it, object.data.len()))?;
        let turn = lent.turn;
        let added = object.add(lent.answer, turn);
        added.map_err(|it| Failed::of_texts(it, 0))?;
    }
    Ok(Json(object).into_response())
}

/// A place for a request of so many parts: what is large is held as a whole, so that little of it is at once.
async fn place(parts: usize) -> Result<Option<SemaphorePermit<'static>>, Problem> {
    static LARGE: Semaphore = Semaphore::const_new(AT_ONCE);
    if parts == 1 {
        return Ok(None);
    }
    let place = timeout(WAITED, LARGE.acquire()).await;
    match place {
        Ok(Ok(place)) => Ok(Some(place)),
        _ => {
            let what = format!("{AT_ONCE} large requests for vectors are under way");
            Err(Problem::new(Code::Overloaded, what).retry_after_ms(5_000))
        }
    }
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
    /// As calls that each take no more than one may.
    fn passed(self, model: Option<&str>) -> Result<Vec<EmbedRequest>, Problem> {
        if let Some(name) = self.other.keys().find(|it| *it != "user") {
            return Err(refused(name, "is not known", "leave it out"));
        }
        if self.dimensions == Some(0) {
            return Err(refused("dimensions", "must be at least 1", "leave it out"));
        }
        let texts = texts(self.input)?;
        if !(1..=MOST).contains(&texts.len()) {
            let what = format!("has {} texts, and must have 1 to {MOST}", texts.len());
            return Err(refused("input", &what, "send the others by themselves"));
        }
        let part = |texts| EmbedRequest {
            model: model.map(str::to_owned),
            texts,
            dimensions: self.dimensions,
        };
        let (mut parts, mut open, mut bytes) = (Vec::new(), Vec::new(), 0);
        for text in texts {
            // As it is written, at worst: six bytes for one.
            let size = serde_json::to_string(&text).map_or(text.len() * 6, |it| it.len());
            if open.len() == MAX_TEXTS || (bytes + size > PART && !open.is_empty()) {
                parts.push(part(std::mem::take(&mut open)));
                bytes = 0;
            }
            bytes += size + 1;
            open.push(text);
        }
        parts.push(part(open));
        Ok(parts)
    }
}

fn texts(input: Value) -> Result<Vec<String>, Problem> {
    let wrong = |what: &str, remedy: &str| Err(refused("input", what, remedy));
    let list = match input {
        Value::String(text) => return Ok(vec![text]),
        Value::Array(list) => list,
        _ => return wrong("is not text", "send a text, or a list of texts"),
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
                let what = format!("is not text at {at}");
                return wrong(&what, "send a text, or a list of texts");
            }
        }
    }
    Ok(texts)
}

impl Object {
    fn new(encoding: Encoding) -> Self {
        Self {
            object: "list",
            data: Vec::new(),
            model: String::new(),
            usage: Counted {
                prompt_tokens: 0,
                total_tokens: 0,
            },
            aion: Beside {
                turn: 0,
                estimated: false,
            },
            encoding,
            bytes: 0,
        }
    }

    /// The vectors of the next texts.
    fn add(&mut self, answer: EmbedResponse, turn: u64) -> Result<(), Problem> {
        for vector in answer.vectors {
            self.bytes += vector.len() / 4 * 3;
            if self.bytes > MOST_BYTES {
                let what = format!("input: its vectors are more than {MOST_BYTES} bytes");
                let remedy = "send fewer texts at a time";
                return Err(Problem::new(Code::TooLarge, what).remedy(remedy));
            }
            let embedding = match self.encoding {
                Encoding::Base64 => Vector::Base64(vector),
                Encoding::Float => Vector::Numbers(numbers(&vector)?),
            };
            self.data.push(One {
                object: "embedding",
                index: self.data.len(),
                embedding,
            });
        }
        let Usage {
            input_tokens,
            estimated,
            ..
        } = answer.usage;
        self.model = answer.model;
        self.usage.prompt_tokens += input_tokens;
        self.usage.total_tokens += input_tokens;
        self.aion.turn = turn;
        self.aion.estimated |= estimated;
        Ok(())
    }
}

fn numbers(vector: &str) -> Result<Vec<f32>, Problem> {
    let odd = || {
        Problem::new(
            Code::Internal,
            "the node answered with something that is not a vector",
        )
    };
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

    fn parts(field: &str, value: Value) -> Result<Vec<EmbedRequest>, String> {
        let mut request = json!({"model": "a:auto", "input": "x"});
        request[field] = value;
        let request: Request = serde_json::from_value(request).unwrap();
        request.passed(None).map_err(|it| it.detail)
    }

    fn passed(field: &str, value: Value) -> Result<EmbedRequest, String> {
        parts(field, value).map(|mut it| it.pop().unwrap())
    }

    #[test]
    fn more_than_a_syscall_takes_are_several_and_in_order() {
        let many: Vec<String> = (0..600).map(|it| it.to_string()).collect();
        let split = parts("input", json!(many)).unwrap();
        let counts: Vec<_> = split.iter().map(|it| it.texts.len()).collect();
        assert_eq!(counts, [256, 256, 88]);
        let texts: Vec<_> = split.into_iter().flat_map(|it| it.texts).collect();
        assert_eq!(texts, many);
        // Controls are six bytes each as they are written.
        let long = vec!["\u{1}".repeat(60_000); 5];
        for part in parts("input", json!(long)).unwrap() {
            let body = serde_json::to_string(&part).unwrap();
            assert!(body.len() <= MAX_BODY, "{}", body.len());
        }
        assert!(
            parts("input", json!(vec!["a"; MOST + 1]))
                .unwrap_err()
                .starts_with("input")
        );
        assert!(parts("input", json!([])).unwrap_err().starts_with("input"));
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
        let told = |encoding| {
            let mut object = Object::new(encoding);
            object.add(answer(), 7).unwrap();
            object.add(answer(), 7).unwrap();
            json!(object)
        };
        let list = told(Encoding::Float);
        assert_eq!(list["data"][0]["embedding"], json!([1.5, -2.0]));
        assert_eq!(
            list["usage"],
            json!({"prompt_tokens": 6, "total_tokens": 6})
        );
        assert_eq!(list["data"][1]["index"], 1);
        assert_eq!(list["aion"], json!({"turn": 7}));
        assert_eq!(
            told(Encoding::Base64)["data"][0]["embedding"],
            "AADAPwAAAMA="
        );
    }
}
