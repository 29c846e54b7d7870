//! Resolved resources of the API as the drivers' plain types.

use std::sync::Arc;

use aion_abi::{code::Code, problem::Problem};
use aion_api::{MemoryShare, ResolvedEndpoint, ResolvedMemory};
use aion_drivers::{
    embed::Embedding,
    files::{Mount, MountTable, Origin, Room},
    memory::{MemoryDriver, Pool, PoolId, PoolQuota, Tier},
    outbound::Endpoint,
    secrets::SecretRef,
};
use aion_policy::count;

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
    let mib = u64::from(count(instance.spec().limits.output_mib));
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
            max_bytes: memory.quota_mib.map(|mib| u64::from(count(mib)) << 20),
        },
        retention_days: memory.retention_days.map(count),
        embedding: memory.embedding.as_ref().map(|it| embedding(instance, it)),
    })
}

/// Whether this node keeps every tier of an instance's pool where the pool says. An agent whose memory is elsewhere
/// is not run: it would find out only when it remembers.
pub(crate) fn memory_is_kept(
    instance: &Instance,
    memory: &dyn MemoryDriver,
) -> Result<(), Problem> {
    if instance.spec().memory.is_none() {
        return Ok(());
    }
    Tier::ALL
        .into_iter()
        .try_for_each(|tier| memory.keeps(&pool(instance, tier)?))
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

/// An embedding model as it is asked for an instance.
pub(super) fn embedding(instance: &Instance, resolved: &ResolvedEndpoint) -> Embedding {
    Embedding {
        endpoint: endpoint(instance, resolved),
        model: resolved.model.clone(),
    }
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

    use aion_api::AgentInstanceSpec;
    use aion_drivers::{
        embed::HttpEmbedder,
        memory::{Means, MemoryConfig},
        outbound::{NodeAddresses, Outbound, Place, Rule},
        secrets::{SecretFolder, Secrets},
    };

    use serde_json::{Value, json};

    use super::*;
    use crate::clock;

    /// An instance whose pool says this of its tiers.
    fn instance(tiers: Value) -> Instance {
        let memory = json!({"pool": "notes", "poolUid": "u", "tiers": tiers});
        let spec = AgentInstanceSpec {
            memory: serde_json::from_value(memory).unwrap(),
            ..AgentInstanceSpec::default()
        };
        Instance::of("jarvis-0", spec)
    }

    #[test]
    fn what_a_pool_says_of_a_tier_reaches_its_driver() {
        let tiers = json!({"short": {"backend": "redis"}, "long": {"backend": "embedded"}});
        let instance = instance(tiers);
        let lowered = Tier::ALL.map(|tier| {
            let pool = pool(&instance, tier).unwrap();
            assert_eq!(pool.tier, tier);
            pool.backend
        });
        assert_eq!(lowered, [Some("redis"), Some("embedded"), None]);
    }

    #[test]
    fn an_agent_with_a_tier_that_this_node_does_not_keep_is_refused_by_name() {
        let home = tempfile::tempdir().unwrap();
        let outbound = Arc::new(Outbound::new(Rule {
            offline: true,
            place: Place::Standalone,
            nodes: NodeAddresses::none(),
        }));
        let secrets: Arc<dyn Secrets> = Arc::new(SecretFolder::new(home.path()));
        let memory = MemoryConfig::shipped().unwrap().open(&Means {
            folder: home.path().join("memory"),
            outbound: Arc::clone(&outbound),
            secrets: Arc::clone(&secrets),
            embedder: Arc::new(HttpEmbedder::new(outbound, secrets)),
            now: clock::reading,
        });
        let memory = memory.unwrap();
        let kept = json!({"long": {"backend": "embedded"}});
        assert_eq!(memory_is_kept(&instance(kept), &memory), Ok(()));
        // Also where no syscall reaches the tier yet.
        for (tier, backend) in [("short", "redis"), ("long", "qdrant"), ("episodic", "s3")] {
            let elsewhere = instance(json!({ tier: {"backend": backend} }));
            let problem = memory_is_kept(&elsewhere, &memory).unwrap_err();
            let said = format!("pool notes keeps its {tier} tier in {backend}");
            assert!(problem.detail.contains(&said), "{problem}");
            assert!(problem.remedy.contains("(embedded)"), "{}", problem.remedy);
        }
    }
}
