//! One watch, for as long as the operator runs.

use std::fmt::Debug;
use std::pin::pin;

use anyhow::Context;
use futures::TryStreamExt;
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Where `kubectl apply` keeps what it applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Whether a watch has listed everything once.
#[derive(Clone)]
pub(crate) struct Filled {
    kind: String,
    filled: watch::Receiver<bool>,
}

impl Filled {
    /// Resolves when it has.
    ///
    /// # Errors
    /// The watch ended before.
    pub(crate) async fn wait(mut self) -> anyhow::Result<()> {
        self.filled
            .wait_for(|filled| *filled)
            .await
            .map(|_| ())
            .with_context(|| format!("the watch of {} ended before it had listed them", self.kind))
    }
}

/// Watches `api` until `stop`, and gives `take` every event. A watch that breaks is taken up again, with
/// growing pauses; what the caches hold stays as it was.
pub(crate) fn follow<K>(
    api: Api<K>,
    stop: CancellationToken,
    mut take: impl FnMut(Event<K>) + Send + 'static,
) -> Filled
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let kind = K::kind(&()).into_owned();
    let (tell, filled) = watch::channel(false);
    let named = kind.clone();
    tokio::spawn(async move {
        let events = watcher(api, watcher::Config::default()).default_backoff();
        let mut events = pin!(events.modify(lighten));
        loop {
            let event = tokio::select! {
                event = events.try_next() => event,
                () = stop.cancelled() => return,
            };
            match event {
                Ok(Some(event)) => {
                    let listed = matches!(event, Event::InitDone);
                    take(event);
                    if listed {
                        let _ = tell.send(true);
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(kind = named, %error, "the watch broke; it is taken up again")
                }
            }
        }
    });
    Filled { kind, filled }
}

/// Takes away what nobody here reads, and what is most of an object: who wrote each of its fields, and the whole of it once
/// more, as kubectl applied it.
fn lighten(object: &mut impl Resource) {
    let metadata = object.meta_mut();
    metadata.managed_fields = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(LAST_APPLIED);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_api::Agent;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_kept_of_an_object_has_no_record_of_who_wrote_it() {
        let whole = |annotations, managers| {
            json!({
                "apiVersion": "aion.dev/v1alpha1", "kind": "Agent",
                "metadata": {"name": "a", "annotations": annotations, "managedFields": managers},
                "spec": {"instructions": "Be brief."},
            })
        };
        let annotations = json!({"team": "docs", LAST_APPLIED: "{}"});
        let managers = json!([{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}]);
        let mut agent: Agent = serde_json::from_value(whole(annotations, managers)).unwrap();
        lighten(&mut agent);
        let light: Agent =
            serde_json::from_value(whole(json!({"team": "docs"}), json!(null))).unwrap();
        assert_eq!(
            serde_json::to_value(agent).unwrap(),
            serde_json::to_value(light).unwrap()
        );
    }
}
