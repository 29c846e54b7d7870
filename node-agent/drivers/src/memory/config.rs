//! `config/memory.yaml`: where each tier of memory is kept on this node, and the settings of its back ends.
//!
//! A back end runs where the file has a section of its name; the section is its own to read. What may not
//! enter: a setting that only one back end has.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aion_abi::problem::Problem;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{
    BACKENDS,
    backend::{Means, Settings},
    tiers::{PerTier, TieredMemory},
};

/// The file as it is shipped; a node's own file replaces it as a whole.
pub(super) const SHIPPED: &str = include_str!("../../../../config/memory.yaml");

/// The settings, checked.
#[derive(Clone, Debug)]
pub struct MemoryConfig {
    tiers: PerTier<&'static str>,
    backends: BTreeMap<&'static str, Arc<dyn Settings>>,
    embedding: EmbeddingConfig,
}

/// How embedding endpoints are asked, whatever back end asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddingConfig {
    /// How long an endpoint may take for one request.
    pub timeout: Duration,
    /// After a failure an endpoint is left alone for so long.
    pub pause: Duration,
    /// Texts sent to an endpoint at once.
    pub batch: usize,
}

/// Why the file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It is not YAML of this form.
    #[error("memory.yaml: {0}")]
    Form(String),
    /// A section is not of its form.
    #[error("memory.yaml: {section}: {why}")]
    Section {
        /// Which.
        section: String,
        /// Why not.
        why: String,
    },
    /// A value is out of its bounds.
    #[error("memory.yaml: {field} is {value}, and must be {bounds}")]
    Bound {
        /// Dotted path.
        field: &'static str,
        /// What it says.
        value: u64,
        /// What it may say.
        bounds: &'static str,
    },
    /// A section is missing.
    #[error("memory.yaml: the section {section} is missing: copy it from the shipped file")]
    Missing {
        /// Which.
        section: &'static str,
    },
    /// A section is nobody's.
    #[error(
        "memory.yaml: {section} is neither tiers, embedding nor a memory back end of this build ({known}): correct or remove it"
    )]
    Unknown {
        /// Which.
        section: String,
        /// The back ends of this build.
        known: String,
    },
    /// A tier names a back end that cannot be had.
    #[error(
        "memory.yaml: tiers.{tier}.backend is {backend}, which this build of AION-OS does not have: write one of {known}"
    )]
    NotBuilt {
        /// The tier.
        tier: &'static str,
        /// What it names.
        backend: String,
        /// The back ends of this build.
        known: String,
    },
    /// A tier names a back end without settings.
    #[error(
        "memory.yaml: tiers.{tier}.backend is {backend}, whose settings are missing: add a section {backend}"
    )]
    NotSet {
        /// The tier.
        tier: &'static str,
        /// What it names.
        backend: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tier {
    backend: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Embedding {
    timeout_seconds: u64,
    pause_seconds: u64,
    batch: u64,
}

impl MemoryConfig {
    /// Reads the text of a `memory.yaml`.
    ///
    /// # Errors
    /// [`ConfigError`], which names the field.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut file: Map<String, Value> =
            serde_saphyr::from_str(text).map_err(|error| ConfigError::Form(error.to_string()))?;
        let mut take = |section| file.remove(section).ok_or(ConfigError::Missing { section });
        let (tiers, embedding) = (take("tiers")?, take("embedding")?);
        let mut backends = BTreeMap::new();
        for (section, settings) in file {
            let Some(backend) = BACKENDS.iter().find(|it| it.name() == section) else {
                let known = known();
                return Err(ConfigError::Unknown { section, known });
            };
            backends.insert(backend.name(), backend.read(settings)?);
        }
        let tiers: PerTier<Tier> = section("tiers", tiers)?;
        let tiers = tiers.try_map(|tier, Tier { backend: named }| {
            let tier = tier.as_str();
            let Some(built) = BACKENDS.iter().find(|it| it.name() == named) else {
                let (backend, known) = (named, known());
                return Err(ConfigError::NotBuilt {
                    tier,
                    backend,
                    known,
                });
            };
            let backend = built.name();
            match backends.contains_key(backend) {
                true => Ok(backend),
                false => Err(ConfigError::NotSet { tier, backend }),
            }
        })?;
        let embedding = EmbeddingConfig::read(embedding)?;
        Ok(Self {
            tiers,
            backends,
            embedding,
        })
    }

    /// The settings that are shipped.
    ///
    /// # Errors
    /// None in a build whose tests pass: the file is part of the program.
    pub fn shipped() -> Result<Self, ConfigError> {
        Self::parse(SHIPPED)
    }

    /// Opens every back end. Blocks on the disk.
    ///
    /// # Errors
    /// Those of the back end that cannot be opened.
    pub fn open(&self, means: &Means) -> Result<TieredMemory, Problem> {
        let mut opened = BTreeMap::new();
        for (name, settings) in &self.backends {
            opened.insert(*name, settings.open(means, &self.embedding)?);
        }
        Ok(TieredMemory::new(opened, self.tiers.clone()))
    }
}

impl EmbeddingConfig {
    pub(super) fn read(settings: Value) -> Result<Self, ConfigError> {
        let raw: Embedding = section("embedding", settings)?;
        let batch = within("embedding.batch", raw.batch, 1, 256, "1 to 256")?;
        Ok(Self {
            timeout: seconds("embedding.timeoutSeconds", raw.timeout_seconds)?,
            pause: seconds("embedding.pauseSeconds", raw.pause_seconds)?,
            batch: usize::try_from(batch).unwrap_or(usize::MAX),
        })
    }
}

fn known() -> String {
    let names: Vec<_> = BACKENDS.iter().map(|it| it.name()).collect();
    names.join(", ")
}

/// A section in its form.
pub(super) fn section<T: DeserializeOwned>(name: &str, settings: Value) -> Result<T, ConfigError> {
    serde_json::from_value(settings).map_err(|error| ConfigError::Section {
        section: name.to_owned(),
        why: error.to_string(),
    })
}

pub(super) fn within(
    field: &'static str,
    value: u64,
    least: u64,
    most: u64,
    bounds: &'static str,
) -> Result<u64, ConfigError> {
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(ConfigError::Bound {
            field,
            value,
            bounds,
        })
    }
}

