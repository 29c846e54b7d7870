//! What a `bundle.yaml` says. What may not enter: the files that it names.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    str::FromStr,
};

use aion_abi::runtime::Runtime;
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    artifact::{
        digest::Digest,
        image::is_user,
        manifest::{BundleConfig, check_words},
        name::BundleName,
        platform::Platform,
    },
    content::build::{BuildError, files::read},
    source::reference::Reference,
};

/// The file that says what a folder holds.
pub const RECIPE: &str = "bundle.yaml";
const MAX_RECIPE: u64 = 64 << 10;
/// Nobody of any list, as images without root have it.
const USER: &str = "65532:65532";
/// Where the files of a process go, and where it works.
pub(crate) const APP: &str = "/app";

/// What a folder is built into.
pub(crate) enum Recipe {
    Bundle {
        config: BundleConfig,
        files: Vec<String>,
    },
    Image(Box<ImageRecipe>),
}

#[derive(Deserialize)]
struct Kind {
    runtime: Runtime,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BundleRecipe {
    name: BundleName,
    version: String,
    runtime: Runtime,
    entry: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    files: Vec<String>,
}

/// The recipe of a container image.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ImageRecipe {
    pub(crate) name: BundleName,
    pub(crate) version: String,
    #[serde(rename = "runtime")]
    _runtime: Runtime,
    #[serde(default)]
    pub(crate) description: Option<String>,
    /// The image that it builds on.
    #[serde(default)]
    pub(crate) base: Option<Base>,
    #[serde(default)]
    pub(crate) files: Vec<String>,
    pub(crate) command: Vec<String>,
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    #[serde(default = "default_user")]
    pub(crate) user: String,
    #[serde(default = "default_working_dir")]
    pub(crate) working_dir: String,
    /// The processor, as images name it.
    #[serde(default)]
    architecture: Option<String>,
}

fn default_user() -> String {
    USER.to_owned()
}

fn default_working_dir() -> String {
    APP.to_owned()
}

/// The image that another one builds on, by digest.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Base {
    /// The digest of its manifest, or of an index.
    pub digest: Digest,
    /// Where it is.
    pub place: BasePlace,
}

/// See [`Base`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BasePlace {
    /// In a registry.
    Registry(Reference),
    /// In the OCI layout of a folder, relative to the recipe's.
    Layout(String),
}

impl FromStr for Base {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(place) = text.strip_prefix("oci:") {
            let (folder, digest) = place.rsplit_once('@').unwrap_or((place, ""));
            return Ok(Self {
                digest: digest.parse().map_err(|why| format!("base: {why}"))?,
                place: BasePlace::Layout(folder.to_owned()),
            });
        }
        let reference: Reference = text.parse().map_err(|why| format!("base: {why}"))?;
        let digest = reference.digest.ok_or_else(|| {
            format!("base: `{reference}` may be another image tomorrow; add @sha256:… to it")
        })?;
        Ok(Self {
            digest,
            place: BasePlace::Registry(reference),
        })
    }
}

impl TryFrom<String> for Base {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl Recipe {
    /// Reads the recipe `path`.
    pub(crate) fn read(path: &Path) -> Result<Self, BuildError> {
        let wrong = |why: String| BuildError::Recipe {
            path: path.display().to_string(),
            why,
        };
        let bytes = read(path, MAX_RECIPE)?;
        let text = std::str::from_utf8(&bytes).map_err(|e| wrong(e.to_string()))?;
        match parse::<Kind>(text).map_err(wrong)?.runtime {
            Runtime::Process => {
                let recipe: ImageRecipe = parse(text).map_err(wrong)?;
                recipe.check().map_err(wrong)?;
                Ok(Self::Image(Box::new(recipe)))
            }
            Runtime::External => Err(wrong(
                "runtime external is no bundle: its program runs elsewhere and registers"
                    .to_owned(),
            )),
            Runtime::Wasm | Runtime::Declarative => {
                parse(text).and_then(Self::bundle).map_err(wrong)
            }
        }
    }

