//! What can be said after `aionctl bundle`.

use std::path::{Path, PathBuf};

use aion_bundle::{Credentials, Layout, Reference, RegistryAccess};
use clap::{Args, Subcommand};

use crate::{context::Context, failure::Failure};

/// Build, move, sign and check bundles
#[derive(Debug, Subcommand)]
#[command(after_help = "\
A bundle is an agent's code or definition as an OCI artifact, or a container image. A BUNDLE is named by NAME:VERSION or by digest in the layout of this machine, or by HOST/PATH:TAG or HOST/PATH@DIGEST in a registry. Agents refer to bundles by digest only. Signatures are those of Cosign 3.

Examples:
  aionctl bundle build my-agent/
  aionctl bundle keygen me                      makes me.key and me.pub
  aionctl bundle sign my-agent:0.1.0 --key me.key
  aionctl bundle push my-agent:0.1.0 registry.example:5000/team/my-agent:0.1.0
  aionctl bundle verify registry.example:5000/team/my-agent:0.1.0 --key me.pub")]
pub(crate) enum BundleCommand {
    /// Build a bundle, or a container image, from a folder with a bundle.yaml
    Build {
        /// The folder
        folder: PathBuf,
        /// Print only the digest
        #[arg(short, long)]
        quiet: bool,
        #[command(flatten)]
        layout: LayoutArg,
        #[command(flatten)]
        access: AccessArgs,
    },
    /// Copy a bundle and its signatures from this machine's layout to a registry
    Push {
        /// Which bundle of the layout
        bundle: String,
        /// Where to: HOST/PATH[:TAG]
        to: String,
        /// Show no progress
        #[arg(short, long)]
        quiet: bool,
        #[command(flatten)]
        layout: LayoutArg,
        #[command(flatten)]
        access: AccessArgs,
    },
    /// Copy a bundle and its signatures from a registry to this machine's layout
    Pull {
        /// From where: HOST/PATH:TAG or HOST/PATH@DIGEST
        from: String,
        /// Show no progress
        #[arg(short, long)]
        quiet: bool,
        #[command(flatten)]
        layout: LayoutArg,
        #[command(flatten)]
        access: AccessArgs,
    },
    /// Sign a bundle with a key
    Sign {
        /// Which bundle
        bundle: String,
        /// The private key, of `keygen` or of `cosign generate-key-pair`
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        #[command(flatten)]
        layout: LayoutArg,
        #[command(flatten)]
        access: AccessArgs,
    },
    /// Attach a document to a bundle, such as the list of its parts: an artifact that refers to it, and vouches for nothing
    Attach {
        /// Which bundle
        bundle: String,
        /// The document
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
        /// Its media type, e.g. application/spdx+json
        #[arg(long = "type", value_name = "MEDIA-TYPE", value_parser = media_type)]
        kind: String,
        #[command(flatten)]
        layout: LayoutArg,
        #[command(flatten)]
        access: AccessArgs,
    },
    /// Check that a bundle is signed by whom it should be, and attested as it has to be, as a node does
    Verify {
        /// Which bundle
        bundle: String,
        #[command(flatten)]
        signer: SignerArgs,
        #[command(flatten)]
        layout: LayoutArg,
        #[command(flatten)]
        access: AccessArgs,
    },
    /// Show who signed a bundle, what is attested of it, and why a key, an identity or a TrustPolicy lets it in or not
    Inspect {
        /// Which bundle
        bundle: String,
        #[command(flatten)]
        signer: SignerArgs,
        /// How it is shown
        #[arg(short, long, value_enum, default_value_t = Shown::Text)]
        output: Shown,
        #[command(flatten)]
        layout: LayoutArg,
        #[command(flatten)]
        access: AccessArgs,
    },
    /// Sign a file, as `cosign sign-blob --key` does
    SignBlob {
        /// The file
        file: PathBuf,
        /// The private key, of `keygen` or of `cosign generate-key-pair`
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Where the signature goes [default: FILE.sigstore.json]
        #[arg(long, value_name = "FILE")]
        signature: Option<PathBuf>,
    },
    /// Check that a file is signed with a key, as `cosign verify-blob --key` does
    VerifyBlob {
        /// The file
        file: PathBuf,
        /// The public key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Where the signature is [default: FILE.sigstore.json]
        #[arg(long, value_name = "FILE")]
        signature: Option<PathBuf>,
    },
    /// Make a pair of keys: NAME.key (keep it) and NAME.pub (for a TrustPolicy)
    Keygen {
        /// The files' name, without ending
        name: PathBuf,
        /// Keep the private key without a password, readable by its owner only
        #[arg(long)]
        no_password: bool,
    },
}