pub(super) fn seconds(field: &'static str, value: u64) -> Result<Duration, ConfigError> {
    within(field, value, 1, 3600, "1 to 3600").map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refusal(text: &str) -> String {
        MemoryConfig::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn the_shipped_file_is_good() {
        let shipped = MemoryConfig::shipped().unwrap();
        assert_eq!(shipped.tiers.long, "embedded");
        assert_eq!(shipped.embedding.batch, 32);
    }

    #[test]
    fn a_back_end_this_build_does_not_have_is_refused_by_name_with_what_to_do() {
        for tier in ["short", "long", "episodic"] {
            let text = SHIPPED.replace(
                &format!("{tier}: {{backend: embedded}}"),
                &format!("{tier}: {{backend: redis}}"),
            );
            let said = refusal(&text);
            assert!(
                said.contains(&format!("tiers.{tier}.backend is redis")),
                "{said}"
            );
            assert!(said.contains("write one of embedded"), "{said}");
        }
        let said = refusal(&format!("{SHIPPED}qdrant: {{url: a}}\n"));
        assert!(said.contains("qdrant is neither"), "{said}");
    }

    #[test]
    fn a_tier_in_a_back_end_without_settings_is_refused() {
        let text = SHIPPED.replacen("backend: embedded", "backend: fake", 1);
        let said = refusal(&text);
        assert!(said.contains("add a section fake"), "{said}");
    }

    #[test]
    fn a_section_or_a_tier_that_is_missing_is_refused() {
        let said = refusal(&SHIPPED.replace("embedding:", "embeddings:"));
        assert!(said.contains("embedding is missing"), "{said}");
        let said = refusal(&SHIPPED.replace("  long:", "  lang:"));
        assert!(said.contains("lang"), "{said}");
    }

    #[test]
    fn a_misspelt_or_unbounded_value_is_refused_by_field() {
        let said = refusal(&SHIPPED.replace("openPools", "openPool"));
        assert!(
            said.contains("embedded") && said.contains("openPool"),
            "{said}"
        );
        let text = SHIPPED.replace("openPools: 64", "openPools: 0");
        assert!(matches!(
            MemoryConfig::parse(&text),
            Err(ConfigError::Bound {
                field: "embedded.openPools",
                ..
            })
        ));
    }
}
