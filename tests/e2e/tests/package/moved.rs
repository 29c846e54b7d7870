//! A set-up of root's of an earlier version, whose state is where the daemon's user cannot get at it.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
};

use aion_testkit::skip;

use super::stage::{Machine, Packages, own_mounts};

const PURGE: [&str; 3] = ["--uninstall", "--purge", "--yes"];

/// Installs with the state in `home`, or where it is by itself.
fn install(machine: &Machine, packages: &Packages, home: Option<&Path>) -> (bool, String) {
    let package = packages.package();
    let package = package.to_string_lossy();
    let args = ["--local", "--yes", "--no-start", "--from-package", &package];
    machine.pipe_into(home, &packages.path("install.sh"), &args)
}

/// A set-up of root's of an earlier version, in root's own home, with a node that ends, or does not, as `stops` says.
fn earlier(machine: &Machine, packages: &Packages, stops: bool) -> PathBuf {
    let home = machine.folder.path().join(".aion");
    let (well, said) = install(machine, packages, Some(&home));
    assert!(well, "{said}");
    let asked = machine.folder.path().join("asked");
    let aionctl = format!(
        "#!/bin/sh\necho \"$AION_HOME $*\" >> {}\n{stops}\n",
        asked.display()
    );
    fs::write(home.join("bin/aionctl"), aionctl).unwrap();
    fs::create_dir(home.join("state")).unwrap();
    for (file, mode) in [("state/journal", 0o600), ("config/node.secret", 0o640)] {
        fs::write(home.join(file), file).unwrap();
        fs::set_permissions(home.join(file), fs::Permissions::from_mode(mode)).unwrap();
    }
    home
}

#[test]
fn what_root_had_at_home_is_moved_to_where_the_daemon_gets_at_it() {
    if !own_mounts() {
        return skip(
            "root's own mounts",
            "what is under /var/lib is this machine's",
        );
    }
    let packages = Packages::make(None);
    let machine = Machine::with_openssl();
    let before = earlier(&machine, &packages, true);
    let now = machine.folder.path().join("var-lib/aion");
    // A copy that was cut off is not what is taken for it.
    fs::create_dir_all(now.with_file_name("aion.new/state")).unwrap();
    let (well, said) = install(&machine, &packages, None);
    assert!(well, "{said}");
    let moved = format!("{} to /var/lib/aion", before.display());
    assert!(said.contains(&moved), "{said}");
    let asked = fs::read_to_string(machine.folder.path().join("asked")).unwrap();
    assert_eq!(asked, format!("{} local stop --force\n", before.display()));
    for (file, mode) in [("state/journal", 0o600), ("config/node.secret", 0o640)] {
        assert_eq!(fs::read_to_string(now.join(file)).unwrap(), file);
        let about = fs::metadata(now.join(file)).unwrap();
        assert_eq!(about.permissions().mode() & 0o777, mode, "{file}");
    }
    let installed = fs::read_to_string(now.join("config/installed")).unwrap();
    assert!(installed.ends_with(":\n/var/lib/aion\n"), "{installed}");
    assert!(!before.exists() && !now.with_file_name("aion.new").exists());
    let share = before.with_file_name(".aion-share");
    assert!(!share.exists(), "what came with the earlier package stays");
    let (well, said) = machine.pipe_into(None, &packages.path("install.sh"), &PURGE);
    assert!(well && !now.exists(), "{said}");

    // While its node runs nothing is moved.
    let machine = Machine::with_openssl();
    let before = earlier(&machine, &packages, false);
    let (well, said) = install(&machine, &packages, None);
    assert!(!well && said.contains("cannot be stopped"), "{said}");
    let now = machine.folder.path().join("var-lib/aion");
    assert!(before.join("state/journal").exists() && !now.exists());

    // HOME may be a person's, and what is there is not root's to run.
    chown(&before, Some(61_990), Some(61_990)).unwrap();
    let (well, said) = install(&machine, &packages, None);
    assert!(well && !said.contains("Moving"), "{said}");
    assert!(before.join("state/journal").exists() && !now.join("state").exists());
}
