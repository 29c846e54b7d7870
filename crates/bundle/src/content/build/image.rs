//! Building a container image: the layers of a base image, and one more with the folder's files. It is an ordinary OCI
//! image that other runtimes run as well.
//!
//! The `bundle.yaml` of one:
//! ```yaml
//! name: clerk
//! version: 0.1.0
//! runtime: process
//! base: registry.example/python@sha256:…   # or oci:FOLDER@sha256:…; without one the files are all there is
//! files: [main.py, lib]                    # put under /app
//! command: [python3, /app/main.py]
//! env: {PYTHONUNBUFFERED: "1"}             # over that of the base
//! user: "65532:65532"                      # that unless it says another one
//! workingDir: /app                         # that unless it says another one
//! architecture: amd64                      # that of this machine unless it says another one
//! description: Answers letters
//! ```

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path};

use crate::{
    artifact::{
        digest::Digest,
        document::Document,
        image::{
            Execution, IMAGE_CONFIG, IMAGE_LAYER, ImageConfig, MAX_IMAGE_CONFIG, NAME_LABEL, RootFs,
        },
        limits::Limits,
        manifest::{Descriptor, Manifest, ManifestError},
        platform::Platform,
    },
    content::build::{
        BuildError, Built,
        archive::Archive,
        files::{Links, collect, on},
        json,
        recipe::{APP, Base, ImageRecipe, RECIPE, Recipe},
        tagged,
    },
    source::{
        contract::{Payload, Source, Target},
        layout::Layout,
        transfer::copy_blobs,
    },
};

const FILE_MODE: u32 = 0o644;
const PROGRAM_MODE: u32 = 0o755;
const OWNER_EXECUTES: u32 = 0o100;

/// The image that the recipe in `folder` builds on, where it does; [`bring`] brings it.
pub fn base(folder: &Path) -> Result<Option<Base>, BuildError> {
    Ok(match Recipe::read(&folder.join(RECIPE))? {
        Recipe::Image(recipe) => recipe.base.clone(),
        Recipe::Bundle { .. } => None,
    })
}

/// Brings the image that the recipe in `folder` builds on from `source` to `layout`, of an index the one for the
/// recipe's processor alone. What is there already is not fetched; `begins` is told each blob before it is.
pub async fn bring(
    folder: &Path,
    source: &dyn Source,
    layout: &Layout,
    begins: &(dyn Fn(&Descriptor) + Sync),
) -> Result<(), BuildError> {
    let Recipe::Image(recipe) = Recipe::read(&folder.join(RECIPE))? else {
        return Ok(());
    };
    let Some(base) = &recipe.base else {
        return Ok(());
    };
    if brought(layout, base, &recipe.platform()).is_ok_and(|it| layout.has(&it)) {
        return Ok(());
    }
    let refuse = |why| BuildError::Base {
        digest: base.digest,
        why,
    };
    let bytes = source.manifest(&base.digest).await?;
    let manifest = match Document::parse(&bytes, &Limits::default()).map_err(refuse)? {
        Document::Index(index) => {
            let listed = index.choose(&recipe.platform()).map_err(refuse)?;
            let bytes = source.manifest_within(&listed.digest, listed.size).await?;
            layout.put_listed(&bytes).await?;
            Manifest::parse(&bytes).map_err(refuse)?
        }
        Document::Bundle(manifest) | Document::Image(manifest) => manifest,
    };
    manifest.image_layers(&Limits::default()).map_err(refuse)?;
    copy_blobs(source, layout, &manifest, begins).await?;
    Ok(layout.put_listed(&bytes).await?)
}

/// The manifest of a base that was brought to `layout`.
fn brought(layout: &Layout, base: &Base, platform: &Platform) -> Result<Manifest, BuildError> {
    let refuse = |why| BuildError::Base {
        digest: base.digest,
        why,
    };
    let read = |digest: &Digest| -> Result<Document, BuildError> {
        let bytes = layout.manifest_bytes(digest)?;
        Document::parse(&bytes, &Limits::default()).map_err(refuse)
    };
    let document = match read(&base.digest)? {
        Document::Index(index) => read(&index.choose(platform).map_err(refuse)?.digest)?,
        other => other,
    };
    match document {
        Document::Image(manifest) => Ok(manifest),
        Document::Bundle(_) | Document::Index(_) => Err(refuse(ManifestError::NotABundle(
            "a base is a container image".to_owned(),
        ))),
    }
}

/// Builds the image of `recipe` into `layout`.
pub(crate) fn build(
    folder: &Path,
    recipe: &ImageRecipe,
    layout: &Layout,
) -> Result<Built, BuildError> {
    let platform = recipe.platform();
    let (mut config, mut layers) = match &recipe.base {
        Some(base) => inherited(layout, base, &platform)?,
        None => (
            ImageConfig {
                platform,
                config: Execution::default(),
                rootfs: RootFs::default(),
            },
            Vec::new(),
        ),
    };
    if !recipe.files.is_empty() {
        let (layer, unpacked) = pack(folder, &recipe.files, layout)?;
        layers.push(layer);
        config.rootfs.diff_ids.push(unpacked);
    }
    "layers".clone_into(&mut config.rootfs.kind);
    execution(&mut config.config, recipe);
    let bytes = json(&config)?;
    let config = Descriptor::of(IMAGE_CONFIG, &bytes);
    layout.add_blob(&config, Payload::Bytes(&bytes))?;
    let manifest = Manifest::of_image(config, layers);
    manifest
        .image_layers(&Limits::default())
        .map_err(|why| BuildError::Refused {
            path: folder.display().to_string(),
            why: why.to_string(),
        })?;
    tagged(&manifest, &recipe.name, &recipe.version, layout)
}

