//! Where this node gets bundles: its own configuration, so that the same Agent
//! serves on every node.
//!
//! ```yaml
//! sources:                       # tried in this order
//! - layout: /var/lib/aion/bundles
//! - match: acme/*
//!   registry: registry.acme.example/agents
//! insecureHosts: [registry.lab:5000]
//! dockerConfig: /etc/aion/docker.json
//! ```

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    artifact::{
        digest::Digest,
        manifest::Descriptor,
        name::{BundleName, NamePattern},
    },
    source::{
        contract::{Answer, Source},
        credentials::{Credentials, CredentialsError},
        failure::SourceError,
        layout::Layout,
        reference::{NotAReference, Reference},
        registry::{Registry, RegistryAccess},
        sink::Sink,
    },
};

/// The configuration. A bundle `name` of a registry rule is looked for in the
/// repository `<registry>/<name>`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Sources {
    /// The places, in the order they are tried.
    pub sources: Vec<SourceRule>,
    /// Registries (`host` or `host:port`) spoken to in plain HTTP beside those
    /// of this machine.
    pub insecure_hosts: Vec<String>,
    /// A docker config file with credentials.
    pub docker_config: Option<PathBuf>,
}

/// One place, for the bundles whose names match.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "RawRule", into = "RawRule")]
pub struct SourceRule {
    /// Which bundles.
    pub bundles: NamePattern,
    /// Where.
    pub place: Place,
}

/// A place bundles come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// A registry, with or without a path: `host[:port][/path]`.
    Registry(String),
    /// The folder of an OCI layout.
    Layout(PathBuf),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawRule {
    #[serde(rename = "match", default = "NamePattern::any")]
    bundles: NamePattern,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registry: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    layout: Option<PathBuf>,
}

/// A rule that names no place, or two, or one that is no address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RuleError {
    /// Not exactly one of the two.
    #[error("a source needs either `registry` or `layout`")]
    OnePlace,
    /// Not an address.
    #[error("registry: {0}")]
    Registry(#[from] NotAReference),
}

impl TryFrom<RawRule> for SourceRule {
    type Error = RuleError;

    fn try_from(raw: RawRule) -> Result<Self, RuleError> {
        let place = match (raw.registry, raw.layout) {
            (Some(registry), None) => {
                Reference::prefix(&registry)?;
                Place::Registry(registry)
            }
            (None, Some(layout)) => Place::Layout(layout),
            _ => return Err(RuleError::OnePlace),
        };
        Ok(Self {
            bundles: raw.bundles,
            place,
        })
    }
}

impl From<SourceRule> for RawRule {
    fn from(rule: SourceRule) -> Self {
        let (registry, layout) = match rule.place {
            Place::Registry(registry) => (Some(registry), None),
            Place::Layout(layout) => (None, Some(layout)),
        };
        Self {
            bundles: rule.bundles,
            registry,
            layout,
        }
    }
}

/// Why no source could be made.
#[derive(Debug, Error)]
pub enum SourcesError {
    /// No rule matches.
    #[error("no source is configured for bundle `{0}`; add one to the node's `sources`")]
    NoSource(BundleName),
    /// The credentials cannot be read.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The registry's address is wrong.
    #[error(transparent)]
    Registry(#[from] NotAReference),
}

impl Sources {
    /// The places for `name`, as one source. Offline, registries that are not
    /// on this machine are left out and named when nothing else has the bundle.
    pub fn open(&self, name: &BundleName, offline: bool) -> Result<Mirrors, SourcesError> {
        let mut mirrors = Mirrors::default();
        for rule in self.sources.iter().filter(|r| r.bundles.matches(name)) {
            match &rule.place {
                Place::Layout(root) => mirrors.add(Ok(Layout::at(root))),
                Place::Registry(prefix) => {
                    let reference = Reference::prefix(prefix)?.join(name.as_str());
                    let access = self.access(&reference.host, offline)?;
                    mirrors.add(Registry::new(&reference, &access));
                }
            }
        }
        if mirrors.open.is_empty() && mirrors.shut.is_empty() {
            return Err(SourcesError::NoSource(name.clone()));
        }
        Ok(mirrors)
    }

