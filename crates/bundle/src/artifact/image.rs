//! What a container image is: the media types of OCI and of Docker, and its configuration. What may not enter: its
//! layers' content, and what of it is in a registry or in the store.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::artifact::{
    digest::Digest,
    limits::Limits,
    oci::{Descriptor, MANIFEST, Manifest, ManifestError, parse},
    platform::Platform,
};

/// Media type of Docker's image manifest.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Media type of the configuration of an image.
pub const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Media type of a gzipped layer.
pub const IMAGE_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// The label by which an image says which bundle it is.
pub const NAME_LABEL: &str = "dev.aion.bundle.name";

const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
const FOREIGN: [&str; 2] = [
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
];
/// The largest configuration that is read, in bytes. It holds the history of its making.
pub(crate) const MAX_IMAGE_CONFIG: u64 = 1 << 20;
/// Where programs are looked for unless the image says it.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How a layer is packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    /// The media type of OCI for a layer that is packed so.
    pub(crate) fn media_type(self) -> String {
        let packing = match self {
            Self::Plain => "",
            Self::Gzip => "+gzip",
            Self::Zstd => "+zstd",
        };
        format!("{OCI_LAYER}{packing}")
    }

    fn of(layer: &Descriptor) -> Result<Self, ManifestError> {
        let kind = layer.media_type.as_str();
        let refuse = |why| {
            Err(ManifestError::UnsupportedLayer {
                digest: layer.digest,
                media_type: kind.chars().filter(|c| !c.is_control()).take(100).collect(),
                why,
            })
        };
        if kind.ends_with("+encrypted") {
            return refuse("it is encrypted; push the image without encryption");
        }
        if FOREIGN.iter().any(|it| kind.starts_with(it)) {
            return refuse("it is not distributed with its image; push it with its layers");
        }
        match kind
            .strip_prefix(OCI_LAYER)
            .or_else(|| kind.strip_prefix(DOCKER_LAYER))
        {
            Some("") => Ok(Self::Plain),
            Some("+gzip" | ".gzip") => Ok(Self::Gzip),
            Some("+zstd" | ".zstd") => Ok(Self::Zstd),
            _ => refuse("layers are tar, tar+gzip or tar+zstd"),
        }
    }
}

impl Manifest {
    /// An image manifest as OCI has it: no artifact type.
    pub(crate) fn of_image(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        let mut image = Self::new("", config);
        image.artifact_type = None;
        image.layers = layers;
        image
    }

    /// Whether this is a container image rather than another artifact.
    pub(crate) fn is_image(&self) -> bool {
        let config = self.config.media_type.as_str();
        let is_config = |kind: &str| kind == IMAGE_CONFIG || kind == DOCKER_CONFIG;
        is_config(config) && is_config(self.kind())
    }

    /// The layers of an image within `limits`, and how each is packed.
    pub(crate) fn image_layers(
        &self,
        limits: &Limits,
    ) -> Result<Vec<(&Descriptor, Packing)>, ManifestError> {
        self.image_size(limits)?;
        let packed = self.layers.iter().map(|it| Ok((it, Packing::of(it)?)));
        packed.collect()
    }

    /// Whether what the manifest lists, of whatever kind, is no more than an image may have.
    pub(crate) fn image_size(&self, limits: &Limits) -> Result<(), ManifestError> {
        if self.layers.len() > limits.image_layers {
            return Err(ManifestError::TooMany {
                what: "layers",
                limit: limits.image_layers,
            });
        }
        let mut left = limits.image_packed;
        for (blob, most) in self
            .layers
            .iter()
            .map(|it| (it, u64::MAX))
            .chain([(&self.config, MAX_IMAGE_CONFIG)])
        {
            if blob.size > left.min(most) {
                return Err(ManifestError::TooLarge {
                    digest: blob.digest,
                    size: blob.size,
                    limit: left.min(most),
                });
            }
            left -= blob.size;
        }
        Ok(())
    }
}

/// The configuration of an image, as far as it is read.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ImageConfig {
    #[serde(flatten)]
    pub(crate) platform: Platform,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) config: Execution,
    pub(crate) rootfs: RootFs,
}

/// How its program is run.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Execution {
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub(crate) user: String,
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(crate) env: Vec<String>,
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(crate) entrypoint: Vec<String>,
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(crate) cmd: Vec<String>,
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub(crate) working_dir: String,
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub(crate) labels: BTreeMap<String, String>,
}

/// What its layers unpack to.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct RootFs {
    #[serde(rename = "type", default)]
    pub(crate) kind: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) diff_ids: Vec<Digest>,
}

/// Go writes an empty list as null.
fn or_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

impl ImageConfig {
    /// Reads the configuration of an image with so many layers, which has to run on `machine`.
    pub(crate) fn parse(
        bytes: &[u8],
        layers: usize,
        machine: &Platform,
    ) -> Result<Self, ManifestError> {
        let read: Self = parse("image configuration", bytes)?;
        if !machine.runs(&read.platform) {
            return Err(ManifestError::WrongPlatform {
                wanted: machine.text(),
                found: read.platform.text(),
            });
        }
        let refuse = |why: String| Err(ManifestError::Image(why));
        if read.rootfs.diff_ids.len() != layers {
            let ids = read.rootfs.diff_ids.len();
            return refuse(format!("it has {layers} layers and {ids} rootfs.diff_ids"));
        }
        let run = &read.config;
        let words = run.env.iter().chain(&run.entrypoint).chain(&run.cmd);
        if words
            .chain([&run.working_dir, &run.user])
            .any(|it| it.contains('\0'))
        {
            return refuse("a word of its configuration holds a zero byte".to_owned());
        }
        Ok(read)
    }

