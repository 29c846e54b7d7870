//! Which folders root works in, and what it does there about links.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    env, fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::geteuid;

use super::*;
use crate::Owner;

const USER: u32 = 61_995;

/// A folder of root's, if the tests are root's. Its parents are: the machine's folder for temporary files is
/// everybody's, and sticky.
fn of_root() -> Option<tempfile::TempDir> {
    if !geteuid().is_root() {
        aion_testkit::skip("root", "only root can have folders of root's and of others");
        return None;
    }
    Some(tempfile::tempdir_in("/tmp").unwrap())
}

fn refused(path: &Path) -> String {
    match Folder::open(path, Trust::Root) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{} is used", path.display()),
    }
}

#[test]
fn root_uses_no_folder_that_is_not_its_own_up_to_the_root() {
    let Some(root) = of_root() else { return };
    let middle = root.path().join("a");
    let path = middle.join("b");
    fs::create_dir_all(&path).unwrap();
    assert!(Folder::open(&path, Trust::Root).is_ok());
    for place in [&path, &middle] {
        chown(place, Some(USER), None).unwrap();
        let why = refused(&path);
        assert!(why.contains("belongs to user 61995"), "{why}");
        assert!(why.starts_with(&place.display().to_string()), "{why}");
        chown(place, Some(0), None).unwrap();
        for mode in [0o775, 0o757] {
            fs::set_permissions(place, fs::Permissions::from_mode(mode)).unwrap();
            let why = refused(&path);
            assert!(why.contains("may be written by others"), "{why}");
        }
        fs::set_permissions(place, fs::Permissions::from_mode(0o755)).unwrap();
    }
    // Sticky: what root has in there stays root's. Of the folder itself that is not enough.
    fs::set_permissions(&middle, fs::Permissions::from_mode(0o1777)).unwrap();
    assert!(Folder::open(&path, Trust::Root).is_ok());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o1777)).unwrap();
    refused(&path);
}

#[test]
fn root_follows_no_link_to_a_folder() {
    let Some(root) = of_root() else { return };
    let real = root.path().join("real/in");
    fs::create_dir_all(&real).unwrap();
    symlink(root.path().join("real"), root.path().join("link")).unwrap();
    for path in ["link", "link/in"] {
        let why = refused(&root.path().join(path));
        assert!(why.contains("link is a link"), "{why}");
    }
    let why = Folder::make(&root.path().join("link/new"), Trust::Root, 0o700).unwrap_err();
    assert!(matches!(why, FolderError::Link(_)), "{why}");
    assert!(!root.path().join("real/new").exists());
    let opened = Folder::open(&root.path().join("link/in"), Trust::Own).unwrap();
    opened.replace("x", b"1", 0o600).unwrap();
    assert!(real.join("x").exists());
}

#[test]
fn a_path_that_depends_on_who_asks_is_refused() {
    for path in ["state", "/tmp/../etc", "/", ""] {
        let refused = Folder::open(Path::new(path), Trust::Own);
        assert!(matches!(refused, Err(FolderError::Relative(_))), "{path}");
    }
}

#[test]
fn a_folder_that_is_made_is_its_makers_alone() {
    let folder = tempfile::tempdir().unwrap();
    let made = Folder::make(&folder.path().join("a/b"), Trust::Own, 0o700).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(made.path()), 0o700);
    assert_eq!(mode(&folder.path().join("a")), 0o700);
    let shown = made.make_within("c", 0o711).unwrap();
    assert_eq!(mode(shown.path()), 0o711);
    assert_eq!(shown.mode().unwrap(), 0o711);
}

