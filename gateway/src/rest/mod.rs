//! REST: agents, and their turns. Shapes are those of `aion_abi::admin`, refusals are problems (RFC 9457).

pub(crate) mod agents;
pub(crate) mod approvals;
pub(crate) mod ask;
pub(crate) mod programs;
mod tagged;
pub(crate) mod turns;

use aion_client::Download;
use axum::body::{Body, Bytes};
use futures::stream;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::gateway::Gateway;

/// In which namespace the named agent is.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Within {
    namespace: Option<String>,
}

/// What comes from the node, part by part.
fn parts_of(download: Download) -> Body {
    Body::from_stream(stream::try_unfold(download, |mut download| async {
        let part = download.next().await.map_err(std::io::Error::other)?;
        Ok::<_, std::io::Error>(part.map(|part: Bytes| (part, download)))
    }))
}

impl Within {
    fn or<'a>(&'a self, gateway: &'a Gateway) -> &'a str {
        self.namespace.as_deref().unwrap_or(&gateway.namespace)
    }
}
