//! Manifests as editors, `kubectl` and other programs leave them: the cases of `tests/corpus/manifests`, each with
//! what is right beside it.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{fs, path::Path};

use serde::Deserialize;

use super::parse_manifests;

/// What comes of a file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Right {
    /// Its objects, as `Kind namespace/name`, or `Kind name` where they name no namespace.
    Objects(Vec<String>),
    /// What its problems say, line and column before all else.
    Problems(Vec<String>),
}

/// Whether it came to that; if not, what it came to.
fn judge(text: &str, right: &Right) -> Result<(), String> {
    match (parse_manifests(text, "it"), right) {
        (Ok(found), Right::Objects(objects)) => {
            let found: Vec<String> = found
                .iter()
                .map(|it| {
                    let object = &it.object;
                    let kind = object.to_json().unwrap()["kind"]
                        .as_str()
                        .unwrap()
                        .to_owned();
                    let namespace = Some(object.namespace()).filter(|it| !it.is_empty());
                    let at = namespace.map_or(String::new(), |it| format!("{it}/"));
                    format!("{kind} {at}{}", object.name())
                })
                .collect();
            match found == *objects {
                true => Ok(()),
                false => Err(format!("{found:?}")),
            }
        }
        (Err(problems), Right::Problems(says)) => {
            let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
            let told = told.join("\n");
            let place = says
                .first()
                .is_some_and(|it| told.contains(&format!("it:{it}")));
            match place && says.iter().all(|it| told.contains(it)) {
                true => Ok(()),
                false => Err(told),
            }
        }
        (Ok(found), Right::Problems(_)) => Err(format!("{} objects", found.len())),
        (Err(problems), Right::Objects(_)) => Err(format!("{problems:?}")),
    }
}

#[test]
fn manifests_as_programs_leave_them_are_read_or_refused_with_their_place() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/manifests");
    let mut names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .filter_map(|it| {
            Some(
                it.unwrap()
                    .file_name()
                    .to_str()?
                    .strip_suffix(".yaml")?
                    .to_owned(),
            )
        })
        .collect();
    names.sort();
    let mut wrong = Vec::new();
    for name in &names {
        let read = |end: &str| fs::read_to_string(folder.join(format!("{name}.{end}"))).unwrap();
        let right = serde_json::from_str(&read("json")).unwrap();
        match judge(&read("yaml"), &right) {
            Ok(()) => println!("corpus manifests/{name} ... ok"),
            Err(found) => wrong.push(format!("{name}: {found}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
