//! What documents refer to: a link to a file of this project leads to it.

use std::path::Path;

use crate::{none, root, tree::files};

/// Where the links of a text lead, as written: `[text](target)` and `[name]: target`, outside of code.
fn targets(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        // Every second piece between backticks is code.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("code");
        for piece in prose.split("](").skip(1) {
            found.extend(piece.split([')', ' ']).next().map(str::to_owned));
        }
        if let Some((name, target)) = prose.split_once("]: ")
            && name.starts_with('[')
        {
            found.extend(target.split_whitespace().next().map(str::to_owned));
        }
    }
    found
}

/// Whether `target`, written in the document `from`, is a file or folder of the project, or is none of ours.
fn leads(from: &Path, target: &str) -> bool {
    let path = target.split('#').next().unwrap_or_default();
    let elsewhere = path.is_empty() || path.contains("://") || path.starts_with("mailto:");
    elsewhere || from.parent().unwrap().join(path).exists()
}

#[test]
fn a_link_in_a_document_leads_to_a_file() {
    let documents = files("md");
    assert!(documents.iter().any(|it| it.path == "README.md"));
    let mut broken = Vec::new();
    for document in documents {
        for target in targets(&document.text) {
            if !leads(&root().join(&document.path), &target) {
                broken.push(format!("{}: {target}", document.path));
            }
        }
    }
    none("links that lead nowhere", &broken);
}

#[test]
fn links_are_found_where_people_click_them() {
    let text = "see [a](docs/a.md), ![b](b.svg \"title\") and `[c](c.md)`\n```\n[d](d.md)\n```\n[e]: e.md#part\n";
    assert_eq!(targets(text), ["docs/a.md", "b.svg", "e.md#part"]);
    let here = root().join("README.md");
    assert!(leads(&here, "docs/cli.md#everywhere") && leads(&here, "https://example.org/x"));
    assert!(!leads(&here, "docs/nowhere.md"));
}
