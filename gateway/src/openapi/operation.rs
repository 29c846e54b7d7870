//! One operation: what it reads, what it answers, and in whose form it refuses.

use aion_abi::problem::{self, Problem};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::Schemas;
use crate::openai;

type Of = fn(&mut SchemaGenerator) -> Schema;

/// In whose form what is refused is told.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    Problem,
    OpenAi,
}

/// See the module.
pub(crate) struct Operation {
    id: &'static str,
    summary: &'static str,
    form: Form,
    query: Vec<Of>,
    body: Option<(&'static str, Of)>,
    answers: Vec<(&'static str, Of)>,
    refusal: Of,
    /// What a request under the same idempotency key is; nothing where none is read.
    key: Option<&'static str>,
    is_tagged: bool,
}

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
const BYTES: &str = "application/octet-stream";

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Bytes have no schema in OpenAPI 3.1 but their media type.
fn any(_: &mut SchemaGenerator) -> Schema {
    Schema::default()
}

impl Operation {
    /// `id` names it for programs that are made from the document.
    pub(crate) fn new(form: Form, id: &'static str, summary: &'static str) -> Self {
        Self {
            id,
            summary,
            form,
            refusal: match form {
                Form::Problem => of::<Problem>,
                Form::OpenAi => of::<openai::Refusal>,
            },
            query: Vec::new(),
            body: None,
            answers: Vec::new(),
            key: None,
            is_tagged: false,
        }
    }

    pub(crate) fn query<T: JsonSchema>(mut self) -> Self {
        self.query.push(T::json_schema);
        self
    }

    pub(crate) fn reads<T: JsonSchema>(mut self) -> Self {
        self.body = Some((JSON, of::<T>));
        self
    }

    pub(crate) fn reads_bytes(mut self) -> Self {
        self.body = Some((BYTES, any));
        self
    }

    pub(crate) fn answers<T: JsonSchema>(mut self) -> Self {
        self.answers.push((JSON, of::<T>));
        self
    }

    /// A stream whose events have such data.
    pub(crate) fn streams<T: JsonSchema>(mut self) -> Self {
        self.answers.push((EVENTS, of::<T>));
        self
    }

    pub(crate) fn answers_bytes(mut self) -> Self {
        self.answers.push((BYTES, any));
        self
    }

    /// A problem that has more to it.
    pub(crate) fn refuses<T: JsonSchema>(mut self) -> Self {
        self.refusal = of::<T>;
        self
    }

    /// It is read under which idempotency key it comes.
    pub(crate) fn keyed(mut self, what: &'static str) -> Self {
        self.key = Some(what);
        self
    }

    /// Its answer has a tag of its content, and is not sent to whom has it.
    pub(crate) fn tagged(mut self) -> Self {
        self.is_tagged = true;
        self
    }

    pub(super) fn describe(&self, path: &str, schemas: &mut Schemas) -> Value {
        let mut parameters: Vec<Value> = names(path).map(in_path).collect();
        for query in &self.query {
            parameters.extend(in_query(&query(&mut schemas.read)));
        }
        if let Some(what) = self.key {
            parameters.push(json!({
                "name": aion_abi::admin::IDEMPOTENCY_KEY, "in": "header", "required": false,
                "description": what,
                "schema": {"type": "string"},
            }));
        }
        if self.is_tagged {
            parameters.push(json!({
                "name": "If-None-Match", "in": "header", "required": false,
                "description": "Tags of what is there already.",
                "schema": {"type": "string"},
            }));
        }
        let answers = self.answers.iter();
        let answers = answers.map(|(media, schema)| {
            let schema = schema(&mut schemas.answered);
            let schema = match *media {
                EVENTS => event(&schema),
                _ => schema.to_value(),
            };
            (media.to_string(), json!({"schema": schema}))
        });
        let answers: serde_json::Map<String, Value> = answers.collect();
        let media = match self.form {
            Form::Problem => problem::MEDIA_TYPE,
            Form::OpenAi => JSON,
        };
        let refusal = (self.refusal)(&mut schemas.answered);
        let mut described = json!({
            "operationId": self.id,
            "summary": self.summary,
            "parameters": parameters,
            "responses": {
                "200": {"description": self.summary, "content": answers},
                "default": {
                    "description": "Why it is refused, and what to do.",
                    "headers": {"Retry-After": {
                        "description": "Where it passes: in how many seconds to try again.",
                        "schema": {"type": "integer", "minimum": 0},
                    }},
                    "content": {media: {"schema": refusal}},
                },
            },
        });
        if self.is_tagged {
            let tag = json!({"ETag": {
                "description": "A tag of the content, for If-None-Match.",
                "required": true,
                "schema": {"type": "string"},
            }});
            described["responses"]["200"]["headers"] = tag.clone();
            described["responses"]["304"] =
                json!({"description": "It is there already.", "headers": tag});
        }
        if let Some((media, schema)) = self.body {
            let schema = schema(&mut schemas.read);
            let content = json!({media: {"schema": schema}});
            described["requestBody"] = json!({"required": true, "content": content});
        }
        described
    }
}

/// An event of a stream, whose data is JSON, as OpenAPI 3.2 describes one.
fn event(data: &Schema) -> Value {
    json!({
        "type": "object",
        "required": ["data"],
        "properties": {"data": {
            "type": "string", "contentMediaType": "application/json", "contentSchema": data,
        }},
    })
}

/// The names in a path.
fn names(path: &str) -> impl Iterator<Item = &str> {
    let segments = path.split('/');
    segments.filter_map(|it| it.strip_prefix('{')?.strip_suffix('}'))
}

fn in_path(name: &str) -> Value {
    let schema = match name {
        "turn" | "approval" => json!({"type": "integer", "minimum": 0, "maximum": u64::MAX}),
        "incarnation" => json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
        _ => json!({"type": "string", "minLength": 1}),
    };
    json!({"name": name, "in": "path", "required": true, "schema": schema})
}

/// The fields of a type are parameters.
fn in_query(schema: &Schema) -> Vec<Value> {
    let fields = schema.get("properties").and_then(Value::as_object);
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|it| it == name));
    let fields = fields.into_iter().flatten();
    let parameters = fields.map(|(name, schema)| {
        json!({"name": name, "in": "query", "required": is_required(name), "schema": schema})
    });
    parameters.collect()
}
