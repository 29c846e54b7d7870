//! `config/memory.yaml`: where each tier of memory is kept on this node, and how much is kept open.

use std::time::Duration;

use serde::Deserialize;

/// The file as it is shipped; a node's own file replaces it as a whole.
const SHIPPED: &str = include_str!("../../../../config/memory.yaml");

/// The settings, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryConfig {
    /// Pools that are open at once at most; the longest unused is closed first.
    pub open_pools: usize,
    /// A pool that was not used for so long is closed.
    pub idle: Duration,
    /// Items a pool holds at most, whatever its own quota says.
    pub max_items: u64,
    /// How long an embedding endpoint may take for one request.
    pub embedding_timeout: Duration,
    /// After a failure an embedding endpoint is left alone for so long.
    pub embedding_pause: Duration,
    /// Texts sent to an embedding endpoint at once.
    pub embedding_batch: usize,
}

/// Why the file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It is not YAML of this form.
    #[error("memory.yaml: {0}")]
    Form(String),
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
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Raw {
    #[serde(rename = "tiers")]
    _tiers: Tiers,
    embedded: Embedded,
    embedding: EmbeddingSettings,
}

// The tiers are read so that a back end this release does not run is refused here, by name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tiers {
    #[serde(rename = "short")]
    _short: Tier,
    #[serde(rename = "long")]
    _long: Tier,
    #[serde(rename = "episodic")]
    _episodic: Tier,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tier {
    #[serde(rename = "backend")]
    _backend: Backend,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Backend {
    Embedded,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Embedded {
    open_pools: u64,
    idle_seconds: u64,
    max_items: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EmbeddingSettings {
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
        let raw: Raw =
            serde_saphyr::from_str(text).map_err(|error| ConfigError::Form(error.to_string()))?;
        let open = within(
            "embedded.openPools",
            raw.embedded.open_pools,
            1,
            4096,
            "1 to 4096",
        )?;
        let batch = within("embedding.batch", raw.embedding.batch, 1, 256, "1 to 256")?;
        Ok(Self {
            open_pools: usize::try_from(open).unwrap_or(usize::MAX),
            idle: seconds("embedded.idleSeconds", raw.embedded.idle_seconds)?,
            max_items: within(
                "embedded.maxItems",
                raw.embedded.max_items,
                1,
                100_000_000,
                "1 to 100000000",
            )?,
            embedding_timeout: seconds("embedding.timeoutSeconds", raw.embedding.timeout_seconds)?,
            embedding_pause: seconds("embedding.pauseSeconds", raw.embedding.pause_seconds)?,
            embedding_batch: usize::try_from(batch).unwrap_or(usize::MAX),
        })
    }

    /// The settings that are shipped.
    ///
    /// # Errors
    /// None in a build whose tests pass: the file is part of the program.
    pub fn shipped() -> Result<Self, ConfigError> {
        Self::parse(SHIPPED)
    }
}

fn within(
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

fn seconds(field: &'static str, value: u64) -> Result<Duration, ConfigError> {
    within(field, value, 1, 3600, "1 to 3600").map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_shipped_file_is_good() {
        assert_eq!(MemoryConfig::shipped().unwrap().open_pools, 64);
    }

    #[test]
    fn a_back_end_this_release_does_not_run_is_refused_by_name() {
        let text = SHIPPED.replacen("backend: embedded", "backend: redis", 1);
        let error = MemoryConfig::parse(&text).unwrap_err().to_string();
        assert!(error.contains("redis"), "{error}");
    }

    #[test]
    fn a_misspelt_or_unbounded_value_is_refused_by_field() {
        let text = SHIPPED.replace("openPools", "openPool");
        assert!(
            MemoryConfig::parse(&text)
                .unwrap_err()
                .to_string()
                .contains("openPool")
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
