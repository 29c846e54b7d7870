//! How an image that somebody vouches for gets into the store: layer by layer, each fetched and unpacked once a node,
//! then composed. What may not enter: who vouches for it.

use std::{collections::HashSet, fs, io::Read, path::Path, sync::Arc};

use tokio::time::timeout;

use crate::{
    artifact::{
        digest::Digest,
        document::Document,
        image::{DEFAULT_PATH, ImageConfig, MAX_IMAGE_CONFIG, Packing},
        limits::Limits,
        manifest::{Descriptor, Manifest, ManifestError},
        platform::{Platform, Platforms},
    },
    content::{
        admit::{AdmitError, BundleRef, check_own_name},
        archive::{Most, UnpackError},
        image::{
            command::{self, FIRST_LINE, Unfound},
            error::ImageError,
            kept::{self, Kept, ROOTFS},
            layers::{self, Fetching, Layer},
            tree::{self, File, Node, Tree},
            user,
            write::Writer,
        },
        layer::read::Bounds,
        store::{MANIFEST, Store, StoreError, Stored, on},
        vouched::Vouched,
    },
    file::{sync_file_system, write_new},
    source::{
        contract::{Source, read_blob, save_blob},
        within::out_of_time,
    },
};

/// The longest list of users or groups that is read, in bytes.
const MAX_LIST: u64 = 1 << 20;

/// The manifest of an image that was asked for: as such, or by way of an index.
pub(crate) struct Wanted<'a> {
    pub(crate) bundle: &'a BundleRef,
    /// The document that the digest names, which is kept.
    pub(crate) bytes: &'a [u8],
    pub(crate) limits: &'a Limits,
}

/// What an image may still have, of what all of its layers together may.
struct Left {
    bytes: u64,
    entries: usize,
    names: usize,
    limits: Limits,
}

impl Left {
    fn new(limits: &Limits) -> Self {
        Self {
            bytes: limits.image_unpacked,
            entries: limits.image_entries,
            names: Limits::IMAGE_NAMES,
            limits: *limits,
        }
    }

    fn most(&self) -> Most {
        Most {
            bytes: self.bytes,
            ratio: Limits::LAYER_RATIO,
            ratio_from: Limits::LAYER_RATIO_FROM,
        }
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            entries: self.entries,
            names: self.names,
        }
    }

    /// Takes a layer that was here already: it was bounded, but by what another image had left.
    fn take(&mut self, layer: &Layer) -> Result<(), UnpackError> {
        let over = |what, limit| UnpackError::TooLarge { what, limit };
        let bytes = self.bytes.checked_sub(layer.unpacked);
        let entries = self.entries.checked_sub(layer.index.entries.len());
        let names = self.names.checked_sub(layer.index.names);
        let limits = &self.limits;
        self.bytes = bytes.ok_or(over("bytes", limits.image_unpacked))?;
        self.entries = entries.ok_or(over("entries", limits.image_entries as u64))?;
        self.names = names.ok_or(over("bytes of names", Limits::IMAGE_NAMES as u64))?;
        Ok(())
    }
}

impl Store {
    /// The manifest for this machine, of an index that somebody vouches for.
    pub(crate) async fn chosen(
        source: &dyn Source,
        index: &Platforms,
        limits: &Limits,
    ) -> Result<Manifest, AdmitError> {
        let listed = index.choose(&Platform::here())?;
        let bytes = source.manifest_within(&listed.digest, listed.size).await?;
        match Document::parse(&bytes, limits)? {
            Document::Image(manifest) => Ok(manifest),
            Document::Bundle(_) | Document::Index(_) => Err(ManifestError::NotABundle(
                "its index lists something else than images".to_owned(),
            )
            .into()),
        }
    }

    /// Fetches the image of `manifest`, which somebody vouches for, and makes it an entry.
    pub(crate) async fn take_image(
        &self,
        source: &dyn Source,
        wanted: Wanted<'_>,
        manifest: &Manifest,
        vouched: Vouched,
    ) -> Result<Stored, AdmitError> {
        let taken = self
            .take_whole_image(source, wanted, manifest, vouched)
            .await;
        if taken
            .as_ref()
            .is_err_and(|it| it.reason() == aion_abi::reason::Reason::NoSpace)
        {
            // What did come takes no room from others until it is tried again.
            self.blocking(|store| store.prune_layers()).await?;
        }
        taken
    }

