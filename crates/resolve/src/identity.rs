//! Names that follow from content: revisions, instance names, and uids where no API server gives them.

use aion_api::AgentInstanceSpec;
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Builder;

/// The SHA-256, in hex, of `value` as JSON with sorted keys.
///
/// # Errors
/// When it cannot be written as JSON, which the types of `aion-api` rule out.
pub fn hash(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut value = serde_json::to_value(value)?;
    value.sort_all_objects();
    Ok(hex::encode(Sha256::digest(serde_json::to_vec(&value)?)))
}

/// The revision of `spec`: the hash of all that decides what runs, which is everything but where it
/// runs, which replica it is, and the revisions themselves.
///
/// # Errors
/// As [`hash`].
pub fn revision(spec: &AgentInstanceSpec) -> Result<String, serde_json::Error> {
    hash(&AgentInstanceSpec {
        node_name: String::new(),
        replica: 0,
        revision: String::new(),
        policy_revision: None,
        ..spec.clone()
    })
}

/// What the names of an agent's instances begin with; those of others may, too.
#[must_use]
pub fn instance_prefix(agent: &str) -> String {
    format!("{agent}-")
}

/// The name of the instance: `AGENT-REPLICA-` and ten digits that follow from revision and node, so that
/// another revision, or the same on another node, is another object.
#[must_use]
pub fn instance_name(agent: &str, replica: i32, revision: &str, node: &str) -> String {
    let digest = Sha256::digest([revision, "\0", node].concat());
    format!(
        "{}{replica}-{}",
        instance_prefix(agent),
        &hex::encode(digest)[..10]
    )
}

/// A UUID (version 8, RFC 9562) that follows from `parts`.
#[must_use]
pub fn uid(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    let digest = hasher.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Builder::from_custom_bytes(bytes)
        .into_uuid()
        .hyphenated()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_from_content() {
        let name = instance_name("a", 0, "r1", "n1");
        assert_eq!(name, instance_name("a", 0, "r1", "n1"));
        assert_ne!(name, instance_name("a", 0, "r2", "n1"));
        assert_ne!(name, instance_name("a", 0, "r1", "n2"));
        assert!(name.len() <= "a-0-".len() + 10);
        let uid = uid(&["Agent", "home", "a"]);
        assert_eq!(
            uid, "26f29eda-359b-8593-ba47-faa48ea669ae",
            "what is kept under it is found again"
        );
        assert_ne!(uid, super::uid(&["Agent", "homea", ""]));
    }
}
