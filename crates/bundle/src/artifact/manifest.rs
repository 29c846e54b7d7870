//! What a bundle is: its media types, its layers and its configuration.
//!
//! A bundle is an OCI image manifest whose artifact type and configuration
//! media type are [`BUNDLE`]. Its first layer is the program (a WASM module or
//! the definition of a declarative agent); a declarative bundle may have a
//! second one, an archive with prompts and skills.

use aion_abi::runtime::Runtime;
use serde::{Deserialize, Serialize};

pub use crate::artifact::oci::{
    Descriptor, INDEX, Index, MANIFEST, MAX_MANIFEST, Manifest, ManifestError, SIGSTORE_BUNDLE,
};
use crate::artifact::{entry_path::entry_path, limits::Limits, name::BundleName, oci::parse};

/// Artifact type of a bundle and media type of its configuration.
pub const BUNDLE: &str = "application/vnd.aion.bundle.v1+json";
/// Media type of a WASM module.
pub const WASM: &str = "application/wasm";
/// Media type of the definition of a declarative agent.
pub const DEFINITION: &str = "application/vnd.aion.agent.definition.v1+yaml";
/// Media type of the archive with prompts and skills.
pub const FILES: &str = "application/vnd.aion.bundle.files.v1.tar+gzip";
/// The largest bundle configuration that is read, in bytes.
pub const MAX_CONFIG: u64 = 64 << 10;

const MAX_VERSION: usize = 64;
const MAX_DESCRIPTION: usize = 500;

/// What the program of a bundle is in a registry, and in a store.
pub(crate) struct Program {
    /// Media type of the program layer.
    pub(crate) media_type: &'static str,
    /// The program's file in the entry of a store.
    pub(crate) file: &'static str,
}

/// The program of a bundle for `runtime`, or why there is none.
pub(crate) fn program(runtime: Runtime) -> Result<Program, String> {
    let (media_type, file) = match runtime {
        Runtime::Wasm => (WASM, "module.wasm"),
        Runtime::Declarative => (DEFINITION, "agent.yaml"),
        Runtime::Process => {
            return Err("runtime process runs container images, and this is not one".to_owned());
        }
        Runtime::External => {
            return Err("runtime external runs elsewhere, and has no bundle".to_owned());
        }
    };
    Ok(Program { media_type, file })
}

/// The configuration of a bundle: what it says of itself, signed with it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BundleConfig {
    /// The name; has to be the one under which the bundle is asked for.
    pub name: BundleName,
    /// The version, for people; the digest is what identifies.
    pub version: String,
    /// What runs it.
    pub runtime: Runtime,
    /// The file that was built in as the program, relative to the directory
    /// the bundle was built from.
    pub entry: String,
    /// One line for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl Manifest {
    /// The program layer and the layer with files of a bundle within `limits`.
    pub fn bundle_layers(
        &self,
        limits: &Limits,
    ) -> Result<(&Descriptor, Option<&Descriptor>), ManifestError> {
        let refuse = |why: String| Err(ManifestError::NotABundle(why));
        if self.kind() != BUNDLE || self.config.media_type != BUNDLE {
            return refuse(format!("its artifact type is `{}`", self.kind()));
        }
        let (program, files) = match self.layers.as_slice() {
            [program] if [WASM, DEFINITION].contains(&program.media_type.as_str()) => {
                (program, None)
            }
            [program, files] if program.media_type == DEFINITION && files.media_type == FILES => {
                (program, Some(files))
            }
            layers => {
                let kinds: Vec<_> = layers.iter().map(|l| l.media_type.as_str()).collect();
                return refuse(format!("its layers are [{}]", kinds.join(", ")));
            }
        };
        within(&self.config, MAX_CONFIG)?;
        within(program, limits.program)?;
        files.map_or(Ok(()), |files| within(files, limits.packed))?;
        Ok((program, files))
    }
}

fn within(blob: &Descriptor, limit: u64) -> Result<(), ManifestError> {
    if blob.size <= limit {
        return Ok(());
    }
    Err(ManifestError::TooLarge {
        digest: blob.digest,
        size: blob.size,
        limit,
    })
}

