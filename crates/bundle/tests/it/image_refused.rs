//! Images that are not let in: each with its reason, what to do, and nothing left.

use std::{fs, path::Path};

use aion_bundle::{Digest, Limits, Reason};
use serde_json::{Value, json};

use crate::{
    fixture::blob_path,
    image::Place,
    images::{Image, Layer, OCI, base, gzip, zstd},
};

#[tokio::test]
async fn what_cannot_be_run_is_refused_with_what_to_do() {
    let place = Place::new();
    let with = |field: &str, value: Value| Image::new([base()]).set(field, value);
    let check = async |image: Image, reason, word| place.refuses(&image, reason, word).await;
    check(
        with("Entrypoint", json!([])),
        Reason::NoEntrypoint,
        "ENTRYPOINT",
    )
    .await;
    check(
        with("Entrypoint", json!(["gone"])),
        Reason::EntrypointNotFound,
        "`gone` is in no folder of PATH (/bin)",
    )
    .await;
    check(
        with("Entrypoint", json!(["/gone"])),
        Reason::EntrypointNotFound,
        "`/gone` is not in the image",
    )
    .await;
    check(
        with("Entrypoint", json!(["/etc/passwd"])),
        Reason::EntrypointNotFound,
        "not executable",
    )
    .await;
    check(
        with("Env", json!(["PATH=/sbin"])),
        Reason::EntrypointNotFound,
        "/sbin",
    )
    .await;
    check(
        with("User", json!("nobody")),
        Reason::UserNotFound,
        "nobody",
    )
    .await;
    check(
        with("User", json!("app:nobody")),
        Reason::UserNotFound,
        "nobody",
    )
    .await;
    check(with("Env", json!(["A"])), Reason::Malformed, "NAME=VALUE").await;
    check(
        with("WorkingDir", json!("/etc/passwd")),
        Reason::BadArchive,
        "/etc/passwd",
    )
    .await;
    check(with("Cmd", json!(["a\0b"])), Reason::Malformed, "zero byte").await;
    let mut script = Image::new([Layer::default().program("bin/run", "#!/usr/bin/python3 -u\n")]);
    check(
        script.clone(),
        Reason::EntrypointNotFound,
        "/usr/bin/python3",
    )
    .await;
    script.config["rootfs"]["diff_ids"] = json!([]);
    check(script, Reason::Malformed, "1 layers and 0").await;
    check(
        Image::new([base().file("proc", "")]),
        Reason::BadArchive,
        "/proc",
    )
    .await;
    assert_eq!(place.store.list().unwrap(), []);
}

#[tokio::test]
async fn a_layer_that_is_not_what_it_should_be_is_refused_and_not_kept() {
    let place = Place::new();
    // Altered where it is kept, and gone.
    let image = Image::new([base(), Layer::default().file("second", "")]);
    let digest = image.put(&place.layout).await;
    let second = blob_path(&place.layout, &Digest::of(&image.layers[1].1));
    let whole = fs::read(&second).unwrap();
    let mut altered = whole.clone();
    altered[20] ^= 1;
    fs::write(&second, altered).unwrap();
    place
        .refuses_digest(digest, Reason::DigestMismatch, "gave content of digest")
        .await;
    fs::remove_file(&second).unwrap();
    place
        .refuses_digest(digest, Reason::BundleNotFound, "is not in layout")
        .await;
    // The first layer came whole: when it is tried again only the second is fetched.
    assert_eq!(place.layers(), 1);
    fs::write(&second, whole).unwrap();
    fs::remove_file(blob_path(&place.layout, &Digest::of(&image.layers[0].1))).unwrap();
    place.takes_digest(digest).await;

    // It unpacks to something else than the configuration says, even where it is here already.
    let mut other = image.clone();
    other.config["rootfs"]["diff_ids"][1] = Digest::of(b"other").to_string().into();
    place
        .refuses(&other, Reason::DigestMismatch, "image's configuration says")
        .await;
    let mut other = Image::new([Layer::default().file("third", "")]);
    other.config["rootfs"]["diff_ids"][0] = Digest::of(b"other").to_string().into();
    place
        .refuses(&other, Reason::DigestMismatch, "image's configuration says")
        .await;
    assert_eq!(
        place.layers(),
        2,
        "what is not what it should be is not kept"
    );
}