    /// What its program is run with, in order.
    pub(crate) fn env(&self) -> Result<Vec<(String, String)>, ManifestError> {
        let split = |it: &String| match it.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(ManifestError::Image(format!(
                "Env: `{}` is not NAME=VALUE",
                it.escape_debug()
            ))),
        };
        self.config.env.iter().map(split).collect()
    }

    /// Entrypoint, then Cmd.
    pub(crate) fn command(&self) -> Vec<String> {
        [self.config.entrypoint.as_slice(), &self.config.cmd].concat()
    }

    /// The name that it gives itself.
    pub(crate) fn name(&self) -> Option<&str> {
        self.config.labels.get(NAME_LABEL).map(String::as_str)
    }
}

/// Whether `text` may name a user of an image: `USER` or `USER:GROUP`, names or numbers.
pub(crate) fn is_user(text: &str) -> bool {
    let word = |it: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        !it.is_empty() && !it.starts_with('-') && it.bytes().all(plain)
    };
    let (user, group) = text.split_once(':').unwrap_or((text, "0"));
    word(user) && word(group)
}

/// Whether a manifest of this media type may be an image's.
pub(crate) fn is_manifest(media_type: &str) -> bool {
    [MANIFEST, DOCKER_MANIFEST].contains(&media_type)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use aion_abi::reason::Reason;

    fn image(layers: &[&str]) -> Manifest {
        let layers = layers.iter().map(|kind| Descriptor::of(kind, b"x"));
        Manifest::of_image(Descriptor::of(IMAGE_CONFIG, b"{}"), layers.collect())
    }

    #[test]
    fn layers_of_oci_and_of_docker_are_told_by_their_media_type() {
        let check = |kind: &str, expect: Result<Packing, &str>| {
            let image = image(&[kind]);
            let read = image.image_layers(&Limits::default());
            match (read, expect) {
                (Ok(layers), Ok(packing)) => assert_eq!(layers[0].1, packing, "{kind}"),
                (Err(refused), Err(word)) => {
                    assert_eq!(refused.reason(), Reason::UnsupportedLayer);
                    let words = refused.to_string();
                    assert!(
                        words.contains(word) && words.contains(kind),
                        "`{word}` in: {words}"
                    );
                }
                (read, _) => panic!("{kind}: {read:?}"),
            }
        };
        check("application/vnd.oci.image.layer.v1.tar", Ok(Packing::Plain));
        check(IMAGE_LAYER, Ok(Packing::Gzip));
        check(
            "application/vnd.oci.image.layer.v1.tar+zstd",
            Ok(Packing::Zstd),
        );
        check(
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
            Ok(Packing::Gzip),
        );
        check(
            "application/vnd.docker.image.rootfs.diff.tar",
            Ok(Packing::Plain),
        );
        check(
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            Err("not distributed"),
        );
        check(
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            Err("not distributed"),
        );
        check(
            "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
            Err("encrypted"),
        );
        check("application/vnd.oci.image.layer.v1.tar+xz", Err("tar+zstd"));
        check("application/vnd.in-toto+json", Err("tar+zstd"));
    }

    #[test]
    fn an_image_is_bounded_before_any_of_it_is_fetched() {
        let limits = Limits {
            image_layers: 2,
            image_packed: 5,
            ..Limits::default()
        };
        let refusal = |image: &Manifest| image.image_layers(&limits).unwrap_err().reason();
        assert!(image(&[IMAGE_LAYER; 2]).image_layers(&limits).is_ok());
        assert_eq!(refusal(&image(&[IMAGE_LAYER; 3])), Reason::TooLarge);
        let mut large = image(&[IMAGE_LAYER; 2]);
        large.layers[0].size = 3;
        large.layers[1].size = 3;
        assert_eq!(refusal(&large), Reason::TooLarge);
        large.layers[1].size = u64::MAX;
        assert_eq!(refusal(&large), Reason::TooLarge);
    }

    #[test]
    fn a_configuration_is_read_with_nulls_where_go_writes_them() {
        let text = br#"{"architecture":"amd64","os":"linux","config":{"Env":null,"Cmd":["a"],"Labels":null},
            "rootfs":{"type":"layers","diff_ids":null},"history":[{"x":1}]}"#;
        let machine = Platform::linux("amd64");
        let read = ImageConfig::parse(text, 0, &machine).unwrap();
        assert_eq!(read.command(), ["a"]);
        assert_eq!(read.env().unwrap(), []);
        assert!(ImageConfig::parse(text, 1, &machine).is_err());
        let refused = ImageConfig::parse(text, 0, &Platform::linux("arm64")).unwrap_err();
        assert_eq!(refused.reason(), Reason::WrongArchitecture);
        assert!(refused.to_string().contains("linux/amd64"), "{refused}");
        let bare = br#"{"architecture":"amd64","os":"linux","rootfs":{"diff_ids":[]}}"#;
        assert_eq!(
            ImageConfig::parse(bare, 0, &machine).unwrap().config,
            Execution::default()
        );
    }

    #[test]
    fn an_environment_is_names_with_values() {
        let with = |env: &[&str]| {
            let mut config = ImageConfig::default();
            config.config.env = env.iter().map(|it| (*it).to_owned()).collect();
            config.env()
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            with(&["A=b=c", "D="]).unwrap(),
            [pair("A", "b=c"), pair("D", "")]
        );
        assert!(with(&["A"]).is_err());
        assert!(with(&["=b"]).is_err());
    }
}