impl BundleConfig {
    /// Reads the configuration of a bundle whose program layer is `program`.
    pub fn parse(bytes: &[u8], program: &Descriptor) -> Result<Self, ManifestError> {
        let config: Self = parse("bundle configuration", bytes)?;
        let form = self::program(config.runtime).map_err(ManifestError::NotABundle)?;
        if form.media_type != program.media_type {
            return Err(ManifestError::NotABundle(format!(
                "runtime {} with a program of type `{}`",
                config.runtime.as_str(),
                program.media_type
            )));
        }
        config.check().map_err(ManifestError::NotABundle)?;
        Ok(config)
    }

    /// Whether what people will see is fit to be shown.
    pub(crate) fn check(&self) -> Result<(), String> {
        check_words(&self.version, self.description.as_deref())?;
        match entry_path(self.entry.as_bytes()) {
            Ok(_) => Ok(()),
            Err(why) => Err(format!("entry: {why}")),
        }
    }
}

/// Whether the version and the description of something are fit to be shown.
pub(crate) fn check_words(version: &str, description: Option<&str>) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._+-".contains(&b);
    let version = version.as_bytes();
    if version.is_empty() || version.len() > MAX_VERSION || !version.iter().all(|b| plain(*b)) {
        return Err(format!(
            "version: use 1 to {MAX_VERSION} letters, digits, `.`, `_`, `+` or `-`"
        ));
    }
    let description = description.unwrap_or_default();
    if description.len() > MAX_DESCRIPTION || description.chars().any(char::is_control) {
        return Err(format!(
            "description: use one line of at most {MAX_DESCRIPTION} bytes"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use aion_abi::reason::Reason;

    fn bundle(layers: &[&str]) -> Manifest {
        let mut manifest = Manifest::new(BUNDLE, Descriptor::of(BUNDLE, b"{}"));
        manifest.layers = layers.iter().map(|t| Descriptor::of(t, b"x")).collect();
        manifest
    }

    #[test]
    fn only_the_layers_of_a_bundle_are_accepted() {
        let check = |layers: &[&str], expect: bool| {
            assert_eq!(
                bundle(layers).bundle_layers(&Limits::default()).is_ok(),
                expect,
                "{layers:?}"
            );
        };
        check(&[WASM], true);
        check(&[DEFINITION], true);
        check(&[DEFINITION, FILES], true);
        check(&[], false);
        check(&[FILES], false);
        check(&[WASM, FILES], false);
        check(&[DEFINITION, DEFINITION], false);
        check(&[DEFINITION, FILES, FILES], false);
        check(&["application/vnd.oci.image.layer.v1.tar+gzip"], false);
    }

    #[test]
    fn an_image_is_not_a_bundle() {
        let limits = Limits::default();
        let refusal = |m: &Manifest| m.bundle_layers(&limits).unwrap_err().reason();
        let mut image = bundle(&[WASM]);
        image.artifact_type = None;
        image.config.media_type = "application/vnd.oci.image.config.v1+json".into();
        assert_eq!(refusal(&image), Reason::NotABundle);
        let mut large = bundle(&[WASM]);
        large.config.size = MAX_CONFIG + 1;
        assert_eq!(refusal(&large), Reason::TooLarge);
        let mut large = bundle(&[DEFINITION, FILES]);
        large.layers[1].size = limits.packed + 1;
        assert_eq!(refusal(&large), Reason::TooLarge);
    }

    #[test]
    fn a_configuration_has_to_fit_its_program() {
        let json = br#"{"name":"a","version":"1","runtime":"wasm","entry":"a.wasm"}"#;
        let wasm = Descriptor::of(WASM, b"");
        assert!(BundleConfig::parse(json, &wasm).is_ok());
        let definition = Descriptor::of(DEFINITION, b"");
        assert!(BundleConfig::parse(json, &definition).is_err());
        let process = br#"{"name":"a","version":"1","runtime":"process","entry":"a.wasm"}"#;
        let refused = BundleConfig::parse(process, &wasm).unwrap_err().to_string();
        assert!(refused.contains("container images"), "{refused}");
        let unknown = br#"{"name":"a","version":"1","runtime":"wasm","entry":"a","x":1}"#;
        assert!(BundleConfig::parse(unknown, &wasm).is_err());
    }
}