#[test]
fn a_file_is_replaced_whole_and_a_link_in_its_place_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    fs::write(&other, "untouched").unwrap();
    let held = Folder::make(&folder.path().join("held"), Trust::Own, 0o700).unwrap();
    for name in ["record", "record.new"] {
        symlink(&other, held.path().join(name)).unwrap();
    }
    assert!(matches!(held.read("record"), Err(FolderError::Link(_))));
    assert!(matches!(
        held.append("record", 0o600),
        Err(FolderError::Link(_))
    ));
    assert!(matches!(
        held.lock("record", false),
        Err(FolderError::Link(_))
    ));
    held.replace("record", b"whole", 0o640).unwrap();
    assert_eq!(held.read("record").unwrap().unwrap(), b"whole");
    let about = fs::symlink_metadata(held.path().join("record")).unwrap();
    assert_eq!(about.mode() & 0o7777, 0o640);
    assert_eq!(fs::read_to_string(&other).unwrap(), "untouched");
    assert_eq!(held.names().unwrap(), ["record"]);
    assert_eq!(held.read("none").unwrap(), None);
    held.remove("record").unwrap();
    held.remove("record").unwrap();
}

const FOLDER: &str = "AION_FOLDERS_SYNCED";

/// Looked at from outside: what is forced to the disk shows in nothing else, as long as no power is lost.
#[test]
fn a_file_is_on_the_disk_before_it_has_its_name_and_its_name_before_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("calls");
    let child = Command::new("strace")
        .args(["-f", "-y", "-e", "trace=fsync,renameat,renameat2", "-o"])
        .arg(&log)
        .arg(env::current_exe().unwrap())
        .args(["--exact", "folder::tests::replaces_two_files", "--ignored"])
        .env(FOLDER, folder.path())
        .output();
    match child {
        Ok(child) if child.status.success() => {}
        Ok(child) => {
            return aion_testkit::skip("strace", &String::from_utf8_lossy(&child.stderr));
        }
        Err(error) => return aion_testkit::skip("strace", &error.to_string()),
    }
    let log = fs::read_to_string(log).unwrap();
    let calls: Vec<&str> = log.lines().filter(|it| it.contains("held")).collect();
    let found: Vec<_> = calls
        .iter()
        .map(|call| {
            (
                call.contains("fsync("),
                call.contains("kept"),
                call.contains(".new"),
            )
        })
        .collect();
    // The file, its name, the folder; and of the other the name alone.
    let rename = (false, true, true);
    assert_eq!(found[..2], [(true, true, true), rename], "{log}");
    assert_eq!(found[2..3], [(true, false, false)], "{log}");
    assert_eq!(found[3..], [(false, false, true)], "{log}");
}

#[test]
#[ignore = "the child of a_file_is_on_the_disk_before_it_has_its_name_and_its_name_before_it_is_said"]
fn replaces_two_files() {
    let folder = PathBuf::from(env::var_os(FOLDER).unwrap()).join("held");
    let held = Folder::make(&folder, Trust::Own, 0o700).unwrap();
    held.replace("kept", b"1", 0o600).unwrap();
    held.replace_unsynced("passing", b"1", 0o600).unwrap();
}

#[test]
fn what_is_no_file_of_a_bounded_size_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let held = Folder::open(folder.path(), Trust::Own).unwrap();
    rustix::fs::mkfifoat(&held, "fifo", Mode::from_raw_mode(0o600)).unwrap();
    assert!(matches!(held.read("fifo"), Err(FolderError::NotAFile(_))));
    fs::write(folder.path().join("large"), vec![b'x'; (1 << 20) + 1]).unwrap();
    assert!(matches!(
        held.read("large"),
        Err(FolderError::TooLarge { .. })
    ));
}

#[test]
fn root_believes_no_file_of_another_user() {
    let Some(root) = of_root() else { return };
    let held = Folder::open(root.path(), Trust::Root).unwrap();
    held.replace("record", b"1", 0o600).unwrap();
    assert!(held.read("record").unwrap().is_some());
    held.give("record", USER, None).unwrap();
    assert!(matches!(
        held.read("record"),
        Err(FolderError::NotRoots { .. })
    ));
    held.give("record", 0, None).unwrap();
    fs::set_permissions(
        root.path().join("record"),
        fs::Permissions::from_mode(0o666),
    )
    .unwrap();
    assert!(matches!(
        held.read("record"),
        Err(FolderError::Writable { .. })
    ));
}

