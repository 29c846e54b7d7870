//! Building container images: the same bytes always, and what a node runs.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use aion_bundle::{
    BuildError, Built, Content, Image as Stored, Layout, Limits, SigningKey, Store, bring, build,
};
use serde_json::json;

use crate::{
    fixture::{blob_path, reference, sign, trusting, write},
    images::{Image, base, here, index},
};

const RECIPE: &str = "name: clerk\nversion: '1'\nruntime: process\narchitecture: amd64\n\
    files: [bin, link]\ncommand: [/app/bin/serve, -v]\n";

fn folder(at: &Path, recipe: &str) {
    write(at, "bin/serve", "\x7fELF");
    write(at, "bin/data", "data");
    let mode = fs::Permissions::from_mode(0o744);
    fs::set_permissions(at.join("bin/serve"), mode).unwrap();
    symlink("bin/data", at.join("link")).unwrap();
    write(at, "bundle.yaml", recipe);
}

async fn admitted(at: &Path, layout: &Layout, built: &Built) -> Stored {
    let key = SigningKey::generate().unwrap();
    sign(layout, &key, &built.digest).await;
    let store = Store::open(at.join("store")).unwrap();
    let (wanted, trust) = (reference(built), trusting(&key));
    let limits = Limits::default();
    let admitted = store.admit(layout, &wanted, &trust, &limits).await.unwrap();
    match admitted.bundle.content {
        Content::Image(image) => image,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_same_content_is_the_same_image_everywhere_and_always() {
    let at = tempfile::tempdir().unwrap();
    let layout = Layout::create(at.path().join("layout")).unwrap();
    let (one, two) = (at.path().join("one"), at.path().join("two"));
    folder(&one, RECIPE);
    folder(
        &two,
        &RECIPE.replace("[bin, link]", "[link, bin/serve, bin/data]"),
    );
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(two.join("bin/data"), mode).unwrap();
    let (first, second) = (build(&one, &layout).unwrap(), build(&two, &layout).unwrap());
    assert_eq!(first, second);
    assert_eq!(layout.resolve("clerk:1").unwrap().digest, first.digest);
    // Digests that people committed hang on it.
    assert_eq!(
        first.digest.to_string(),
        "sha256:ee3554b5d359e50b1f1ab63f55fdaf73f47f969db8fabb15f969d98cdd4af392"
    );
}

#[tokio::test]
async fn files_are_put_under_app_and_run_without_root() {
    let at = tempfile::tempdir().unwrap();
    let layout = Layout::create(at.path().join("layout")).unwrap();
    let source = at.path().join("source");
    folder(&source, &RECIPE.replace("amd64", here()));
    let built = build(&source, &layout).unwrap();
    let image = admitted(at.path(), &layout, &built).await;
    assert_eq!(image.command, ["/app/bin/serve", "-v"]);
    assert_eq!((image.user.uid, image.user.gid), (65532, 65532));
    assert_eq!(image.working_dir, Path::new("/app"));
    assert_eq!(image.name.as_deref(), Some("clerk"));
    let app = image.rootfs.join("app");
    assert_eq!(
        fs::read_link(app.join("link")).unwrap(),
        Path::new("bin/data")
    );
    assert_eq!(
        fs::metadata(app.join("bin/serve"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o555
    );
    assert_eq!(
        fs::metadata(app.join("bin/data"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o444
    );
}

#[tokio::test]
async fn an_image_builds_on_another_one_by_digest() {
    let at = tempfile::tempdir().unwrap();
    let theirs = Layout::create(at.path().join("theirs")).unwrap();
    let layout = Layout::create(at.path().join("layout")).unwrap();
    let mut based = Image::new([base()])
        .set("Env", json!(["PATH=/bin", "MODE=slow", "KEEP=1"]))
        .set("Cmd", json!(["gone"]))
        .set(
            "Labels",
            json!({"org.opencontainers.image.licenses": "MIT", "theirs": "x"}),
        );
    based.layers[0].0 = "application/vnd.docker.image.rootfs.diff.tar.gzip".to_owned();
    let platform = format!("linux/{}", here());
    let other = Image::new([base()]);
    let digest = index(&theirs, &[("linux/s390x", &other), (&platform, &based)]).await;

    let source = at.path().join("source");
    let recipe = format!(
        "name: clerk\nversion: '1'\nruntime: process\nbase: oci:../theirs@{digest}\nuser: app\n\
         command: [sh]\nenv: {{MODE: fast}}\nworkingDir: /srv\ndescription: Answers letters\n"
    );
    write(&source, "bundle.yaml", &recipe);
    let missing = build(&source, &layout).unwrap_err();
    assert!(
        missing.to_string().contains(&digest.to_string()),
        "{missing}"
    );
    bring(&source, &theirs, &layout, &|_| {}).await.unwrap();
    // What is here is not fetched again.
    fs::remove_dir_all(theirs.root()).unwrap();
    bring(&source, &theirs, &layout, &|blob| panic!("{blob:?}"))
        .await
        .unwrap();
    let built = build(&source, &layout).unwrap();
    let manifest = fs::read_to_string(blob_path(&layout, &built.digest)).unwrap();
    assert!(!manifest.contains("docker"), "{manifest}");

    let image = admitted(at.path(), &layout, &built).await;
    assert_eq!(image.command, ["sh"]);
    let env: Vec<_> = image
        .env
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(env, ["PATH=/bin", "KEEP=1", "MODE=fast"]);
    assert_eq!((image.user.uid, image.user.gid), (1000, 1001));
    assert_eq!(image.working_dir, Path::new("/srv"));
    let listed = layout.index().unwrap().manifests;
    let tagged: Vec<_> = listed
        .iter()
        .filter(|it| it.digest != built.digest)
        .collect();
    assert!(
        tagged.iter().all(|it| it.digest != digest),
        "the base is kept, not listed"
    );
}

#[tokio::test]
async fn a_recipe_that_makes_no_image_is_refused_by_field() {
    let at = tempfile::tempdir().unwrap();
    let layout = Layout::create(at.path().join("layout")).unwrap();
    let good = "name: a\nversion: '1'\nruntime: process\ncommand: [sh]\n";
    let refusal = |recipe: &str| -> BuildError {
        let source = tempfile::tempdir().unwrap();
        folder(source.path(), recipe);
        build(source.path(), &layout).unwrap_err()
    };
    let check = |recipe: &str, word: &str| {
        let words = refusal(recipe).to_string();
        assert!(words.contains(word), "`{word}` in: {words}");
    };
    let with = |line: &str| format!("{good}{line}\n");
    check(&good.replace("[sh]", "[]"), "command");
    check(&good.replace("[sh]", "['']"), "command");
    check(&good.replace("command: [sh]\n", ""), "command");
    check(&good.replace("'1'", "'a b'"), "version");
    check(&with("entry: a"), "entry");
    check(&with("colour: red"), "colour");
    check(&with("env: {A=B: c}"), "env");
    check(&with("env: {A: \"\\0\"}"), "zero byte");
    check(&with("user: 'a b'"), "user");
    check(&with("workingDir: app"), "workingDir");
    check(&with("architecture: a/b"), "architecture");
    check(&with("description: \"a\\nb\""), "one line");
    check(&with("files: [../x]"), "leads out");
    check(&with("files: [nothing]"), "nothing");
    check(&with("base: r.example/python:3"), "add @sha256");
    check(&with("base: oci:folder"), "not a digest");
    check(&with("base: python"), "not a reference");
    let digest = Image::new([]).put(&layout).await;
    check(
        &with(&format!("base: oci:x@{digest}\narchitecture: s390x")),
        "linux/s390x",
    );
    // Nor of what is an agent's bundle.
    let bundle = crate::fixture::wasm(&layout).digest;
    check(
        &with(&format!("base: oci:x@{bundle}")),
        "a base is a container image",
    );
}
