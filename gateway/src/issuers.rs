//! Whose tokens are taken here, as the node says it and for a moment after: who shows nothing asks for it too, and is to cost the node little.

use std::{io, sync::Arc, time::Duration};

use aion_abi::key::Issuer;
use aion_client::{ClientError, Node};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

/// How long it is believed. The node reads its settings at a start.
const BELIEVED: Duration = Duration::from_secs(10);
/// How long the node may take to say it.
const SAYS: Duration = Duration::from_secs(5);

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
        let silent = |_| ClientError::Unreachable {
            at: node.address.to_string(),
            why: io::ErrorKind::TimedOut.into(),
        };
        // Others wait for the same answer.
        let told = timeout(SAYS, node.issuers()).await.map_err(silent)?;
        let all: Arc<[Issuer]> = told?.items.into();
        *known = Some((Instant::now(), Arc::clone(&all)));
        Ok(all)
    }
}
