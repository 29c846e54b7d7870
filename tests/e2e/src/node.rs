//! What stands for a node agent in a story that needs one that works by itself, or many of them: it watches what is
//! bound to its node, as a node agent does, and says at once that it is ready, drained, erased. Nothing runs.
//!
//! The rest of a story knows of it only that it answers the API server as a node agent does, so another way
//! to be one can be put in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use aion_api::API_VERSION;
use aion_api::metadata::{FINALIZER_DRAIN, MANAGER_NODE};
use futures::TryStreamExt;
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Config, ResourceExt};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::node_double::{NodeDouble, conditions};

/// Before what the API server did not take is tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// A node at work; it stops when dropped.
pub struct Node {
    stop: CancellationToken,
    seen: Arc<Seen>,
    thread: Option<JoinHandle<()>>,
}

/// What a story may know of it.
#[derive(Default)]
struct Seen {
    erased: Mutex<BTreeSet<String>>,
    said: Mutex<String>,
}

impl Node {
    /// Has `double` work by itself; the bundles of `signed` digests verify there, and others do not.
    #[must_use]
    pub fn start(double: &NodeDouble<'_>, signed: &[String]) -> Self {
        let (stop, seen) = (CancellationToken::new(), Arc::<Seen>::default());
        let (name, kubeconfig) = (double.name.clone(), double.kubeconfig());
        let (stopped, told, signed) = (stop.clone(), Arc::clone(&seen), signed.to_vec());
        let thread = thread::spawn(move || {
            let works = async {
                let mut player = Player::log_in(name, kubeconfig, signed, &told).await?;
                player.work().await
            };
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let ended = match runtime.enable_all().build() {
                Ok(runtime) => runtime.block_on(stopped.run_until_cancelled(works)),
                Err(error) => Some(Err(error.into())),
            };
            if let Some(Err(error)) = ended {
                *told.said.lock() = format!("{error:#}");
            }
        });
        Self {
            stop,
            seen,
            thread: Some(thread),
        }
    }

    /// The pools it erased, as `namespace/name`.
    #[must_use]
    pub fn erased(&self) -> BTreeSet<String> {
        self.seen.erased.lock().clone()
    }

    /// What went wrong last, for a failing test's message.
    #[must_use]
    pub fn log(&self) -> String {
        self.seen.said.lock().clone()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A client that logs in by a kubeconfig.
///
/// # Errors
/// When it cannot be read.
pub async fn client(kubeconfig: PathBuf) -> anyhow::Result<Client> {
    let read = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// Namespace and name.
type Place = (String, String);

struct Player<'a> {
    name: String,
    client: Client,
    signed: Vec<String>,
    /// What is bound to it, each with the pool that it uses.
    instances: BTreeMap<Place, Option<Place>>,
    /// Whether these are all.
    is_told: bool,
    /// Pools that it is to erase.
    leaving: BTreeSet<Place>,
    seen: &'a Seen,
}

impl<'a> Player<'a> {
    async fn log_in(
        name: String,
        kubeconfig: PathBuf,
        signed: Vec<String>,
        seen: &'a Seen,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            name,
            client: client(kubeconfig).await?,
            signed,
            instances: BTreeMap::new(),
            is_told: false,
            leaving: BTreeSet::new(),
            seen,
        })
    }

    /// For as long as it is let.
    async fn work(&mut self) -> anyhow::Result<()> {
        let own = watcher::Config::default().fields(&format!("spec.nodeName={}", self.name));
        let instances = watcher(self.everywhere("AgentInstance"), own).default_backoff();
        let pools = watcher(self.everywhere("MemoryPool"), watcher::Config::default());
        let (mut instances, mut pools) = (pin!(instances), pin!(pools.default_backoff()));
        loop {
            tokio::select! {
                event = instances.try_next() => match event {
                    Ok(Some(event)) => self.instance(event).await,
                    Ok(None) => return Ok(()),
                    Err(error) => self.say(&error),
                },
                event = pools.try_next() => match event {
                    Ok(Some(Event::Apply(pool) | Event::InitApply(pool))) => self.pool(&pool),
                    Ok(_) => {}
                    Err(error) => self.say(&error),
                },
            }
            self.erase().await;
        }
    }

