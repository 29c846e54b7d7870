//! How a bundle comes from the node's sources for a tenant: with the tenant's own pull secrets before what the node has,
//! and waiting for nobody but those who want something of the same place. What may not enter: what is trusted.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aion_abi::{problem::Problem, tenant::Tenant};
use aion_api::AgentInstanceSpec;
use aion_bundle::{
    AdmitError, Admitted, BundleName, BundleRef, DockerConfig, Limits, Reason, SourceError,
    Sources, Store, TrustSet,
};
use aion_drivers::secrets::{SecretRef, Secrets};
use parking_lot::Mutex;
use tokio::time::timeout;

use crate::{
    lanes::{InLane, Lanes},
    shares::{Share, Shares},
};

/// Bundles that are fetched at once from one place, and for one tenant from there, who leaves others some besides.
const FROM_A_PLACE: usize = 16;
pub(super) const FOR_A_TENANT: usize = 4;
/// How long another signature is looked for of what nobody vouches for any more, once it is its turn: what runs goes on
/// meanwhile.
const LAPSED: Duration = Duration::from_secs(60);
/// How long it waits for that turn, behind nothing but other looks, each of which is over in [`LAPSED`]: what nobody
/// vouches for does not go on for as long as others keep a place busy.
const LAPSED_TURN: Duration = Duration::from_secs(120);
/// How long the reading of a pull secret keeps others from the place.
const A_SECRET: Duration = Duration::from_secs(10);
/// The key of a Secret of type `kubernetes.io/dockerconfigjson`.
const DOCKER_CONFIG: &str = ".dockerconfigjson";

/// See the module.
pub(crate) struct Fetcher {
    sources: Sources,
    /// No packet leaves the machine.
    offline: bool,
    secrets: Arc<dyn Secrets>,
    /// One for each place that sources name and each errand there.
    places: Mutex<HashMap<(String, Errand), Shares<Tenant>>>,
    tenants: Lanes<(String, Errand, Tenant)>,
}

/// What a place is asked for. Each has turns of its own, so that nobody's fetches keep a look waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Errand {
    /// A bundle.
    Bundle,
    /// Another signature of a bundle that is here.
    Signature,
}

/// Whoever's turn it is, as long as this is held.
pub(super) struct InTurn {
    _for_tenant: InLane,
    _at_place: Option<Share<Tenant>>,
}

/// What came of fetching.
pub(super) struct Fetched {
    pub(super) came: Result<Admitted, AdmitError>,
    pub(super) unused: Unused,
}

/// Pull secrets that could not be used, and why. As the kubelet does, the others and what the node has are tried all the
/// same: who gets a bundle is the registry's word, and what it is its digest's and its signer's. But nobody is left to
/// think that a secret was used which was not: each is told beside whatever came of it.
#[derive(Default)]
pub(super) struct Unused(Vec<String>);

impl Unused {
    /// As it stands behind a judgement.
    pub(super) fn told(&self) -> String {
        match self.0.is_empty() {
            true => String::new(),
            false => format!("; not used: {}", self.0.join("; ")),
        }
    }

    /// Whether one of them may be why `error` came: a registry that keeps a bundle from those whom it does not know refuses
    /// them, or says that it has no such bundle. Whoever applies one later, or corrects it, need not touch the agent then.
    pub(super) fn explains(&self, error: &AdmitError) -> bool {
        let is_shut_out = matches!(
            error.reason(),
            Reason::AccessDenied | Reason::BundleNotFound
        );
        !self.0.is_empty() && is_shut_out
    }
}

impl From<Result<Admitted, AdmitError>> for Fetched {
    fn from(came: Result<Admitted, AdmitError>) -> Self {
        Self {
            came,
            unused: Unused::default(),
        }
    }
}