/// What the base gives: how it is run, and its layers under OCI's media types, whose bytes are those of Docker's.
fn inherited(
    layout: &Layout,
    base: &Base,
    platform: &Platform,
) -> Result<(ImageConfig, Vec<Descriptor>), BuildError> {
    let refuse = |why| BuildError::Base {
        digest: base.digest,
        why,
    };
    let manifest = brought(layout, base, platform)?;
    let bytes = layout.blob_bytes(&manifest.config, MAX_IMAGE_CONFIG)?;
    let layers = manifest.image_layers(&Limits::default()).map_err(refuse)?;
    let config = ImageConfig::parse(&bytes, layers.len(), platform).map_err(refuse)?;
    let renamed = layers
        .into_iter()
        .map(|(layer, packing)| Descriptor::sized(&packing.media_type(), layer.digest, layer.size));
    Ok((config, renamed.collect()))
}

/// How the program is run: as the recipe says, over what the base says.
fn execution(run: &mut Execution, recipe: &ImageRecipe) {
    let ours = |it: &String| {
        it.split('=')
            .next()
            .is_some_and(|name| recipe.env.contains_key(name))
    };
    run.env.retain(|it| !ours(it));
    let env = recipe
        .env
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    run.env.extend(env);
    run.entrypoint.clone_from(&recipe.command);
    run.cmd.clear();
    run.user.clone_from(&recipe.user);
    run.working_dir.clone_from(&recipe.working_dir);
    // What the base says of itself is not true of this one.
    run.labels
        .retain(|name, _| !name.starts_with("org.opencontainers.image."));
    let mut label = |name: &str, value: &str| run.labels.insert(name.to_owned(), value.to_owned());
    label(NAME_LABEL, recipe.name.as_str());
    label("org.opencontainers.image.title", recipe.name.as_str());
    label("org.opencontainers.image.version", &recipe.version);
    if let Some(description) = &recipe.description {
        label("org.opencontainers.image.description", description);
    }
}

/// A layer with `paths` below [`APP`], in `layout`, and what it unpacks to.
fn pack(
    folder: &Path,
    paths: &[String],
    layout: &Layout,
) -> Result<(Descriptor, Digest), BuildError> {
    let limits = Limits::default();
    let files = collect(folder, paths, Links::Kept)?;
    let app = APP.trim_start_matches('/');
    let mut folders = BTreeSet::from([app.to_owned()]);
    for name in files.keys() {
        let parents = Path::new(name).ancestors().skip(1).filter_map(Path::to_str);
        folders.extend(
            parents
                .filter(|it| !it.is_empty())
                .map(|it| format!("{app}/{it}")),
        );
    }
    let refuse = |path: &Path, why: String| BuildError::Refused {
        path: path.display().to_string(),
        why,
    };
    if files.len() + folders.len() > limits.image_entries {
        let why = format!("it has more than {} files", limits.image_entries);
        return Err(refuse(folder, why));
    }
    let to = tempfile::NamedTempFile::new_in(layout.root()).map_err(on(layout.root()))?;
    let mut archive = Archive::new(to);
    for name in folders {
        let added = archive.folder(&name, PROGRAM_MODE);
        added.map_err(|why| refuse(Path::new(&name), why.to_string()))?;
    }
    let mut room = limits.image_unpacked;
    for (name, path) in &files {
        let name = format!("{app}/{name}");
        let about = fs::symlink_metadata(path).map_err(on(path))?;
        if about.is_symlink() {
            let target = fs::read_link(path).map_err(on(path))?;
            let added = archive.symlink(&name, &target);
            added.map_err(|why| refuse(path, why.to_string()))?;
            continue;
        }
        room = room.checked_sub(about.len()).ok_or_else(|| {
            refuse(
                folder,
                format!("it has more than {} bytes", limits.image_unpacked),
            )
        })?;
        let mode = match about.permissions().mode() & OWNER_EXECUTES {
            0 => FILE_MODE,
            _ => PROGRAM_MODE,
        };
        let content = fs::File::open(path).map_err(on(path))?;
        let added = archive.file(&name, mode, about.len(), Exactly::of(content, about.len()));
        added.map_err(|why| refuse(path, why.to_string()))?;
    }
    let written = archive.finish().map_err(on(layout.root()))?;
    let layer = Descriptor::sized(IMAGE_LAYER, written.digest, written.size);
    layout.add_blob(&layer, Payload::File(written.to.path()))?;
    Ok((layer, written.unpacked))
}

/// As many bytes as a file had when it was looked at: one that changes meanwhile would break the archive.
struct Exactly {
    from: fs::File,
    left: u64,
}

impl Exactly {
    fn of(from: fs::File, left: u64) -> Self {
        Self { from, left }
    }
}

impl std::io::Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let n = self.from.read(&mut buffer[..most])?;
        self.left -= n as u64;
        match n == 0 && most > 0 {
            true => Err(std::io::Error::other("it became shorter while it was read")),
            false => Ok(n),
        }
    }
}
