//! The patterns that several schemas use, the messages of rules, and the schema of conditions with every string bounded.

use kube::core::Message;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// Stands in a rule's message between what is wrong and what to do about it, until the definitions are written.
pub(crate) const REMEDY: char = '\u{1f}';

/// The message of a rule: what is wrong, and what to do about it.
pub(crate) fn said(what: &str, remedy: &str) -> Message {
    Message::Message(format!("{what}{REMEDY}{remedy}"))
}

/// A name of a resource: a DNS label.
pub const NAME: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// The name of a Secret, as Kubernetes has them: labels with dots between.
pub const SUBDOMAIN: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// A digest.
pub const DIGEST: &str = "^sha256:[a-f0-9]{64}$";
/// A model: an endpoint's name, and after a slash one of its models.
pub const MODEL: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(/[A-Za-z0-9][-._:/@A-Za-z0-9]*)?$";
/// A pattern of models in a policy: as [`MODEL`], with `*` for the rest.
pub const MODEL_PATTERN: &str =
    r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?(/(\*|[A-Za-z0-9][-._:/@A-Za-z0-9]*\*?))?)$";
/// A capability an agent asks for: `memory.recall`, `calendar.read`, `calendar.*`, `calendar."free at?"`,
/// `tool.call:calendar.read`.
pub const CAPABILITY: &str = r#"^[a-z0-9][-a-z0-9]*\.(\*|"([^"\\\x00-\x1f]|\\["\\])+"|[A-Za-z0-9_][-._/A-Za-z0-9]*(:([A-Za-z0-9_][-._/A-Za-z0-9]*|[a-z0-9][-a-z0-9]*\.(\*|"([^"\\\x00-\x1f]|\\["\\])+")))?)$"#;
/// A capability in a policy: as [`CAPABILITY`], where the last part may be `*`; and `net.connect:HOST:PORT`.
pub const CAPABILITY_PATTERN: &str = r#"^(\*|net\.connect:((\*\.)?[a-z0-9]([-_a-z0-9.]*[a-z0-9])?|\[[0-9a-f:.]+\])(:([1-9][0-9]{0,4}|\*))?|[a-z0-9][-a-z0-9]*\.(\*|"([^"\\\x00-\x1f]|\\["\\])+"|[A-Za-z0-9_][-._/A-Za-z0-9]*(\.\*)?(:(\*|[A-Za-z0-9_][-._/A-Za-z0-9]*(\.\*)?|[a-z0-9][-a-z0-9]*\."([^"\\\x00-\x1f]|\\["\\])+"))?))$"#;
/// A property or a command of a device, or an argument: letters, digits, `_` and `-`, the first a letter. CEL takes it as it is.
pub const POINT: &str = "^[A-Za-z][A-Za-z0-9_-]*$";
/// A decimal, such as `-20.5`: a schema has no fractions of its own.
pub const DECIMAL: &str = r"^-?[0-9]{1,9}(\.[0-9]{1,6})?$";
/// A host and a port: `api.weather.gov:443`, `*.weather.gov:443`, `[2001:db8::7]:443`.
pub const HOST_PORT: &str =
    r"^((\*\.)?[a-z0-9]([-_a-z0-9.]*[a-z0-9])?|\[[0-9a-f:.]+\]):[1-9][0-9]{0,4}$";
/// An `http` or `https` address.
pub const URL: &str = r"^https?://[^\s/?#@]+(/[^\s?#]*)?$";

/// The status of an object that nobody has looked at yet. Without one, tools that know kstatus take it for finished: to them
/// an object without `observedGeneration` and conditions is one that nothing is done about.
pub(crate) fn unseen() -> Value {
    json!({"observedGeneration": -1})
}

/// The schema of `status.conditions`: a list keyed by type, as Kubernetes writes it, every string bounded.
pub(crate) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "description": "What holds of this object at the moment, one entry a type. Each says when it last changed and for which generation it was judged.",
        "maxItems": 32,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": {
                    "type": "string", "minLength": 1, "maxLength": 316,
                    "pattern": "^[A-Za-z][-A-Za-z0-9_./]*$",
                    "description": "What is judged, in CamelCase, such as Ready."
                },
                "status": {
                    "type": "string", "enum": ["True", "False", "Unknown"],
                    "description": "Whether it holds."
                },
                "reason": {
                    "type": "string", "minLength": 1, "maxLength": 256,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                    "description": "Why, in one CamelCase word that a program can compare."
                },
                "message": {
                    "type": "string", "maxLength": 8192,
                    "description": "Why, for a person, and what to do about it."
                },
                "lastTransitionTime": {
                    "type": "string", "format": "date-time",
                    "description": "When the status last changed."
                },
                "observedGeneration": {
                    "type": "integer", "format": "int64", "minimum": 0,
                    "description": "The metadata.generation that was judged."
                }
            }
        }
    })
}
