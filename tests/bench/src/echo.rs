//! The bare baseline: axum that gives back what it is sent, on a Unix socket.

use std::path::Path;

use anyhow::Result;
use axum::body::Bytes;
use axum::routing::post;
use axum::{Router, serve};
use tokio::net::UnixListener;

/// Serves until the process ends.
pub(crate) async fn run(socket: &Path) -> Result<()> {
    let app = Router::new().route("/v1/sys/null", post(|body: Bytes| async move { body }));
    let listener = UnixListener::bind(socket)?;
    println!("listens");
    serve(listener, app).await?;
    Ok(())
}
