//! One operator leads, the others wait: by a Lease, so that two never write against each other.

use aion_api::metadata::OPERATOR_LEASE;
use kube::Client;
use kube_lease_manager::{LeaseManager, LeaseManagerBuilder, LeaseManagerError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::args::Args;

/// Candidacy for the Lease.
pub(crate) struct Candidate {
    /// Whether this operator leads now.
    pub(crate) leads: watch::Receiver<bool>,
    task: JoinHandle<Result<LeaseManager, LeaseManagerError>>,
}

impl Candidate {
    /// Stands for the Lease until [`Candidate::resign`].
    ///
    /// # Errors
    /// The Lease can be neither read nor made: the API server does not answer, or the operator's role
    /// does not allow it.
    pub(crate) async fn stand(client: Client, args: &Args) -> Result<Self, LeaseManagerError> {
        let manager = LeaseManagerBuilder::new(client, OPERATOR_LEASE)
            .with_namespace(&args.namespace)
            .with_identity(&args.identity)
            .with_duration(args.lease_seconds)
            .with_grace((args.lease_seconds / 5).max(1))
            .with_field_manager(OPERATOR_LEASE)
            .build()
            .await?;
        let (leads, task) = manager.watch().await;
        Ok(Self { leads, task })
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
        drop(self.leads);
        match self.task.await {
            Ok(Ok(_)) => tracing::info!("gave up the lease"),
            Ok(Err(error)) => tracing::warn!(%error, "the lease was not given up; it runs out"),
            Err(error) => tracing::warn!(%error, "the lease's task ended badly; it runs out"),
        }
    }
}
