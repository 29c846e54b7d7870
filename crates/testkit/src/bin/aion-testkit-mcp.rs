//! The tools of [`aion_testkit::McpServer`] on standard input and output, for tests
//! of tool servers that are started as a program.

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    aion_testkit::serve_mcp_on_stdio().await
}
