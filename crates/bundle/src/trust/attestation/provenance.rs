//! Who built a bundle from what, as SLSA 0.2 and 1 say it.

use aion_abi::reason::Reason;
use serde::Serialize;
use serde_json::Value;
use sigstore_types::Statement;

use super::{Met, Unmet};
use crate::artifact::name::wildcard;

const V0_2: &str = "https://slsa.dev/provenance/v0.2";
const V1: &str = "https://slsa.dev/provenance/v1";

/// See the module: by one of these builders from these sources, in all of which `*` stands for any run of characters; where
/// there is none, by and from any.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Provenance {
    /// Ids of builders.
    pub builders: Vec<String>,
    /// Addresses of sources.
    pub sources: Vec<String>,
}

/// What provenance says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct BuiltBy {
    /// Who built it.
    pub builder: Option<String>,
    /// From what.
    pub sources: Vec<String>,
}

impl Provenance {
    /// The rule.
    ///
    /// # Errors
    /// A pattern that lets in all.
    pub fn new(builders: Vec<String>, sources: Vec<String>) -> Result<Self, String> {
        let says_something = |it: &&String| !it.contains(|c: char| c.is_ascii_alphanumeric());
        match builders.iter().chain(&sources).find(says_something) {
            Some(pattern) => Err(format!(
                "`{pattern}` is any builder or source; leave the list out for that"
            )),
            None => Ok(Self { builders, sources }),
        }
    }

    pub(super) fn is_about(predicate_type: &str) -> bool {
        matches!(predicate_type, V0_2 | V1)
    }

    pub(super) fn judge(&self, statement: &Statement) -> Result<Met, Unmet> {
        let BuiltBy { builder, sources } = said(statement);
        let builder = builder.ok_or_else(|| Unmet::malformed("it names no builder"))?;
        if !is_one_of(&builder, &self.builders) {
            return Err(Unmet::new(
                Reason::BuilderNotAllowed,
                format_args!(
                    "`{}` built it; build it with one that the TrustPolicy names, or name that one",
                    shown(&builder)
                ),
            ));
        }
        if self.sources.is_empty() {
            return Ok(Met::default());
        }
        if sources.is_empty() {
            return Err(Unmet::malformed("it does not say from which source"));
        }
        match sources.iter().find(|it| !is_one_of(it, &self.sources)) {
            Some(source) => Err(Unmet::new(
                Reason::SourceNotAllowed,
                format_args!(
                    "it is built from `{}`; build it from a source that the TrustPolicy names, or name that one",
                    shown(source)
                ),
            )),
            None => Ok(Met::default()),
        }
    }
}

/// What provenance says of itself, for eyes.
pub(crate) fn built(statement: &Statement) -> Option<BuiltBy> {
    Provenance::is_about(&statement.predicate_type).then(|| said(statement))
}

fn said(statement: &Statement) -> BuiltBy {
    let predicate = &statement.predicate;
    let (builder, sources) = match &*statement.predicate_type {
        V1 => ("/runDetails/builder/id", sources_1(predicate)),
        _ => ("/builder/id", sources_0_2(predicate)),
    };
    BuiltBy {
        builder: at(predicate, builder).map(str::to_owned),
        sources: sources.into_iter().map(str::to_owned).collect(),
    }
}

/// Where the build was configured, which is where it was built from; else the only thing that went into it.
fn sources_0_2(predicate: &Value) -> Vec<&str> {
    match at(predicate, "/invocation/configSource/uri") {
        Some(source) => vec![source],
        None => only(predicate.get("materials")),
    }
}

/// What builders call the source in their parameters, all of which counts; else the only thing that went into it.
fn sources_1(predicate: &Value) -> Vec<&str> {
    let said = [
        "/source",
        "/source/uri",
        "/configSource/uri",
        "/workflow/repository",
    ];
    let parameters = predicate.pointer("/buildDefinition/externalParameters");
    let said: Vec<&str> = parameters
        .into_iter()
        .flat_map(|it| said.iter().filter_map(|path| at(it, path)))
        .collect();
    match said.is_empty() {
        true => only(predicate.pointer("/buildDefinition/resolvedDependencies")),
        false => said,
    }
}

/// Of many it is not said which of them the source is.
fn only(list: Option<&Value>) -> Vec<&str> {
    match list.and_then(Value::as_array).map(Vec::as_slice) {
        Some([one]) => at(one, "/uri").into_iter().collect(),
        _ => Vec::new(),
    }
}

fn at<'v>(value: &'v Value, path: &str) -> Option<&'v str> {
    value.pointer(path).and_then(Value::as_str)
}

fn is_one_of(text: &str, patterns: &[String]) -> bool {
    patterns.is_empty() || patterns.iter().any(|it| wildcard(it, text))
}

fn shown(text: &str) -> String {
    text.chars().take(128).collect()
}