/// By whom a bundle is to be signed: a key, an identity of a Sigstore, or those of a TrustPolicy, which may ask for more.
#[derive(Debug, Args)]
pub(crate) struct SignerArgs {
    /// The public key
    #[arg(long, value_name = "FILE")]
    pub(super) key: Option<PathBuf>,
    /// TrustPolicies, all of which are taken to be for the bundle, whatever namespaces they select
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "trust_root"])]
    pub(super) policy: Option<PathBuf>,
    /// The trusted_root.json of a Sigstore, for a signature without a key
    #[arg(long, value_name = "FILE", conflicts_with = "key", requires_all = ["issuer", "subject"])]
    pub(super) trust_root: Option<PathBuf>,
    /// Who vouches for the signer: an OIDC issuer; below its host, * stands for anything
    #[arg(long, value_name = "URL", requires = "trust_root")]
    pub(super) issuer: Option<String>,
    /// What the signer is called there; * stands for anything
    #[arg(long, value_name = "TEXT", requires = "trust_root")]
    pub(super) subject: Option<String>,
}

/// How what was found of a bundle is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Shown {
    Text,
    Json,
}

/// Which layout is meant.
#[derive(Debug, Args)]
pub(crate) struct LayoutArg {
    /// The OCI layout [default: the one this machine's node reads]
    #[arg(long, value_name = "FOLDER")]
    layout: Option<PathBuf>,
}

/// How registries are spoken to.
#[derive(Debug, Args)]
pub(crate) struct AccessArgs {
    /// Speak plain HTTP to this registry; registries on this machine need no word
    #[arg(long, value_name = "HOST")]
    insecure: Vec<String>,
    /// Credentials, as `docker login` keeps them [default: ~/.docker/config.json]
    #[arg(long, env = "AION_DOCKER_CONFIG", value_name = "FILE")]
    docker_config: Option<PathBuf>,
}

impl LayoutArg {
    pub(super) fn open(&self, context: &Context) -> Result<Layout, Failure> {
        let root = match &self.layout {
            Some(root) => root.clone(),
            None => context.home()?.bundles(),
        };
        Ok(Layout::at(root))
    }

    pub(super) fn make(&self, context: &Context) -> Result<Layout, Failure> {
        Ok(Layout::create(self.open(context)?.root())?)
    }
}

impl AccessArgs {
    pub(super) fn to(&self, reference: &Reference) -> Result<RegistryAccess, Failure> {
        let home =
            std::env::var_os("HOME").map(|home| Path::new(&home).join(".docker/config.json"));
        let file = self.docker_config.clone().or(home);
        let credentials = match file {
            Some(path) => {
                Credentials::from_docker_config(&path, &reference.host, &reference.repository)
                    .map_err(Failure::new)?
            }
            None => None,
        };
        Ok(RegistryAccess {
            insecure_hosts: self.insecure.clone(),
            offline: offline()?,
            credentials,
        })
    }
}

/// Whether `OFFLINE_MODE` keeps packets on this machine.
fn offline() -> Result<bool, Failure> {
    const NAME: &str = "OFFLINE_MODE";
    let Some(text) = std::env::var_os(NAME) else {
        return Ok(false);
    };
    aion_abi::switch::parse(&text.to_string_lossy()).map_err(|why| {
        Failure::usage(format!("{NAME}: {why}")).remedy(format!("set {NAME} anew, or unset it"))
    })
}

/// As RFC 6838 writes a media type.
fn media_type(text: &str) -> Result<String, String> {
    let is_name = |name: &str| {
        let mut letters = name.bytes();
        (1..=127).contains(&name.len())
            && letters.next().is_some_and(|it| it.is_ascii_alphanumeric())
            && letters.all(|it| it.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&it))
    };
    match text.split_once('/') {
        Some((kind, name)) if is_name(kind) && is_name(name) => Ok(text.to_owned()),
        _ => Err("it is not a media type: say one like application/spdx+json".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::media_type;

    #[test]
    fn a_media_type_has_a_kind_and_a_name() {
        for good in ["application/spdx+json", "application/vnd.cyclonedx+json"] {
            assert_eq!(media_type(good), Ok(good.to_owned()));
        }
        for bad in [
            "",
            "spdx",
            "/json",
            "text/",
            "a/b/c",
            "text/plain; charset=utf-8",
        ] {
            assert!(media_type(bad).is_err(), "{bad}");
        }
    }
}
