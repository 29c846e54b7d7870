//! `aionctl version`.

use clap::Args;
use serde_json::json;

use crate::{context::Context, failure::Failure};

/// Show the versions of aionctl and of the node
#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(context: &Context, args: VersionArgs) -> Result<(), Failure> {
    let own = env!("CARGO_PKG_VERSION");
    #[cfg(feature = "kubernetes")]
    if let Some(cluster) = context.cluster() {
        let version = cluster.version().await?;
        if args.json {
            return context.print_json(&json!({"aionctl": own, "cluster": version}));
        }
        return context.print(&format!("aionctl  {own}\ncluster  {version}\n"));
    }
    // A node that is not there has no version, and that is an answer too.
    let node = context.node()?.status().await.ok();
    if args.json {
        return context.print_json(&json!({
            "aionctl": own,
            "node": node.as_ref().map(|node| &node.version),
        }));
    }
    let node = node.map_or("not running".to_owned(), |node| node.version);
    context.print(&format!("aionctl  {own}\nnode     {node}\n"))
}
