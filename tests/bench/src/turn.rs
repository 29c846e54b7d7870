//! Starts a turn over the admin socket, and keeps its stream open.

use std::path::Path;
use std::time::Duration;

use aion_abi::admin::TurnRequest;
use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep};

/// Asks until the agent is ready; the stream is read to its end in the background.
pub(crate) async fn start(socket: &Path, agent: &str) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        match ask(socket, agent).await {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > until => return Err(error),
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn ask(socket: &Path, agent: &str) -> Result<()> {
    let mut stream = UnixStream::connect(socket)
        .await
        .context("the admin socket")?;
    let body = serde_json::to_vec(&TurnRequest {
        input: "go".to_owned(),
        ..TurnRequest::default()
    })?;
    let head = format!(
        "POST /api/v1/namespaces/default/agents/{agent}/turns HTTP/1.1\r\nhost: aion\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer[..length]).into_owned();
    if !text.starts_with("HTTP/1.1 200") {
        bail!("the turn was refused: {text}");
    }
    tokio::spawn(async move { while let Ok(1..) = stream.read(&mut answer).await {} });
    Ok(())
}
