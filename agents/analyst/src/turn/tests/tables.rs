//! Whole turns.

use std::fmt::Write as _;

use super::node::{Node, run};
use crate::cell::When;

/// Two years of days: a rise, a season, noise from a fixed generator, two spikes, some gaps.
fn orders() -> String {
    let mut out = String::from("date,region,orders,revenue,returned\n");
    let mut state = 1_u64;
    let mut noise = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1 << 24) - 0.5
    };
    for day in 0..731 {
        let at = f64::from(day);
        let mut count = 120.0 + 0.16 * at + 9.0 * (at / 58.0).sin() + 14.0 * noise();
        if day == 200 || day == 512 {
            count *= 3.0;
        }
        let returned = match (day % 13, count * 0.04 + 2.0 * noise()) {
            (0, _) => String::new(),
            (_, returned) => format!("{returned:.0}"),
        };
        let (year, month, date) = When::of(2024, 1, 1 + i64::from(day)).date();
        let region = ["north", "south", "west"][day as usize % 3];
        let revenue = count * 23.5 + 90.0 * noise();
        writeln!(
            out,
            "{year}-{month:02}-{date:02},{region},{count:.0},{revenue:.2},{returned}"
        )
        .unwrap();
    }
    out
}

#[test]
fn a_table_becomes_a_report_a_plot_a_memory_and_an_answer() {
    let node = Node::new(&[("orders.csv", orders().as_bytes())]);
    run(&node, "What about revenue?", &["orders.csv"]).unwrap();
    let (report, plot) = (node.text("output/report.md"), node.text("output/plot.svg"));
    for want in [
        "# orders.csv",
        "731 rows and 5 columns",
        "**revenue** rises clearly over date",
        "## Outliers",
        "(plot.svg)",
    ] {
        assert!(
            report.contains(want),
            "the report does not say {want:?}:\n{report}"
        );
    }
    assert!(plot.starts_with("<svg"));
    assert!(
        plot.find(">revenue<").unwrap() < plot.find(">orders<").unwrap(),
        "what was asked for comes first"
    );
    let state = node.0.borrow();
    assert!(state.memories["analysis:orders.csv"].contains("731 rows"));
    assert!(
        state.last.contains("2 outliers") && state.last.contains("report.md"),
        "{}",
        state.last
    );
    assert!(!state.said.is_empty());
}

#[test]
fn a_large_file_is_read_in_chunks_without_changing_a_figure() {
    let mut text = String::from("n,half,name\n");
    for i in 1..=600_000 {
        writeln!(text, "{},{}.5,\"row, {i}\"", i % 1000, i % 7).unwrap();
    }
    assert!(text.len() > 10 << 20);
    let node = Node::new(&[("big.csv", text.as_bytes())]);
    run(&node, "", &["big.csv"]).unwrap();
    assert!(node.0.borrow().reads > text.len() / (384 << 10));
    let report = node.text("output/report.md");
    // n is 0 to 999, each 600 times: mean 499.5, sample deviation sqrt((1000²-1)/12 · N/(N-1)) = 288.67….
    for want in [
        "600,000 rows",
        "| n | 499.5 | 288.68 | 0 |",
        "| name | text | 600,000 | 0 | over 100,000 |",
    ] {
        assert!(
            report.contains(want),
            "the report does not say {want:?}:\n{report}"
        );
    }
}

#[test]
fn a_file_that_changes_meanwhile_is_read_again() {
    let text = "n,name\n".to_owned() + &"1,row\n2,row\n".repeat(100_000);
    // Between two parts, between the beginning and the reading of all, and twice.
    for changes in [vec![2], vec![1], vec![2, 4]] {
        let node = Node::new(&[("a.csv", text.as_bytes())]);
        node.0.borrow_mut().changes = changes;
        run(&node, "", &["a.csv"]).unwrap();
        assert!(node.text("output/report.md").contains("200,000 rows"));
    }
    let node = Node::new(&[("a.csv", text.as_bytes())]);
    node.0.borrow_mut().changes = (0..100).collect();
    assert!(run(&node, "", &["a.csv"]).is_err());
    let state = node.0.borrow();
    assert_eq!(state.reads, 6);
    assert!(
        state.failed.contains("a.csv changed while it was read"),
        "{}",
        state.failed
    );
}

#[test]
fn several_files_do_not_overwrite_each_others_reports() {
    let node = Node::new(&[("a.csv", b"x,y\n1,2\n2,3\n"), ("b.csv", b"x,y\n1,2\n2,3\n")]);
    run(&node, "", &["a.csv", "b.csv"]).unwrap();
    assert!(!node.text("output/1-a/report.md").is_empty());
    assert!(!node.text("output/2-b/report.md").is_empty());
}

#[test]
fn a_file_that_is_no_table_fails_the_turn_and_says_why_and_what_to_do() {
    let node = Node::new(&[("a.xlsx", b"PK\x03\x04\0\0"), ("empty.csv", b"")]);
    for (file, told) in [
        ("a.xlsx", ["ZIP archive that breaks off", "save it as CSV"]),
        (
            "empty.csv",
            ["the file is empty", "give one with a row of names"],
        ),
        ("missing.csv", ["no such file", "list what there is"]),
    ] {
        assert!(run(&node, "", &[file]).is_err(), "{file}");
        let state = node.0.borrow();
        assert!(
            told.iter().all(|words| state.failed.contains(words)),
            "{}",
            state.failed
        );
        assert!(state.last.is_empty());
    }
}

#[test]
fn without_memory_the_analysis_stands() {
    let node = Node::new(&[("a.csv", b"x,y\n1,2\n2,3\n")]);
    let refused = (
        "memory.remember".into(),
        "no grant covers memory.remember".into(),
    );
    node.0.borrow_mut().refuse.extend([refused]);
    run(&node, "", &["a.csv"]).unwrap();
    assert!(!node.text("output/report.md").is_empty());
    let said = &node.0.borrow().last;
    assert!(
        said.contains("It is not remembered: memory.remember: no grant"),
        "{said}"
    );
}

#[test]
fn without_a_file_it_tells_what_it_remembers() {
    let node = Node::new(&[]);
    run(&node, "what about orders?", &[]).unwrap();
    assert!(node.0.borrow().last.contains("aionctl run analyst --file"));
    let memory = (
        "analysis:orders.csv".into(),
        "orders.csv has 731 rows.\nrevenue rises.".into(),
    );
    node.0.borrow_mut().memories.extend([memory]);
    run(&node, "what about orders?", &[]).unwrap();
    assert!(
        node.0
            .borrow()
            .last
            .contains("- orders.csv has 731 rows.\n    revenue rises.")
    );
}
