//! The lines about programs and their crates, and the SPDX document that says the same.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::locked::Checksums;

/// A program and what is linked into it.
pub(crate) struct Program {
    name: String,
    /// Which file of the package it is.
    file: String,
    sha256: String,
    crates: BTreeSet<Crate>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    licence: String,
}

impl Crate {
    fn id(&self) -> String {
        id(&format!("{}-{}", self.name, self.version))
    }
}

/// An identifier has letters, digits, dots and dashes.
fn id(text: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' {
            c
        } else {
            '-'
        }
    };
    format!("SPDXRef-{}", text.chars().map(plain).collect::<String>())
}

pub(crate) fn read(input: &str) -> Result<Vec<Program>> {
    let mut programs: Vec<Program> = Vec::new();
    for line in input.lines().filter(|line| !line.is_empty()) {
        let columns: Vec<&str> = line.split('\t').collect();
        match columns[..] {
            ["program", name, file, sha256] => programs.push(Program {
                name: name.to_owned(),
                file: file.to_owned(),
                sha256: sha256.to_owned(),
                crates: BTreeSet::new(),
            }),
            ["crate", package, licence, ..] => {
                let program = programs.last_mut().context("a crate before any program")?;
                let mut words = package.split(' ');
                let (name, version) = (words.next(), words.next());
                let version = version.and_then(|it| it.strip_prefix('v'));
                let (Some(name), Some(version)) = (name, version) else {
                    bail!("`{package}` is not a package as cargo prints it");
                };
                program.crates.insert(Crate {
                    name: name.to_owned(),
                    version: version.to_owned(),
                    // As manifests wrote it before SPDX had expressions.
                    licence: licence.replace('/', " OR ").replace("  ", " "),
                });
            }
            _ => bail!("`{line}` is neither a program nor a crate"),
        }
    }
    ensure!(!programs.is_empty(), "there is no program");
    for program in &programs {
        ensure!(!program.crates.is_empty(), "{} has no crates", program.name);
    }
    Ok(programs)
}

pub(crate) fn write(
    name: &str,
    version: &str,
    created: Timestamp,
    programs: &[Program],
    checksums: &Checksums,
) -> Result<Value> {
    let whole = id(name);
    let mut packages = vec![json!({
        "SPDXID": whole, "name": name, "versionInfo": version, "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false, "licenseConcluded": "NOASSERTION", "licenseDeclared": "Apache-2.0",
        "copyrightText": "NOASSERTION",
    })];
    let mut relationships = vec![relation("SPDXRef-DOCUMENT", "DESCRIBES", &whole)];
    let mut crates = BTreeMap::new();
    for program in programs {
        let own = id(&format!("program-{}", program.name));
        packages.push(json!({
            "SPDXID": own, "name": program.name, "versionInfo": version, "downloadLocation": "NOASSERTION",
            "packageFileName": program.file, "primaryPackagePurpose": "APPLICATION",
            "checksums": [{"algorithm": "SHA256", "checksumValue": program.sha256}],
            "filesAnalyzed": false, "licenseConcluded": "NOASSERTION", "licenseDeclared": "Apache-2.0",
            "copyrightText": "NOASSERTION",
        }));
        relationships.push(relation(&whole, "CONTAINS", &own));
        for one in &program.crates {
            relationships.push(relation(&own, "STATIC_LINK", &one.id()));
            crates.insert(one.id(), one);
        }
    }
    packages.extend(crates.values().map(|one| package(one, checksums)));
    // Of one content only, and of the same content always.
    let digests: Vec<&str> = programs
        .iter()
        .map(|it| it.sha256.get(..12).unwrap_or_default())
        .collect();
    Ok(json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": format!("https://aion.dev/spdx/{name}/{}", digests.join("-")),
        "creationInfo": {"created": created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), "creators": ["Tool: aion-sbom"]},
        "packages": packages,
        "relationships": relationships,
    }))
}

