//! Images for a cluster that reaches no registry: files of this machine in one layer, in
//! the form that `docker save` writes and `ctr images import` reads.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use serde_json::json;
use tar::{Builder, Header};

use crate::{StartError, architecture, digest::sha256};

/// An image of programs that need nothing beside them.
#[derive(Debug, Clone)]
pub struct Image {
    name: String,
    entrypoint: Vec<String>,
    files: Vec<(String, PathBuf)>,
}

impl Image {
    /// An empty one.
    #[must_use]
    pub fn new(name: &str, entrypoint: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            entrypoint: entrypoint.iter().map(|&word| word.to_owned()).collect(),
            files: Vec::new(),
        }
    }

    /// With a program of this machine at `path`, which has no leading slash.
    #[must_use]
    pub fn with(mut self, path: &str, program: &Path) -> Self {
        self.files.push((path.to_owned(), program.to_owned()));
        self
    }

    /// Writes it to `archive`.
    pub(super) fn write(&self, archive: &Path) -> Result<(), StartError> {
        self.try_write(archive)
            .map_err(StartError::io(format!("writing image {}", self.name)))
    }

    fn try_write(&self, archive: &Path) -> std::io::Result<()> {
        let mut layer = Builder::new(Vec::new());
        for (path, program) in &self.files {
            let mut file = File::open(program)?;
            let mut header = header(file.metadata()?.len(), 0o755);
            layer.append_data(&mut header, path, &mut file)?;
        }
        let layer = layer.into_inner()?;
        let hex = sha256(&layer);
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            "config": {"Entrypoint": self.entrypoint},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{hex}")]},
        });
        let index =
            json!([{"Config": "config.json", "RepoTags": [self.name], "Layers": ["layer.tar"]}]);
        let mut whole = Builder::new(File::create(archive)?);
        for (path, content) in [
            ("layer.tar", layer),
            ("config.json", config.to_string().into_bytes()),
            ("manifest.json", index.to_string().into_bytes()),
        ] {
            let mut header = header(content.len() as u64, 0o644);
            whole.append_data(&mut header, path, content.as_slice())?;
        }
        whole.into_inner()?.flush()
    }
}

fn header(size: u64, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_size(size);
    header.set_mode(mode);
    header
}
