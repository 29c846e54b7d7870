//! The operator killed at a call to the API server, before the server hears of it or before it has the answer: another
//! operator brings what was begun to the same end. `make e2e` has it killed at every call, `make test` at some.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::hash_map::RandomState;
use std::env;
use std::fmt::Debug;
use std::hash::{BuildHasher, Hasher};
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use aion_api::{Agent, AgentInstance, AgentPolicy, KernelNode, MemoryPool};
use aion_e2e::cluster::BOUND;
use aion_e2e::node::client;
use aion_e2e::operator::Operator;
use aion_e2e::story::{Story, on};
use aion_testkit::{ApiProxy, Moment};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::runtime::wait::{Condition, await_condition};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const NAMESPACE: &str = "killed";
const NODE: &str = "node-killed";
/// How often it is killed where not every call is tried.
const SOME: u64 = 12;

/// A place for one operator after another.
struct Stage {
    proxy: ApiProxy,
    /// Leads to the API server by no proxy.
    direct: PathBuf,
    /// The admin's.
    client: Client,
}

#[test]
fn wherever_the_operator_is_killed_another_one_comes_to_the_same_end() {
    let Some(story) = Story::with_policies(NAMESPACE) else {
        return;
    };
    let node = story.working_node(NODE, &["docs"], &[]);
    let token = Operator::token(story.cluster).unwrap();
    let proxy = ApiProxy::start(story.cluster, "by-proxy", &token).unwrap();
    let direct = story
        .cluster
        .kubeconfig_for_token("direct", &token)
        .unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = client(story.cluster.admin()).await.unwrap();
        let stage = Stage {
            proxy,
            direct,
            client,
        };
        let (undisturbed, _) = stage.play(None, None).await;
        let calls = stage.proxy.calls();
        assert!(calls > 40, "of {calls} calls it did not do all that");
        let (kills, said) = kills(calls);
        println!("{calls} calls, {} kills: {said}", kills.len());
        let mut missed = 0;
        for kill in &kills {
            let (_, at) = stage.play(Some(*kill), Some(&undisturbed)).await;
            let at = at.inspect(|call| println!("{kill:?}: {call}"));
            missed += usize::from(at.is_none());
        }
        // What comes together is told in one call or in two, so a play may have fewer than the first one.
        assert!(missed * 4 <= kills.len(), "{missed} kills never came");
    });
    drop(node);
}

/// At which calls it is killed, and how to have that again.
fn kills(calls: u64) -> (Vec<(u64, Moment)>, String) {
    let moments = [Moment::Unheard, Moment::Unanswered];
    let all = (1..=calls).flat_map(|call| moments.map(|moment| (call, moment)));
    let all: Vec<_> = all.collect();
    let wanted = env::var("AION_KILLS").unwrap_or_default();
    if wanted == "all" {
        return (all, "all of them".to_owned());
    }
    let random = || RandomState::new().build_hasher().finish();
    let seed = wanted.parse().unwrap_or_else(|_| random());
    // One of each part, so that the whole story is covered.
    let part = all.len() as u64 / SOME;
    let mut state = seed;
    let some = (0..SOME).map(|number| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        all[(number * part + (state >> 33) % part) as usize]
    });
    (
        some.collect(),
        format!("AION_KILLS={seed} is these again, AION_KILLS=all every call"),
    )
}

impl Stage {
    /// Plays the story once, with the operator killed at `kill` and another one after it; gives what came of it, and the
    /// call at which it was killed. Waits for `end`, where it is known.
    async fn play(
        &self,
        kill: Option<(u64, Moment)>,
        end: Option<&[Value; 2]>,
    ) -> ([Value; 2], Option<String>) {
        self.proxy.reset(kill);
        let victim = self.operator(&self.proxy.kubeconfig());
        self.proxy.called_by(&victim.process);
        let mut second = None;
        let ends = {
            let mut story = pin!(self.story(end));
            loop {
                tokio::select! {
                    ends = &mut story => break ends,
                    _ = self.proxy.until_killed(), if second.is_none() => {
                        self.free_the_lease().await;
                        second = Some(self.operator(&self.direct));
                    }
                    () = tokio::time::sleep(BOUND) => {
                        let last = second.as_ref().unwrap_or(&victim);
                        panic!("{kill:?}: the story does not end\n{}", last.process.tail());
                    }
                }
            }
        };
        drop((victim, second));
        self.free_the_lease().await;
        (ends, self.proxy.killed())
    }

    fn operator(&self, kubeconfig: &std::path::Path) -> Operator {
        // It renews nothing meanwhile: calls come by what happens, not by time.
        Operator::spawn(kubeconfig, "killed", &["--lease-seconds", "300"]).unwrap()
    }