#[test]
fn what_is_given_away_is_the_link_and_not_what_it_leads_to() {
    let Some(root) = of_root() else { return };
    let held = Folder::open(root.path(), Trust::Root).unwrap();
    held.replace("file", b"1", 0o600).unwrap();
    symlink("file", root.path().join("socket")).unwrap();
    held.give("socket", USER, None).unwrap();
    let owner = |name: &str| fs::symlink_metadata(root.path().join(name)).unwrap().uid();
    assert_eq!((owner("socket"), owner("file")), (USER, 0));
}

#[test]
fn a_lock_has_one_holder() {
    let folder = tempfile::tempdir().unwrap();
    let held = Folder::open(folder.path(), Trust::Own).unwrap();
    let first = held.lock("lock", false).unwrap();
    assert!(first.is_some());
    assert!(held.lock("lock", false).unwrap().is_none());
    drop(first);
    assert!(held.lock("lock", false).unwrap().is_some());
}

#[test]
fn a_folder_is_handed_over_with_what_was_its_owners_and_nothing_else() {
    let Some(root) = of_root() else { return };
    let held = Folder::open(root.path(), Trust::Root).unwrap();
    let state = root.path().join("state");
    fs::create_dir_all(state.join("turns/1")).unwrap();
    for file in ["journal", "turns/1/answer", "another's", "outside"] {
        fs::write(state.join(file), "x").unwrap();
    }
    fs::rename(state.join("outside"), root.path().join("outside")).unwrap();
    symlink(root.path().join("outside"), state.join("link")).unwrap();
    chown(state.join("another's"), Some(USER + 1), None).unwrap();
    let to = Owner {
        user: USER,
        group: USER,
    };
    let given = held.hand_over("state", 0, to).unwrap();
    assert_eq!(given, 6);
    let owner = |name: &str| fs::symlink_metadata(root.path().join(name)).unwrap();
    for name in [
        "state",
        "state/turns",
        "state/turns/1",
        "state/turns/1/answer",
        "state/journal",
        "state/link",
    ] {
        let about = owner(name);
        assert_eq!((about.uid(), about.gid()), (USER, USER), "{name}");
    }
    assert_eq!(owner("state/another's").uid(), USER + 1);
    assert_eq!(owner("outside").uid(), 0);
    assert_eq!(held.hand_over("state", 0, to).unwrap(), 0);
}

#[test]
fn what_root_shares_the_group_reads_and_nobody_else() {
    let Some(root) = of_root() else { return };
    let held = Folder::open(root.path(), Trust::Root).unwrap();
    let config = root.path().join("config");
    fs::create_dir_all(config.join("secrets/openai")).unwrap();
    for file in ["secrets/openai/key", "node.yaml", "theirs"] {
        fs::write(config.join(file), "x").unwrap();
    }
    fs::set_permissions(config.join("secrets"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(
        config.join("secrets/openai/key"),
        fs::Permissions::from_mode(0o600),
    )
    .unwrap();
    chown(config.join("theirs"), Some(USER), None).unwrap();
    fs::write(root.path().join("outside"), "x").unwrap();
    symlink(root.path().join("outside"), config.join("link")).unwrap();
    // The folder and the key that were root's alone.
    assert_eq!(held.share("config", USER).unwrap(), 2);
    let about = |name: &str| {
        let about = fs::symlink_metadata(root.path().join(name)).unwrap();
        (about.uid(), about.gid(), about.mode() & 0o7777)
    };
    assert_eq!(about("config/secrets"), (0, USER, 0o2750));
    assert_eq!(about("config/secrets/openai/key"), (0, USER, 0o640));
    assert_eq!(about("config/node.yaml"), (0, USER, 0o640));
    assert_eq!(about("config/theirs").1, 0);
    assert_eq!(about("outside").1, 0);
    assert_eq!(held.share("config", USER).unwrap(), 0);
}
