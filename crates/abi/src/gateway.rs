//! The gateway beside a node, as `aionctl local` finds it: its folder below the node's state, and what is in it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Its folder, its own alone.
pub const FOLDER: &str = "gateway";
/// The token that whoever connects has to show, in that folder.
pub const TOKEN: &str = "token";
/// Where it serves, in that folder while it does: [`Serving`].
pub const SERVING: &str = "serving.json";

/// Where a gateway serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serving {
    /// The gateway that wrote it; of one that was killed it stays behind.
    pub pid: u32,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Serving {
    /// What clients are given, such as OpenAI's.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}
