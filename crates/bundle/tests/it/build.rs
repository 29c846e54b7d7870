//! Building: the same bytes always, and only what a node would admit.

use std::{fs, path::Path};

use aion_bundle::{BuildError, Layout, build};

use crate::fixture::{declarative, wasm, write};

#[test]
fn the_same_content_has_the_same_digest_everywhere_and_always() {
    // Committed digests of shipped bundles hang on these: a change here means
    // that every one of them changes.
    let at = tempfile::tempdir().unwrap();
    let layout = Layout::create(at.path()).unwrap();
    assert_eq!(
        declarative(&layout).digest.to_string(),
        "sha256:8f1f549a667bffd8ea8bc9980d12ebcb9f419a1703644bfd4bdf2463c60a1c73"
    );
    assert_eq!(
        wasm(&layout).digest.to_string(),
        "sha256:6550bfb60f623f9ad61019c5c63ca0906d30c6ba0feaff66e5d51108ca962d5a"
    );
}

#[test]
fn times_modes_and_order_do_not_matter() {
    let at = tempfile::tempdir().unwrap();
    let layout = Layout::create(at.path().join("layout")).unwrap();
    let recipe = "name: a\nversion: '1'\nruntime: declarative\nentry: agent.yaml\n";
    let make = |folder: &Path, names: [&str; 2], files: &str| {
        for name in names {
            write(folder, name, name.trim_start_matches("p/"));
        }
        write(folder, "agent.yaml", "x: 1\n");
        write(folder, "bundle.yaml", &format!("{recipe}files: {files}\n"));
    };
    let (one, two) = (at.path().join("one"), at.path().join("two"));
    make(&one, ["p/a", "p/b"], "[p]");
    make(&two, ["p/b", "p/a"], "[p/b, p/a, p]");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(two.join("p/a"), mode).unwrap();
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1);
    let file = fs::File::options()
        .write(true)
        .open(two.join("p/b"))
        .unwrap();
    file.set_modified(old).unwrap();
    let (first, second) = (build(&one, &layout).unwrap(), build(&two, &layout).unwrap());
    assert_eq!(first, second);
    assert_eq!(layout.resolve("a:1").unwrap().digest, first.digest);
    let listed = layout.index().unwrap().manifests.len();
    assert_eq!(listed, 1, "the second build replaced the first");
}

#[test]
fn a_folder_that_is_no_bundle_is_refused_by_name() {
    let at = tempfile::tempdir().unwrap();
    let layout = Layout::create(at.path().join("layout")).unwrap();
    let good = "name: a\nversion: '1'\nruntime: declarative\nentry: agent.yaml\n";
    let check = |recipe: &str, words: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "agent.yaml", "x: 1\n");
        write(folder.path(), "bad.yaml", "x: [\n");
        write(folder.path(), "list.yaml", "- x\n");
        write(folder.path(), "p/a", "a");
        write(folder.path(), "p/\u{7}", "a");
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
        write(folder.path(), "bundle.yaml", recipe);
        let error = build(folder.path(), &layout).unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "`{word}` in: {error}");
        }
    };
    check("", &["bundle.yaml"]);
    check("name: [", &["bundle.yaml"]);
    check(
        &good.replace("name: a", "name: A"),
        &["bundle.yaml", "lower-case"],
    );
    check(&good.replace("'1'", "'a b'"), &["bundle.yaml", "version"]);
    check(&good.replace("'1'", "''"), &["bundle.yaml", "version"]);
    check(
        &format!("{good}description: \"a\\nb\"\n"),
        &["bundle.yaml", "one line"],
    );
    check(&format!("{good}colour: red\n"), &["bundle.yaml", "colour"]);
    check(
        &good.replace("declarative", "process"),
        &["bundle.yaml", "command"],
    );
    check(
        &good.replace("declarative", "wasm"),
        &["agent.yaml", "core module"],
    );
    check(&good.replace("agent.yaml", "none.yaml"), &["none.yaml"]);
    check(&good.replace("agent.yaml", "../agent.yaml"), &["leads out"]);
    check(&good.replace("agent.yaml", "/etc/passwd"), &["absolute"]);
    check(&good.replace("agent.yaml", "bad.yaml"), &["bad.yaml"]);
    check(&good.replace("agent.yaml", "list.yaml"), &["list.yaml"]);
    check(
        &format!("{good}files: [link]\n"),
        &["link", "neither file nor folder"],
    );
    check(&format!("{good}files: [nothing]\n"), &["nothing"]);
    check(&format!("{good}files: [../x]\n"), &["leads out"]);
    check(&format!("{good}files: [p]\n"), &["control characters"]);
    let wasm = good.replace("declarative", "wasm");
    check(&format!("{wasm}files: [p]\n"), &["files", "remove"]);
    assert!(layout.index().unwrap().manifests.is_empty());
}

#[test]
fn a_folder_without_recipe_says_which_file_is_missing() {
    let at = tempfile::tempdir().unwrap();
    let layout = Layout::create(at.path().join("layout")).unwrap();
    let error = build(at.path(), &layout).unwrap_err();
    assert!(matches!(error, BuildError::Io { .. }));
    assert!(error.to_string().contains("bundle.yaml"), "{error}");
}
