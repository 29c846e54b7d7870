//! Whose tokens are taken here, as the node says it and for a moment after: who shows nothing asks for it too, and is to cost the node little.

use std::{sync::Arc, time::Duration};

use aion_abi::key::Issuer;
use aion_client::{ClientError, Node};
use tokio::{sync::Mutex, time::Instant};

/// How long it is believed. The node reads its settings at a start.
const BELIEVED: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Default)]
pub(crate) struct Issuers(Mutex<Option<(Instant, Arc<[Issuer]>)>>);

impl Issuers {
    /// Those of the node.
    ///
    /// # Errors
    /// It does not say.
    pub(crate) async fn of(&self, node: &Node) -> Result<Arc<[Issuer]>, ClientError> {
        let mut known = self.0.lock().await;
        if let Some((since, all)) = &*known
            && since.elapsed() < BELIEVED
        {
            return Ok(Arc::clone(all));
        }
        let all: Arc<[Issuer]> = node.issuers().await?.items.into();
        *known = Some((Instant::now(), Arc::clone(&all)));
        Ok(all)
    }
}
