//! The tables of tests/corpus/tables.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::{fs, io};

use serde::Deserialize;

use super::node::Node;
use crate::host::{Caller, FileRef, Source};
use crate::profile::{self, Column, Kind, Options, Table};
use crate::report::{self, File};
use crate::turn::open::open;

/// What is right for one table of the corpus; tests/corpus/tables/make.py and sheets.py say what the fields are.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Outcome {
    rows: u64,
    names: Option<Vec<String>>,
    kinds: BTreeMap<String, String>,
    figures: BTreeMap<String, BTreeMap<String, f64>>,
    says: Vec<String>,
    refused: Option<Vec<String>>,
    quiet: bool,
    left_out: bool,
    /// Names a sheet.
    question: String,
}

#[test]
fn every_table_of_the_corpus_is_read_as_it_should_be() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/tables");
    let (mut cases, mut failed) = (0, Vec::new());
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = path.extension().and_then(|kind| kind.to_str());
        if !matches!(kind, Some("csv" | "tsv" | "xlsx" | "ods")) {
            continue;
        }
        let want: Outcome =
            serde_json::from_slice(&fs::read(path.with_extension("json")).unwrap()).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let raw = fs::read(&path).unwrap();
        let good = std::panic::catch_unwind(|| check(name, &raw, &want)).is_ok();
        // tests/corpus/run looks for these lines.
        let stem = path.file_stem().unwrap().to_str().unwrap();
        println!(
            "corpus tables/{stem} ... {}",
            if good { "ok" } else { "FAILED" }
        );
        failed.extend((!good).then(|| name.to_owned()));
        cases += 1;
    }
    assert!(failed.is_empty(), "{failed:?}");
    assert!(cases > 70, "{cases} cases");
}

fn read(name: &str, raw: &[u8], question: &str) -> io::Result<(File, Table)> {
    let caller: Rc<dyn Caller> = Node::new(&[(name, raw)]);
    let file = FileRef {
        mount: "input".into(),
        path: name.into(),
    };
    let opened = open(&Source::new(caller, file), question, Rc::new(|_, _| {}))?;
    let options = Options {
        source: &opened.source,
        ..Options::default()
    };
    let table = profile::analyse(&|| opened.text(), &opened.head, opened.whole, &options)?;
    let about = File {
        name: name.into(),
        size: raw.len() as u64,
        others: opened.others.clone(),
    };
    Ok((about, table))
}

fn check(name: &str, raw: &[u8], want: &Outcome) {
    let read = read(name, raw, &want.question);
    if let Some(parts) = &want.refused {
        let said = read.map(|_| ()).unwrap_err().to_string();
        assert!(
            parts.iter().all(|part| said.contains(part)),
            "{name}: {said} does not say {parts:?}"
        );
        return;
    }
    let (file, table) = read.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(table.rows, want.rows, "{name}");
    if let Some(names) = &want.names {
        let got: Vec<&String> = table.columns.iter().map(|c| &c.name).collect();
        assert_eq!(got, names.iter().collect::<Vec<_>>(), "{name}");
    }
    let column = |called: &str| {
        table
            .columns
            .iter()
            .find(|c| c.name == called)
            .unwrap_or_else(|| panic!("{name}: no column {called}"))
    };
    for (called, kind) in &want.kinds {
        assert_eq!(column(called).kind.name(), kind, "{name}: {called}");
    }
    for (called, figures) in &want.figures {
        let c = column(called);
        assert_eq!(c.kind, Kind::Number, "{name}: {called}");
        for (figure, &value) in figures {
            assert_eq!(figure_of(c, figure), value, "{name}: {called}: {figure}");
        }
    }
    let left = report::left_out(&file, &table);
    assert_eq!(!left.is_empty(), want.left_out, "{name}: {left}");
    let answer = report::summary(&file, &table, &[], "report.md", "plot.svg");
    for part in &want.says {
        assert!(
            answer.contains(part),
            "{name}: the answer does not say {part:?}:\n{answer}"
        );
    }
    let cautions = report::cautions(&file, &table);
    assert!(!want.quiet || cautions.is_empty(), "{name}: {cautions:?}");
    let drawn = report::plot(&file, &table, &[]).unwrap_or_default();
    assert!(
        !drawn.contains("NaN") && !drawn.contains("\"inf"),
        "{name}: a coordinate is no number"
    );
}

fn figure_of(c: &Column, figure: &str) -> f64 {
    match figure {
        "mean" => c.moments.mean(),
        "stdev" => c.moments.stdev(),
        "min" => c.moments.min,
        "max" => c.moments.max,
        "q25" => c.quantiles.percentile(25),
        "median" => c.quantiles.percentile(50),
        "q75" => c.quantiles.percentile(75),
        _ => panic!("no figure {figure}"),
    }
}
