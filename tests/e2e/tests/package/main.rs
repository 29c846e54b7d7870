//! Packages: made the same each time, verified before anything of them is used, and installed on a machine without
//! cargo. The programs in them are stand-ins; that the real ones run is walked by `.ci/run`.
#![allow(clippy::unwrap_used)]

mod moved;
mod placeless;
mod stage;

use std::{
    env, fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
};

use aion_e2e::cluster::root;
use aion_testkit::{Component, Cosign, or_skip, skip};

use self::stage::{Machine, PROGRAMS, Packages, served, which};

#[test]
fn the_same_programs_make_the_same_package_and_say_what_is_in_them() {
    let (first, second) = (&Packages::make(None), &Packages::make(None));
    let read = |packages: &Packages, name: &str| fs::read(packages.path(name)).unwrap();
    let sbom = first.name.replace(".tar.gz", ".spdx.json");
    for name in [&first.name, &sbom] {
        assert!(
            read(first, name) == read(second, name),
            "{name} is another each time"
        );
    }
    let text = String::from_utf8(read(first, &sbom)).unwrap();
    for words in [
        "\"SPDX-2.3\"",
        "\"bin/aionctl\"",
        "\"agents/analyst/analyst.wasm\"",
        "pkg:cargo/serde_json@",
        "pkg:cargo/quick-xml@",
        "aion-kernel",
    ] {
        assert!(text.contains(words), "no {words} in the SBOM");
    }
    assert!(
        !text.contains("pkg:cargo/proptest@"),
        "tests are not shipped"
    );
    let sums = fs::read_to_string(first.path("SHA256SUMS")).unwrap();
    assert!(sums.contains(&first.name) && sums.contains(&sbom), "{sums}");
}

#[test]
fn a_package_is_installed_by_a_piped_script_from_a_file_or_an_address_and_taken_away() {
    let packages = Packages::make(None);
    let script = packages.path("install.sh");
    let address = served(packages.at.path().join("out"));
    let file = packages.package().to_string_lossy().into_owned();
    for package in [file, format!("{address}/{}", packages.name)] {
        let machine = Machine::with_openssl();
        let (well, said) = machine.install(&script, &package, &[]);
        assert!(well, "{said}");
        let share = machine.home().with_file_name("home-share");
        for program in PROGRAMS {
            let path = machine.home().join("bin").join(program);
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o755
            );
        }
        for file in [
            "docs/agents.md",
            "agents/librarian/agent.yaml",
            "policies/standalone.yaml",
            "sbom.spdx.json",
        ] {
            assert!(share.join(file).is_file(), "no {file}");
        }
        // Again over the first, then away.
        let (well, said) = machine.install(&script, &package, &[]);
        assert!(well, "{said}");
        let (well, said) = machine.pipe(
            &share.join("install.sh"),
            &["--uninstall", "--purge", "--yes"],
        );
        assert!(well, "{said}");
        assert!(!machine.home().exists() && !share.exists(), "{said}");
    }
}

