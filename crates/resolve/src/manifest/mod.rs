//! Manifests: YAML into objects, refused as an API server would refuse them, with the place of every
//! fault.
//!
//! The schema, its defaults and its CEL rules are those of the definitions under `crds/`, so nothing is
//! said twice. A field that is not in the schema is refused, as `kubectl` has it.

mod broken;
mod located;
mod metadata_check;
mod near;
mod object;
mod rules;
mod schema_check;

use std::collections::VecDeque;

use aion_api::{API_VERSION, GROUP, crd};

use crate::problem::{Place, Problem, Told};
use crate::steps;

use self::located::{Content, Node};
pub use self::object::Object;
use self::schema_check::Fault;

/// The largest text that is read, in bytes.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// An object and where it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The object, with the schema's defaults filled in.
    pub object: Object,
    /// Where it begins.
    pub place: Place,
}

/// Reads every document of `text`; `file` is what problems call it.
///
/// # Errors
/// All problems of all documents. No object is returned when there is one: a file is taken whole or not
/// at all.
pub fn parse_manifests(text: &str, file: &str) -> Result<Vec<Manifest>, Vec<Problem>> {
    let mut manifests = Vec::new();
    let mut problems = Vec::new();
    let mut documents = VecDeque::from(documents(text, file).map_err(|problem| vec![*problem])?);
    while let Some(document) = documents.pop_front() {
        if let Some(items) = items(&document) {
            for item in items.iter().rev() {
                documents.push_front(item.clone());
            }
            continue;
        }
        match read(&document, file) {
            Ok(manifest) => manifests.push(manifest),
            Err(mut found) => problems.append(&mut found),
        }
    }
    if problems.is_empty() {
        Ok(manifests)
    } else {
        Err(problems)
    }
}

/// The objects of a list, as `get -o yaml` writes several: `kind: List` of `v1`, and lists of one kind.
fn items(document: &Node) -> Option<&[Node]> {
    let text = |key: &str| document.get(key).and_then(Node::text);
    let is_list = match (text("apiVersion")?, text("kind")?) {
        ("v1", "List") => true,
        (API_VERSION, kind) => kind
            .strip_suffix("List")
            .is_some_and(|kind| crd::kind(kind).is_some()),
        _ => false,
    };
    match &document.get("items")?.content {
        Content::List(items) if is_list => Some(items),
        _ => None,
    }
}

fn documents(text: &str, file: &str) -> Result<Vec<Node>, Box<Problem>> {
    let whole = |line: u64, column: u64, told: Told| {
        let place = Some(Place {
            file: file.to_owned(),
            line,
            column,
        });
        Box::new(Problem {
            place,
            ..Problem::new("", told)
        })
    };
    if text.len() > MAX_BYTES {
        return Err(whole(
            1,
            1,
            (
                format!("is {} bytes long, and {MAX_BYTES} are the most", text.len()),
                "split it",
            )
                .into(),
        ));
    }
    // Each document may begin with a byte-order mark (YAML 1.2.2, 9.1.1), as files have it that were put one after
    // another; the parser takes the first only.
    let text = text.replace("\n\u{feff}", "\n");
    let documents: Vec<Node> = serde_saphyr::from_multiple(&text).map_err(|error| {
        let (line, column, told) = broken::told(&error, &text);
        whole(line, column, told)
    })?;
    Ok(documents
        .into_iter()
        .filter(|document| !matches!(document.content, Content::Null))
        .collect())
}

