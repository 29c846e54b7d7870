//! Lists of what a bundle is made of.

use std::fmt;

use aion_abi::attestation::SbomFormat;
use serde_json::Value;
use sigstore_types::Statement;

use super::{Met, Unmet};

/// What SPDX documents are attested as, with or without their version behind it.
const SPDX: &str = "https://spdx.dev/Document";
/// The same of CycloneDX.
const CYCLONE_DX: &str = "https://cyclonedx.org/bom";

/// See the module: in one of these formats, or in any where there is none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sbom {
    /// The formats.
    pub formats: Vec<SbomFormat>,
}

/// The format that a statement of this kind has.
pub(crate) fn format(predicate_type: &str) -> Option<SbomFormat> {
    let is = |base: &str| {
        let rest = predicate_type.strip_prefix(base);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("/v"))
    };
    match () {
        () if is(SPDX) => Some(SbomFormat::Spdx),
        () if is(CYCLONE_DX) => Some(SbomFormat::CycloneDx),
        () => None,
    }
}

impl Sbom {
    pub(super) fn is_about(&self, predicate_type: &str) -> bool {
        format(predicate_type)
            .is_some_and(|it| self.formats.is_empty() || self.formats.contains(&it))
    }

    /// A list that is one, however long.
    pub(super) fn judge(&self, statement: &Statement) -> Result<Met, Unmet> {
        let text = |field: &str| statement.predicate.get(field).and_then(Value::as_str);
        let (is_one, needs) = match format(&statement.predicate_type) {
            Some(SbomFormat::Spdx) => (text("spdxVersion").is_some(), "`spdxVersion`"),
            Some(SbomFormat::CycloneDx) => (
                text("bomFormat") == Some("CycloneDX"),
                "`bomFormat: CycloneDX`",
            ),
            None => (false, "a format that is known"),
        };
        match is_one {
            true => Ok(Met::default()),
            false => Err(Unmet::malformed(format_args!(
                "it is no SBOM in JSON: it lacks {needs}"
            ))),
        }
    }

    pub(super) fn remedy(&self) -> &'static str {
        match self.formats[..] {
            [SbomFormat::CycloneDx] => {
                "attest it with `cosign attest --type cyclonedx --predicate FILE`"
            }
            _ => "attest it with `cosign attest --type spdxjson --predicate FILE`",
        }
    }
}

impl fmt::Display for Sbom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.formats[..] {
            [SbomFormat::Spdx] => "SBOM (SPDX)",
            [SbomFormat::CycloneDx] => "SBOM (CycloneDX)",
            _ => "SBOM (SPDX or CycloneDX)",
        })
    }
}