impl Fetcher {
    /// Fetches from `sources`, of this machine alone where the node is `offline`, with pull secrets out of `secrets`.
    pub(crate) fn new(sources: Sources, offline: bool, secrets: Arc<dyn Secrets>) -> Self {
        Self {
            sources,
            offline,
            secrets,
            places: Mutex::default(),
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
    ) -> Fetched {
        let tenant = &instance.tenant;
        let _in_turn = self.turn(&wanted.name, tenant, Errand::Bundle).await;
        let time = Limits::default().time;
        self.brought(store, wanted, keys, instance, time).await
    }

    /// Looks for another signature of a bundle that is in `store` and nobody vouches for any more. Others that are slow take
    /// nothing from the time of the look, and none waits longer than its bounds.
    pub(super) async fn look(
        &self,
        store: &Store,
        wanted: &BundleRef,
        keys: &TrustSet,
        instance: &AgentInstanceSpec,
    ) -> Fetched {
        let unheard = |why: String| {
            let at = self.sources.place(&wanted.name);
            Err(SourceError::Unreachable { at, why }.into()).into()
        };
        let turn = self.turn(&wanted.name, &instance.tenant, Errand::Signature);
        let Ok(_in_turn) = timeout(LAPSED_TURN, turn).await else {
            let seconds = LAPSED_TURN.as_secs();
            return unheard(format!(
                "other bundles were looked for there for all of {seconds} s"
            ));
        };
        let looking = self.brought(store, wanted, keys, instance, LAPSED);
        let came = timeout(LAPSED, looking).await;
        came.unwrap_or_else(|_| unheard(format!("no answer after {} s", LAPSED.as_secs())))
    }

    /// What comes to whoever's turn it is; the places have their shares of `time`.
    async fn brought(
        &self,
        store: &Store,
        wanted: &BundleRef,
        keys: &TrustSet,
        instance: &AgentInstanceSpec,
        time: Duration,
    ) -> Fetched {
        let tenant = &instance.tenant;
        let (own, mut unused) = match self.sources.asks_registry(&wanted.name) {
            true => self.pull_secrets(tenant, &instance.pull_secrets).await,
            // Whoever has the file has the bundle: nobody asks for a name.
            false => (Vec::new(), Unused::default()),
        };
        let source = match self.sources.open(&wanted.name, &own, self.offline) {
            Ok(source) => source.within(time),
            Err(error) => return Err(error.into()).into(),
        };
        unused
            .0
            .extend(source.passed_over().iter().map(ToString::to_string));
        let limits = Limits::default();
        let store = store.for_tenant(tenant);
        let came = store.admit(&source, wanted, keys, &limits).await;
        Fetched { came, unused }
    }

    /// Waits for those who came before, of the tenant first: nobody keeps a place from others meanwhile.
    pub(super) async fn turn(&self, name: &BundleName, tenant: &Tenant, errand: Errand) -> InTurn {
        let place = self.sources.place(name);
        let of_tenant = (place.clone(), errand, tenant.clone());
        let for_tenant = self.tenants.enter(of_tenant).await;
        let shares = {
            let mut places = self.places.lock();
            let of_place = places.entry((place, errand));
            of_place
                .or_insert_with(|| Shares::new(FROM_A_PLACE))
                .clone()
        };
        InTurn {
            _for_tenant: for_tenant,
            _at_place: shares.enter(tenant.clone()).await,
        }
    }

    /// They are read for each fetch, once it is its turn: what is renewed or taken back meanwhile counts.
    async fn pull_secrets(&self, tenant: &Tenant, names: &[String]) -> (Vec<DockerConfig>, Unused) {
        let (mut configs, mut unused) = (Vec::with_capacity(names.len()), Unused::default());
        for name in names {
            let reference = SecretRef {
                secret: name.clone(),
                key: DOCKER_CONFIG.to_owned(),
            };
            let mut not_used = |why: String| {
                let why = format!("pull secret {name} of {tenant}: {why}");
                unused.0.push(why);
            };
            let text = match timeout(A_SECRET, self.secrets.text(tenant, &reference)).await {
                Ok(Ok(text)) => text,
                Ok(Err(error)) => {
                    let Problem { detail, remedy, .. } = Problem::from(error);
                    not_used(format!("{detail}: {remedy}"));
                    continue;
                }
                Err(_) => {
                    let seconds = A_SECRET.as_secs();
                    not_used(format!("it was not to be read within {seconds} s"));
                    continue;
                }
            };
            let called = format!("of pull secret {reference}");
            match DockerConfig::parse(called, text.expose().as_bytes()) {
                Ok(config) => configs.push(config),
                Err(error) => unused.0.push(error.to_string()),
            }
        }
        (configs, unused)
    }
}