    async fn take_whole_image(
        &self,
        source: &dyn Source,
        wanted: Wanted<'_>,
        manifest: &Manifest,
        vouched: Vouched,
    ) -> Result<Stored, AdmitError> {
        let layers = manifest.image_layers(wanted.limits)?;
        let config = read_blob(source, &manifest.config, MAX_IMAGE_CONFIG).await?;
        let config = ImageConfig::parse(&config, layers.len(), &Platform::here())?;
        check_own_name(wanted.bundle, config.name())?;
        let held: Vec<_> = layers
            .iter()
            .map(|(it, _)| self.layers().hold(&it.digest, source.describe()))
            .collect();
        let mut composing = Composing {
            config,
            layers: Vec::new(),
            limits: *wanted.limits,
        };
        let mut left = Left::new(wanted.limits);
        for (at, (blob, packing)) in layers.into_iter().enumerate() {
            let expected = composing.config.rootfs.diff_ids[at];
            let fetching = Arc::clone(&held[at]);
            let layer = self
                .layer(source, blob, packing, (&left, expected), fetching)
                .await?;
            let digest = blob.digest;
            let refuse = |why| ImageError::Layer { layer: digest, why };
            left.take(&layer).map_err(refuse)?;
            composing.layers.push((digest, layer));
        }
        let (bytes, digest) = (wanted.bytes.to_vec(), wanted.bundle.digest);
        self.blocking(move |store| {
            let stored = match store.get(&digest) {
                // Composed of these layers, for another tenant.
                Some(_) => store.settled(&digest, &vouched).map_err(AdmitError::from),
                None => store.compose(composing, &bytes, &digest, &vouched),
            };
            // Until now each layer had to stay.
            drop(held);
            stored
        })
        .await
    }

    /// A layer, fetched and unpacked where it is not here, that unpacks to what `expected` says.
    async fn layer(
        &self,
        source: &dyn Source,
        blob: &Descriptor,
        packing: Packing,
        (left, expected): (&Left, Digest),
        fetching: Arc<Fetching>,
    ) -> Result<Layer, AdmitError> {
        let (digest, size) = (blob.digest, blob.size);
        // Whoever else wants it from there waits for this one, as it would for its own.
        let time = left.limits.time;
        let turn = timeout(time, fetching.lock()).await;
        let _fetching = turn.map_err(|_| out_of_time(source.describe(), time))?;
        let here = move |store: &Self| {
            let layer = store.layers().get(&digest);
            let has = store.layers().has(&digest, store.tenant());
            Ok::<_, StoreError>((layer, has))
        };
        let (here, has) = self.blocking(here).await?;
        let here = match here {
            // Another tenant brought it. Whose source does not say that it has it, too, fetches it, or hears why not.
            Some(layer) if !has => source.has_blob(blob).await.is_ok().then_some(layer),
            here => here,
        };
        let layer = match here {
            Some(layer) => layer,
            None => {
                let begin = move |store: &Self| {
                    // It holds no less unpacked than packed.
                    store.has_room(2 * size)?;
                    store.workspace()
                };
                let workspace = self.blocking(begin).await?;
                let packed = workspace.path().join("packed");
                save_blob(source, blob, &packed, self.room()).await?;
                let bounds = (left.most(), left.bounds());
                let unpack = move |store: &Self| {
                    let file = fs::File::open(&packed).map_err(on("read", &packed))?;
                    let into = workspace.path().join("layer");
                    let layer = layers::unpack(file, packing, &into, bounds, store.room())
                        .map_err(|why| ImageError::Layer { layer: digest, why })?;
                    same(digest, expected, &layer)?;
                    if layer.index.left_out > 0 {
                        let count = layer.index.left_out;
                        tracing::info!(layer = %digest, count, "devices and pipes of a layer are left out");
                    }
                    let settled = store.layers().settle(&into, &digest);
                    settled.map_err(on("keep a layer from", &into))?;
                    Ok::<_, AdmitError>(layer)
                };
                self.blocking(unpack).await?
            }
        };
        same(digest, expected, &layer)?;
        if !has {
            let keep = move |store: &Self| store.layers().keep(&digest, store.tenant());
            self.blocking(move |store| keep(store).map_err(on("keep a tenant in", store.root())))
                .await?;
        }
        Ok(layer)
    }

