//! The vectors of the Sigstore conformance suite, where the environment names them: folders as its
//! `test/assets/bundle-verify` has them, each with a `bundle.sigstore.json`; what must fail is called `…_fail`.

#![allow(clippy::unwrap_used)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use aion_testkit::skip;

/// Where they are.
const VECTORS: &str = "AION_SIGSTORE_VECTORS";
/// Who signed, where a folder does not say so.
const IDENTITY: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/\
                        workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";
/// Vectors that are judged otherwise here, and why.
const OTHERWISE: [(&str, &str); 0] = [];

fn counts(vector: &Path) -> (bool, String) {
    let said = |file: &str, unless: &str| {
        let text = fs::read_to_string(vector.join(file));
        text.map_or(unless.to_owned(), |text| text.trim().to_owned())
    };
    let mut client = Command::new(env!("CARGO_BIN_EXE_aion-sigstore-conformance"));
    client
        .arg("verify-bundle")
        .arg("--bundle")
        .arg(vector.join("bundle.sigstore.json"));
    match vector.join("key.pub") {
        key if key.exists() => client.arg("--key").arg(key),
        _ => client
            .args(["--certificate-identity", &said("identity", IDENTITY)])
            .args(["--certificate-oidc-issuer", &said("issuer", ISSUER)]),
    };
    let root = vector.join("trusted_root.json");
    if root.exists() {
        client.arg("--trusted-root").arg(root);
    }
    let artifact = vector.join("artifact");
    client.arg(match artifact.exists() {
        true => artifact,
        false => vector.parent().unwrap().join("a.txt"),
    });
    let output = client.env("RUST_BACKTRACE", "0").output().unwrap();
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    )
}

#[test]
fn each_vector_is_judged_as_its_name_says() {
    let Some(folder) = env::var_os(VECTORS).map(PathBuf::from) else {
        skip(
            "the vectors of sigstore-conformance",
            &format!("{VECTORS} names no folder like its test/assets/bundle-verify"),
        );
        return;
    };
    let mut vectors: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    vectors.retain(|it| it.join("bundle.sigstore.json").exists());
    vectors.sort();
    assert!(!vectors.is_empty(), "{} has none", folder.display());
    let mut wrong = Vec::new();
    for vector in &vectors {
        let name = vector.file_name().unwrap().to_string_lossy().into_owned();
        let otherwise = OTHERWISE.iter().any(|(known, _)| *known == name);
        let (counted, why) = counts(vector);
        println!("{name}: {}", if counted { "counts" } else { &why });
        if counted == (name.ends_with("_fail") != otherwise) {
            wrong.push(format!("{name}: {why}"));
        }
    }
    println!(
        "{} of {} as their names say",
        vectors.len() - wrong.len() - OTHERWISE.len(),
        vectors.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
