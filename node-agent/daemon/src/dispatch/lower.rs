//! Resolved resources of the API as the drivers' plain types.

use std::sync::Arc;

use aion_abi::{code::Code, problem::Problem};
use aion_api::{MemoryShare, ResolvedEndpoint, ResolvedMemory};
use aion_drivers::{
    files::{Mount, MountTable, Origin, Room},
    memory::{Embedding, Pool, PoolId, PoolQuota, Tier},
    outbound::Endpoint,
    secrets::SecretRef,
};

use super::Dispatch;
use crate::{call::Caller, instance::Instance, turns::mounts_of_a_turn};

/// Files and folders that a turn's output takes. The description of `limits.outputMiB` says so, too.
const OUTPUT_ENTRIES: u64 = 4096;

impl Dispatch {
    /// The mounts of a call: the agent's, and its turn's own.
    pub(super) fn mount_table(&self, caller: &Caller) -> MountTable {
        let mut table = self.mounts.table(&caller.instance.spec().mounts);
        let most = output(&caller.instance);
        if let Some((folder, account)) = self.turns.output(caller.turn, most) {
            for (name, writable) in mounts_of_a_turn() {
                let mount = Mount {
                    folder: folder.mount(name),
                    writable,
                    origin: Origin::Turn,
                    account: writable.then(|| Arc::clone(&account)),
                };
                table = table.with(name, mount);
            }
        }
        table
    }
}

/// What a turn of an instance may write to its output.
fn output(instance: &Instance) -> Room {
    let mib = u64::try_from(instance.spec().limits.output_mib).unwrap_or_default();
    Room {
        bytes: mib << 20,
        entries: OUTPUT_ENTRIES,
    }
}

/// A tier of the pool of an instance, as it uses it.
pub(crate) fn pool(instance: &Instance, tier: Tier) -> Result<Pool, Problem> {
    let spec = instance.spec();
    let memory = spec
        .memory
        .as_ref()
        .ok_or_else(|| Problem::new(Code::NotFound, "the agent has no memory pool"))?;
    Ok(Pool {
        id: PoolId {
            tenant: spec.tenant.clone(),
            pool: memory.pool.clone(),
            uid: memory.pool_uid.clone(),
        },
        tier,
        backend: backend(memory, tier),
        owner: match memory.share {
            MemoryShare::Private => Some(spec.agent.name.clone()),
            MemoryShare::Pool => None,
        },
        quota: PoolQuota {
            max_items: None,
            max_bytes: memory
                .quota_mib
                .and_then(|mib| u64::try_from(mib).ok())
                .map(|mib| mib << 20),
        },
        retention_days: memory
            .retention_days
            .and_then(|days| u32::try_from(days).ok()),
        embedding: memory.embedding.as_ref().map(|it| Embedding {
            endpoint: endpoint(instance, it),
            model: it.model.clone(),
        }),
    })
}

/// Where the pool itself keeps a tier, if it says so.
fn backend(memory: &ResolvedMemory, tier: Tier) -> Option<&'static str> {
    let tiers = memory.tiers.as_ref()?;
    let named = match tier {
        Tier::Short => &tiers.short,
        Tier::Long => &tiers.long,
        Tier::Episodic => &tiers.episodic,
    };
    named.as_ref().map(|it| it.backend.as_str())
}

/// An endpoint as it is dialled for an instance.
pub(super) fn endpoint(instance: &Instance, resolved: &ResolvedEndpoint) -> Endpoint {
    Endpoint {
        name: resolved.endpoint.clone(),
        tenant: instance.spec().tenant.clone(),
        url: resolved.base_url.clone().unwrap_or_default(),
        secret: resolved.api_key.as_ref().map(|key| SecretRef {
            secret: key.secret.clone(),
            key: key.key.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use aion_api::{AgentInstance, AgentInstanceSpec};
    use aion_kernel::InstanceUid;

    use super::*;
    use crate::instance::Prepared;

    #[test]
    fn what_a_pool_says_of_a_tier_reaches_its_driver() {
        let memory = serde_json::json!({
            "pool": "notes", "poolUid": "u",
            "tiers": {"short": {"backend": "redis"}, "long": {"backend": "embedded"}},
        });
        let spec = AgentInstanceSpec {
            memory: serde_json::from_value(memory).unwrap(),
            ..AgentInstanceSpec::default()
        };
        let instance = Instance {
            uid: InstanceUid(1),
            resource: Arc::new(AgentInstance::new("jarvis-0", spec)),
            program: Prepared::Declarative {
                instructions: String::new(),
            },
        };
        let lowered = Tier::ALL.map(|tier| {
            let pool = pool(&instance, tier).unwrap();
            assert_eq!(pool.tier, tier);
            pool.backend
        });
        assert_eq!(lowered, [Some("redis"), Some("embedded"), None]);
    }
}