    /// How the registry `host` is spoken to.
    pub fn access(&self, host: &str, offline: bool) -> Result<RegistryAccess, CredentialsError> {
        let credentials = match &self.docker_config {
            Some(path) => Credentials::from_docker_config(path, host)?,
            None => None,
        };
        Ok(RegistryAccess {
            insecure_hosts: self.insecure_hosts.clone(),
            offline,
            credentials,
        })
    }
}

/// Several sources as one: the first that has something gives it.
#[derive(Default)]
pub struct Mirrors {
    open: Vec<Box<dyn Source>>,
    shut: Vec<SourceError>,
}

impl Mirrors {
    /// Adds a source after the others, or why it is not to be had.
    pub fn add<S: Source + 'static>(&mut self, source: Result<S, SourceError>) {
        match source {
            Ok(source) => self.open.push(Box::new(source)),
            Err(why) => self.shut.push(why),
        }
    }

    /// The failure that tells most: that one place lacks a thing says nothing
    /// where another could not be asked.
    fn telling(&self, failures: Vec<SourceError>) -> SourceError {
        let shut = self.shut.iter().map(|e| match e {
            SourceError::Offline { at } => SourceError::Offline { at: at.clone() },
            other => SourceError::Unreachable {
                at: "a source".to_owned(),
                why: other.to_string(),
            },
        });
        let mut all: Vec<_> = failures.into_iter().chain(shut).collect();
        let lacks = |e: &SourceError| matches!(e, SourceError::NotFound { .. });
        let at = all.iter().position(|e| !lacks(e)).unwrap_or(0);
        if all.is_empty() {
            return SourceError::NotFound {
                what: "the bundle".to_owned(),
                at: self.describe(),
            };
        }
        all.swap_remove(at)
    }
}

impl Source for Mirrors {
    fn describe(&self) -> String {
        let all: Vec<_> = self.open.iter().map(|s| s.describe()).collect();
        match all.as_slice() {
            [] => "no source".to_owned(),
            some => some.join(", "),
        }
    }

    fn manifest<'a>(&'a self, digest: &'a Digest) -> Answer<'a, Vec<u8>> {
        Box::pin(async move {
            let mut failures = Vec::new();
            for source in &self.open {
                match source.manifest(digest).await {
                    Ok(bytes) => return Ok(bytes),
                    Err(e) => failures.push(e),
                }
            }
            Err(self.telling(failures))
        })
    }

    fn blob<'a>(&'a self, sink: &'a mut Sink) -> Answer<'a, ()> {
        Box::pin(async move {
            let mut failures = Vec::new();
            for source in &self.open {
                let came = source.blob(sink).await;
                match came.and_then(|()| sink.check(&source.describe())) {
                    Ok(()) => return Ok(()),
                    Err(e @ SourceError::Io { .. }) => return Err(e),
                    Err(e) => failures.push(e),
                }
                sink.restart().await?;
            }
            Err(self.telling(failures))
        })
    }

    /// What refers to `digest` anywhere: a mirror may lack a signature that
    /// another has.
    fn referrers<'a>(&'a self, digest: &'a Digest) -> Answer<'a, Vec<Descriptor>> {
        Box::pin(async move {
            let (mut found, mut failures): (Vec<Descriptor>, _) = (Vec::new(), Vec::new());
            for source in &self.open {
                match source.referrers(digest).await {
                    Ok(listed) => found.extend(listed),
                    Err(e) => failures.push(e),
                }
            }
            let lacking = failures
                .iter()
                .all(|e| matches!(e, SourceError::NotFound { .. }));
            if found.is_empty() && !(lacking && self.shut.is_empty()) {
                return Err(self.telling(failures));
            }
            found.sort_by_key(|d| d.digest);
            found.dedup_by_key(|d| d.digest);
            Ok(found)
        })
    }
}
