//! Resolved resources of the API as the drivers' plain types.

use std::sync::Arc;

use aion_abi::{code::Code, problem::Problem};
use aion_api::{MemoryShare, ResolvedEndpoint};
use aion_drivers::{
    files::{Mount, MountTable, Origin, Room},
    memory::{Embedding, Pool, PoolId, PoolQuota},
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

/// The pool of an instance, as it uses it.
pub(crate) fn pool(instance: &Instance) -> Result<Pool, Problem> {
    let spec = instance.spec();
    let memory = spec
        .memory
        .as_ref()
        .ok_or_else(|| Problem::new(Code::NotFound, "the agent has no memory pool"))?;
    Ok(Pool {
        id: PoolId {
            tenant: spec.tenant.to_string(),
            pool: memory.pool.clone(),
            uid: memory.pool_uid.clone(),
        },
        owner: match memory.share {
            MemoryShare::Private => Some(spec.agent.name.clone()),
            MemoryShare::Pool => None,
        },
        quota: PoolQuota {
            max_items: None,
            max_bytes: memory.quota_mib.map(|mib| u64::from(count(mib)) << 20),
        },
        retention_days: memory.retention_days.map(count),
        embedding: memory.embedding.as_ref().map(|it| Embedding {
            endpoint: endpoint(instance, it),
            model: it.model.clone(),
        }),
    })
}

/// An endpoint as it is dialled for an instance.
pub(super) fn endpoint(instance: &Instance, resolved: &ResolvedEndpoint) -> Endpoint {
    Endpoint {
        name: resolved.endpoint.clone(),
        tenant: instance.spec().tenant.to_string(),
        url: resolved.base_url.clone().unwrap_or_default(),
        secret: resolved.api_key.as_ref().map(|key| SecretRef {
            secret: key.secret.clone(),
            key: key.key.clone(),
        }),
    }
}
