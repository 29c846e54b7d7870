//! Which issuers are trusted, and for what: `issuers.yaml` in the settings, read at a start.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use aion_abi::key::{self, Door, Right, Scope};
use jsonwebtoken::Algorithm;
use reqwest::Url;
use serde::Deserialize;

use crate::keys::bounds::Bounds;

/// The longest time without its issuer for which keys count, in seconds.
const LONGEST: u64 = 7 * 24 * 3600;
/// Issuers at most, and rules of one.
const MOST: usize = 100;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the issuers in {path}: {why}")]
pub struct SettingsError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub why: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    issuers: Vec<Issuer>,
}

/// One issuer.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Issuer {
    /// Its address, as its tokens have it.
    pub(super) issuer: String,
    /// For whom its tokens have to be.
    pub(super) audience: String,
    /// The authorities of its certificate, where they are not the system's.
    pub(super) ca: Option<PathBuf>,
    /// How its tokens may be signed.
    #[serde(default = "usual")]
    algorithms: Vec<Allowed>,
    /// For how long its keys count where it does not answer, in seconds.
    #[serde(default = "an_hour")]
    pub(super) offline_seconds: u64,
    /// What its tokens are for: the first that fits.
    pub(super) rules: Vec<Rule>,
}

/// Of whoever has a claim.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Rule {
    pub(super) claim: String,
    pub(super) has: String,
    namespace: String,
    #[serde(default)]
    agents: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) doors: Vec<Door>,
    #[serde(default)]
    pub(super) may: Vec<Right>,
    pub(super) requests_per_minute: Option<u32>,
    /// Of each `sub`.
    pub(super) tokens_per_hour: Option<u64>,
}

/// Signatures that everybody can check and one can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Allowed {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

fn usual() -> Vec<Allowed> {
    vec![Allowed::RS256, Allowed::ES256, Allowed::EdDSA]
}

fn an_hour() -> u64 {
    3600
}

impl Issuer {
    pub(super) fn allows(&self, algorithm: Algorithm) -> bool {
        let allowed = match algorithm {
            Algorithm::RS256 => Allowed::RS256,
            Algorithm::RS384 => Allowed::RS384,
            Algorithm::RS512 => Allowed::RS512,
            Algorithm::PS256 => Allowed::PS256,
            Algorithm::PS384 => Allowed::PS384,
            Algorithm::PS512 => Allowed::PS512,
            Algorithm::ES256 => Allowed::ES256,
            Algorithm::ES384 => Allowed::ES384,
            Algorithm::EdDSA => Allowed::EdDSA,
            // What who checks could make as well, and what is not known.
            _ => return false,
        };
        self.algorithms.contains(&allowed)
    }

    /// As it is told to whoever looks for somebody to get a token from.
    pub(super) fn told(&self) -> key::Issuer {
        let mut doors: BTreeSet<Door> = BTreeSet::new();
        for rule in &self.rules {
            doors.extend(match rule.doors.as_slice() {
                [] => &Door::ALL[..],
                doors => doors,
            });
        }
        key::Issuer {
            issuer: self.issuer.clone(),
            doors: match doors.len() == Door::ALL.len() {
                true => Vec::new(),
                false => doors.into_iter().collect(),
            },
        }
    }

    fn wrong(&self, others: &[Self]) -> Option<String> {
        let of = |what: &str| Some(format!("{}: {what}", self.issuer));
        if !is_safe(&self.issuer) {
            return of("issuer is not an https address");
        }
        if self.audience.is_empty() || self.rules.is_empty() || self.algorithms.is_empty() {
            return of("it needs an audience, rules, and an algorithm");
        }
        if self.offline_seconds > LONGEST {
            return of("offlineSeconds is a week at most");
        }
        // The first would have all of its tokens.
        if others.iter().filter(|it| it.issuer == self.issuer).count() > 1 {
            return of("it is named twice: it has one audience, and all of its rules there");
        }
        if self.rules.len() > MOST {
            return of("it has too many rules");
        }
        self.rules.iter().find_map(|it| of(&it.wrong()?))
    }
}

impl Rule {
    fn wrong(&self) -> Option<String> {
        if self.claim.is_empty() || self.has.is_empty() {
            return Some("a rule needs a claim, and what it has".to_owned());
        }
        let bounds = Bounds {
            scope: &self.scope(),
            doors: &self.doors,
            may: &self.may,
            requests_per_minute: self.requests_per_minute,
            tokens_per_hour: self.tokens_per_hour,
        };
        let problem = bounds.judge().err()?;
        Some(format!("a rule of {}: {}", self.claim, problem.detail))
    }

