//! How a bundle comes from the node's sources for a tenant: with the tenant's own pull secrets before what the node has,
//! and waiting for nobody but those who want something of the same place. What may not enter: what is trusted.

use std::sync::Arc;

use aion_abi::{problem::Problem, tenant::Tenant};
use aion_api::{AgentInstanceSpec, condition::reason};
use aion_bundle::{
    AdmitError, Admitted, BundleName, BundleRef, DockerConfig, Limits, SourceError, Sources, Store,
    TrustSet,
};
use aion_drivers::secrets::{SecretRef, Secrets};

use super::prepare::PrepareError;
use crate::lanes::{InLane, Lanes};

/// Bundles that are fetched at once from one place, and for one tenant from there.
const FROM_A_PLACE: usize = 16;
pub(super) const FOR_A_TENANT: usize = 4;
/// The key of a Secret of type `kubernetes.io/dockerconfigjson`.
const DOCKER_CONFIG: &str = ".dockerconfigjson";

/// See the module.
pub(crate) struct Fetcher {
    sources: Sources,
    /// No packet leaves the machine.
    offline: bool,
    secrets: Arc<dyn Secrets>,
    places: Lanes<String>,
    tenants: Lanes<(String, Tenant)>,
}

impl Fetcher {
    /// Fetches from `sources`, of this machine alone where the node is `offline`, with pull secrets out of `secrets`.
    pub(crate) fn new(sources: Sources, offline: bool, secrets: Arc<dyn Secrets>) -> Self {
        Self {
            sources,
            offline,
            secrets,
            places: Lanes::new(FROM_A_PLACE),
            tenants: Lanes::new(FOR_A_TENANT),
        }
    }

    /// Fetches a bundle into `store`, once those are done who came before to the same place.
    pub(super) async fn fetch(
        &self,
        store: &Store,
        wanted: &BundleRef,
        keys: &TrustSet,
        instance: &AgentInstanceSpec,
    ) -> Result<Result<Admitted, AdmitError>, PrepareError> {
        let tenant = &instance.tenant;
        let own = self.pull_secrets(tenant, &instance.pull_secrets).await?;
        let source = self.sources.open(&wanted.name, &own, self.offline);
        let source =
            source.map_err(|error| PrepareError::refused(reason::NO_SOURCE, error.to_string()))?;
        let _in_turn = self.turn(&wanted.name, tenant).await;
        let limits = Limits::default();
        let store = store.for_tenant(tenant);
        Ok(store.admit(&source, wanted, keys, &limits).await)
    }

    /// Waits for those who came before, of the tenant first: nobody keeps a place from others meanwhile.
    pub(super) async fn turn(&self, name: &BundleName, tenant: &Tenant) -> (InLane, InLane) {
        let place = self.sources.place(name);
        let for_tenant = self.tenants.enter((place.clone(), tenant.clone())).await;
        (for_tenant, self.places.enter(place).await)
    }

    /// They are read for each fetch: what is renewed or taken back counts from the next one on.
    async fn pull_secrets(
        &self,
        tenant: &Tenant,
        names: &[String],
    ) -> Result<Vec<DockerConfig>, PrepareError> {
        let mut configs = Vec::with_capacity(names.len());
        for name in names {
            let reference = SecretRef {
                secret: name.clone(),
                key: DOCKER_CONFIG.to_owned(),
            };
            let unusable = |why: String| PrepareError {
                // Whoever applies the secret later, or corrects it, need not touch the agent.
                passing: true,
                ..PrepareError::refused(
                    reason::PULL_SECRET_UNUSABLE,
                    format!("pull secret {name} of {tenant}: {why}"),
                )
            };
            let read = self.secrets.text(tenant, &reference).await;
            let text = read.map_err(|error| {
                let problem = Problem::from(error);
                unusable(format!("{}: {}", problem.detail, problem.remedy))
            })?;
            let config = DockerConfig::parse(format!("of {reference}"), text.expose().as_bytes());
            configs.push(config.map_err(|error| unusable(error.to_string()))?);
        }
        Ok(configs)
    }

    /// A place that does not answer in time.
    pub(super) fn silent(&self, wanted: &BundleRef, seconds: u64) -> SourceError {
        SourceError::Unreachable {
            at: self.sources.place(&wanted.name),
            why: format!("no answer after {seconds} s"),
        }
    }
}
