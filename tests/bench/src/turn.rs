//! Starts a turn over the admin socket, and keeps its stream open.

use std::path::Path;
use std::time::Duration;

use aion_abi::admin::TurnRequest;
use aion_client::{Address, Node};
use anyhow::Result;
use tokio::time::{Instant, sleep};

/// The node whose admin socket that is.
pub(crate) fn node(socket: &Path) -> Result<Node> {
    let address = Address::unix(socket)?;
    Ok(Node { address })
}

/// Asks until the agent is ready; the stream is read to its end in the background.
pub(crate) async fn start(socket: &Path, agent: &str) -> Result<()> {
    let node = node(socket)?;
    let request = TurnRequest {
        input: "go".to_owned(),
        ..TurnRequest::default()
    };
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        match node.start_turn("default", agent, &request).await {
            Ok(mut events) => {
                tokio::spawn(async move { while let Ok(Some(_)) = events.next().await {} });
                return Ok(());
            }
            Err(error) if Instant::now() > until => return Err(error.into()),
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}
