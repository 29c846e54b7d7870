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

use std::{path::PathBuf, time::Duration};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::time::{Instant, timeout};

use crate::{
    artifact::{
        digest::Digest,
        limits::Limits,
        manifest::Descriptor,
        name::{BundleName, NamePattern},
    },
    source::{
        contract::{Answer, Referrers, Source},
        credentials::{Credentials, CredentialsError, DockerConfig},
        failure::SourceError,
        layout::Layout,
        reference::{NotAReference, Reference},
        registry::{Registry, RegistryAccess},
        sink::Sink,
        within::out_of_time,
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

/// A rule that names no place, or two, or one that is not an address.
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

impl Sources {
    /// The places for `name`, as one source. A registry that cannot be asked
    /// (offline it is not on this machine, its credentials cannot be read) is
    /// left out, and named when nothing else has the bundle. What `own` holds for one goes before what the node has, in
    /// their order: they are those of whom the bundle is fetched for. One of them that holds nothing usable for a registry is
    /// passed over there, and told by [`Mirrors::passed_over`].
    ///
    /// # Errors
    /// [`SourceError::NoSource`].
    pub fn open(
        &self,
        name: &BundleName,
        own: &[DockerConfig],
        offline: bool,
    ) -> Result<Mirrors, SourceError> {
        let mut mirrors = Mirrors::default();
        for rule in self.matching(name) {
            match &rule.place {
                Place::Layout(root) => mirrors.add(Ok(Layout::at(root))),
                Place::Registry(prefix) => {
                    let passed_over = &mut mirrors.passed_over;
                    let registry = self.registry(prefix, name, own, offline, passed_over);
                    mirrors.add(registry);
                }
            }
        }
        if mirrors.open.is_empty() && mirrors.shut.is_empty() {
            return Err(SourceError::NoSource(name.clone()));
        }
        Ok(mirrors)
    }

    /// The places for `name` in words: the same for all bundles that come from
    /// the same places.
    pub fn place(&self, name: &BundleName) -> String {
        let places = self.matching(name).map(|rule| match &rule.place {
            Place::Layout(root) => root.display().to_string(),
            Place::Registry(prefix) => prefix.clone(),
        });
        places.collect::<Vec<_>>().join(", ")
    }

    /// Whether `name` is looked for in a registry, so that it matters who we are there.
    pub fn asks_registry(&self, name: &BundleName) -> bool {
        let mut places = self.matching(name).map(|rule| &rule.place);
        places.any(|place| matches!(place, Place::Registry(_)))
    }

    fn matching(&self, name: &BundleName) -> impl Iterator<Item = &SourceRule> {
        self.sources.iter().filter(|r| r.bundles.matches(name))
    }

    fn registry(
        &self,
        prefix: &str,
        name: &BundleName,
        own: &[DockerConfig],
        offline: bool,
        passed_over: &mut Vec<CredentialsError>,
    ) -> Result<Registry, SourceError> {
        let shut = |why: String| SourceError::Shut {
            at: prefix.to_owned(),
            why,
        };
        let reference = Reference::prefix(prefix).map_err(|e| shut(e.to_string()))?;
        let reference = reference.join(name.as_str());
        let credentials = self.credentials(&reference, own, passed_over);
        let access = RegistryAccess {
            insecure_hosts: self.insecure_hosts.clone(),
            offline,
            credentials: credentials.map_err(|e| shut(e.to_string()))?,
        };
        Registry::new(&reference, &access)
    }

    fn credentials(
        &self,
        of: &Reference,
        own: &[DockerConfig],
        passed_over: &mut Vec<CredentialsError>,
    ) -> Result<Option<Credentials>, CredentialsError> {
        for config in own {
            match config.credentials(&of.host, &of.repository) {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {}
                Err(why) => passed_over.push(why),
            }
        }
        match &self.docker_config {
            Some(path) => Credentials::from_docker_config(path, &of.host, &of.repository),
            None => Ok(None),
        }
    }
}

/// Several sources as one, for one bundle: the first that has something gives it.
///
/// Each has its share of the time that all are given, so that one that drips
/// takes it from none of the others; and one that did not answer is asked last.
#[derive(Default)]
pub struct Mirrors {
    /// The time that all are given; a bundle's where nobody says less.
    time: Option<Duration>,
    open: Vec<Mirror>,
    shut: Vec<SourceError>,
    passed_over: Vec<CredentialsError>,
}

struct Mirror {
    source: Box<dyn Source>,
    spent: Mutex<Spent>,
}

#[derive(Clone, Copy, Default)]
struct Spent {
    time: Duration,
    unreachable: bool,
}

impl Mirror {
    async fn in_time<T>(&self, share: Duration, answer: Answer<'_, T>) -> Result<T, SourceError> {
        let (left, begun) = (share.saturating_sub(self.spent.lock().time), Instant::now());
        let late = || Err(out_of_time(self.source.describe(), share));
        if left.is_zero() {
            return late();
        }
        let came = timeout(left, answer).await.unwrap_or_else(|_| late());
        let mut spent = self.spent.lock();
        spent.time += begun.elapsed();
        spent.unreachable |= matches!(came, Err(SourceError::Unreachable { .. }));
        came
    }
}

impl Mirrors {
    /// Adds a source after the others, or why it is not to be had.
    pub fn add<S: Source + 'static>(&mut self, source: Result<S, SourceError>) {
        match source {
            Ok(source) => self.open.push(Mirror {
                source: Box::new(source),
                spent: Mutex::default(),
            }),
            Err(why) => self.shut.push(why),
        }
    }

    /// Gives all of them together this time.
    #[must_use]
    pub fn within(self, time: Duration) -> Self {
        Self {
            time: Some(time),
            ..self
        }
    }

    /// What was held for a registry by those of whom the bundle is fetched for, and cannot be used.
    pub fn passed_over(&self) -> &[CredentialsError] {
        &self.passed_over
    }

    /// In the order they are asked now.
    fn order(&self) -> Vec<&Mirror> {
        let mut order: Vec<_> = self.open.iter().collect();
        order.sort_by_key(|mirror| mirror.spent.lock().unreachable);
        order
    }

    fn share(&self) -> Duration {
        let count = u32::try_from(self.open.len()).unwrap_or(u32::MAX);
        self.time.unwrap_or(Limits::default().time) / count.max(1)
    }

    /// Why those that are not to be had are not.
    fn shut(&self) -> impl Iterator<Item = SourceError> {
        self.shut.iter().map(|e| match e {
            SourceError::Offline { at } => SourceError::Offline { at: at.clone() },
            SourceError::Shut { at, why } => SourceError::Shut {
                at: at.clone(),
                why: why.clone(),
            },
            other => SourceError::Unreachable {
                at: "a source".to_owned(),
                why: other.to_string(),
            },
        })
    }

    /// The failure that tells most: that one place lacks a thing says nothing
    /// where another could not be asked.
    fn telling(&self, failures: Vec<SourceError>) -> SourceError {
        let mut all: Vec<_> = failures.into_iter().chain(self.shut()).collect();
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

/// Whether a place says no more than that it has no such thing.
fn lacks(error: &SourceError) -> bool {
    matches!(error, SourceError::NotFound { .. })
}

impl Source for Mirrors {
    fn describe(&self) -> String {
        let all: Vec<_> = self.open.iter().map(|m| m.source.describe()).collect();
        match all.as_slice() {
            [] => "no source".to_owned(),
            some => some.join(", "),
        }
    }

    fn manifest_within<'a>(&'a self, digest: &'a Digest, most: u64) -> Answer<'a, Vec<u8>> {
        Box::pin(async move {
            let mut failures = Vec::new();
            for mirror in self.order() {
                let answer = mirror.source.manifest_within(digest, most);
                match mirror.in_time(self.share(), answer).await {
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
            for mirror in self.order() {
                let answer = mirror.source.blob(sink);
                let came = mirror.in_time(self.share(), answer).await;
                match came.and_then(|()| sink.check(&mirror.source.describe())) {
                    Ok(()) => return Ok(()),
                    Err(e @ SourceError::Io { .. }) => return Err(e),
                    Err(e) => failures.push(e),
                }
                sink.restart().await?;
            }
            Err(self.telling(failures))
        })
    }

    fn has_blob<'a>(&'a self, blob: &'a Descriptor) -> Answer<'a, ()> {
        Box::pin(async move {
            let mut failures = Vec::new();
            for mirror in self.order() {
                let answer = mirror.source.has_blob(blob);
                match mirror.in_time(self.share(), answer).await {
                    Ok(()) => return Ok(()),
                    Err(e) => failures.push(e),
                }
            }
            Err(self.telling(failures))
        })
    }

    /// What refers to `digest` anywhere: a mirror may lack a signature that
    /// another has.
    fn referrers<'a>(&'a self, digest: &'a Digest) -> Answer<'a, Referrers> {
        Box::pin(async move {
            let (mut places, mut failures) = (Vec::new(), Vec::new());
            for mirror in self.order() {
                let answer = mirror.source.referrers(digest);
                match mirror.in_time(self.share(), answer).await {
                    Ok(listed) => {
                        places.extend(listed.places);
                        failures.extend(listed.unheard);
                    }
                    // It is heard, and has nothing.
                    Err(e) if lacks(&e) => places.push(Vec::new()),
                    Err(e) => failures.push(e),
                }
            }
            failures.extend(self.shut());
            // That the node is offline is its owner's word, and no other will be heard.
            let decides = |e: &SourceError| matches!(e, SourceError::Offline { .. });
            let unheard = failures.iter().position(|e| !decides(e));
            let is_nothing = places.iter().all(Vec::is_empty) && unheard.is_none();
            if !failures.is_empty() && (places.is_empty() || is_nothing) {
                return Err(failures.swap_remove(unheard.unwrap_or(0)));
            }
            let unheard = unheard.map(|at| failures.swap_remove(at));
            Ok(Referrers { places, unheard })
        })
    }
}
