//! Real images: made by GNU tar, crane and buildah, signed by Cosign, in a real registry; and ours, as crane and Cosign see them.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use aion_bundle::{
    Admitted, Content, Digest, Image, ImageUser, Layout, Limits, Reference, Registry,
    RegistryAccess, Store, base, bring, build, copy,
};
use aion_testkit::{Buildah, Cosign, Crane, KeyPair, RegistryKind, or_skip};

use crate::{
    fixture::{trust_pem, write},
    images::{here, wanted},
};

/// A running registry, and the programs that speak to it.
struct Stage {
    at: tempfile::TempDir,
    running: aion_testkit::Registry,
    cosign: Cosign,
    crane: Crane,
    keys: KeyPair,
}

impl Stage {
    fn set() -> Option<Self> {
        let running = or_skip(aion_testkit::Registry::start(RegistryKind::Anonymous))?;
        let cosign = or_skip(Cosign::find())?;
        let crane = or_skip(Crane::find())?;
        let keys = cosign.generate_key_pair("theirs").unwrap();
        let at = tempfile::tempdir().unwrap();
        Some(Self {
            at,
            running,
            cosign,
            crane,
            keys,
        })
    }

    fn named(&self, rest: &str) -> String {
        format!("{}/team/tool{rest}", self.running.address())
    }

    fn registry(&self) -> Registry {
        let place: Reference = self.named("").parse().unwrap();
        Registry::new(&place, &RegistryAccess::default()).unwrap()
    }

    /// Has Cosign sign the digest, and the store take it.
    async fn signed_and_admitted(&self, digest: &str) -> Admitted {
        let reference = self.named(&format!("@{digest}"));
        self.cosign
            .sign(&self.keys.private, &reference, None)
            .unwrap();
        let digest: Digest = digest.parse().unwrap();
        let trust = trust_pem(&self.keys.public_pem().unwrap());
        let store = Store::open(self.at.path().join("store")).unwrap();
        let (wanted, limits) = (wanted(digest), Limits::default());
        let registry = self.registry();
        store
            .admit(&registry, &wanted, &trust, &limits)
            .await
            .unwrap()
    }
}

fn image(admitted: Admitted) -> Image {
    match admitted.bundle.content {
        Content::Image(image) => image,
        other => panic!("{other:?}"),
    }
}

fn tar(folder: &Path, words: &[&str], to: &Path) {
    let made = Command::new("tar")
        .arg("-C")
        .arg(folder)
        .arg("-cf")
        .arg(to)
        .args(words)
        .output();
    let made = made.unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}

/// What is in a folder, by path: `/` for a folder, the target of a link, the content of a file.
fn content(root: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let about = fs::symlink_metadata(&path).unwrap();
        let text = if about.is_dir() {
            content(root, &path, found);
            "/".to_owned()
        } else if about.is_symlink() {
            format!("-> {}", fs::read_link(&path).unwrap().display())
        } else {
            String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()
        };
        found.insert(path.strip_prefix(root).unwrap().to_owned(), text);
    }
}

/// The layers of an image, from folders, as GNU tar writes them.
fn layers(at: &Path) -> Vec<PathBuf> {
    let long = format!("usr/share/{}/{}", "long".repeat(40), "name".repeat(40));
    let one = at.join("one");
    write(&one, "usr/bin/sh", "\x7fELF");
    write(&one, "usr/bin/run", "#!/bin/sh\n");
    write(&one, "usr/lib/a", "a");
    write(&one, "usr/lib/b", "b");
    write(&one, "var/cache/x", "x");
    write(&one, "var/cache/deep/y", "y");
    write(&one, "usr/share/größe", "g");
    write(&one, &long, "l");
    write(&one, "etc/passwd", "app:x:7:8::/:\n");
    symlink("usr/bin", one.join("bin")).unwrap();
    fs::hard_link(one.join("usr/lib/a"), one.join("usr/lib/same")).unwrap();
    for program in ["sh", "run"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o4711);
        fs::set_permissions(one.join("usr/bin").join(program), mode).unwrap();
    }
    let two = at.join("two");
    write(&two, "usr/lib/.wh.b", "");
    write(&two, "var/cache/.wh..wh..opq", "");
    write(&two, "var/cache/new", "n");
    write(&two, "etc/conf/inner", "c");
    let three = at.join("three");
    write(&three, "etc/.wh.conf", "");
    write(&three, "usr/lib/a", "A");
    let all = [
        (one, "--format=pax"),
        (two, "--format=gnu"),
        (three, "--format=ustar"),
    ];
    all.into_iter()
        .map(|(folder, format)| {
            let to = folder.with_extension("tar");
            tar(&folder, &[format, "."], &to);
            to
        })
        .collect()
}

