//! Where devices are that are not here, asked of the API server when a call misses one: an agent that asks over and over costs a
//! question every few seconds.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use aion_api::Device;
use aion_resolve::Key;
use kube::{Api, Client};
use parking_lot::Mutex;

use crate::devices::Place;

/// How long an answer counts.
const COUNTS: Duration = Duration::from_secs(5);
/// How long an answer is waited for.
const BOUND: Duration = Duration::from_secs(5);
/// The most answers that are kept, in all and of one namespace, so that one that asks for many takes no place of others.
const KEPT: usize = 1024;
const KEPT_OF_ONE: usize = 64;

/// When somebody answered, and what.
type Answered = (Instant, Result<Place, String>);

/// See the module.
pub(super) struct Places {
    client: Client,
    known: Mutex<BTreeMap<Key, Answered>>,
}

impl Places {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            known: Mutex::default(),
        }
    }

    pub(super) async fn of(&self, device: Key) -> Result<Place, String> {
        let now = Instant::now();
        {
            let mut known = self.known.lock();
            known.retain(|_, (at, _)| now.saturating_duration_since(*at) < COUNTS);
            if let Some((_, place)) = known.get(&device) {
                return place.clone();
            }
            let first = Key::new(&device.namespace, "");
            let of_one = known.range(first..).map(|(it, _)| it);
            let of_one = of_one.take_while(|it| it.namespace == device.namespace);
            if known.len() >= KEPT || of_one.count() >= KEPT_OF_ONE {
                return Err("too many devices are looked for at once".to_owned());
            }
            // Whoever asks meanwhile does not ask the API server, too.
            let looking = Err("it is being looked for: try again".to_owned());
            known.insert(device.clone(), (now, looking));
        }
        let place = self.look(&device).await;
        self.known
            .lock()
            .insert(device, (Instant::now(), place.clone()));
        place
    }

    async fn look(&self, device: &Key) -> Result<Place, String> {
        let devices: Api<Device> = Api::namespaced(self.client.clone(), &device.namespace);
        let asked = tokio::time::timeout(BOUND, devices.get_opt(&device.name)).await;
        match asked {
            Err(_) => Err("the API server does not answer".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Ok(Ok(None)) => Ok(Place::Nowhere),
            Ok(Ok(Some(found))) => {
                let node = found.status.and_then(|it| it.node_name);
                Ok(node.map_or(Place::Unbound, Place::Node))
            }
        }
    }
}
