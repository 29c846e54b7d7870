//! What an agent leaves on this node, and the erasing of it once the agent is gone: its turns, what it kept for
//! the next one, its log, and its own part of a memory pool. A later agent of the same name finds nothing.

use std::sync::Arc;

use aion_api::{AgentInstance, MemoryShare};
use aion_drivers::memory::{MemoryDriver, PoolId};

use crate::{
    kernel_trace::KernelTraces,
    logs::Logs,
    triggers::Triggers,
    turns::{Checkpoints, Turns},
};

/// See the module. Clones share it.
#[derive(Clone)]
pub(crate) struct Traces {
    /// What starts its turns.
    pub triggers: Triggers,
    /// Turns and uploads.
    pub turns: Turns,
    /// What programs keep for their next turn.
    pub checkpoints: Checkpoints,
    /// Logs.
    pub logs: Logs,
    /// What was seen of it in the kernel of the machine.
    pub kernel: KernelTraces,
    /// Memory.
    pub memory: Arc<dyn MemoryDriver>,
}

impl Traces {
    /// Notes that the agent of `instance`, its last one here, goes on elsewhere or rests.
    ///
    /// # Errors
    /// What is not noted, and why.
    pub(crate) async fn left(&self, instance: &AgentInstance) -> Result<(), String> {
        let namespace = instance.metadata.namespace.clone().unwrap_or_default();
        let agent = format!("{namespace}/{}", instance.spec.agent.name);
        let left = self.triggers.left(&agent).await;
        left.map_err(|error| format!("its triggers: {error}"))
    }

    /// Erases what the agent of `instance` left, after its last turn. What is erased already is not an error.
    ///
    /// # Errors
    /// What stays, and why.
    pub(crate) async fn erase(&self, instance: &AgentInstance) -> Result<(), String> {
        let spec = &instance.spec;
        let namespace = instance.metadata.namespace.clone().unwrap_or_default();
        let agent = format!("{namespace}/{}", spec.agent.name);
        if let Some(memory) = &spec.memory
            && memory.share == MemoryShare::Private
        {
            let pool = PoolId {
                tenant: spec.tenant.clone(),
                pool: memory.pool.clone(),
                uid: memory.pool_uid.clone(),
            };
            let erased = self.memory.erase_owner(&pool, &spec.agent.name).await;
            erased.map_err(|problem| format!("its memory: {problem}"))?;
        }
        self.kernel.erase(&agent);
        let erased = self.triggers.erase(&agent).await;
        erased.map_err(|error| format!("its triggers: {error}"))?;
        let erased = self.turns.erase(agent.clone()).await;
        erased.map_err(|error| format!("its turns: {error}"))?;
        let (this, reference) = (self.clone(), spec.agent.clone());
        let files = tokio::task::spawn_blocking(move || {
            let erased = this.checkpoints.erase(&namespace, &reference);
            erased.map_err(|error| format!("its checkpoints: {error}"))?;
            let erased = this.logs.erase(&agent);
            erased.map_err(|error| format!("its log: {error}"))
        });
        files.await.unwrap_or_else(|error| Err(error.to_string()))
    }
}
