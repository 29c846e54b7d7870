//! `aionctl mount`.

use std::path::PathBuf;

use aion_abi::admin::MountMapping;
use clap::Subcommand;
use serde_json::Value;

use super::form::How;
use crate::{
    context::Context,
    failure::Failure,
    render::table::{Field, table},
};

/// Map the names of mounts to folders of this machine
#[derive(Debug, Subcommand)]
#[command(after_help = "\
An agent names the files it works with as mounts (`permissions.files`), never as paths. On this machine you say which folder a mount is; an agent sees nothing outside of it, and writes only where both you and its permission allow it.

Examples:
  aionctl mount add docs ~/Documents/manuals
  aionctl mount add notes ~/notes --writable
  aionctl mount remove notes
  aionctl mount list")]
pub(crate) enum MountCommand {
    /// Map a mount to a folder; a mapping that is there is replaced
    Add {
        /// The mount's name, as agents write it
        name: String,
        /// The folder
        path: PathBuf,
        /// Let agents write whose permission says readWrite
        #[arg(long)]
        writable: bool,
    },
    /// Forget a mapping; the folder stays as it is, and agents no longer see it
    Remove {
        /// The mount's name
        name: String,
    },
    /// List the mappings
    List {
        #[command(flatten)]
        how: How,
    },
}

pub(crate) async fn run(context: &Context, command: MountCommand) -> Result<(), Failure> {
    match command {
        MountCommand::Add {
            name,
            path,
            writable,
        } => add(context, &name, path, writable).await,
        MountCommand::Remove { name } => {
            let was = context.node()?.unmap_mount(&name).await?;
            context.print(&format!("{name} is no longer {}\n", was.path))
        }
        MountCommand::List { how } => list(context, &how).await,
    }
}

async fn add(context: &Context, name: &str, path: PathBuf, writable: bool) -> Result<(), Failure> {
    let folder = path.canonicalize().map_err(|why| {
        Failure::io("find the folder", &path, &why).remedy("make it first, or check the path")
    })?;
    if !folder.is_dir() {
        return Err(Failure::usage("that is a file: a mount is a folder").at(folder.display()));
    }
    let Some(text) = folder.to_str() else {
        return Err(Failure::usage("the folder's path is not UTF-8").at(folder.display()));
    };
    let mapping = MountMapping {
        path: text.to_owned(),
        writable,
    };
    context.node()?.map_mount(name, &mapping).await?;
    let mode = if writable { "read and write" } else { "read" };
    context.print(&format!("{name} is {text} ({mode})\n"))
}

async fn list(context: &Context, how: &How) -> Result<(), Failure> {
    let mounts = context.node()?.mounts().await?;
    if how.is_json() {
        return context.print_json(&mounts);
    }
    let rows: Vec<_> = mounts
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, mapping)| {
            let mode = match mapping["writable"].as_bool() {
                Some(true) => "read and write",
                _ => "read",
            };
            vec![
                Field::plain(name),
                Field::plain(mode),
                Field::plain(mapping["path"].as_str().unwrap_or_default()),
            ]
        })
        .collect();
    if rows.is_empty() && matches!(mounts, Value::Object(_)) {
        context.note("there are no mounts yet: aionctl mount add NAME FOLDER");
        return Ok(());
    }
    context.print(&table(&context.screen, &["mount", "mode", "folder"], &rows))
}