#[tokio::test]
async fn an_image_made_by_crane_is_composed_as_crane_composes_it() {
    let Some(stage) = Stage::set() else {
        return;
    };
    let made = stage.named(":made");
    stage
        .crane
        .append(None, &layers(stage.at.path()), &made)
        .unwrap();
    let platform = format!("linux/{}", here());
    let words = [
        "mutate",
        "--entrypoint=run",
        "--env=PATH=/bin",
        "--user=app",
        "--set-platform",
        &platform,
    ];
    stage
        .crane
        .run(&[&words[..], &["--tag", &made, &made]].concat())
        .unwrap();
    let digest = stage.crane.run(&["digest", &made]).unwrap();
    let admitted = image(stage.signed_and_admitted(&digest).await);
    assert_eq!(admitted.user, ImageUser { uid: 7, gid: 8 });

    let (archive, theirs) = (
        stage.at.path().join("export.tar"),
        stage.at.path().join("export"),
    );
    stage.crane.export(&made, &archive).unwrap();
    fs::create_dir(&theirs).unwrap();
    let unpacked = Command::new("tar")
        .arg("-C")
        .arg(&theirs)
        .arg("-xf")
        .arg(&archive)
        .status();
    assert!(unpacked.unwrap().success());
    let (mut expect, mut found) = (BTreeMap::new(), BTreeMap::new());
    content(&theirs, &theirs, &mut expect);
    content(&admitted.rootfs, &admitted.rootfs, &mut found);
    // Crane makes no folders to mount over.
    for made in ["proc", "sys", "dev", "tmp", "run", "mnt"] {
        assert_eq!(found.remove(Path::new(made)).as_deref(), Some("/"));
    }
    assert_eq!(found, expect);
    assert_eq!(found.len(), 17, "{found:#?}");
}

#[tokio::test]
async fn an_image_made_by_buildah_is_what_its_containerfile_says() {
    let (Some(stage), Some(buildah)) = (Stage::set(), or_skip(Buildah::find())) else {
        return;
    };
    let folder = stage.at.path().join("context");
    write(&folder, "run", "#!/usr/bin/sh\n");
    write(&folder, "sh", "\x7fELF");
    write(&folder, "gone", "g");
    for program in ["run", "sh"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(folder.join(program), mode).unwrap();
    }
    let containerfile = "FROM scratch\n\
        COPY run sh gone /usr/bin/\n\
        COPY --chown=7:8 Containerfile /srv/data/\n\
        ENV GREETING=\"hello world\"\n\
        USER 7:8\n\
        WORKDIR /srv\n\
        ENTRYPOINT [\"/usr/bin/run\"]\n\
        CMD [\"twice\"]\n";
    write(&folder, "Containerfile", containerfile);
    for format in ["oci", "v2s2"] {
        let made = stage.named(&format!(":{format}"));
        buildah.build(&folder, format, &made).unwrap();
        let digest = stage.crane.run(&["digest", &made]).unwrap();
        let admitted = image(stage.signed_and_admitted(&digest).await);
        assert_eq!(admitted.user, ImageUser { uid: 7, gid: 8 }, "{format}");
        assert_eq!(admitted.command, ["/usr/bin/run", "twice"]);
        assert_eq!(admitted.working_dir, Path::new("/srv"));
        let greeting = ("GREETING".to_owned(), "hello world".to_owned());
        assert!(admitted.env.contains(&greeting), "{:?}", admitted.env);
        let copied = admitted.rootfs.join("srv/data/Containerfile");
        assert_eq!(fs::read_to_string(copied).unwrap(), containerfile);
    }
}

