//! How a device is reached by HTTP, and how its properties and commands look there.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::mqtt::{MqttValue, POINTER, Scale};
use crate::program::SecretKey;
use crate::schema::{POINT, URL, said};

/// A path and a query, in which `{{name}}` is filled in.
const PATH: &str = r"^/[^\x00-\x20\x7f#]*$";
/// The name of a header (RFC 9110, 5.1).
const HEADER: &str = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";

/// How properties and commands look on HTTP. In paths and payloads {{device}}, {{namespace}} and the device's parameters are filled
/// in; in those of what is sent {{value}} and a command's arguments, too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpMapping {
    /// Seconds between two questions; 30 unless said otherwise, by the device before its model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400))]
    pub every_seconds: Option<i32>,
    /// Seconds that an answer may take, all of it; 10 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 60))]
    pub timeout_seconds: Option<i32>,
    /// Properties, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub properties: Vec<HttpProperty>,
    /// Commands, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub commands: Vec<HttpCommand>,
}

/// How a device is reached by HTTP. What its model says of a property or a command holds, unless it stands here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(has(self.basic) && has(self.bearer))").message(said("one request has one Authorization", "remove basic or bearer")),
    validation = Rule::new("!has(self.authority) || self.url.startsWith('https:')").message(said("authority says whose certificates count, and an http address has none", "use an https address, or remove it")).field_path(".authority")
)]
pub struct DeviceHttp {
    /// Its address: http://HOST:PORT, where what is sent can be read on the way, or https://HOST:PORT; with the beginning of every path,
    /// if there is one.
    #[schemars(length(min = 8, max = 512), regex(pattern = URL))]
    pub url: String,
    /// What is filled in for {{NAME}} in the address, in paths and payloads.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "parameters")]
    pub parameters: BTreeMap<String, String>,
    /// Seconds between two questions, where it is not what its model says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400))]
    pub every_seconds: Option<i32>,
    /// Seconds that an answer may take, where it is not what its model says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 60))]
    pub timeout_seconds: Option<i32>,
    /// Headers of every request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 8),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub headers: Vec<HttpHeader>,
    /// A name and a password that every request shows (HTTP Basic).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<HttpBasic>,
    /// A token that every request shows (Authorization: Bearer), as a reference to a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer: Option<SecretKey>,
    /// The authority whose certificates alone count, in PEM form, as a reference to a Secret. Left out, the system's authorities count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<SecretKey>,
    /// Properties that look otherwise than the model says, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub properties: Vec<HttpProperty>,
    /// Commands that look otherwise, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub commands: Vec<HttpCommand>,
}

/// A header.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.value) != has(self.secret)").message(said("a header has a value or a secret", "say one of the two")))]
pub struct HttpHeader {
    /// Its name.
    #[schemars(length(min = 1, max = 64), regex(pattern = HEADER))]
    pub name: String,
    /// What it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = "^[!-~]([ -~]*[!-~])?$"))]
    pub value: Option<String>,
    /// What it says, as a reference to a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretKey>,
}

/// A name and a password.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpBasic {
    /// The name.
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[^:\\x00-\\x1f\\x7f]+$"))]
    pub username: String,
    /// The password, as a reference to a Secret.
    pub password: SecretKey,
}

/// How a property looks on HTTP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.state) || has(self.set)").message(said("a property is asked for (state) or set (set)", "add at least one of them")),
    validation = Rule::new("!has(self.answer) || has(self.set)").message(said("answer is where the answer to set says what the property is", "add set, or remove it")),
    validation = Rule::new("!(has(self.values) && has(self.scale))").message(said("values are for booleans, texts and choices, and scale is for numbers", "remove one of them"))
)]
pub struct HttpProperty {
    /// The model's property.
    #[schemars(length(min = 1, max = 63), regex(pattern = POINT))]
    pub name: String,
    /// Where the device is asked what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<HttpState>,
    /// How it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<HttpRequest>,
    /// Where the answer to set says what the property is then. Left out, the device is asked right after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<HttpAnswer>,
    /// What the device writes for a value where it writes something else, such as ON for true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["value"])
    )]
    pub values: Vec<MqttValue>,
    /// How the device's numbers become the property's: times factor, plus offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scale>,
}

/// Where a device is asked what a property is. Properties with one path are one question.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpState {
    /// The path, and a query if there is one. What is filled in is encoded for an address.
    #[schemars(length(min = 1, max = 512), regex(pattern = PATH))]
    pub get: String,
    /// Where in an answer that is JSON, as a JSON pointer such as /temperature. Left out, all of the answer is the value. An answer
    /// without it says nothing of the property.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = POINTER))]
    pub pointer: Option<String>,
}

/// Where in an answer something stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpAnswer {
    /// Where in an answer that is JSON. Left out, all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = POINTER))]
    pub pointer: Option<String>,
}

/// What is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.method) && self.method == 'GET') || !(has(self.payload) || has(self.contentType))").message(said("a GET has no payload", "say what is to be done in the path, or say another method")))]
pub struct HttpRequest {
    /// The method: POST (the default), PUT, PATCH or GET.
    #[serde(default)]
    pub method: HttpMethod,
    /// The path, and a query if there is one. What is filled in is encoded for an address.
    #[schemars(length(min = 1, max = 512), regex(pattern = PATH))]
    pub path: String,
    /// The payload. Left out for a property it is {{value}}, unless the path says that; for a command there is none. In one that is JSON,
    /// values are filled in as JSON: {"on": {{value}}}.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub payload: Option<String>,
    /// What the payload is; application/json or text/plain unless said otherwise, as it looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[!-~]([ -~]*[!-~])?$"))]
    pub content_type: Option<String>,
}

/// A method of HTTP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// POST.
    #[default]
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// GET, of devices that are told things by it.
    Get,
}

impl HttpMethod {
    /// As it stands in a request.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Get => "GET",
        }
    }
}

/// How a command looks on HTTP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpCommand {
    /// The model's command.
    #[schemars(length(min = 1, max = 63), regex(pattern = POINT))]
    pub name: String,
    /// What is sent.
    pub send: HttpRequest,
    /// What the answer says when the device did it. Left out, an answer of success is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<HttpDone>,
}

/// What an answer says when a device did something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpDone {
    /// Where in an answer that is JSON. Left out, all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = POINTER))]
    pub pointer: Option<String>,
    /// What stands there; left out, anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub equals: Option<String>,
}

fn parameters(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": {"type": "string", "maxLength": 256}
    })
}