    fn everywhere(&self, kind: &str) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &resource(kind))
    }

    fn api(&self, kind: &str, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &resource(kind))
    }

    fn say(&self, error: &impl std::fmt::Display) {
        *self.seen.said.lock() = error.to_string();
    }

    async fn instance(&mut self, event: Event<DynamicObject>) {
        match event {
            Event::Apply(it) | Event::InitApply(it) => {
                let pool = it.data["spec"]["memory"]["pool"].as_str();
                let namespace = it.namespace().unwrap_or_default();
                let pool = pool.map(|pool| (namespace, pool.to_owned()));
                self.instances.insert(place(&it), pool);
                if it.metadata.deletion_timestamp.is_some() {
                    self.drained(&it).await;
                } else if it.data["status"].is_null() {
                    self.judge(&it).await;
                }
            }
            Event::Delete(it) => {
                self.instances.remove(&place(&it));
            }
            // What went while the watch was broken is not there when all is told again.
            Event::Init => {
                self.instances.clear();
                self.is_told = false;
            }
            Event::InitDone => self.is_told = true,
        }
    }

    fn pool(&mut self, pool: &DynamicObject) {
        let status = &pool.data["status"];
        let own = |it: &Value| it["node"] == self.name.as_str();
        let erased = status["erasures"]
            .as_array()
            .is_some_and(|all| all.iter().any(own));
        if pool.metadata.deletion_timestamp.is_some()
            && status["nodeName"] == self.name.as_str()
            && !erased
        {
            self.leaving.insert(place(pool));
        }
    }

    /// What still uses a pool could write to it again.
    async fn erase(&mut self) {
        let used: BTreeSet<&Place> = self.instances.values().flatten().collect();
        let free = self
            .leaving
            .iter()
            .filter(|it| self.is_told && !used.contains(it));
        for place in free.cloned().collect::<Vec<_>>() {
            let status = json!({"erasures": [{"node": self.name, "state": "Erased"}]});
            self.status("MemoryPool", &place, &status).await;
            self.leaving.remove(&place);
            let (namespace, name) = place;
            self.seen
                .erased
                .lock()
                .insert(format!("{namespace}/{name}"));
        }
    }

    async fn judge(&self, instance: &DynamicObject) {
        let bundle = &instance.data["spec"]["bundle"];
        let digest = bundle["digest"].as_str().unwrap_or_default();
        let (phase, told) = if bundle.is_null() || self.signed.iter().any(|it| it == digest) {
            ("Ready", NodeDouble::all_is_well(!bundle.is_null()))
        } else {
            let name = bundle["name"].as_str().unwrap_or_default();
            let why = format!("bundle {name} carries no signature: sign it with a trusted key");
            let told = [
                ("Verified", "False", "Unsigned", why.as_str()),
                ("Ready", "False", "Unsigned", why.as_str()),
            ];
            ("Failed", conditions(&told))
        };
        let status = json!({"phase": phase, "conditions": told});
        self.status("AgentInstance", &place(instance), &status)
            .await;
    }

    async fn status(&self, kind: &str, (namespace, name): &Place, status: &Value) {
        let object = json!({
            "apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "status": status,
        });
        let params = PatchParams::apply(MANAGER_NODE).force();
        let (api, patch) = (self.api(kind, namespace), Patch::Apply(&object));
        self.until_taken(|| api.patch_status(name, &params, &patch))
            .await;
    }

    async fn drained(&self, instance: &DynamicObject) {
        let (namespace, name) = place(instance);
        let others = instance.finalizers().iter();
        let others: Vec<_> = others.filter(|it| *it != FINALIZER_DRAIN).collect();
        if others.len() == instance.finalizers().len() {
            return;
        }
        let patch = json!({"metadata": {"uid": instance.metadata.uid, "finalizers": others}});
        let (api, patch) = (self.api("AgentInstance", &namespace), Patch::Merge(&patch));
        let params = PatchParams::default();
        self.until_taken(|| api.patch(&name, &params, &patch)).await;
    }

    /// Writes until the API server takes it, or says that there is no such object any more.
    async fn until_taken<T, F>(&self, mut write: impl FnMut() -> F)
    where
        F: Future<Output = Result<T, kube::Error>>,
    {
        loop {
            match write().await {
                Ok(_) => return,
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return,
                Err(error) => self.say(&error),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn resource(kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("aion.dev", "v1alpha1", kind))
}

fn place(object: &DynamicObject) -> Place {
    (object.namespace().unwrap_or_default(), object.name_any())
}