#[tokio::test]
async fn an_index_made_by_crane_is_this_machines_image() {
    let Some(stage) = Stage::set() else {
        return;
    };
    let layers = layers(stage.at.path());
    let mut words = vec![
        "index".to_owned(),
        "append".to_owned(),
        "--tag".to_owned(),
        stage.named(":all"),
    ];
    for platform in ["linux/s390x".to_owned(), format!("linux/{}", here())] {
        let one = stage.named(&format!(":{}", platform.replace('/', "-")));
        stage.crane.append(None, &layers, &one).unwrap();
        let set = [
            "mutate",
            "--entrypoint=/bin/sh",
            "--set-platform",
            &platform,
            "--tag",
            &one,
            &one,
        ];
        stage.crane.run(&set).unwrap();
        words.extend(["--manifest".to_owned(), one]);
    }
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    stage.crane.run(&words).unwrap();
    let digest = stage.crane.run(&["digest", &stage.named(":all")]).unwrap();
    let admitted = image(stage.signed_and_admitted(&digest).await);
    assert_eq!(admitted.command, ["/bin/sh"]);

    // All of it goes to a layout and back, with its signature.
    let layout = Layout::create(stage.at.path().join("carried")).unwrap();
    let digest: Digest = digest.parse().unwrap();
    let count = copy(&stage.registry(), &layout, &digest, Some("all"), &|_| {}).await;
    assert_eq!(count.unwrap(), 1);
    let other: Reference = format!("{}/other", stage.running.address())
        .parse()
        .unwrap();
    let other = Registry::new(&other, &RegistryAccess::default()).unwrap();
    copy(&layout, &other, &digest, Some("all"), &|_| {})
        .await
        .unwrap();
    let remote = format!("{}/other:all", stage.running.address());
    stage.crane.run(&["validate", "--remote", &remote]).unwrap();
    let public = &stage.keys.public;
    stage
        .cosign
        .verify(
            public,
            &format!("{}/other@{digest}", stage.running.address()),
            None,
        )
        .unwrap();
}

#[tokio::test]
async fn an_image_that_we_build_is_one_for_everybody() {
    let Some(stage) = Stage::set() else {
        return;
    };
    // The base, as somebody else made it.
    let named = stage.named(":base");
    stage
        .crane
        .append(None, &layers(stage.at.path()), &named)
        .unwrap();
    let platform = format!("linux/{}", here());
    let set = [
        "mutate",
        "--env=PATH=/bin",
        "--set-platform",
        &platform,
        "--tag",
        &named,
        &named,
    ];
    stage.crane.run(&set).unwrap();
    let digest = stage.crane.run(&["digest", &named]).unwrap();

    let folder = stage.at.path().join("clerk");
    write(&folder, "main.py", "print()\n");
    write(
        &folder,
        "bundle.yaml",
        &format!(
            "name: team/tool\nversion: 1.2.3\nruntime: process\nbase: {}\nfiles: [main.py]\n\
             command: [run, /app/main.py]\nenv: {{MODE: fast}}\n",
            stage.named(&format!("@{digest}"))
        ),
    );
    let layout = Layout::create(stage.at.path().join("layout")).unwrap();
    let named = base(&folder).unwrap().unwrap();
    assert_eq!(named.digest.to_string(), digest);
    bring(&folder, &stage.registry(), &layout, &|_| {})
        .await
        .unwrap();
    let built = build(&folder, &layout).unwrap();

    copy(
        &layout,
        &stage.registry(),
        &built.digest,
        Some("built"),
        &|_| {},
    )
    .await
    .unwrap();
    stage
        .crane
        .run(&["validate", "--remote", &stage.named(":built")])
        .unwrap();
    let config = stage
        .crane
        .run(&["config", &stage.named(":built")])
        .unwrap();
    for word in [
        r#""org.opencontainers.image.version":"1.2.3""#,
        r#""User":"65532:65532""#,
    ] {
        assert!(config.contains(word), "{word} in {config}");
    }
    let admitted = image(stage.signed_and_admitted(&built.digest.to_string()).await);
    assert_eq!(admitted.command, ["run", "/app/main.py"]);
    assert_eq!(
        admitted.user,
        ImageUser {
            uid: 65532,
            gid: 65532
        }
    );
    assert_eq!(admitted.name.as_deref(), Some("team/tool"));
    assert_eq!(admitted.working_dir, Path::new("/app"));
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(admitted.env, [pair("PATH", "/bin"), pair("MODE", "fast")]);
    let text = fs::read_to_string(admitted.rootfs.join("app/main.py")).unwrap();
    assert_eq!(text, "print()\n");
}
