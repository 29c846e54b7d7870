//! The gateway beside a node, as `aionctl local` finds it: its folder below the node's state, and what is in it. Where root
//! starts it, the folder is root's, and the gateway reads what root put there.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Its folder.
pub const FOLDER: &str = "gateway";
/// The token that whoever connects has to show, in that folder.
pub const TOKEN: &str = "token";
/// What it writes itself, in that folder: its own alone.
pub const RUN: &str = "run";
/// Where it serves, in [`RUN`] while it does: [`Serving`].
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
