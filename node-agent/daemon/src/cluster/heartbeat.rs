//! The Lease by which the operator knows that this node agent lives. Renewed only while the kernel answers:
//! a daemon whose kernel has stopped is not alive.

use std::{sync::Arc, time::Duration};

use aion_api::metadata::{MANAGER_NODE, SYSTEM_NAMESPACE, node_lease};
use aion_backoff::Backoff;
use k8s_openapi::{api::coordination::v1::Lease, apimachinery::pkg::apis::meta::v1::MicroTime};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{clock, devices::Renewals, shell::Handle};

/// For how long a renewal holds, and how often it is renewed: as kubelets do it. Three may be lost.
const HOLDS_SECONDS: i32 = 40;
const RENEW: Duration = Duration::from_secs(10);
/// After a renewal that failed.
const PAUSES: Backoff = Backoff::new(Duration::from_secs(2), RENEW);
/// How long one renewal may take.
const BOUND: Duration = Duration::from_secs(10);

/// Renews the Lease of `node` for ever.
pub(super) async fn beat(client: Client, node: String, shell: Handle, renewals: Arc<Renewals>) {
    let leases: Api<Lease> = Api::namespaced(client, SYSTEM_NAMESPACE);
    let name = node_lease(&node);
    let mut missed = false;
    let mut pauses = PAUSES;
    loop {
        if shell.look(|_| ()).await.is_none() {
            tracing::error!("the kernel does not answer: the Lease runs out");
            return;
        }
        // Devices are served from before it is sent: who sees it later reckons from later.
        let begun = clock::since_boot();
        let renewed = tokio::time::timeout(BOUND, renew(&leases, &name, &node)).await;
        let why = match renewed {
            Ok(Ok(())) => {
                renewals.taken(begun);
                None
            }
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("no answer in time".to_owned()),
        };
        match &why {
            Some(why) if !missed => tracing::warn!(%why, "the Lease is not renewed for now"),
            None if missed => tracing::info!("the Lease is renewed again"),
            _ => {}
        }
        missed = why.is_some();
        let pause = if missed {
            pauses.pause()
        } else {
            pauses.reset();
            RENEW
        };
        tokio::time::sleep(pause).await;
    }
}

async fn renew(leases: &Api<Lease>, name: &str, node: &str) -> Result<(), kube::Error> {
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name},
        "spec": {
            "holderIdentity": node,
            "leaseDurationSeconds": HOLDS_SECONDS,
            "renewTime": MicroTime(clock::timestamp()),
        },
    });
    let params = PatchParams::apply(MANAGER_NODE).force();
    let patched = leases.patch(name, &params, &Patch::Apply(&lease)).await;
    patched.map(|_| ())
}
