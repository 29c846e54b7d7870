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

/// What built a module: the version of the compiler, and the digest of what it gave.
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

/// The compiler's version, where it can build for WebAssembly.
fn compiler() -> Result<String, &'static str> {
    let asked = |arguments: &[&str]| {
        let output = Command::new("rustc")
            .args(arguments)
            .current_dir(agents().join("analyst"))
            .output()
            .ok()?;
        Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
    };
    let found = asked(&["--version"]).ok_or("no rustc is here")?;
    let libraries = asked(&["--print", "target-libdir", "--target", "wasm32-wasip1"]);
    match libraries.is_some_and(|folder| Path::new(&folder).is_dir()) {
        true => Ok(found),
        false => Err("rustc has no target wasm32-wasip1 here"),
    }
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
    match compiler() {
        Ok(found) if found == wanted => {}
        Ok(found) => {
            return skip(
                &wanted,
                &format!("the module was built with it, here is {found}"),
            );
        }
        Err(why) => return skip(&wanted, &format!("the module is built with it, and {why}")),
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
        "apiVersion: aion.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {{name: t}}\nspec:\n  inline: allow\n  external: allow\n  keys:\n    \
         - name: k\n      publicKey: |\n{pem}"
    );
    fs::write(&trust, text).unwrap();
    // All of them at once, as one may be another's tool.
    let files = folders_with("agent.yaml")
        .into_iter()
        .map(|folder| folder.join("agent.yaml"));
    let by_hand = agents().join("../policies/by-hand.yaml");
    let all: Vec<PathBuf> = files.chain([by_hand]).collect();
    // The same agent in another form, with the model that another one brings.
    let with_model = ["jarvis/agent.yaml", "homekeeper/with-model/agent.yaml"];
    let with_model = with_model.map(|it| agents().join(it)).to_vec();
    for files in [all, with_model] {
        let ran = ran(command(home.path()).arg("explain").args(files).arg(&trust));
        assert_eq!(ran.status, 0, "{}\n{}", ran.out, ran.err);
        assert!(!ran.out.contains("It may not"), "{}", ran.out);
    }
}
