//! A full disk: a clear refusal, and nothing left behind. The disk is a small
//! tmpfs in a mount namespace of a child.

use std::{env, fs, path::PathBuf, process::Command};

use aion_bundle::{Layout, Limits, Reason, SigningKey, Store, build};
use aion_testkit::skip;

use crate::{
    fixture::{reference, sign, trust_pem, wasm, write},
    images::{Image, Layer, base, wanted},
};

const FOLDER: &str = "AION_BUNDLE_FULL_FOLDER";
const NO_MOUNT: i32 = 77;

#[test]
fn a_full_disk_is_named_and_leaves_nothing() {
    let at = tempfile::tempdir().unwrap();
    fs::create_dir(at.path().join("store")).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=1m aion-full \"${FOLDER}/store\" || exit {NO_MOUNT}; exec \"$0\" \"$@\""
    );
    let child = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", &script])
        .arg(env::current_exe().unwrap())
        .args(["--exact", "no_space::admits_into_a_full_disk"])
        .args(["--ignored", "--nocapture"])
        .env(FOLDER, at.path())
        .output();
    match child {
        Ok(child) if child.status.success() => {}
        Ok(child) if String::from_utf8_lossy(&child.stdout).contains("admits_into") => {
            panic!("{}", String::from_utf8_lossy(&child.stdout));
        }
        Ok(child) => skip("tmpfs", &String::from_utf8_lossy(&child.stderr)),
        Err(e) => skip("unshare", &e.to_string()),
    }
}

#[tokio::test]
#[ignore = "the child of a_full_disk_is_named_and_leaves_nothing"]
async fn admits_into_a_full_disk() {
    let at = PathBuf::from(env::var_os(FOLDER).unwrap());
    let layout = Layout::create(at.join("layout")).unwrap();
    let key = SigningKey::generate().unwrap();
    let trust = trust_pem(&key.public_pem());
    let store = Store::open(at.join("store")).unwrap();
    let limits = Limits::default();

    // Too large packed, and too large only when unpacked.
    let noise: String = (0..200_000_u32)
        .map(|n| char::from(b' ' + (n.wrapping_mul(2_654_435_761) >> 26) as u8))
        .collect();
    for (name, content) in [
        ("packed", noise.repeat(8)),
        ("unpacked", "a line\n".repeat(170_000)),
    ] {
        let folder = at.join(name);
        write(&folder, "agent.yaml", "x: 1\n");
        write(&folder, "files/large", &content);
        let recipe = format!(
            "name: {name}\nversion: '1'\nruntime: declarative\nentry: agent.yaml\nfiles: [files]\n"
        );
        write(&folder, "bundle.yaml", &recipe);
        let built = build(&folder, &layout).unwrap();
        sign(&layout, &key, &built.digest).await;
        let lenient = Limits {
            ratio: 100_000,
            ..limits
        };
        let wanted = reference(&built);
        let error = store
            .admit(&layout, &wanted, &trust, &lenient)
            .await
            .unwrap_err();
        assert_eq!(error.reason(), Reason::NoSpace, "{error}");
        assert!(store.list().unwrap().is_empty());
        assert_eq!(fs::read_dir(at.join("store/tmp")).unwrap().count(), 0);
    }

    // A layer that is too large packed, one that is only unpacked, and one that is neither and whose image has another.
    let lines = Layer::default().file("large", &"a line\n".repeat(170_000));
    let half = Layer::default().file("half", &noise.repeat(3));
    for layers in [
        vec![base(), Layer::default().file("large", &noise.repeat(8))],
        vec![base(), lines],
        vec![base(), half.clone(), half.file("other", &noise)],
    ] {
        let digest = Image::new(layers).put(&layout).await;
        sign(&layout, &key, &digest).await;
        let wanted = wanted(digest);
        let error = store.admit(&layout, &wanted, &trust, &limits).await;
        let error = error.unwrap_err();
        assert_eq!(error.reason(), Reason::NoSpace, "{error}");
        assert!(error.may_pass_later());
        assert!(store.list().unwrap().is_empty());
        for folder in ["store/tmp", "store/layers"] {
            assert_eq!(fs::read_dir(at.join(folder)).unwrap().count(), 0);
        }
    }

    let small = wasm(&layout);
    sign(&layout, &key, &small.digest).await;
    store
        .admit(&layout, &reference(&small), &trust, &limits)
        .await
        .unwrap();
}