fn read(document: &Node, file: &str) -> Result<Manifest, Vec<Problem>> {
    let place = |line: u64, column: u64| Place {
        file: file.to_owned(),
        line,
        column,
    };
    let text = |key: &str| document.get(key).and_then(Node::text);
    let object = match (
        text("kind"),
        document
            .get("metadata")
            .and_then(|m| m.get("name"))
            .and_then(Node::text),
    ) {
        (Some(kind), Some(name)) => format!("{kind} {name}"),
        (Some(kind), None) => kind.to_owned(),
        _ => String::new(),
    };
    let problem = |fault: Fault| Problem {
        place: Some(place(fault.line, fault.column)),
        object: object.clone(),
        ..Problem::new(fault.field, fault.told)
    };
    let problems = |faults: Vec<Fault>| faults.into_iter().map(problem).collect::<Vec<_>>();

    let kind = kind(document).map_err(|fault| vec![problem(fault)])?;
    let Some(rules) = rules::rules(kind.name) else {
        return Err(problems(vec![at(
            document,
            "kind",
            format!("the schema of {} is missing", kind.name),
        )]));
    };
    let mut faults = body(&rules.schema, document);
    match document.get("metadata") {
        Some(metadata) => faults.append(&mut metadata_check::check(metadata, kind)),
        None => faults.push(at(
            document,
            "metadata",
            ("is missing", "add metadata with a name"),
        )),
    }
    let value = rules.with_defaults(&document.to_json());
    if faults.is_empty() {
        faults = rules
            .broken(&value)
            .into_iter()
            .map(|(field, told)| at(document, &field, told))
            .collect();
    }
    if !faults.is_empty() {
        return Err(problems(faults));
    }
    let read = Object::read(kind.name, value)
        .map_err(|error| problems(vec![at(document, "", format!("cannot be read: {error}"))]))?;
    if let Some(Object::Agent(agent)) = &read {
        let wrong = steps::check(&agent.spec).into_iter();
        let wrong = wrong.map(|it| at(document, &it.field, Told::from(&it)));
        let wrong: Vec<_> = wrong.collect();
        if !wrong.is_empty() {
            return Err(problems(wrong));
        }
    }
    read.map(|object| Manifest {
        object,
        place: place(document.line, document.column),
    })
    .ok_or_else(|| {
        problems(vec![at(
            document,
            "kind",
            ("is not written by people", "the system makes these objects"),
        )])
    })
}

/// The kind a document says it is.
fn kind(document: &Node) -> Result<&'static crd::Kind, Fault> {
    if !matches!(document.content, Content::Map(_)) {
        return Err(at(
            document,
            "",
            format!(
                "must be a map with apiVersion, kind and metadata, and is {}",
                document.content.kind()
            ),
        ));
    }
    let word = |key: &str, add: String| match document.get(key) {
        None => Err(at(
            document,
            key,
            ("is missing", format!("add {key}: {add}")),
        )),
        Some(node) => node
            .text()
            .map(str::to_owned)
            .ok_or_else(|| at(document, key, "must be text")),
    };
    let version = word("apiVersion", API_VERSION.to_owned())?;
    let name = word("kind", "Agent, or another kind".to_owned())?;
    let known = crd::kind(&name);
    if version != API_VERSION {
        let told = match version.split_once('/') {
            Some((GROUP, _)) => (
                format!("is {version}, and this release reads {API_VERSION}"),
                "change it".to_owned(),
            ),
            _ if known.is_some() => (
                format!("is {version}, and {name} belongs to {API_VERSION}"),
                "change it".to_owned(),
            ),
            _ => (
                format!("is {version}"),
                format!("only objects of {API_VERSION} are read here, apply others with kubectl"),
            ),
        };
        return Err(at(document, "apiVersion", told));
    }
    let people = || {
        crd::KINDS
            .iter()
            .filter(|kind| kind.written_by_people)
            .map(|kind| kind.name)
    };
    match known {
        Some(kind) if kind.written_by_people => Ok(kind),
        Some(kind) => Err(at(
            document,
            "kind",
            (
                format!("{} is not written by people", kind.name),
                "the system makes these objects, write an Agent",
            ),
        )),
        None => {
            let remedy = near::meant(&name, people());
            Err(at(
                document,
                "kind",
                (format!("{name} is not a kind"), remedy),
            ))
        }
    }
}

/// Everything but `metadata`, which an API server checks by rules of its own.
fn body(schema: &serde_json::Value, document: &Node) -> Vec<Fault> {
    let Content::Map(entries) = &document.content else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    for (key, value) in entries {
        match key.name.as_str() {
            // Status is the system's: an API server drops what an apply says of it.
            "apiVersion" | "kind" | "metadata" | "status" => {}
            "spec" => faults.append(&mut schema_check::check(
                &schema["properties"]["spec"],
                value,
                "spec",
            )),
            other => {
                let fields = ["apiVersion", "kind", "metadata", "spec"];
                let remedy = match near::near(other, fields) {
                    Some(name) => format!("did you mean {name}?"),
                    None => format!("there are {}; most belong under spec", fields.join(", ")),
                };
                faults.push(Fault {
                    line: key.line,
                    column: key.column,
                    field: other.to_owned(),
                    told: ("is not a field here", remedy).into(),
                });
            }
        }
    }
    if document.get("spec").is_none() {
        faults.push(at(document, "spec", ("is missing", "add it")));
    }
    faults
}

/// A fault of `field`, at its place or that of its nearest parent.
fn at(document: &Node, field: &str, told: impl Into<Told>) -> Fault {
    let node = document.nearest(field);
    Fault {
        line: node.line,
        column: node.column,
        field: field.to_owned(),
        told: told.into(),
    }
}

#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod tests;
