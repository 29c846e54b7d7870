//! The shipped agents are what they claim to be: their bundles have the digests that their manifests name, the built
//! module is what its source gives, and every manifest is accepted and granted what it asks for on one machine.

#![allow(clippy::unwrap_used, clippy::panic)]

mod admin;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use admin::{command, ran};
use aion_bundle::{Layout, build};
use aion_testkit::skip;

fn agents() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../agents")
        .canonicalize()
        .unwrap()
}

fn folders_with(file: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(agents())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries
        .filter(|folder| folder.join(file).is_file())
        .collect();
    found.sort();
    assert!(!found.is_empty(), "no folder of agents/ has a {file}");
    found
}

#[test]
fn a_shipped_bundle_has_the_digest_that_its_manifest_names() {
    for folder in folders_with("bundle.yaml") {
        let layouts = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [first, second] = layouts.each_ref().map(|at| {
            build(&folder, &Layout::create(at.path()).unwrap())
                .unwrap()
                .digest
                .to_string()
        });
        assert_eq!(
            first,
            second,
            "{} is built otherwise each time",
            folder.display()
        );
        let manifest = fs::read_to_string(folder.join("agent.yaml")).unwrap();
        assert!(
            manifest.contains(&first),
            "{} is {first}; write that into its agent.yaml",
            folder.display()
        );
    }
}

/// What built a module: the version of Go, and the digest of what it gave.
fn made(folder: &Path) -> (String, String) {
    let text = fs::read_to_string(folder.join("analyst.wasm.made")).unwrap();
    let mut lines = text.lines();
    let version = lines.next().unwrap().to_owned();
    let digest = lines
        .next()
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned();
    (version, digest)
}

fn go_version() -> Option<String> {
    let output = Command::new("go")
        .args(["env", "GOVERSION"])
        .env("GOTOOLCHAIN", "local")
        .output()
        .ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

#[test]
fn the_module_in_the_repository_is_what_its_source_gives() {
    let folder = agents().join("analyst");
    let (wanted, digest) = made(&folder);
    let kept = fs::read(folder.join("analyst.wasm")).unwrap();
    let noted = aion_bundle::Digest::of(&kept).hex();
    assert_eq!(
        noted, digest,
        "analyst.wasm is not the one that analyst.wasm.made tells of"
    );
    match go_version() {
        Some(found) if found == wanted => {}
        Some(found) => {
            return skip(
                "Go",
                &format!("the module was built with {wanted}, here is {found}"),
            );
        }
        None => {
            return skip(
                "Go",
                &format!("the module is built with {wanted}, and no Go is here"),
            );
        }
    }
    let target = tempfile::tempdir().unwrap();
    let again = target.path().join("again.wasm");
    let built = Command::new(folder.join("build"))
        .arg(&again)
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    assert!(
        fs::read(&again).unwrap() == kept,
        "the source was changed: run agents/analyst/build and commit"
    );
}

/// `go test` in the analyst's source; what it printed.
fn go_test(arguments: &[&str]) -> String {
    let tested = Command::new("go")
        .arg("test")
        .args(arguments)
        .env("GOTOOLCHAIN", "local")
        .current_dir(agents().join("analyst/src"))
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&tested.stdout).into_owned();
    assert!(
        tested.status.success(),
        "{printed}{}",
        String::from_utf8_lossy(&tested.stderr)
    );
    printed
}

#[test]
fn the_guests_own_tests_pass() {
    if go_version().is_none() {
        return skip("Go", "it runs the tests of the analyst");
    }
    let printed = go_test(&["-v", "./..."]);
    let cases = printed.matches("--- PASS: TestCorpus/").count();
    assert!(cases > 70, "{cases} tables of the corpus were read");
    println!("{cases} tables of tests/corpus/tables are read as they should be");
    for line in printed
        .lines()
        .filter(|line| line.contains("in random dialects"))
    {
        println!("{}", line.trim());
    }
}

/// Each for as many inputs as take some seconds. One that is found fails from then on, as a file below `testdata`.
#[test]
fn the_guests_readers_take_any_bytes() {
    if go_version().is_none() {
        return skip("Go", "it fuzzes the readers of the analyst");
    }
    for (package, target, times) in [
        ("csvfile", "FuzzRowsLoseNoByteOfText", "20000x"),
        ("csvfile", "FuzzTheQuickWayIsTheThoroughOne", "20000x"),
        ("sniff", "FuzzAnyBytesAreReadOrRefused", "10000x"),
        ("sheet", "FuzzAnyArchiveIsReadOrRefused", "1000x"),
        ("sheet", "FuzzAnyPartsAreReadOrRefused", "10000x"),
    ] {
        let (package, target) = (format!("./internal/{package}"), format!("^{target}$"));
        go_test(&[
            "-run=^$",
            "-fuzz",
            &target,
            "-fuzztime",
            times,
            "-parallel=1",
            &package,
        ]);
        println!("{target}: {times}");
    }
}

#[test]
fn every_shipped_agent_is_granted_what_it_asks_for_on_one_machine() {
    let home = tempfile::tempdir().unwrap();
    // The key vouches for nothing here: this is about rights, and a trusted key must be there for a bundle to be
    // judged at all.
    let key = aion_bundle::SigningKey::generate().unwrap();
    let pem: String = key
        .public_pem()
        .lines()
        .map(|line| format!("        {line}\n"))
        .collect();
    let trust = home.path().join("trust.yaml");
    let text = format!(
        "apiVersion: aion.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {{name: t}}\nspec:\n  inline: allow\n  keys:\n    \
         - name: k\n      publicKey: |\n{pem}"
    );
    fs::write(&trust, text).unwrap();
    for folder in folders_with("agent.yaml") {
        let file = folder.join("agent.yaml");
        let ran = ran(command(home.path()).arg("explain").arg(&file).arg(&trust));
        assert_eq!(
            ran.status,
            0,
            "{}\n{}\n{}",
            file.display(),
            ran.out,
            ran.err
        );
        assert!(
            !ran.out.contains("It may not"),
            "{}\n{}",
            file.display(),
            ran.out
        );
    }
}
