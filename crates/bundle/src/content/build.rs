//! Building a bundle from a folder: the same bytes for the same content, on
//! any machine and at any time.
//!
//! The folder holds a `bundle.yaml`:
//! ```yaml
//! name: reader
//! version: 0.1.0
//! runtime: declarative      # or wasm
//! entry: agent.yaml         # the definition, or the module
//! description: Answers from your documents
//! files: [prompts, skills]  # declarative only; files and folders
//! ```

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use aion_abi::runtime::Runtime;
use flate2::{Compression, GzBuilder};
use serde::Deserialize;
use thiserror::Error;

use crate::{
    artifact::{
        digest::Digest,
        entry_path::entry_path,
        limits::Limits,
        manifest::{self, BUNDLE, BundleConfig, Descriptor, FILES, Manifest},
        name::BundleName,
    },
    file::read_bounded,
    source::{contract::Payload, failure::SourceError, layout::Layout},
};

/// The file that says what a folder holds.
pub const RECIPE: &str = "bundle.yaml";
const MAX_RECIPE: u64 = 64 << 10;
const TITLE: &str = "org.opencontainers.image.title";
/// The magic number and version of a WASM core module.
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";
const FILE_MODE: u32 = 0o644;
/// RFC 1952: the operating system is not told.
const NO_OS: u8 = 255;
const LEVEL: u32 = 6;

/// A bundle that was built.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Built {
    /// The digest by which an Agent refers to it.
    pub digest: Digest,
    /// What it says of itself.
    pub config: BundleConfig,
    /// The tag it has in the layout.
    pub tag: String,
}

/// A folder that is not a bundle.
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
    /// The layout cannot be written.
    #[error(transparent)]
    Layout(#[from] SourceError),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Recipe {
    name: BundleName,
    version: String,
    runtime: Runtime,
    entry: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    files: Vec<String>,
}

/// Builds the bundle in `folder` into `layout`.
pub fn build(folder: &Path, layout: &Layout) -> Result<Built, BuildError> {
    let (config, files) = read_recipe(&folder.join(RECIPE))?;
    let limits = Limits::default();
    let program = read(&folder.join(&config.entry), limits.program)?;
    let media_type = check_program(&config, &program)?;
    let json = |error: serde_json::Error| BuildError::Recipe {
        path: RECIPE.to_owned(),
        why: error.to_string(),
    };
    let config_bytes = serde_json::to_vec(&config).map_err(json)?;
    let mut manifest = Manifest::new(BUNDLE, Descriptor::of(BUNDLE, &config_bytes));
    layout.add_blob(&manifest.config, Payload::Bytes(&config_bytes))?;

    let mut layer = Descriptor::of(media_type, &program);
    let title = config.entry.clone();
    layer.annotations.insert(TITLE.to_owned(), title);
    layout.add_blob(&layer, Payload::Bytes(&program))?;
    manifest.layers.push(layer);
    if !files.is_empty() {
        let archive = pack(folder, &files, &limits)?;
        let layer = Descriptor::of(FILES, &archive);
        layout.add_blob(&layer, Payload::Bytes(&archive))?;
        manifest.layers.push(layer);
    }
    let bytes = serde_json::to_vec(&manifest).map_err(json)?;
    let tag = format!("{}:{}", config.name, config.version);
    let digest = layout.add_manifest(&bytes, Some(&tag))?;
    Ok(Built {
        digest,
        config,
        tag,
    })
}