    pub(super) fn scope(&self) -> Scope {
        Scope {
            namespace: self.namespace.clone(),
            agents: self.agents.clone(),
            labels: self.labels.clone(),
        }
    }
}

/// An issuer names its keys there: one that is reached by TLS sends nobody to what is reached without.
pub(super) fn is_safe_of(issuer: &str, keys: &str) -> bool {
    let is_plain = |url: &str| Url::parse(url).is_ok_and(|it| it.scheme() == "http");
    is_safe(keys) && (is_plain(issuer) || !is_plain(keys))
}

/// Keys come from there: by TLS, or from this machine.
fn is_safe(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else {
        return false;
    };
    let is_here = || matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    url.has_host() && (url.scheme() == "https" || (url.scheme() == "http" && is_here()))
}

pub(super) fn read(path: &Path) -> Result<Vec<Issuer>, SettingsError> {
    let failed = |why: String| SettingsError {
        path: path.to_owned(),
        why,
    };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error.to_string())),
    };
    let file: File = serde_saphyr::from_str(&text).map_err(|why| failed(why.to_string()))?;
    if file.issuers.len() > MOST {
        return Err(failed(format!("there are more than {MOST} issuers")));
    }
    let wrong = |it: &Issuer| it.wrong(&file.issuers);
    match file.issuers.iter().find_map(wrong) {
        Some(why) => Err(failed(why)),
        None => Ok(file.issuers),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read_text(text: &str) -> Result<Vec<Issuer>, SettingsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("issuers.yaml");
        fs::write(&path, text).unwrap();
        read(&path)
    }

    const GOOD: &str = "issuers: [{issuer: 'https://a.example', audience: aion, \
        rules: [{claim: groups, has: users, namespace: default, agents: ['*']}]}]";

    #[test]
    fn what_is_not_safe_or_not_known_stops_the_start() {
        assert_eq!(read_text(GOOD).unwrap().len(), 1);
        assert!(read(Path::new("/nowhere/issuers.yaml")).unwrap().is_empty());
        for (from, to) in [
            ("https://a", "http://a"),
            ("audience: aion", "audience: ''"),
            ("audience: aion", "audience: aion, algorithms: [HS256]"),
            ("audience: aion", "audience: aion, algorithms: [none]"),
            ("audience: aion", "audience: aion, secret: x"),
            ("agents: ['*']", "agents: []"),
            ("agents: ['*']", "agents: ['*'], requestsPerMinute: 0"),
            ("agents: ['*']", "agents: ['*'], tokensPerHour: 0"),
            ("agents: ['*']", "agents: ['']"),
            ("agents: ['*']", "labels: {'': x}"),
            ("agents: ['*']", "agents: ['*'], may: [serve, serve]"),
            ("namespace: default", "namespace: Default!"),
            ("claim: groups", "claim: ''"),
            ("has: users", "has: ''"),
        ] {
            let text = GOOD.replace(from, to);
            assert_ne!(text, GOOD);
            assert!(read_text(&text).is_err(), "{text}");
        }
        let (head, one) = GOOD.split_once('[').unwrap();
        let one = one.strip_suffix(']').unwrap();
        let of = |other: &str| format!("{head}[{one}, {other}]");
        let twice = read_text(&of(&one.replace("aion", "other"))).unwrap_err();
        assert!(twice.to_string().contains("twice"), "{twice}");
        let two = read_text(&of(&one.replace("a.example", "b.example")));
        assert_eq!(two.unwrap().len(), 2);
    }

    #[test]
    fn an_issuer_is_told_with_the_protocols_that_its_rules_are_for() {
        let told = |doors: &str| {
            let text = GOOD.replace("agents: ['*']", &format!("agents: ['*']{doors}"));
            read_text(&text).unwrap()[0].told()
        };
        assert_eq!(told("").issuer, "https://a.example");
        assert!(Door::ALL.iter().all(|it| told("").opens(*it)));
        let some = told(", doors: [openai, rest]");
        assert!(some.opens(Door::Rest) && !some.opens(Door::Mcp));
    }

    #[test]
    fn an_issuer_by_tls_has_no_keys_without() {
        let (plain, tls) = ("http://127.0.0.1:9/keys", "https://a.example/keys");
        assert!(is_safe_of("https://a.example", tls));
        assert!(is_safe_of("http://localhost:8080", plain));
        assert!(is_safe_of("http://localhost:8080", tls));
        assert!(!is_safe_of("https://a.example", plain));
        assert!(!is_safe_of(
            "http://localhost:8080",
            "http://a.example/keys"
        ));
    }
}
