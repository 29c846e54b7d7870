//! An object of any kind that people write.

use aion_api::{
    Agent, AgentPolicy, ClusterAgentPolicy, MemoryPool, ModelEndpoint, Tool, TrustPolicy,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

/// An object of any kind that people write.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// An Agent.
    Agent(Box<Agent>),
    /// An AgentPolicy.
    AgentPolicy(Box<AgentPolicy>),
    /// A ClusterAgentPolicy.
    ClusterAgentPolicy(Box<ClusterAgentPolicy>),
    /// A MemoryPool.
    MemoryPool(Box<MemoryPool>),
    /// A ModelEndpoint.
    ModelEndpoint(Box<ModelEndpoint>),
    /// A Tool.
    Tool(Box<Tool>),
    /// A TrustPolicy.
    TrustPolicy(Box<TrustPolicy>),
}

macro_rules! each {
    ($self:expr, $object:ident => $body:expr) => {
        match $self {
            Object::Agent($object) => $body,
            Object::AgentPolicy($object) => $body,
            Object::ClusterAgentPolicy($object) => $body,
            Object::MemoryPool($object) => $body,
            Object::ModelEndpoint($object) => $body,
            Object::Tool($object) => $body,
            Object::TrustPolicy($object) => $body,
        }
    };
}

impl Object {
    /// Reads an object of `kind` that was checked against its schema.
    pub(crate) fn read(kind: &str, mut value: Value) -> Result<Option<Self>, serde_json::Error> {
        // As an API server does: a status is not for those who write manifests.
        if let Some(fields) = value.as_object_mut() {
            fields.remove("status");
        }
        Ok(Some(match kind {
            "Agent" => Self::Agent(serde_json::from_value(value)?),
            "AgentPolicy" => Self::AgentPolicy(serde_json::from_value(value)?),
            "ClusterAgentPolicy" => Self::ClusterAgentPolicy(serde_json::from_value(value)?),
            "MemoryPool" => Self::MemoryPool(serde_json::from_value(value)?),
            "ModelEndpoint" => Self::ModelEndpoint(serde_json::from_value(value)?),
            "Tool" => Self::Tool(serde_json::from_value(value)?),
            "TrustPolicy" => Self::TrustPolicy(serde_json::from_value(value)?),
            _ => return Ok(None),
        }))
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Agent(_) => "Agent",
            Self::AgentPolicy(_) => "AgentPolicy",
            Self::ClusterAgentPolicy(_) => "ClusterAgentPolicy",
            Self::MemoryPool(_) => "MemoryPool",
            Self::ModelEndpoint(_) => "ModelEndpoint",
            Self::Tool(_) => "Tool",
            Self::TrustPolicy(_) => "TrustPolicy",
        }
    }

    /// Its metadata.
    #[must_use]
    pub fn metadata(&self) -> &ObjectMeta {
        each!(self, object => &object.metadata)
    }

    /// Its metadata, to be filled in.
    pub fn metadata_mut(&mut self) -> &mut ObjectMeta {
        each!(self, object => &mut object.metadata)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata().name.as_deref().unwrap_or_default()
    }

    /// Its namespace; empty for a kind that has none, and until one is filled in.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.metadata().namespace.as_deref().unwrap_or_default()
    }

    /// The object as JSON, as an API server takes it.
    ///
    /// # Errors
    /// When it cannot be written as JSON, which its types rule out.
    pub fn to_json(&self) -> Result<Value, serde_json::Error> {
        each!(self, object => serde_json::to_value(object))
    }
}
