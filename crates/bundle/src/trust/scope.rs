//! What a signer is trusted for: bundles by name, bundles by digest. What may not enter: signers.

use std::{collections::BTreeSet, str::FromStr};

use crate::artifact::{
    digest::Digest,
    name::{BundleName, NamePattern},
};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) enum Scope {
    /// Bundles by name and, where given, of these digests only.
    Names(Vec<NamePattern>, Option<BTreeSet<Digest>>),
    /// These digests only, on this machine only.
    Machine(BTreeSet<Digest>),
}

impl Scope {
    /// As a TrustPolicy has it: bundles whose names match one of `bundles`, or any where there is none; and `digests`
    /// alone, where there are some. Of a machine's key: `digests` alone.
    pub(crate) fn of_policy(
        machine: bool,
        bundles: &[String],
        digests: &[String],
    ) -> Result<Self, String> {
        let digests: BTreeSet<Digest> = parsed(digests)?;
        if machine {
            return Ok(Self::Machine(digests));
        }
        let mut names: Vec<NamePattern> = parsed(bundles)?;
        if bundles.is_empty() {
            names.push(NamePattern::any());
        }
        let only = (!digests.is_empty()).then_some(digests);
        Ok(Self::Names(names, only))
    }

    pub(crate) fn covers(&self, name: &BundleName, digest: &Digest) -> bool {
        match self {
            Self::Names(subjects, only) => {
                subjects.iter().any(|p| p.matches(name))
                    && only.as_ref().is_none_or(|all| all.contains(digest))
            }
            Self::Machine(digests) => digests.contains(digest),
        }
    }
}

fn parsed<T: FromStr<Err: ToString>, C: FromIterator<T>>(texts: &[String]) -> Result<C, String> {
    let parsed = texts.iter().map(|text| text.parse::<T>());
    parsed.map(|it| it.map_err(|e| e.to_string())).collect()
}