/// What the recipe says of the bundle, and which files go along.
fn read_recipe(path: &Path) -> Result<(BundleConfig, Vec<String>), BuildError> {
    let wrong = |why: String| BuildError::Recipe {
        path: path.display().to_string(),
        why,
    };
    let bytes = read(path, MAX_RECIPE)?;
    let text = std::str::from_utf8(&bytes).map_err(|e| wrong(e.to_string()))?;
    let recipe: Recipe = serde_saphyr::from_str(text).map_err(|e| wrong(e.to_string()))?;
    manifest::program(recipe.runtime).map_err(wrong)?;
    if recipe.runtime == Runtime::Wasm && !recipe.files.is_empty() {
        return Err(wrong(
            "files: a wasm bundle holds its module only; remove them".to_owned(),
        ));
    }
    let config = BundleConfig {
        name: recipe.name,
        version: recipe.version,
        runtime: recipe.runtime,
        entry: recipe.entry,
        description: recipe.description,
    };
    config.check().map_err(wrong)?;
    Ok((config, recipe.files))
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
        Runtime::Wasm | Runtime::Process => Ok(form.media_type),
    }
}

/// A gzipped tar of `paths`, sorted, with one mode, no times and no owners.
fn pack(folder: &Path, paths: &[String], limits: &Limits) -> Result<Vec<u8>, BuildError> {
    let mut files = BTreeMap::new();
    for path in paths {
        collect(folder, &below(path)?, &mut files)?;
    }
    if files.len() > limits.entries {
        return Err(BuildError::Refused {
            path: folder.display().to_string(),
            why: format!("it has more than {} files", limits.entries),
        });
    }
    let gzip = GzBuilder::new()
        .mtime(0)
        .operating_system(NO_OS)
        .write(Vec::new(), Compression::new(LEVEL));
    let mut archive = tar::Builder::new(gzip);
    let mut room = limits.unpacked;
    for (name, path) in &files {
        let content = read(path, room)?;
        room -= content.len() as u64;
        let packed = add(&mut archive, name, &content);
        packed.map_err(|why| BuildError::Refused {
            path: path.display().to_string(),
            why: why.to_string(),
        })?;
    }
    let packed = archive.into_inner().and_then(|gzip| gzip.finish());
    let packed = packed.map_err(|why| BuildError::Io {
        path: folder.display().to_string(),
        why,
    })?;
    if packed.len() as u64 > limits.packed {
        return Err(BuildError::Refused {
            path: folder.display().to_string(),
            why: format!("its files pack to more than {} bytes", limits.packed),
        });
    }
    Ok(packed)
}

fn add(archive: &mut tar::Builder<impl Write>, name: &str, content: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name)?;
    header.set_mode(FILE_MODE);
    header.set_size(content.len() as u64);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    archive.append(&header, content)
}

/// Every regular file at and below `path`, by its name in the archive.
fn collect(
    folder: &Path,
    path: &Path,
    files: &mut BTreeMap<String, PathBuf>,
) -> Result<(), BuildError> {
    let full = folder.join(path);
    let failed = |why| BuildError::Io {
        path: full.display().to_string(),
        why,
    };
    let refuse = |why: &str| BuildError::Refused {
        path: full.display().to_string(),
        why: why.to_owned(),
    };
    let name = path
        .to_str()
        .ok_or_else(|| refuse("its name is not UTF-8"))?;
    entry_path(name.as_bytes()).map_err(refuse)?;
    let about = fs::symlink_metadata(&full).map_err(failed)?;
    if about.is_file() {
        files.insert(name.to_owned(), full);
        return Ok(());
    }
    if !about.is_dir() {
        return Err(refuse("it is neither file nor folder"));
    }
    for entry in fs::read_dir(&full).map_err(failed)? {
        let child = path.join(entry.map_err(failed)?.file_name());
        collect(folder, &child, files)?;
    }
    Ok(())
}

fn below(path: &str) -> Result<PathBuf, BuildError> {
    entry_path(path.as_bytes()).map_err(|why| BuildError::Refused {
        path: path.to_owned(),
        why: why.to_owned(),
    })
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, BuildError> {
    match read_bounded(path, limit) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(BuildError::Refused {
            path: path.display().to_string(),
            why: format!("it is larger than {limit} bytes"),
        }),
        Err(why) => Err(BuildError::Io {
            path: path.display().to_string(),
            why,
        }),
    }
}