#[test]
fn a_package_is_refused_with_its_reason_before_anything_of_it_is_used() {
    let packages = Packages::make(None);
    let (pinned, plain) = (packages.path("install.sh"), root().join("install.sh"));
    let machine = Machine::with_openssl();
    let refuses = |package: &Path, more: &[&str], words: &[&str]| {
        machine.refuses(&pinned, &package.to_string_lossy(), more, words);
    };
    let scratch = tempfile::tempdir().unwrap();
    let folder = |name: &str| {
        let path = scratch.path().join(name);
        fs::create_dir(&path).unwrap();
        path
    };

    let altered = packages.harmed(&folder("altered"), |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    refuses(&altered, &[], &["cut short or altered", "fetch it anew"]);
    let short = packages.harmed(&folder("short"), |bytes| bytes.truncate(bytes.len() / 2));
    refuses(&short, &[], &["cut short or altered", "fetch it anew"]);
    let unsigned = packages.harmed(&folder("unsigned"), |_| ());
    fs::remove_file(unsigned.with_added_extension("sigstore.json")).unwrap();
    refuses(&unsigned, &[], &["unsigned package is not taken"]);

    let stranger = Packages::make(None);
    let key = stranger.path("package.pub");
    let key = key.to_string_lossy();
    refuses(
        &packages.package(),
        &["--key", &key],
        &["not signed with this key"],
    );
    refuses(
        &packages.package(),
        &["--key", "/nowhere"],
        &["/nowhere is not a file"],
    );
    let package = packages.package();
    machine.refuses(
        &plain,
        &package.to_string_lossy(),
        &[],
        &["knows no key", "--key FILE"],
    );

    let other = match env::consts::ARCH {
        "x86_64" => "arm64",
        _ => "amd64",
    };
    let foreign = Packages::make(Some(other));
    let key = foreign.path("package.pub");
    let words = [
        &*format!("the package is for {other}"),
        "take the one whose name ends in",
    ];
    refuses(
        &foreign.package(),
        &["--key", &key.to_string_lossy()],
        &words,
    );

    for address in [
        "http://example.org/p.tar.gz",
        "http://127.0.0.1.example.org/p.tar.gz",
        "http://127.0.0.1:80@example.org/p.tar.gz",
        "http://localhost@example.org/p.tar.gz",
    ] {
        machine.refuses(
            &pinned,
            address,
            &[],
            &["without TLS from another machine", "https://"],
        );
    }
    machine.refuses(
        &pinned,
        "ftp://example.org/p",
        &[],
        &["packages come by https"],
    );
    machine.refuses(
        &pinned,
        "/no/such/file",
        &[],
        &["/no/such/file is not a file"],
    );
    let nowhere = format!("{}/none.tar.gz", served(scratch.path().to_owned()));
    machine.refuses(&pinned, &nowhere, &[], &["cannot be fetched"]);

    let bare = Machine::with(&[]);
    bare.refuses(
        &pinned,
        &package.to_string_lossy(),
        &[],
        &["neither openssl nor cosign", "apt install openssl"],
    );
}

#[test]
fn what_is_fetched_is_bounded_whatever_fetches_it() {
    let packages = Packages::make(None);
    let (script, name) = (packages.path("install.sh"), &packages.name);
    let folder = tempfile::tempdir().unwrap();
    fs::copy(packages.package(), folder.path().join(name)).unwrap();
    let signature = format!("{name}.sigstore.json");
    symlink("/dev/zero", folder.path().join(&signature)).unwrap();
    let package = format!("{}/{name}", served(folder.path().to_owned()));
    let words = [&*format!("{signature} is longer than any is: 262144 bytes")];
    for fetcher in ["curl", "wget"] {
        let machine = Machine::with_openssl();
        let tools = machine.folder.path().join("tools");
        fs::remove_file(tools.join("curl")).unwrap();
        let Some(found) = which(fetcher) else {
            skip(fetcher, "it is not on this machine");
            continue;
        };
        symlink(found, tools.join(fetcher)).unwrap();
        machine.refuses(&script, &package, &[], &words);
    }
}

#[test]
fn a_package_for_an_unknown_machine_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let uname = folder.path().join("uname");
    fs::write(&uname, "#!/bin/sh\necho riscv64\n").unwrap();
    fs::set_permissions(&uname, fs::Permissions::from_mode(0o700)).unwrap();
    let path = env::var("PATH").unwrap();
    let strange = format!("{}:{path}", folder.path().display());
    let unknown = "nothing is made for riscv64: for amd64 and arm64 only\n";
    let out = folder.path().join("out");
    for (args, path, words) in [
        (
            &["--programs", "/nowhere", "--arch", "riscv64"][..],
            &path,
            unknown,
        ),
        (&[], &strange, unknown),
        (&["--arch"], &path, "--arch needs a value\n"),
    ] {
        let mut command = Command::new(root().join("packaging/package"));
        let ran = command
            .env("PATH", path)
            .args(["--out".as_ref(), out.as_os_str()]);
        let ran = ran.args(args).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&ran.stderr), words, "{args:?}");
        assert!(!ran.status.success() && !out.exists());
    }
}

#[test]
fn cosign_verifies_a_package_also_where_there_is_no_openssl() {
    let Some(cosign) = or_skip(Cosign::find()) else {
        return;
    };
    let packages = Packages::make(None);
    let key = packages.path("package.pub");
    let verified = cosign.verify_blob(&key, &packages.package(), &packages.signature());
    verified.unwrap();
    let machine = Machine::with(&[Component::Cosign.find().unwrap()]);
    let scratch = tempfile::tempdir().unwrap();
    let altered = packages.harmed(scratch.path(), |bytes| bytes.push(0));
    let (pinned, words) = (packages.path("install.sh"), ["not the one that was signed"]);
    machine.refuses(&pinned, &altered.to_string_lossy(), &[], &words);
    let (well, said) = machine.install(&pinned, &packages.package().to_string_lossy(), &[]);
    assert!(well, "{said}");
}