    /// Composes an image whose layers are here, and makes it the entry `digest`.
    fn compose(
        &self,
        composing: Composing,
        bytes: &[u8],
        digest: &Digest,
        vouched: &Vouched,
    ) -> Result<Stored, AdmitError> {
        let mut tree = Tree::new(tree::Most {
            nodes: composing.limits.image_entries,
            names: Limits::IMAGE_NAMES,
        });
        for (at, (_, layer)) in composing.layers.iter().enumerate() {
            tree.apply(at, &layer.index).map_err(ImageError::Root)?;
        }
        let digests: Vec<_> = composing
            .layers
            .into_iter()
            .map(|(digest, _)| digest)
            .collect();
        let content = |file: &File| {
            self.layers()
                .content(&digests[file.layer], file.content.number)
        };
        let kept = settings(&composing.config, &mut tree, &digests, &content)?;

        let (workspace, folder) = self.begin(&[(MANIFEST, bytes)])?;
        let json = serde_json::to_vec(&kept).map_err(std::io::Error::other);
        let path = folder.join(kept::FILE);
        let written = json.and_then(|json| write_new(&path, &json, 0o444));
        written.map_err(on("write", &path))?;
        self.keep_signatures(&folder, vouched)?;
        let mut writer = Writer::new(
            &content,
            &|from: &Path, to: &Path| fs::hard_link(from, to),
            self.room(),
            composing.limits.image_unpacked,
        );
        let rootfs = folder.join(ROOTFS);
        writer
            .write(tree.root(), &rootfs)
            .map_err(ImageError::Root)?;
        sync_file_system(&folder).map_err(on("sync", &folder))?;
        self.settle(&folder, digest)?;
        drop(workspace);
        self.settled(digest, vouched).map_err(AdmitError::from)
    }

    /// Removes the layers that no image is made of.
    pub(crate) fn prune_layers(&self) -> Result<usize, StoreError> {
        let mut keep = HashSet::new();
        for digest in self.list()? {
            let kept = Kept::read(&self.entry(&digest));
            keep.extend(kept.into_iter().flat_map(|it| it.layers));
        }
        let aside = self.workspace()?;
        let pruned = self.layers().prune(&keep, aside.path());
        let gone = pruned.map_err(on("remove layers of", self.root()))?;
        aside.close().map_err(on("remove layers of", self.root()))?;
        Ok(gone)
    }
}

/// An image whose layers are here.
struct Composing {
    config: ImageConfig,
    layers: Vec<(Digest, Layer)>,
    limits: Limits,
}

fn same(digest: Digest, expected: Digest, layer: &Layer) -> Result<(), ImageError> {
    match layer.diff_id == expected {
        true => Ok(()),
        false => Err(ImageError::OtherLayer {
            layer: digest,
            expected,
            actual: layer.diff_id,
        }),
    }
}

/// How the image is run, if it can be.
fn settings(
    config: &ImageConfig,
    tree: &mut Tree,
    layers: &[Digest],
    content: &dyn Fn(&File) -> std::path::PathBuf,
) -> Result<Kept, AdmitError> {
    let working_dir = match config.config.working_dir.trim_start_matches('/') {
        "" => "/".to_owned(),
        below => format!("/{below}"),
    };
    tree.make_mount_points(&working_dir)
        .map_err(ImageError::Root)?;
    let read = |file: &File, most: u64| -> Result<Vec<u8>, UnpackError> {
        let path = content(file);
        let mut bytes = Vec::new();
        let opened = fs::File::open(&path).map(|it| it.take(most));
        let came = opened.and_then(|mut it| it.read_to_end(&mut bytes));
        came.map(|_| bytes).map_err(UnpackError::at(&path))
    };
    let mut list = |path: &str| -> Result<Vec<u8>, UnpackError> {
        match tree.get(path.as_bytes()) {
            Ok(Some(Node::File(file))) => read(file, MAX_LIST),
            Ok(_) | Err(UnpackError::Unsafe { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    };
    let passwd = list("/etc/passwd").map_err(ImageError::Root)?;
    let group = list("/etc/group").map_err(ImageError::Root)?;
    let user =
        user::find(&config.config.user, &passwd, &group).map_err(ImageError::UserNotFound)?;
    let (env, command) = (config.env()?, config.command());
    let Some(program) = command.first() else {
        return Err(ImageError::NoEntrypoint.into());
    };
    let path = env.iter().rev().find(|(name, _)| name == "PATH");
    let path = path.map_or(DEFAULT_PATH, |(_, value)| value);
    let first_line = |file: &File| read(file, FIRST_LINE as u64);
    command::find(tree, program, path, &working_dir, first_line).map_err(|why| match why {
        Unfound::Missing(why) => ImageError::EntrypointNotFound(why),
        Unfound::Unpack(why) => ImageError::Root(why),
    })?;
    Ok(Kept {
        name: config.name().map(str::to_owned),
        command,
        env,
        working_dir,
        user,
        layers: layers.to_vec(),
    })
}
