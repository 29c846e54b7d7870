//! Building from a folder with a `bundle.yaml`: the same bytes for the same content, on any machine and at any time. For
//! `wasm` and `declarative` it is a bundle of ours:
//! ```yaml
//! name: reader
//! version: 0.1.0
//! runtime: declarative      # or wasm
//! entry: agent.yaml         # the definition, or the module
//! description: Answers from your documents
//! files: [prompts, skills]  # declarative only; files and folders
//! ```
//! For `process` it is a container image, and `image` says what stands there.

pub(crate) mod archive;
pub(crate) mod files;
pub(crate) mod image;
pub(crate) mod recipe;

use std::{collections::BTreeMap, io, path::Path};

use aion_abi::runtime::Runtime;
use thiserror::Error;

use crate::{
    artifact::{
        digest::Digest,
        limits::Limits,
        manifest::{self, BUNDLE, BundleConfig, Descriptor, FILES, Manifest, ManifestError},
        name::BundleName,
    },
    content::build::{
        archive::Archive,
        files::{Links, collect, read},
        recipe::{RECIPE, Recipe},
    },
    source::{contract::Payload, failure::SourceError, layout::Layout},
};

const TITLE: &str = "org.opencontainers.image.title";
/// The magic number and version of a WASM core module.
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";
const FILE_MODE: u32 = 0o644;

/// A bundle or an image that was built.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Built {
    /// The digest by which an Agent refers to it.
    pub digest: Digest,
    /// The name by which an Agent refers to it.
    pub name: BundleName,
    /// The tag it has in the layout.
    pub tag: String,
}

/// A folder that nothing can be built from.
#[derive(Debug, Error)]
pub enum BuildError {
    /// A file cannot be read.
    #[error("read {path}: {why}")]
    Io {
        /// The file.
        path: String,
        /// The error.
        why: io::Error,
    },
    /// The recipe is not as it should be.
    #[error("{path}: {why}")]
    Recipe {
        /// The recipe.
        path: String,
        /// What is wrong, and where.
        why: String,
    },
    /// A file that no node would admit.
    #[error("{path} cannot be in a bundle: {why}")]
    Refused {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// The image that it builds on cannot be used.
    #[error("base {digest}: {why}")]
    Base {
        /// Its digest.
        digest: Digest,
        /// Why.
        why: ManifestError,
    },
    /// The layout cannot be written.
    #[error(transparent)]
    Layout(#[from] SourceError),
}

/// Builds what is in `folder` into `layout`. An image that it builds on has to be there already.
pub fn build(folder: &Path, layout: &Layout) -> Result<Built, BuildError> {
    match Recipe::read(&folder.join(RECIPE))? {
        Recipe::Bundle { config, files } => bundle(folder, config, &files, layout),
        Recipe::Image(recipe) => image::build(folder, &recipe, layout),
    }
}

fn bundle(
    folder: &Path,
    config: BundleConfig,
    files: &[String],
    layout: &Layout,
) -> Result<Built, BuildError> {
    let limits = Limits::default();
    let program = read(&folder.join(&config.entry), limits.program)?;
    let media_type = check_program(&config, &program)?;
    let config_bytes = json(&config)?;
    let mut manifest = Manifest::new(BUNDLE, Descriptor::of(BUNDLE, &config_bytes));
    layout.add_blob(&manifest.config, Payload::Bytes(&config_bytes))?;

    let mut layer = Descriptor::of(media_type, &program);
    let title = config.entry.clone();
    layer.annotations.insert(TITLE.to_owned(), title);
    layout.add_blob(&layer, Payload::Bytes(&program))?;
    manifest.layers.push(layer);
    if !files.is_empty() {
        let archive = pack(folder, files, &limits)?;
        let layer = Descriptor::of(FILES, &archive);
        layout.add_blob(&layer, Payload::Bytes(&archive))?;
        manifest.layers.push(layer);
    }
    tagged(&manifest, &config.name, &config.version, layout)
}

/// Puts the manifest of what was built into `layout`, under its name and version.
fn tagged(
    manifest: &Manifest,
    name: &BundleName,
    version: &str,
    layout: &Layout,
) -> Result<Built, BuildError> {
    let tag = format!("{name}:{version}");
    let digest = layout.add_manifest(&json(manifest)?, Some(&tag))?;
    Ok(Built {
        digest,
        name: name.clone(),
        tag,
    })
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, BuildError> {
    serde_json::to_vec(value).map_err(|error| BuildError::Recipe {
        path: RECIPE.to_owned(),
        why: error.to_string(),
    })
}

/// The media type of the program, if it is one of the runtime.
fn check_program(config: &BundleConfig, program: &[u8]) -> Result<&'static str, BuildError> {
    let refuse = |why: String| {
        Err(BuildError::Refused {
            path: config.entry.clone(),
            why,
        })
    };
    let form = match manifest::program(config.runtime) {
        Ok(form) => form,
        Err(why) => return refuse(why),
    };
    match config.runtime {
        Runtime::Wasm if !program.starts_with(CORE_MODULE) => {
            refuse("it is not a WASM core module (components do not run yet)".into())
        }
        Runtime::Declarative => {
            let text = match std::str::from_utf8(program) {
                Ok(text) => text,
                Err(e) => return refuse(e.to_string()),
            };
            match serde_saphyr::from_str::<BTreeMap<String, serde_json::Value>>(text) {
                Ok(_) => Ok(form.media_type),
                Err(e) => refuse(e.to_string()),
            }
        }
        Runtime::Wasm | Runtime::Process | Runtime::External => Ok(form.media_type),
    }
}

/// A gzipped tar of `paths`, with one mode.
fn pack(folder: &Path, paths: &[String], limits: &Limits) -> Result<Vec<u8>, BuildError> {
    let files = collect(folder, paths, Links::Refused)?;
    if files.len() > limits.entries {
        return Err(BuildError::Refused {
            path: folder.display().to_string(),
            why: format!("it has more than {} files", limits.entries),
        });
    }
    let mut archive = Archive::new(Vec::new());
    let mut room = limits.unpacked;
    for (name, path) in &files {
        let content = read(path, room)?;
        let size = content.len() as u64;
        room -= size;
        let packed = archive.file(name, FILE_MODE, size, content.as_slice());
        packed.map_err(|why| BuildError::Refused {
            path: path.display().to_string(),
            why: why.to_string(),
        })?;
    }
    let packed = archive.finish().map_err(files::on(folder))?.to;
    if packed.len() as u64 > limits.packed {
        return Err(BuildError::Refused {
            path: folder.display().to_string(),
            why: format!("its files pack to more than {} bytes", limits.packed),
        });
    }
    Ok(packed)
}
