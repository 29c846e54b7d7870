//! Who may write what, after a set-up of root's: a new one, and one of an earlier version.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::{MetadataExt, chown, symlink};

use aion_folders::Owner;

use super::*;

const USER: u32 = 61_992;
const GATEWAY: u32 = 61_988;

fn users() -> Users {
    let [node, gateway] = [USER, GATEWAY].map(|user| NodeUser {
        owner: Owner { user, group: user },
        name: None,
    });
    Users { node, gateway }
}

fn of_root() -> Option<tempfile::TempDir> {
    if !rustix::process::geteuid().is_root() {
        aion_testkit::skip("root", "only root has folders of root's");
        return None;
    }
    Some(tempfile::tempdir_in("/tmp").unwrap())
}

fn about(path: &Path) -> (u32, u32, u32) {
    let about = fs::symlink_metadata(path).unwrap();
    (about.uid(), about.gid(), about.mode() & 0o7777)
}

fn prepared(home: &Path) -> Vec<String> {
    let mut told = Vec::new();
    of_root_in(home, &users(), &mut told).unwrap();
    told
}

/// Every entry below `folder` that `USER` could write to or replace.
fn writable(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let (owner, group, mode) = about(&entry.path());
        if owner == USER || (group == USER && mode & 0o020 != 0) || mode & 0o002 != 0 {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found.sort();
    found
}

#[test]
fn what_root_believes_lies_where_the_daemon_cannot_write() {
    let Some(folder) = of_root() else { return };
    let home = folder.path().join("home");
    assert_eq!(prepared(&home), Vec::<String>::new());
    assert_eq!(about(&home), (0, 0, 0o711));
    assert_eq!(writable(&home), [&["asking"][..], &OF_NODE].concat());
    for private in OF_NODE {
        assert_eq!(about(&home.join(private)), (USER, USER, 0o700), "{private}");
    }
    assert_eq!(about(&home.join("launcher")), (0, 0, 0o711));
    assert_eq!(about(&home.join("service")), (0, 0, 0o700));
    for read in ["config", "bundles", "config/secrets"] {
        assert_eq!(about(&home.join(read)), (0, USER, 0o2750), "{read}");
    }
    assert_eq!(about(&home.join("asking")), (USER, GATEWAY, 0o2710));
    // The gateway reads its token, and puts nothing in its place.
    assert_eq!(about(&home.join("gateway")), (0, GATEWAY, 0o750));
    assert_eq!(about(&home.join("gateway/token")), (0, GATEWAY, 0o640));
    let run = about(&home.join("gateway/run"));
    assert_eq!(run, (GATEWAY, GATEWAY, 0o700));
    let token = fs::read(home.join("gateway/token")).unwrap();
    assert_eq!(token.len(), 65);
    // Its own, in a folder where it can put nothing else in their place.
    assert_eq!(
        writable(&home.join("config")),
        ["admin.token", "approver.token", "node.secret"]
    );
    assert_eq!(about(&home.join("config/node.secret")), (USER, USER, 0o600));
    let secret = fs::read(home.join("config/node.secret")).unwrap();
    assert_eq!(secret.len(), 32);
    assert_eq!(
        fs::read_to_string(home.join("config/admin.token"))
            .unwrap()
            .trim()
            .len(),
        64
    );
    assert_eq!(prepared(&home), Vec::<String>::new());
    assert_eq!(fs::read(home.join("config/node.secret")).unwrap(), secret);
    assert_eq!(fs::read(home.join("gateway/token")).unwrap(), token);
}

#[test]
fn a_set_up_of_an_earlier_version_is_divided_and_that_is_told() {
    let Some(folder) = of_root() else { return };
    let home = folder.path().join("home");
    for made in [
        "config/keys",
        "config/secrets/openai",
        "run/launcher/workers",
        "run/s/1.1",
        "state/journal",
        "logs/default",
        "manifests",
        "store",
    ] {
        fs::create_dir_all(home.join(made)).unwrap();
    }
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    for file in [
        "config/node.secret",
        "config/mounts.json",
        "config/installed",
        "config/node.yaml",
        "config/keys/machine.key",
        "config/secrets/openai/key",
        "run/launcher/workers/a.1.json",
        "run/aion-node.pid",
        "run/admin.sock",
        "state/journal/0.log",
        "logs/aion-node.log",
        "logs/default/clerk.log",
    ] {
        fs::write(home.join(file), file).unwrap();
        fs::set_permissions(home.join(file), fs::Permissions::from_mode(0o600)).unwrap();
    }
    symlink("/etc/passwd", home.join("state/link")).unwrap();
    let told = prepared(&home).join("\n");
    for what in [
        "launcher's records",
        "/state was user 0's",
        "/run was user 0's",
        "may read",
    ] {
        assert!(told.contains(what), "{what}: {told}");
    }
    assert_eq!(writable(&home), [&["asking"][..], &OF_NODE].concat());
    for private in OF_NODE {
        assert_eq!(about(&home.join(private)).2, 0o700, "{private}");
    }
    for theirs in [
        "state/journal/0.log",
        "state/mounts.json",
        "logs/default/clerk.log",
        "run/s/1.1",
        "state/link",
    ] {
        assert_eq!(about(&home.join(theirs)).0, USER, "{theirs}");
    }
    assert_eq!(fs::metadata("/etc/passwd").unwrap().uid(), 0);
    for roots in [
        "launcher/workers/a.1.json",
        "service/aion-node.log",
        "config/installed",
    ] {
        assert_eq!(about(&home.join(roots)).0, 0, "{roots}");
    }
    assert_eq!(
        about(&home.join("config/secrets/openai/key")),
        (0, USER, 0o640)
    );
    assert_eq!(about(&home.join("config/node.yaml")), (0, USER, 0o640));
    assert_eq!(about(&home.join("config/keys")), (0, 0, 0o700));
    assert_eq!(about(&home.join("config/keys/machine.key")), (0, 0, 0o600));
    for gone in ["run/aion-node.pid", "run/admin.sock", "config/mounts.json"] {
        assert!(!home.join(gone).exists(), "{gone}");
    }
    let secret = fs::read_to_string(home.join("config/node.secret")).unwrap();
    assert_eq!(secret, "config/node.secret");
    assert_eq!(prepared(&home), Vec::<String>::new());
}

#[test]
fn what_the_daemon_puts_in_the_place_of_an_earlier_version_is_not_taken_for_it() {
    let Some(folder) = of_root() else { return };
    let home = folder.path().join("home");
    prepared(&home);
    let forged = home.join("run/launcher/workers");
    fs::create_dir_all(&forged).unwrap();
    fs::write(forged.join("a.1.json"), "{}").unwrap();
    fs::write(home.join("run/aion-node.pid"), "{}").unwrap();
    prepared(&home);
    assert!(!home.join("launcher/workers/a.1.json").exists());
    assert!(forged.join("a.1.json").exists());
}

#[test]
fn what_the_gateway_puts_in_the_place_of_its_token_is_not_handed_out() {
    let Some(folder) = of_root() else { return };
    let home = folder.path().join("home");
    prepared(&home);
    // As long as the folder was the gateway's own.
    let (door, token) = (home.join("gateway"), home.join("gateway/token"));
    chown(&door, Some(GATEWAY), Some(GATEWAY)).unwrap();
    fs::remove_file(&token).unwrap();
    symlink("../config/admin.token", &token).unwrap();
    prepared(&home);
    assert_eq!(about(&door), (0, GATEWAY, 0o750));
    assert_eq!(about(&token), (0, GATEWAY, 0o640));
    let admin = home.join("config/admin.token");
    assert_ne!(fs::read(&token).unwrap(), fs::read(&admin).unwrap());
    assert_eq!(about(&admin), (USER, USER, 0o600));
}

#[test]
fn a_users_home_is_not_made_roots() {
    let Some(folder) = of_root() else { return };
    let path = folder.path().join("home");
    fs::create_dir(&path).unwrap();
    chown(&path, Some(USER), Some(USER)).unwrap();
    let home = Home::find(Some(&path)).unwrap();
    let refused = super::of_root(&home, &users()).unwrap_err();
    assert!(
        refused.what.contains("belongs to user 61992"),
        "{refused:?}"
    );
    assert!(refused.remedy.unwrap().contains("as the user whose it is"));
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
}
