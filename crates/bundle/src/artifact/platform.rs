//! Platforms as images name them, and the choice of one from an index. What may not enter: what else an image says.

use serde::{Deserialize, Serialize};

use crate::artifact::{
    digest::Digest,
    oci::{INDEX, ManifestError, parse},
};

/// Media type of Docker's index, the "manifest list".
pub(crate) const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// How many manifests an index may list.
const MAX_LISTED: usize = 64;
/// How many platforms a refusal names.
const MAX_NAMED: usize = 16;
/// The longest word of a platform that is shown.
const MAX_WORD: usize = 32;

/// What an image was built for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Platform {
    #[serde(default)]
    pub(crate) os: String,
    #[serde(default)]
    pub(crate) architecture: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) variant: Option<String>,
}

impl Platform {
    /// Linux on the processor `architecture`, as images name it.
    pub(crate) fn linux(architecture: &str) -> Self {
        Self {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant: None,
        }
    }

    /// This machine.
    pub(crate) fn here() -> Self {
        Self::linux(match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64le",
            other => other,
        })
    }

    /// Whether what was built for `other` runs here: of a processor's variants only the one that all of them have.
    pub(crate) fn runs(&self, other: &Self) -> bool {
        let basic = match other.architecture.as_str() {
            "amd64" => "v1",
            "arm64" => "v8",
            _ => "",
        };
        let variant = other.variant.as_deref().unwrap_or_default();
        self.os == other.os
            && self.architecture == other.architecture
            && (variant.is_empty() || variant == basic)
    }

    /// As people write it, in characters that command no terminal.
    pub(crate) fn text(&self) -> String {
        let words = [
            Some(&self.os),
            Some(&self.architecture),
            self.variant.as_ref(),
        ];
        let words = words.into_iter().flatten().filter(|word| !word.is_empty());
        let tame = |word: &String| -> String {
            let plain = word.chars().filter(|c| !c.is_control());
            plain.take(MAX_WORD).collect()
        };
        words.map(tame).collect::<Vec<_>>().join("/")
    }
}

/// A manifest of an index.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listed {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default)]
    pub(crate) platform: Option<Platform>,
}

/// An index of images, one for each platform. What else buildx lists beside them, attestations of no platform, is never
/// chosen.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(crate) struct Platforms {
    pub(crate) manifests: Vec<Listed>,
}

impl Platforms {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let read: Self = parse("index", bytes)?;
        if read.manifests.len() > MAX_LISTED {
            return Err(ManifestError::TooMany {
                what: "manifests in an index",
                limit: MAX_LISTED,
            });
        }
        Ok(read)
    }

    /// The manifest for `machine`. One that says no platform is taken where it is the only one: its configuration will
    /// say it.
    pub(crate) fn choose(&self, machine: &Platform) -> Result<&Listed, ManifestError> {
        let fits = |it: &&Listed| it.platform.as_ref().is_some_and(|it| machine.runs(it));
        let silent = || match self.manifests.as_slice() {
            [one] if one.platform.is_none() => Some(one),
            _ => None,
        };
        let Some(found) = self.manifests.iter().find(fits).or_else(silent) else {
            return Err(ManifestError::WrongPlatform {
                wanted: machine.text(),
                found: self.named(),
            });
        };
        match [INDEX, DOCKER_INDEX].contains(&found.media_type.as_str()) {
            true => Err(ManifestError::NotABundle(
                "it is an index of indexes; refer to one of those by its digest".to_owned(),
            )),
            false => Ok(found),
        }
    }

    /// The platforms there are, in words.
    fn named(&self) -> String {
        let platforms = self.manifests.iter().filter_map(|it| it.platform.as_ref());
        let known = platforms.filter(|it| it.os != "unknown");
        let mut named: Vec<_> = known.map(Platform::text).collect();
        named.sort();
        named.dedup();
        let more = named.len().saturating_sub(MAX_NAMED);
        named.truncate(MAX_NAMED);
        if more > 0 {
            named.push(format!("{more} more"));
        }
        match named.is_empty() {
            true => "no platform".to_owned(),
            false => named.join(", "),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use aion_abi::reason::Reason;
    use serde_json::json;

    fn index(platforms: &[&str]) -> Platforms {
        let listed = platforms.iter().enumerate().map(|(n, text)| {
            let digest = Digest::of(&[u8::try_from(n).unwrap()]).to_string();
            let mut words = text.split('/');
            let mut one = json!({"mediaType": "m", "digest": digest, "size": n});
            if !text.is_empty() {
                one["platform"] = json!({"os": words.next(), "architecture": words.next()});
                if let Some(variant) = words.next() {
                    one["platform"]["variant"] = variant.into();
                }
            }
            one
        });
        let all = json!({ "manifests": listed.collect::<Vec<_>>() });
        Platforms::parse(all.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn the_manifest_of_this_platform_is_chosen_and_no_attestation() {
        let check = |platforms: &[&str], machine: &str, expect: Option<u64>| {
            let chosen = index(platforms)
                .choose(&Platform::linux(machine))
                .map(|it| it.size);
            assert_eq!(chosen.ok(), expect, "{platforms:?} on {machine}");
        };
        let several = [
            "unknown/unknown",
            "windows/amd64",
            "linux/arm/v7",
            "linux/amd64/v3",
            "linux/amd64",
            "linux/arm64/v8",
        ];
        check(&several, "amd64", Some(4));
        check(&several, "arm64", Some(5));
        check(&several, "s390x", None);
        check(&several, "unknown", None);
        check(&["linux/amd64/v3"], "amd64", None);
        check(&[""], "amd64", Some(0));
        check(&["", ""], "amd64", None);
        check(&[], "amd64", None);
    }

    #[test]
    fn a_refusal_names_the_platforms_there_are() {
        let index = index(&[
            "linux/s390x",
            "unknown/unknown",
            "linux/arm/v7",
            "linux/s390x",
        ]);
        let refused = index.choose(&Platform::linux("amd64")).unwrap_err();
        assert_eq!(refused.reason(), Reason::WrongArchitecture);
        let words = refused.to_string();
        assert!(words.contains("linux/amd64"), "{words}");
        assert!(words.contains("linux/arm/v7, linux/s390x"), "{words}");
        assert!(!words.contains("unknown"), "{words}");
    }

    #[test]
    fn an_index_is_bounded_and_leads_to_no_other() {
        let many = vec!["linux/amd64"; MAX_LISTED + 1];
        let listed: Vec<_> = many
            .iter()
            .map(|_| json!({"mediaType": "m", "digest": Digest::of(b"").to_string(), "size": 1}))
            .collect();
        let refused = Platforms::parse(json!({"manifests": listed}).to_string().as_bytes());
        assert_eq!(refused.unwrap_err().reason(), Reason::TooLarge);
        let mut nested = index(&["linux/amd64"]);
        nested.manifests[0].media_type = INDEX.to_owned();
        let refused = nested.choose(&Platform::linux("amd64")).unwrap_err();
        assert_eq!(refused.reason(), Reason::NotABundle);
    }
}