#[tokio::test]
async fn harmful_and_broken_layers_are_refused_by_name() {
    let place = Place::new();
    let check = async |layer: Layer, reason, word| {
        place
            .refuses(&Image::new([base(), layer]), reason, word)
            .await;
    };
    check(
        Layer::default().file("../aion-escaped", ""),
        Reason::BadArchive,
        "leads upwards",
    )
    .await;
    check(
        Layer::default().link("h", "../../etc/passwd"),
        Reason::BadArchive,
        "leads upwards",
    )
    .await;
    check(
        Layer::default().link("h", "none"),
        Reason::BadArchive,
        "hard link to what is not in",
    )
    .await;
    check(
        Layer::default().symlink("a", "a").file("a/b", ""),
        Reason::BadArchive,
        "too many links",
    )
    .await;
    let mut broken = Image::new([base()]);
    let tar = Layer::default().file("f", "text").tar();
    broken.add("+gzip", &tar, b"not gzip".to_vec());
    place
        .refuses(&broken, Reason::Malformed, "layer sha256:")
        .await;
    broken.layers[1].1 = [gzip(&tar), b"junk".to_vec()].concat();
    place.refuses(&broken, Reason::Malformed, "malformed").await;
    broken.layers[1] = (format!("{OCI}+zstd"), zstd(&tar)[..30].to_vec());
    place.refuses(&broken, Reason::Malformed, "malformed").await;
    broken.layers[1].1 = [zstd(&tar), b"junk".to_vec()].concat();
    place.refuses(&broken, Reason::Malformed, "malformed").await;
    broken.layers[1] = (format!("{OCI}+encrypted"), tar);
    place
        .refuses(&broken, Reason::UnsupportedLayer, "encrypted")
        .await;
    assert!(!Path::new("/tmp/aion-escaped").exists());
}

#[tokio::test]
async fn an_image_is_bounded_as_a_whole_also_by_layers_that_are_here() {
    let layer = |n: usize| Layer::default().file(&format!("f{n}"), &"x".repeat(1000));
    let image = Image::new([base(), layer(1), layer(2)]);
    let check = async |limits: Limits, first: usize, word: &str| {
        let mut place = Place::new();
        if first > 0 {
            // Another image brought them, and was within its bounds.
            let mut other = image.clone();
            other.layers.truncate(first);
            let ids = other.config["rootfs"]["diff_ids"].as_array_mut().unwrap();
            ids.truncate(first);
            place.takes(&other).await;
        }
        place.limits = limits;
        place.refuses(&image, Reason::TooLarge, word).await;
    };
    let limits = Limits::default();
    for first in 0..3 {
        check(
            Limits {
                image_entries: 6,
                ..limits
            },
            first,
            "entries",
        )
        .await;
        check(
            Limits {
                image_unpacked: 8000,
                ..limits
            },
            first,
            "bytes",
        )
        .await;
    }
    check(
        Limits {
            image_layers: 2,
            ..limits
        },
        0,
        "layers",
    )
    .await;
    check(
        Limits {
            image_packed: 100,
            ..limits
        },
        0,
        "bytes",
    )
    .await;
    // Of zeros a layer may have many, and not as many as there is disk.
    let place = Place::new();
    let tar = Layer::default()
        .entry("zeros", b'0', 0o644, "", &vec![0; 260 << 20])
        .tar();
    let (head, zeros) = tar.split_at(512);
    let zeros = gzip(&zeros[..1 << 20]).repeat(260);
    let mut bomb = Image::new([base()]);
    bomb.add("+gzip", &tar, [gzip(head), zeros].concat());
    place
        .refuses(&bomb, Reason::TooLarge, "for each packed byte")
        .await;
}
