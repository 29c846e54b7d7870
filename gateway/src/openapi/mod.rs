//! How the endpoints are described to programs, as OpenAPI 3.1. Schemas are those of the types that handlers read and answer with:
//! 3.1 takes JSON Schema as it is, which `schemars` makes of them.
//!
//! What may not enter: an endpoint (the table of `router` has them), and what a handler does.

mod operation;

use axum::http::Method;
use schemars::{
    SchemaGenerator,
    generate::{Contract, SchemaSettings},
};
use serde_json::{Map, Value, json};

pub(crate) use self::operation::{Form, Operation};

/// The document of these operations, each with its path (as axum writes it) and method.
pub(crate) fn document<'a>(
    operations: impl IntoIterator<Item = (&'a str, &'a Method, &'a Operation)>,
) -> Value {
    let mut schemas = Schemas::default();
    let mut paths = Map::new();
    for (path, method, operation) in operations {
        let at = path.replace("{*", "{");
        let described = operation.describe(&at, &mut schemas);
        paths.entry(at).or_insert_with(|| json!({}))[method.as_str().to_lowercase()] = described;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "AION-OS",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Agents for programs: REST, and OpenAI's API. See docs/gateway.md.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"key": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.take(),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    })
}

/// Schemas of what is read and of what is answered: a field with a default may be left out of the one, and is in the other.
struct Schemas {
    read: SchemaGenerator,
    answered: SchemaGenerator,
}

impl Default for Schemas {
    fn default() -> Self {
        let of = |contract| {
            let settings = SchemaSettings::draft2020_12().with(|it| {
                it.definitions_path = "/components/schemas".into();
                it.meta_schema = None;
                it.contract = contract;
            });
            settings.into_generator()
        };
        Self {
            read: of(Contract::Deserialize),
            answered: of(Contract::Serialize),
        }
    }
}

impl Schemas {
    fn take(mut self) -> Map<String, Value> {
        let mut all = self.read.take_definitions(true);
        for (name, schema) in self.answered.take_definitions(true) {
            let other = all.insert(name.clone(), schema.clone());
            // A test looks at every type that there is.
            debug_assert!(
                other.is_none_or(|other| other == schema),
                "two schemas are called {name}"
            );
        }
        all
    }
}
