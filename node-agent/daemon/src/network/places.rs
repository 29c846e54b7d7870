//! How many connections there are at a time, of a run, of a tenant and of the node, waiting and open. What may not enter: what
//! becomes of one that has no place.

use std::{sync::Arc, time::Duration};

use aion_abi::tenant::Tenant;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use crate::{
    call::{NoPlace, Place},
    lanes::Lanes,
};

/// Of one run. Further ones wait in its sockets.
const OF_RUN: usize = 64;
/// Of one tenant: it leaves others room.
const OF_TENANT: usize = 256;
/// Of all.
const OF_NODE: usize = 512;
/// How long one waits for others of its tenant, or of the node, to be closed.
const WAIT: Duration = Duration::from_secs(10);

/// The places of a node. Clones are one.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    tenants: Arc<Lanes<Tenant>>,
    node: Arc<Semaphore>,
}

/// The places of a run.
#[derive(Debug)]
pub(super) struct OfRun {
    run: Arc<Semaphore>,
    tenant: Tenant,
    all: Places,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            tenants: Arc::new(Lanes::new(OF_TENANT)),
            node: Arc::new(Semaphore::new(OF_NODE)),
        }
    }
}

impl Places {
    pub(super) fn of_run(&self, tenant: Tenant) -> OfRun {
        OfRun {
            run: Arc::new(Semaphore::new(OF_RUN)),
            tenant,
            all: self.clone(),
        }
    }
}

impl OfRun {
    /// Waits until the run has a place. `None` where there are none any more.
    pub(super) async fn in_run(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.run).acquire_owned().await.ok()
    }

    /// The place of a connection that has one in its run.
    pub(super) async fn place(&self, in_run: OwnedSemaphorePermit) -> Result<Place, NoPlace> {
        // In this order: who waits for one's own tenant keeps no place from others.
        let until = Instant::now() + WAIT;
        let entered = self.all.tenants.enter(self.tenant.clone());
        let in_tenant = timeout_at(until, entered).await.map_err(|_| NoPlace {
            whose: "of this tenant",
            most: OF_TENANT,
        })?;
        let acquired = Arc::clone(&self.all.node).acquire_owned();
        let full = NoPlace {
            whose: "of all agents",
            most: OF_NODE,
        };
        match timeout_at(until, acquired).await {
            Ok(Ok(in_node)) => Ok(Place::of(in_run, in_tenant, in_node)),
            Ok(Err(_)) | Err(_) => Err(full),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures::future::join_all;

    use super::*;

    async fn taken(run: &OfRun, count: usize) -> Vec<Result<Place, NoPlace>> {
        join_all((0..count).map(|_| async { run.place(run.in_run().await.unwrap()).await })).await
    }

    fn tenant(name: &str) -> Tenant {
        name.into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_that_holds_all_its_places_leaves_others_theirs() {
        let places = Places::default();
        let runs: Vec<_> = (0..8).map(|_| places.of_run(tenant("greedy"))).collect();
        let held = join_all(runs.iter().map(|run| taken(run, OF_RUN))).await;
        let (held, refused): (Vec<_>, Vec<_>) = held.into_iter().flatten().partition(Result::is_ok);
        assert_eq!(held.len(), OF_TENANT);
        assert!(
            refused
                .iter()
                .all(|it| it.as_ref().unwrap_err().whose == "of this tenant")
        );
        let other = places.of_run(tenant("other"));
        assert!(taken(&other, OF_RUN).await.iter().all(Result::is_ok));
        drop(held);
        assert!(taken(&runs[0], OF_RUN).await.iter().all(Result::is_ok));
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_whose_places_are_all_held_says_so() {
        let places = Places::default();
        let mut held = Vec::new();
        for name in ["one", "two"] {
            for _ in 0..OF_TENANT / OF_RUN {
                held.extend(taken(&places.of_run(tenant(name)), OF_RUN).await);
            }
        }
        assert!(held.iter().all(Result::is_ok));
        let third = places.of_run(tenant("third"));
        let refused = taken(&third, 1).await.remove(0).unwrap_err();
        assert_eq!(refused.most, OF_NODE);
        held.pop();
        assert!(taken(&third, 1).await[0].is_ok());
    }
}