    fn bundle(recipe: BundleRecipe) -> Result<Self, String> {
        if recipe.runtime == Runtime::Wasm && !recipe.files.is_empty() {
            return Err("files: a wasm bundle holds its module only; remove them".to_owned());
        }
        let config = BundleConfig {
            name: recipe.name,
            version: recipe.version,
            runtime: recipe.runtime,
            entry: recipe.entry,
            description: recipe.description,
        };
        config.check()?;
        Ok(Self::Bundle {
            config,
            files: recipe.files,
        })
    }
}

/// How the program of a folder is started: what the recipe's command, variables and files are where the folder itself is
/// `/app`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Its variables.
    pub env: BTreeMap<String, String>,
    /// The files and folders that it is made of.
    pub files: Vec<PathBuf>,
}

/// The program of the recipe in `folder`, where that is one of runtime `process`.
///
/// # Errors
/// Where there is no recipe, or it is wrong.
pub fn program(folder: &Path) -> Result<Option<Program>, BuildError> {
    Ok(match Recipe::read(&folder.join(RECIPE))? {
        Recipe::Image(recipe) => Some(recipe.program(folder)),
        Recipe::Bundle { .. } => None,
    })
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}

impl ImageRecipe {
    /// What it is built for: this machine, unless the recipe says another one.
    pub(crate) fn platform(&self) -> Platform {
        match &self.architecture {
            Some(architecture) => Platform::linux(architecture),
            None => Platform::here(),
        }
    }

    fn program(&self, folder: &Path) -> Program {
        let here = |word: &String| at(folder, word);
        let env = self.env.iter();
        Program {
            command: self.command.iter().map(here).collect(),
            env: env
                .map(|(name, value)| {
                    let parts: Vec<_> = value.split(':').map(|part| at(folder, part)).collect();
                    (name.clone(), parts.join(":"))
                })
                .collect(),
            files: self.files.iter().map(|it| folder.join(it)).collect(),
        }
    }

    fn check(&self) -> Result<(), String> {
        check_words(&self.version, self.description.as_deref())?;
        if self.command.first().is_none_or(String::is_empty) {
            return Err("command: say what is run, as in [python3, /app/main.py]".to_owned());
        }
        if let Some(name) = self.env.keys().find(|it| it.is_empty() || it.contains('=')) {
            return Err(format!("env: `{}` is not a name", name.escape_debug()));
        }
        let words = self
            .command
            .iter()
            .chain(self.env.keys())
            .chain(self.env.values());
        if words.chain([&self.working_dir]).any(|it| it.contains('\0')) {
            return Err("command, env and workingDir hold no zero byte".to_owned());
        }
        if !self.working_dir.starts_with('/') {
            return Err("workingDir: use an absolute path, as in /app".to_owned());
        }
        if !is_user(&self.user) {
            return Err("user: use USER or USER:GROUP, names or numbers".to_owned());
        }
        let plain = |it: &String| it.bytes().all(|b| b.is_ascii_alphanumeric());
        if !self.architecture.as_ref().is_none_or(plain) {
            return Err("architecture: use a word such as amd64 or arm64".to_owned());
        }
        Ok(())
    }
}

/// A path in the image as one of `folder`; any other word as it is.
fn at(folder: &Path, word: &str) -> String {
    match word.strip_prefix(APP) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            format!("{}{rest}", folder.display())
        }
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_program_is_started_from_its_folder_as_in_its_image() {
        let folder = tempfile::tempdir().unwrap();
        let recipe = "name: a\nversion: 1.0.0\nruntime: process\nfiles: [main.py, lib]\n\
            command: [python3, /app/main.py, /application]\nenv: {PYTHONPATH: \"/app/lib:/usr/lib:/app\"}\n";
        std::fs::write(folder.path().join(RECIPE), recipe).unwrap();
        let program = program(folder.path()).unwrap().unwrap();
        let at = folder.path().display();
        let main = format!("{at}/main.py");
        assert_eq!(program.command, ["python3", &main, "/application"]);
        let path = format!("{at}/lib:/usr/lib:{at}");
        assert_eq!(program.env["PYTHONPATH"], path);
        assert_eq!(program.files[1], folder.path().join("lib"));
    }
}
