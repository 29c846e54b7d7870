//! In a cluster: the devices that the operator bound to this node, from the Kubernetes API.
//!
//! One watch of devices, narrowed by the API server to this node, and one each of models and brokers, for as long as the node may
//! serve ([`Tenure`]); after that nothing of what was known counts, and all of it is asked for anew. Which device is served is the
//! operator's to say, and how it stands the node's. What may not enter: messages of devices, which cost no call of the API.

mod places;
mod release;
mod watching;
mod words;
mod world;

use std::{sync::Arc, time::Duration};

use aion_resolve::{Key, device::LiveDevice};
use futures::{
    future::BoxFuture,
    stream::{BoxStream, StreamExt},
};
use kube::Client;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio_util::task::AbortOnDropHandle;

use crate::devices::{DeviceChange, DeviceSource, Elsewhere, Place, Tenure};
use places::Places;
use world::World;

/// The devices of a node, from the API. Clones share it.
#[derive(Clone)]
pub(crate) struct ClusterDevices(Arc<Shared>);

struct Shared {
    client: Client,
    node: String,
    tenure: Tenure,
    world: Mutex<World>,
    /// There is something to write.
    written: Notify,
    /// Nothing leaves for a device any more.
    ended: Notify,
    places: Places,
}

impl ClusterDevices {
    /// Those of `node`, served while `tenure` holds.
    pub(crate) fn new(client: Client, node: String, tenure: Tenure) -> Self {
        Self(Arc::new(Shared {
            world: Mutex::new(World::new(&node)),
            places: Places::new(client.clone()),
            client,
            node,
            tenure,
            written: Notify::new(),
            ended: Notify::new(),
        }))
    }
}

impl DeviceSource for ClusterDevices {
    fn devices(&self) -> BoxStream<'static, Vec<DeviceChange>> {
        let (out, changes) = mpsc::unbounded_channel();
        let shared = Arc::clone(&self.0);
        let watching = AbortOnDropHandle::new(tokio::spawn(watching::watch(shared, out)));
        let writing = AbortOnDropHandle::new(tokio::spawn(words::write(Arc::clone(&self.0))));
        let held = (watching, writing);
        futures::stream::unfold((changes, held), |(mut changes, held)| async move {
            let change = changes.recv().await?;
            Some((change, (changes, held)))
        })
        .boxed()
    }

    fn pause(&self) -> Duration {
        // How often it is written is said where it is written.
        Duration::from_secs(1)
    }

    fn stands(&self, device: &Key, live: LiveDevice) {
        self.0.world.lock().stands(device, live);
        self.0.written.notify_one();
    }

    fn stopped(&self, device: &Key) {
        let released = self.0.world.lock().stopped(device);
        self.0.ended.notify_one();
        if let Some(released) = released {
            release::begin(&self.0, released);
        }
    }
}

impl Elsewhere for ClusterDevices {
    fn place<'a>(
        &'a self,
        namespace: &'a str,
        device: &'a str,
    ) -> BoxFuture<'a, Result<Place, String>> {
        Box::pin(self.0.places.of(Key::new(namespace, device)))
    }
}
