//! REST: agents, their turns, and what they have, remember, did and used. Shapes are those of `aion_abi`, refusals are problems (RFC 9457).

pub(crate) mod agents;
pub(crate) mod approvals;
pub(crate) mod ask;
pub(crate) mod events;
pub(crate) mod looks;
pub(crate) mod memory;
pub(crate) mod programs;
pub(crate) mod turns;

use aion_client::Download;
use axum::body::{Body, Bytes};
use futures::stream;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::gateway::Gateway;

/// In which namespace the named agent is.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Within {
    #[serde(default, deserialize_with = "named")]
    #[schemars(length(min = 1))]
    namespace: Option<String>,
}

/// A name that is said is one: an empty one would be found nowhere, without a word.
fn named<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let name = Option::<String>::deserialize(from)?;
    match name.as_deref() {
        Some("") => Err(D::Error::custom("it is empty: say one, or leave it out")),
        _ => Ok(name),
    }
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
