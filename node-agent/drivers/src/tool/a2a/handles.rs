//! The handles by which a model goes on with a task: the agent's own id, and a proof that this node gave it to that
//! instance for that Tool. Nothing is remembered, so a handle holds after a restart. What may not enter: whether the task
//! still waits (`follow`).

use aion_abi::{code::Code, problem::Problem};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{
    super::{ToolServer, Transport},
    message::lengthened,
};

/// Bytes of a proof.
const PROOF: usize = 16;

/// See the module.
pub(super) struct Handles([u8; 32]);

impl Handles {
    /// Proofs are made by `key`, which nobody else has.
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The handle of the agent's `task` for an instance.
    ///
    /// # Errors
    /// `internal` where there is no proof of it.
    pub(super) fn give(
        &self,
        server: &ToolServer,
        instance: &str,
        task: &str,
    ) -> Result<String, Problem> {
        let proof = self.proof(server, instance, task)?.finalize().into_bytes();
        Ok(format!(
            "{task}.{}",
            URL_SAFE_NO_PAD.encode(&proof[..PROOF])
        ))
    }

    /// The task of a handle that was given to this instance for this Tool.
    ///
    /// # Errors
    /// `not-found` for every other.
    pub(super) fn read(
        &self,
        server: &ToolServer,
        instance: &str,
        handle: &str,
    ) -> Result<String, Problem> {
        if let Some((task, proof)) = handle.rsplit_once('.')
            && let Ok(proof) = URL_SAFE_NO_PAD.decode(proof)
            && proof.len() == PROOF
            && self
                .proof(server, instance, task)?
                .verify_truncated_left(&proof)
                .is_ok()
        {
            return Ok(task.to_owned());
        }
        let handle: String = handle.chars().take(120).collect();
        let what = format!(
            "tool {}: no call of this agent was answered with the task {handle:?}",
            server.name
        );
        Err(Problem::new(Code::NotFound, what).remedy(
            "give task as the answer has it, or leave it out: the message is a new task then",
        ))
    }

    fn proof(
        &self,
        server: &ToolServer,
        instance: &str,
        task: &str,
    ) -> Result<Hmac<Sha256>, Problem> {
        let mut proof = Hmac::<Sha256>::new_from_slice(&self.0).map_err(|error| {
            Problem::new(Code::Internal, format!("tool {}: {error}", server.name))
        })?;
        let url = match &server.transport {
            Transport::A2a(remote) => remote.endpoint.url.as_str(),
            _ => "",
        };
        proof.update(&lengthened(&[
            server.tenant.as_str(),
            &server.name,
            url,
            instance,
            task,
        ]));
        Ok(proof)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::scripted::remote_tool;
    use super::*;

    #[test]
    fn a_handle_holds_for_its_instance_tool_and_node_alone() {
        let (handles, travel) = (
            Handles::new([7; 32]),
            remote_tool("travel", "http://127.0.0.1:9"),
        );
        let handle = handles.give(&travel, "i", "t.1").unwrap();
        assert_eq!(handles.read(&travel, "i", &handle).unwrap(), "t.1");
        let restarted = Handles::new([7; 32]);
        assert_eq!(restarted.read(&travel, "i", &handle).unwrap(), "t.1");
        let other = remote_tool("other", "http://127.0.0.1:9");
        let moved = remote_tool("travel", "http://127.0.0.1:8");
        for refused in [
            handles.read(&travel, "j", &handle),
            handles.read(&other, "i", &handle),
            handles.read(&moved, "i", &handle),
            Handles::new([8; 32]).read(&travel, "i", &handle),
            handles.read(&travel, "i", "t.1"),
            handles.read(&travel, "i", &handle.replace("t.1", "t.2")),
            handles.read(&travel, "i", ""),
            handles.read(&travel, "i", "t.1."),
        ] {
            assert_eq!(refused.unwrap_err().code, Code::NotFound);
        }
    }
}
