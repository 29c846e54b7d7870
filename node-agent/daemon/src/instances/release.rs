//! The end of an instance on this node.

use aion_api::AgentInstance;

use super::{InstanceSource, SourceError, standings::PAUSES};
use crate::traces::Traces;

/// Lets go of an instance. With the last one of an agent that is gone, what the agent left is erased before.
pub(super) async fn release(
    source: &dyn InstanceSource,
    traces: Option<Traces>,
    instance: &AgentInstance,
) {
    let mut pauses = PAUSES;
    let attempt = async || {
        if let Some(traces) = &traces {
            match source.agent_is_gone(instance).await? {
                true => {
                    let erased = traces.erase(instance).await;
                    erased.map_err(|why| {
                        let what = format!("what the agent left is not erased yet: {why}");
                        SourceError::Unavailable(what)
                    })?;
                }
                false => {
                    let left = traces.left(instance).await;
                    left.map_err(|why| {
                        SourceError::Unavailable(format!("that it left is not noted yet: {why}"))
                    })?;
                }
            }
        }
        source.released(instance).await
    };
    loop {
        match attempt().await {
            Ok(()) | Err(SourceError::Gone) => return,
            Err(error) => {
                let uid = instance.metadata.uid.as_deref().unwrap_or_default();
                error.tell("an instance is released later", uid);
                tokio::time::sleep(pauses.pause()).await;
            }
        }
    }
}
