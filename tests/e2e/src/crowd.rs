//! Many agents of one namespace at once, and how many of them are ready: for what is asked of an operator that has
//! thousands of them. What may not enter: what is expected of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use aion_api::Agent;
use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, ResourceExt};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::node::client;

/// Agents that are applied at once.
const AT_ONCE: usize = 16;

/// See the module; forgotten when dropped, though its agents stay.
pub struct Crowd {
    agents: Api<Agent>,
    ready: Arc<Mutex<BTreeMap<String, Instant>>>,
    watch: JoinHandle<()>,
}

impl Crowd {
    /// The agents of `namespace`, as who logs in by `kubeconfig` sees them.
    ///
    /// # Errors
    /// When it cannot log in.
    pub async fn of(kubeconfig: PathBuf, namespace: &str) -> anyhow::Result<Self> {
        let agents: Api<Agent> = Api::namespaced(client(kubeconfig).await?, namespace);
        let ready = Arc::<Mutex<BTreeMap<String, Instant>>>::default();
        let (watched, noted) = (agents.clone(), Arc::clone(&ready));
        let watch = tokio::spawn(async move {
            let events = watcher(watched, watcher::Config::default());
            let mut events = pin!(events.default_backoff().applied_objects());
            while let Some(event) = events.next().await {
                if let Ok(agent) = event.as_ref()
                    && is_ready(agent)
                {
                    noted
                        .lock()
                        .entry(agent.name_any())
                        .or_insert_with(Instant::now);
                }
            }
        });
        Ok(Self {
            agents,
            ready,
            watch,
        })
    }

    /// Makes agents of these names, each with what `more` says in its specification.
    ///
    /// # Errors
    /// What the API server does not take.
    pub async fn make(
        &self,
        names: impl Iterator<Item = String>,
        more: &Value,
    ) -> anyhow::Result<()> {
        let made = names.map(|name| self.one(name, more));
        let made = stream::iter(made).buffer_unordered(AT_ONCE);
        made.try_for_each(|_| async { Ok(()) }).await
    }

    /// Makes one agent; says when the API server had it.
    ///
    /// # Errors
    /// The API server does not take it.
    pub async fn one(&self, name: String, more: &Value) -> anyhow::Result<Instant> {
        let mut agent = json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "Agent", "metadata": {"name": name},
            "spec": {"instructions": "Be brief."},
        });
        for (field, value) in more.as_object().into_iter().flatten() {
            agent["spec"][field] = value.clone();
        }
        let agent = serde_json::from_value(agent)?;
        self.agents.create(&PostParams::default(), &agent).await?;
        Ok(Instant::now())
    }

    /// How many were ready once.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.ready.lock().len()
    }

    /// When an agent was ready first.
    #[must_use]
    pub fn ready_since(&self, name: &str) -> Option<Instant> {
        self.ready.lock().get(name).copied()
    }

    /// Deletes all of them; see [`Crowd::left`].
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn delete(&self) -> anyhow::Result<()> {
        let (how, all) = (DeleteParams::default(), ListParams::default());
        self.agents.delete_collection(&how, &all).await?;
        Ok(())
    }

    /// How many there are.
    ///
    /// # Errors
    /// The API server does not say.
    pub async fn left(&self) -> anyhow::Result<usize> {
        let list = self.agents.list_metadata(&ListParams::default()).await?;
        Ok(list.items.len())
    }

    /// What the first agent says that is not ready, for a failing test's message.
    pub async fn first_that_waits(&self) -> String {
        match self.agents.list(&ListParams::default()).await {
            Ok(list) => {
                let waits = list.items.into_iter().find(|agent| !is_ready(agent));
                format!("{:?}", waits.map(|agent| agent.status))
            }
            Err(error) => error.to_string(),
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

fn is_ready(agent: &Agent) -> bool {
    let conditions = agent.status.iter().flat_map(|status| &status.conditions);
    let mut ready = conditions.filter(|it| it.type_ == "Ready");
    ready.any(|it| it.status == "True")
}
