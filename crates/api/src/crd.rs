//! The custom resource definitions, made from the types and the table [`kinds!`](crate::kinds).

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::Value;

use crate::{
    Agent, AgentInstance, AgentPolicy, ClusterAgentPolicy, Device, DeviceBroker, DeviceModel,
    KernelNode, MemoryPool, ModelEndpoint, Tool, TrustPolicy, schema::REMEDY,
};

/// A kind, as a machine standing alone needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Its name, such as `Agent`.
    pub name: &'static str,
    /// Its plural, as it stands in addresses.
    pub plural: &'static str,
    /// Whether its objects belong to a namespace.
    pub namespaced: bool,
    /// Whether people write it (the others are the operator's and the node agents').
    pub written_by_people: bool,
}

/// What the table says of a kind whose objects belong to a namespace.
pub const NAMESPACED: bool = true;
/// What the table says of a kind whose objects belong to the cluster.
pub const CLUSTER: bool = false;
/// What the table says of a kind that people write.
pub const PEOPLE: bool = true;
/// What the table says of a kind that the operator or the node agents write.
pub const MACHINES: bool = false;

macro_rules! definitions {
    ($($kind:ident $plural:literal $many:ident $scope:ident $writer:ident;)*) => {
        /// Every kind there is.
        pub const KINDS: [Kind; [$($plural),*].len()] = [$(Kind {
            name: stringify!($kind),
            plural: $plural,
            namespaced: $scope,
            written_by_people: $writer,
        }),*];

        /// Every definition, in the order of [`KINDS`], as JSON.
        ///
        /// # Errors
        /// When a definition cannot be written as JSON, which a test rules out.
        pub fn all() -> Result<Vec<Value>, serde_json::Error> {
            let finished = [$($kind::crd()),*].into_iter().map(finish);
            finished.map(|crd| crd.map(published)).collect()
        }

        /// The OpenAPI schema of one kind, whose rules' messages [`remedy`] takes apart; `None` for a kind that is none
        /// of ours.
        ///
        /// # Errors
        /// As [`all`].
        pub fn schema(kind: &str) -> Result<Option<Value>, serde_json::Error> {
            let crd = match kind {
                $(stringify!($kind) => $kind::crd(),)*
                _ => return Ok(None),
            };
            let mut crd = finish(crd)?;
            Ok(Some(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take()))
        }
    };
}

kinds!(definitions all);

/// The kind of this name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// The kind of this plural.
#[must_use]
pub fn kind_of_plural(plural: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.plural == plural)
}

fn finish(crd: CustomResourceDefinition) -> Result<Value, serde_json::Error> {
    let mut crd = serde_json::to_value(crd)?;
    if let Some(schema) = crd.pointer_mut("/spec/versions/0/schema/openAPIV3Schema") {
        tidy(schema);
    }
    Ok(crd)
}

/// What a rule of a [`schema`] says is wrong, and what to do about it where it says that too.
#[must_use]
pub fn remedy(message: &str) -> (&str, Option<&str>) {
    match message.split_once(REMEDY) {
        Some((what, remedy)) => (what, Some(remedy)),
        None => (message, None),
    }
}

/// The definition as an API server gets it: a rule's message is one sentence.
fn published(mut crd: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::String(text) if text.contains(REMEDY) => *text = text.replace(REMEDY, ": "),
            Value::Array(items) => items.iter_mut().for_each(walk),
            Value::Object(fields) => fields.values_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut crd);
    crd
}

/// Makes a schema say the same to every reader: a field is there or is left out, never `null`; and
/// every list says how it is merged.
fn tidy(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    object.remove("nullable");
    if object.get("type").and_then(Value::as_str) == Some("array") {
        object
            .entry("x-kubernetes-list-type")
            .or_insert_with(|| "atomic".into());
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = object.get_mut(key) {
            tidy(inner);
        }
    }
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(tidy);
    }
    // Kubernetes does not know `uint32` and similar formats.
    if object
        .get("format")
        .and_then(Value::as_str)
        .is_some_and(|format| format.starts_with("uint"))
    {
        object.remove("format");
    }
    for bound in ["minimum", "maximum"] {
        if let Some(value) = object.get_mut(bound) {
            whole(value);
        }
    }
}

/// A bound of an integer is an integer; the Kubernetes types hold it as a float.
fn whole(bound: &mut Value) {
    // Every bound of ours is far below 2^53, where a float holds each integer.
    #[allow(clippy::cast_possible_truncation)]
    if let Some(float) = bound
        .as_f64()
        .filter(|float| float.fract() == 0.0 && float.abs() < 9e15)
    {
        *bound = Value::from(float as i64);
    }
}
