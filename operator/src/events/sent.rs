//! One write of an event to the API server, and its tries: an event that the API server does not take is tried again if that
//! may help, else said in the log and lost. What may not enter: which events are written, and when.

use std::time::Duration;

use k8s_openapi::api::events::v1::{Event as Written, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Told;
use super::series::{Again, Write};

/// Who tells.
const CONTROLLER: &str = "aion-operator";
/// How long the API server may take for one.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How often one is tried, and between two tries: what is not told again is not lost by one connection that ends.
const TRIES: usize = 4;
const AGAIN: Duration = Duration::from_secs(2);

/// How a write ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Written,
    /// There is no such event.
    Lost,
    /// The event is there, with an earlier count.
    Unwritten,
}

/// What goes to the API server.
pub(super) struct Sent {
    events: Api<Written>,
    name: String,
    body: Body,
}

enum Body {
    New(Box<Written>),
    Again(serde_json::Value),
}

impl Sent {
    /// `write`, as `instance` sends it.
    pub(super) fn new(client: Client, instance: &str, write: Write) -> Self {
        let namespace = write.namespace().map_or("default", String::as_str);
        let namespace = namespace.to_owned();
        let events = Api::namespaced(client, &namespace);
        let (name, body) = match write {
            Write::New(told) => (
                told.name.clone(),
                Body::New(Box::new(new(*told, namespace, instance))),
            ),
            Write::Again(again) => (again.name.clone(), Body::Again(series(&again))),
        };
        Self { events, name, body }
    }

    /// Writes it; once it is `ended`, it is not tried again.
    pub(super) async fn send(self, ended: CancellationToken) -> End {
        let mut tries = 1..=TRIES;
        let error = loop {
            let tried = tries.next();
            let failed = match timeout(PATIENCE, self.once()).await {
                Ok(Ok(())) => return End::Written,
                // What was not answered in time was taken all the same.
                Ok(Err(kube::Error::Api(said))) if said.code == 409 && tried != Some(1) => {
                    return End::Written;
                }
                Ok(Err(error)) => Some(error),
                Err(_) => None,
            };
            let passes = failed.as_ref().is_none_or(may_pass);
            if !passes || tries.is_empty() {
                break failed;
            }
            if ended.run_until_cancelled(sleep(AGAIN)).await.is_none() {
                break failed;
            }
        };
        let event = &self.name;
        match &error {
            Some(error) => tracing::warn!(%error, event, "an event was not written"),
            None => tracing::warn!(event, "an event was not answered in time"),
        }
        let is_gone = matches!(&error, Some(kube::Error::Api(said)) if said.code == 404);
        match self.body {
            Body::Again(_) if !is_gone => End::Unwritten,
            _ => End::Lost,
        }
    }

    async fn once(&self) -> kube::Result<()> {
        match &self.body {
            Body::New(event) => {
                let params = PostParams::default();
                self.events.create(&params, event).await.map(drop)
            }
            Body::Again(series) => {
                let params = PatchParams::default();
                let patch = Patch::Merge(series);
                let patched = self.events.patch_metadata(&self.name, &params, &patch);
                patched.await.map(drop)
            }
        }
    }
}

fn new(told: Told, namespace: String, instance: &str) -> Written {
    let Told {
        object,
        event,
        name,
        at,
    } = told;
    let type_ = if event.good { "Normal" } else { "Warning" };
    Written {
        metadata: ObjectMeta {
            namespace: Some(namespace),
            name: Some(name),
            ..ObjectMeta::default()
        },
        action: Some(event.action),
        reason: Some(event.reason),
        note: Some(event.note),
        type_: Some(type_.to_owned()),
        event_time: Some(MicroTime(at)),
        regarding: Some(object),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        ..Written::default()
    }
}

fn series(again: &Again) -> serde_json::Value {
    json!({"series": EventSeries {
        count: again.count,
        last_observed_time: MicroTime(again.last),
    }})
}

/// Whether the same may be taken later: it was not answered, or there was too much to do.
fn may_pass(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(said) => said.code == 429 || said.code >= 500,
        _ => true,
    }
}