    /// What takes its time to run out, which is another story (`failover.rs`).
    async fn free_the_lease(&self) {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), "aion-system");
        let deleted = leases
            .delete("aion-operator", &DeleteParams::default())
            .await;
        assert!(
            matches!(&deleted, Ok(_) | Err(kube::Error::Api(_))),
            "{deleted:?}"
        );
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// An agent with a pool and a policy: applied, changed, scaled, deleted. Gives what there is before the end, and at it.
    async fn story(&self, end: Option<&[Value; 2]>) -> [Value; 2] {
        let agent = |instructions: &str, replicas: i32| {
            on(
                NODE,
                json!({"instructions": instructions, "replicas": replicas, "memory": {"pool": "p"}}),
            )
        };
        self.apply::<AgentPolicy>("narrow", json!({"quotas": {"callsPerMinute": 30}}))
            .await;
        self.apply::<MemoryPool>("p", json!({})).await;
        self.apply::<Agent>("a", agent("Be brief.", 1)).await;
        self.until_ready(1).await;
        self.apply::<Agent>("a", agent("Be thorough.", 1)).await;
        self.until_ready(1).await;
        self.apply::<Agent>("a", agent("Be thorough.", 2)).await;
        self.until_ready(2).await;
        self.apply::<AgentPolicy>("narrow", json!({"quotas": {"callsPerMinute": 20}}))
            .await;
        let before = self.settled(end.map(|[before, _]| before)).await;
        self.delete::<Agent>("a").await;
        self.delete::<MemoryPool>("p").await;
        self.delete::<AgentPolicy>("narrow").await;
        [before, self.settled(end.map(|[_, after]| after)).await]
    }

    async fn apply<K>(&self, name: &str, spec: Value)
    where
        K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + Debug,
    {
        let object = json!({
            "apiVersion": K::api_version(&()), "kind": K::kind(&()), "metadata": {"name": name}, "spec": spec,
        });
        let params = PatchParams::apply("test").force();
        self.api::<K>()
            .patch(name, &params, &Patch::Apply(&object))
            .await
            .unwrap();
    }

    /// Deletes, and waits for the end.
    async fn delete<K>(&self, name: &str)
    where
        K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + Debug
            + Send
            + 'static,
    {
        let api = self.api::<K>();
        api.delete(name, &DeleteParams::default()).await.unwrap();
        self.until(api, name, |object: Option<&K>| object.is_none())
            .await;
    }

    async fn until_ready(&self, replicas: i32) {
        let ready = move |agent: Option<&Agent>| {
            agent.is_some_and(|agent| {
                let status = agent.status.clone().unwrap_or_default();
                let is = |type_: &str, value: &str| {
                    status
                        .conditions
                        .iter()
                        .any(|it| it.type_ == type_ && it.status == value)
                };
                status.observed_generation == agent.metadata.generation
                    && status.ready_replicas == replicas
                    && is("Ready", "True")
                    && is("Reconciling", "False")
            })
        };
        self.until(self.api::<Agent>(), "a", ready).await;
    }

    async fn until<K>(&self, api: Api<K>, name: &str, condition: impl Condition<K>)
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        await_condition(api, name, condition).await.unwrap();
    }

    /// What there is once it is `end`, or, where that is not known, once it stays as it is.
    async fn settled(&self, end: Option<&Value>) -> Value {
        let mut last = Value::Null;
        let from = tokio::time::Instant::now();
        loop {
            let now = self.state().await;
            if end.unwrap_or(&last) == &now {
                return now;
            }
            if let Some(end) = end
                && from.elapsed() > BOUND / 3
            {
                panic!("it comes to\n{now:#}\ninstead of\n{end:#}");
            }
            last = now;
            tokio::time::sleep(Duration::from_millis(if end.is_some() { 20 } else { 1000 })).await;
        }
    }

    /// Everything of ours here, without what differs from one time to the next.
    async fn state(&self) -> Value {
        let nodes: Api<KernelNode> = Api::all(self.client.clone());
        json!([
            all(self.api::<Agent>()).await,
            all(self.api::<AgentInstance>()).await,
            all(self.api::<AgentPolicy>()).await,
            all(self.api::<MemoryPool>()).await,
            all(nodes).await,
        ])
    }
}

async fn all<K>(api: Api<K>) -> Value
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize + Debug,
{
    let list = api.list(&ListParams::default()).await.unwrap();
    let objects = list.items.into_iter().map(|mut object| {
        let metadata = object.meta_mut();
        // The digits of an instance's name follow from its revision.
        let is_instance = K::kind(&()) == "AgentInstance";
        let name = metadata
            .name
            .take()
            .map(|name| match name.rsplit_once('-') {
                Some((before, _)) if is_instance => before.to_owned(),
                _ => name,
            });
        *metadata = k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
            name,
            labels: metadata.labels.take(),
            annotations: metadata.annotations.take(),
            finalizers: metadata.finalizers.take(),
            generation: metadata.generation,
            ..Default::default()
        };
        let mut object = serde_json::to_value(object).unwrap();
        without_identity(&mut object);
        object
    });
    Value::Array(objects.collect())
}

/// Uids, times, and what follows from them.
const PASSING: [&str; 6] = [
    "uid",
    "poolUid",
    "lastTransitionTime",
    "time",
    "revision",
    "aion.dev/revision",
];

/// Takes away what is another in each play.
fn without_identity(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !PASSING.contains(&name.as_str()));
            fields.values_mut().for_each(without_identity);
        }
        Value::Array(items) => items.iter_mut().for_each(without_identity),
        _ => {}
    }
}
