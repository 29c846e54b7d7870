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
        let mut events = pin!(events);
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
