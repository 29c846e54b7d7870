//! Every attempt, made by the program of an image and by a tool behind the real launcher: with every layer on none
//! succeeds, each layer that is said to hold one holds it alone, and with all of them off it succeeds. It takes root.
#![allow(clippy::unwrap_used, clippy::panic)]

mod image;
mod page;
mod runs;
mod stage;

use std::collections::BTreeMap;

use aion_escape::attempts::{ALLOWED, Held, all};
use aion_escape::outcome::SUCCEEDED;
use runs::{Runs, is_missing};

/// Whether the tests run as root; if not, the test is noted as skipped.
fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        aion_testkit::skip("root", "only root can take a layer of a sandbox away");
    }
    root
}

/// Fails with all that is wrong, one a line.
fn none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}\n", broken.join("\n  "));
}

/// Differences between what was expected of each attempt and what came of it.
fn differences(
    expected: impl Fn(&aion_escape::attempts::Attempt) -> &'static str,
    got: &BTreeMap<String, String>,
    bare: &BTreeMap<String, String>,
) -> Vec<String> {
    let of_one = |attempt: aion_escape::attempts::Attempt| {
        let (wanted, got) = (expected(&attempt), got.get(attempt.name));
        let got = match got.map_or("nothing", String::as_str) {
            SUCCEEDED if wanted == ALLOWED => ALLOWED,
            got => got,
        };
        // What a machine lacks is not in a sandbox of it either.
        let lacking = attempt.held == Held::ByTheSandbox
            && got == "ENOENT"
            && bare.get(attempt.name).is_some_and(|it| it == "ENOENT");
        (got != wanted && !lacking)
            .then(|| format!("{}: expected {wanted}, got {got}", attempt.name))
    };
    all().into_iter().filter_map(of_one).collect()
}

#[test]
fn there_are_many_attempts_and_each_has_a_name_of_its_own() {
    let mut names: Vec<&str> = all().iter().map(|attempt| attempt.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(count >= 80, "{count}");
    for attempt in all() {
        // Whatever else is expected of a tool, which is shown what no image's program is.
        assert_ne!(attempt.expected, SUCCEEDED, "{}", attempt.name);
    }
}

#[test]
fn no_attempt_of_an_images_program_succeeds_and_each_fails_as_it_is_said_to() {
    if is_root() {
        let runs = Runs::get();
        let broken = differences(|it| it.expected, &runs.process, &runs.bare);
        none("as the program of an image", &broken);
    }
}

#[test]
fn no_attempt_of_a_tool_succeeds_and_each_fails_as_it_is_said_to() {
    if is_root() {
        let runs = Runs::get();
        none(
            "as a tool",
            &differences(|it| it.as_tool, &runs.tool, &runs.bare),
        );
    }
}

/// What a network changes of an attempt: sockets of TCP and UDP are there, and lead to its doors or nowhere.
const WITH_A_NETWORK: [(&str, &str); 14] = [
    ("socket-inet", SUCCEEDED),
    ("socket-inet6", SUCCEEDED),
    ("socket-udp", SUCCEEDED),
    // At a door, as the test sees for itself.
    ("tcp-loopback", SUCCEEDED),
    ("tcp-metadata", SUCCEEDED),
    ("tcp-cluster", SUCCEEDED),
    ("tcp-agent", SUCCEEDED),
    ("tcp-internet", SUCCEEDED),
    // Sent to itself, where nobody takes it.
    ("tcp-node", SUCCEEDED),
    ("tcp-dns", SUCCEEDED),
    ("udp-dns", SUCCEEDED),
    ("udp-dns-loopback", SUCCEEDED),
    ("tcp-listen", "errno 98"),
    ("privileged-port", "EACCES"),
];

#[test]
fn a_granted_network_leads_to_its_doors_and_lets_no_other_attempt_succeed() {
    if !is_root() {
        return;
    }
    let runs = Runs::get();
    let (came, meant) = &runs.networked;
    let expected = |it: &aion_escape::attempts::Attempt| {
        let changed = WITH_A_NETWORK.iter().find(|(name, _)| *name == it.name);
        changed.map_or(it.expected, |(_, told)| told)
    };
    none("with a network", &differences(expected, came, &runs.bare));
    let mut meant: Vec<String> = meant.iter().map(ToString::to_string).collect();
    meant.sort();
    let at_doors = [
        "10.77.0.2:8080",
        "10.96.0.1:443",
        "127.0.0.1:80",
        "169.254.169.254:80",
        "192.0.2.1:443",
    ];
    assert_eq!(meant, at_doors);
}

#[test]
fn with_what_holds_it_off_each_attempt_succeeds() {
    if !is_root() {
        return;
    }
    let (runs, mut broken, mut missing) = (Runs::get(), Vec::new(), Vec::new());
    for attempt in all() {
        let got = runs.with_all_off(&attempt);
        if is_missing(got) {
            missing.push(attempt.name);
        } else if got != SUCCEEDED {
            broken.push(format!("{}: {got}", attempt.name));
        }
    }
    none("an attempt that cannot succeed proves nothing", &broken);
    if !missing.is_empty() {
        aion_testkit::skip(
            "machine that has all of it",
            &format!("not here: {}", missing.join(", ")),
        );
    }
}

#[test]
fn each_layer_that_is_said_to_hold_an_attempt_holds_it_alone() {
    if !is_root() {
        return;
    }
    let (runs, mut broken) = (Runs::get(), Vec::new());
    for attempt in all() {
        let Held::By(layers) = attempt.held else {
            continue;
        };
        for layer in layers {
            let got = runs.with_it_alone(&attempt, *layer);
            if got == SUCCEEDED {
                broken.push(format!("{}: {layer} does not hold it", attempt.name));
            }
        }
    }
    none("a layer that holds nothing is not to be named", &broken);
}

#[test]
fn the_page_says_what_the_last_run_did() {
    if !is_root() {
        return;
    }
    let text = page::render(Runs::get());
    let path = page::path();
    if std::env::var_os("AION_ESCAPE_PAGE").is_some_and(|it| it == "write") {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let (kept, text) = (page::deterministic(&kept), page::deterministic(&text));
    let differ = text.iter().zip(&kept).find(|(new, old)| new != old);
    assert!(
        kept == text,
        "{} is not of this run, from {differ:?} on: AION_ESCAPE_PAGE=write cargo test -p aion-escape",
        path.display()
    );
}
