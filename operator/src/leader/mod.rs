//! One operator leads, the others wait: by a Lease, so that two never write against each other.
//!
//! The way of Kubernetes' own components: whoever holds the Lease renews it; another takes it when it has
//! seen no renewal for as long as the Lease holds, measured by its own clock, since clocks of two machines
//! differ. Every write names the version it follows, so of two that take it at once one is refused. A leader
//! that cannot renew stops well before another may begin.

mod claim;

use std::time::Duration;

use aion_api::metadata::OPERATOR_LEASE;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::claim::Claim;
use crate::args::Args;

/// Candidacy for the Lease.
pub(crate) struct Candidate {
    leads: watch::Receiver<bool>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Candidate {
    /// Stands for the Lease until [`Candidate::resign`] or until it is lost. An API server that does not
    /// answer is asked again.
    pub(crate) fn stand(client: Client, args: &Args) -> Self {
        let (tell, leads) = watch::channel(false);
        let stop = CancellationToken::new();
        let term = Term {
            leases: Api::namespaced(client, &args.namespace),
            claim: Claim::new(&args.identity, args.lease_seconds),
        };
        let task = tokio::spawn(term.keep(tell, stop.clone()));
        Self { leads, stop, task }
    }

    /// Resolves when this operator leads; `false` when it never will.
    pub(crate) async fn elected(&mut self) -> bool {
        self.leads.wait_for(|leads| *leads).await.is_ok()
    }

    /// Resolves when this operator leads no more.
    pub(crate) async fn deposed(&mut self) {
        let _ = self.leads.wait_for(|leads| !*leads).await;
    }

    /// Gives the Lease up, so that another need not wait for it to run out.
    pub(crate) async fn resign(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "the lease's task ended badly; it runs out");
        }
    }
}

/// What became of one look at the Lease.
enum Look {
    /// It is this operator's until it runs out.
    Held,
    /// It is another's.
    Anothers,
    /// Somebody wrote it at the same time: nothing is known.
    Raced,
}

/// A candidacy at work.
struct Term {
    leases: Api<Lease>,
    claim: Claim,
}

impl Term {
    /// Takes the Lease, renews it, and ends when it is lost or given up. The end of `tell` says that this
    /// operator leads no more.
    async fn keep(mut self, tell: watch::Sender<bool>, stop: CancellationToken) {
        let holds = self.claim.holds();
        // Leadership ends at this instant unless it is renewed.
        let mut until: Option<Instant> = None;
        loop {
            let asked = Instant::now();
            let patience = until.map_or(holds, |until| until.saturating_duration_since(asked));
            let answer = tokio::select! {
                answer = timeout(patience, self.look()) => answer,
                () = stop.cancelled() => break,
            };
            match answer {
                Ok(Ok(Look::Held)) => {
                    until = Some(asked + holds * 2 / 3);
                    tell.send_replace(true);
                }
                Ok(Ok(Look::Anothers)) if until.is_some() => {
                    return tracing::warn!("another operator took the lease");
                }
                Ok(Ok(Look::Anothers | Look::Raced)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the lease cannot be read or written"),
                Err(_) => tracing::warn!("the API server does not answer in time for the lease"),
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return tracing::warn!("the lease was not renewed in time");
            }
            let pause = left.unwrap_or(Duration::MAX).min(holds / 5);
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => break,
            }
        }
        match timeout(holds, self.give_up()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the lease was not given up; it runs out"),
            Err(_) => tracing::warn!("the lease was not given up in time; it runs out"),
        }
    }

    /// Takes or renews the Lease where that is due.
    async fn look(&mut self) -> Result<Look, kube::Error> {
        let params = PostParams::default();
        let lease = self.leases.get_opt(OPERATOR_LEASE).await?;
        let Some(mut lease) = lease else {
            let lease = Lease {
                metadata: ObjectMeta {
                    name: Some(OPERATOR_LEASE.to_owned()),
                    ..ObjectMeta::default()
                },
                spec: Some(self.claim.write(None, crate::clock::now())),
            };
            return won(self.leases.create(&params, &lease).await);
        };
        let there = lease.spec.take().unwrap_or_default();
        if !self.claim.may_take(&there, Instant::now()) {
            return Ok(Look::Anothers);
        }
        lease.spec = Some(self.claim.write(Some(&there), crate::clock::now()));
        lease.metadata.managed_fields = None;
        won(self.leases.replace(OPERATOR_LEASE, &params, &lease).await)
    }

    /// Makes the Lease nobody's, if it is this operator's.
    async fn give_up(&self) -> Result<(), kube::Error> {
        let Some(mut lease) = self.leases.get_opt(OPERATOR_LEASE).await? else {
            return Ok(());
        };
        let spec = lease.spec.get_or_insert_default();
        if !self.claim.holds_it(spec) {
            return Ok(());
        }
        spec.holder_identity = None;
        spec.renew_time = None;
        lease.metadata.managed_fields = None;
        let params = PostParams::default();
        match won(self.leases.replace(OPERATOR_LEASE, &params, &lease).await)? {
            Look::Held => tracing::info!("gave up the lease"),
            Look::Anothers | Look::Raced => {
                tracing::warn!("the lease was not given up; it runs out")
            }
        }
        Ok(())
    }
}

/// Of two writes at the same time one is refused, which is not an error.
fn won(written: Result<Lease, kube::Error>) -> Result<Look, kube::Error> {
    match written {
        Ok(_) => Ok(Look::Held),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(Look::Raced),
        Err(error) => Err(error),
    }
}