fn relation(from: &str, how: &str, to: &str) -> Value {
    json!({"spdxElementId": from, "relationshipType": how, "relatedSpdxElement": to})
}

fn package(one: &Crate, checksums: &Checksums) -> Value {
    let checksum = checksums.get(&(one.name.clone(), one.version.clone()));
    let licence = match one.licence.as_str() {
        "" => "NOASSERTION",
        declared => declared,
    };
    let mut package = json!({
        "SPDXID": one.id(), "name": one.name, "versionInfo": one.version, "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false, "licenseConcluded": "NOASSERTION", "licenseDeclared": licence,
        "copyrightText": "NOASSERTION",
    });
    // Ours are in no registry.
    if let Some(checksum) = checksum {
        let (name, version) = (&one.name, &one.version);
        package["downloadLocation"] =
            format!("https://crates.io/api/v1/crates/{name}/{version}/download").into();
        package["checksums"] = json!([{"algorithm": "SHA256", "checksumValue": checksum}]);
        package["externalRefs"] = json!([{
            "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
            "referenceLocator": format!("pkg:cargo/{name}@{version}"),
        }]);
    }
    package
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const INPUT: &str = "program\taion-node\tbin/aion-node\taaaaaaaaaaaaaaaa\n\
        crate\taion-abi v0.1.0 (/somewhere/crates/abi)\tApache-2.0\t\n\
        crate\thex v0.4.3\tMIT/Apache-2.0\thttps://example.org\n\
        crate\thex v0.4.3 (*)\tMIT/Apache-2.0\thttps://example.org\n\
        program\taionctl\tbin/aionctl\tbbbbbbbbbbbbbbbb\n\
        crate\thex v0.4.3\tMIT/Apache-2.0\thttps://example.org\n";

    fn document() -> Value {
        let locked = (("hex".to_owned(), "0.4.3".to_owned()), "7f".to_owned());
        let programs = read(INPUT).unwrap();
        let checksums = Checksums::from([locked]);
        write(
            "aion-os",
            "0.1.0",
            Timestamp::UNIX_EPOCH,
            &programs,
            &checksums,
        )
        .unwrap()
    }

    #[test]
    fn each_program_names_what_is_linked_into_it_and_each_crate_stands_once() {
        let document = document();
        let names: Vec<_> = document["packages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["name"])
            .collect();
        assert_eq!(
            names,
            ["aion-os", "aion-node", "aionctl", "aion-abi", "hex"]
        );
        let hex = &document["packages"][4];
        assert_eq!(hex["licenseDeclared"], "MIT OR Apache-2.0");
        assert_eq!(hex["checksums"][0]["checksumValue"], "7f");
        assert_eq!(document["packages"][3]["downloadLocation"], "NOASSERTION");
        let links = document["relationships"].as_array().unwrap();
        let linked: Vec<_> = links
            .iter()
            .filter(|it| it["relationshipType"] == "STATIC_LINK")
            .collect();
        assert_eq!(linked.len(), 3, "{linked:#?}");
        assert!(!document.to_string().contains("/somewhere"), "{document:#}");
    }

    #[test]
    fn every_relationship_is_between_what_the_document_has() {
        let document = document();
        let packages = document["packages"].as_array().unwrap().iter();
        let mut known: BTreeSet<_> = packages.map(|it| it["SPDXID"].as_str().unwrap()).collect();
        known.insert("SPDXRef-DOCUMENT");
        for relationship in document["relationships"].as_array().unwrap() {
            for end in ["spdxElementId", "relatedSpdxElement"] {
                assert!(
                    known.contains(relationship[end].as_str().unwrap()),
                    "{relationship}"
                );
            }
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for input in [
            "",
            "crate\thex v1\tMIT\n",
            "program\ta\tbin/a\tb\n",
            "program\ta\tbin/a\tb\ncrate\thex\tMIT\n",
            "hello\n",
        ] {
            assert!(read(input).is_err(), "{input:?}");
        }
    }
}
