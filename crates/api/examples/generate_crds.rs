//! Writes the custom resource definitions into a folder: `crds/` unless another one is named.

use std::path::PathBuf;

use anyhow::Context;

/// The folder of the definitions that are kept.
pub(crate) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crds");

fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from(FOLDER), PathBuf::from);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, text) in files()? {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// What the folder holds: a file's name and its text, for each kind.
pub(crate) fn files() -> anyhow::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for (kind, mut crd) in aion_api::crd::KINDS.iter().zip(aion_api::crd::all()?) {
        // Another crate of the build may have serde_json keep the order of insertion.
        crd.sort_all_objects();
        let yaml = serde_saphyr::to_string(&crd)?;
        let text = format!("# Made by `make crds` from crates/api; do not edit.\n{yaml}");
        files.push((format!("aion.dev_{}.yaml", kind.plural), text));
    }
    Ok(files)
}
