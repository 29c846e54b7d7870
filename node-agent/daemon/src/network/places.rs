//! How many connections there are at a time, of a run, of a tenant and of the node, waiting and open. What may not enter: what
//! becomes of one that has no place.

use std::{sync::Arc, time::Duration};

use aion_abi::tenant::Tenant;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{
    call::{NoPlace, Place},
    shares::Shares,
};

/// Of one run. Further ones wait in its sockets.
const OF_RUN: usize = 64;
/// Of all. A tenant has no more of them than it leaves to others: half, where it is alone.
const OF_NODE: usize = 512;
/// How long one waits for others to be closed.
const WAIT: Duration = Duration::from_secs(10);

/// The places of a node. Clones are one.
#[derive(Debug, Clone)]
pub(crate) struct Places(Shares<Tenant>);

/// The places of a run.
#[derive(Debug)]
pub(super) struct OfRun {
    run: Arc<Semaphore>,
    tenant: Tenant,
    all: Places,
}

impl Default for Places {
    fn default() -> Self {
        Self(Shares::new(OF_NODE))
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
        let Places(shares) = &self.all;
        match timeout(WAIT, shares.enter(self.tenant.clone())).await {
            Ok(Some(share)) => Ok(Place::of(in_run, share)),
            Ok(None) | Err(_) => Err(NoPlace {
                most: OF_NODE,
                held: shares.held(&self.tenant),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures::{FutureExt, future::join_all};

    use super::*;

    async fn taken(run: &OfRun, count: usize) -> Vec<Result<Place, NoPlace>> {
        join_all((0..count).map(|_| async { run.place(run.in_run().await.unwrap()).await })).await
    }

    fn tenant(name: &str) -> Tenant {
        name.into()
    }

    /// As many as `tenant` gets, of runs enough for all of the node's.
    async fn all(places: &Places, name: &str) -> (Vec<Place>, Vec<NoPlace>) {
        let runs = (0..OF_NODE / OF_RUN).map(|_| places.of_run(tenant(name)));
        let runs: Vec<_> = runs.collect();
        let got = join_all(runs.iter().map(|run| taken(run, OF_RUN))).await;
        let (mut held, mut refused) = (Vec::new(), Vec::new());
        for one in got.into_iter().flatten() {
            match one {
                Ok(place) => held.push(place),
                Err(none) => refused.push(none),
            }
        }
        (held, refused)
    }

    #[tokio::test(start_paused = true)]
    async fn tenants_that_hold_all_they_get_leave_a_third_a_whole_run() {
        let places = Places::default();
        let (one, refused) = all(&places, "one").await;
        assert_eq!(one.len(), OF_NODE / 2);
        let told = refused[0].to_string();
        assert!(
            told.contains("of the node's 512 connections this tenant has 256"),
            "{told}"
        );
        let (two, _) = all(&places, "two").await;
        assert_eq!(two.len(), OF_NODE / 4);
        let third = places.of_run(tenant("third"));
        assert!(taken(&third, OF_RUN).await.iter().all(Result::is_ok));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_has_the_place_that_is_given_back() {
        let places = Places::default();
        let (mut one, _) = all(&places, "one").await;
        let run = places.of_run(tenant("one"));
        let mut waiting = Box::pin(taken(&run, 1));
        assert!(waiting.as_mut().now_or_never().is_none());
        one.pop();
        assert!(waiting.await[0].is_ok());
    }
}
