//! What the stories need: packages of stand-ins, a machine with a home and a few tools, and a server of files.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpListener,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use aion_e2e::{cluster::root, program};
use nix::unistd::geteuid;
use tempfile::TempDir;

pub(super) const PROGRAMS: [&str; 6] = [
    "aion-node",
    "aion-launcher",
    "aion-worker",
    "aion-compiler",
    "aion-gateway",
    "aionctl",
];

/// All that a machine needs besides what verifies a signature: no cargo, no compiler.
const TOOLS: [&str; 28] = [
    "awk", "basename", "cat", "chmod", "cp", "curl", "cut", "date", "dirname", "find", "fold",
    "grep", "gzip", "head", "id", "ln", "mkdir", "mktemp", "mv", "readlink", "rm", "rmdir", "sed",
    "sh", "tar", "tr", "uname", "wc",
];

/// A folder of packages.
pub(super) struct Packages {
    pub(super) at: TempDir,
    pub(super) name: String,
}

impl Packages {
    pub(super) fn make(arch: Option<&str>) -> Self {
        let at = tempfile::tempdir().unwrap();
        let programs = at.path().join("programs");
        fs::create_dir(&programs).unwrap();
        for name in PROGRAMS {
            let path = programs.join(name);
            fs::write(&path, format!("#!/bin/sh\necho {name}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        let out = at.path().join("out");
        let mut command = Command::new(root().join("packaging/package"));
        command.arg("--programs").arg(&programs);
        command.arg("--out").arg(&out);
        if let Some(arch) = arch {
            command.args(["--arch", arch]);
        }
        command.env_remove("AION_PACKAGE_KEY");
        command.env("AIONCTL", program("aionctl").unwrap());
        command.env("AION_SBOM", program("aion-sbom").unwrap());
        let made = command.output().unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let ending = ".tar.gz";
        let files = fs::read_dir(&out).unwrap();
        let mut names = files.map(|it| it.unwrap().file_name().into_string().unwrap());
        let name = names.find(|it| it.ends_with(ending)).unwrap();
        Self { at, name }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.at.path().join("out").join(name)
    }

    pub(super) fn package(&self) -> PathBuf {
        self.path(&self.name)
    }

    pub(super) fn signature(&self) -> PathBuf {
        self.path(&format!("{}.sigstore.json", self.name))
    }

    /// A copy of the package and its signature in `folder`, changed by `harm`.
    pub(super) fn harmed(&self, folder: &Path, harm: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
        let path = folder.join(&self.name);
        let mut bytes = fs::read(self.package()).unwrap();
        harm(&mut bytes);
        fs::write(&path, bytes).unwrap();
        fs::copy(
            self.signature(),
            folder.join(self.signature().file_name().unwrap()),
        )
        .unwrap();
        path
    }
}

/// A machine with a home and a few tools.
pub(super) struct Machine {
    pub(super) folder: TempDir,
}

impl Machine {
    pub(super) fn with(verifiers: &[PathBuf]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("tools");
        fs::create_dir(&bin).unwrap();
        for name in ["empty", "var-lib", "local-bin"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let found = TOOLS.iter().filter_map(|tool| which(tool));
        for tool in found.chain(verifiers.iter().cloned()) {
            symlink(&tool, bin.join(tool.file_name().unwrap())).unwrap();
        }
        Self { folder }
    }

    pub(super) fn with_openssl() -> Self {
        Self::with(&[which("openssl").unwrap()])
    }

    pub(super) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Runs `script` as `curl … | sh -s -- …` does, somewhere else: how it ended, and what it said.
    pub(super) fn pipe(&self, script: &Path, args: &[&str]) -> (bool, String) {
        self.pipe_into(Some(&self.home()), script, args)
    }

    /// As [`Machine::pipe`], with the state in `home` or where it is by itself.
    pub(super) fn pipe_into(
        &self,
        home: Option<&Path>,
        script: &Path,
        args: &[&str],
    ) -> (bool, String) {
        let here = self.folder.path();
        let mut command = match own_mounts() {
            true => {
                let mut command = Command::new("unshare");
                command.args(["--mount", "--propagation", "private"]);
                command.args(["sh", "-c", APART, "apart"]);
                command
                    .arg(here.join("var-lib"))
                    .arg(here.join("local-bin"));
                command.arg("env");
                command
            }
            false => Command::new("env"),
        };
        let set = |name: &str, value: &Path| format!("{name}={}", value.display());
        command.arg("-i").arg(set("PATH", &here.join("tools")));
        command.arg(set("HOME", here));
        command.args(home.map(|home| set("AION_HOME", home)));
        let ran = command
            .args(["sh", "-s", "--"])
            .args(args)
            .current_dir(here.join("empty"))
            .stdin(Stdio::from(fs::File::open(script).unwrap()))
            .output()
            .unwrap();
        let said = [ran.stdout, ran.stderr].concat();
        (
            ran.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    }

    pub(super) fn install(&self, script: &Path, package: &str, more: &[&str]) -> (bool, String) {
        let args = ["--local", "--yes", "--no-start", "--from-package", package];
        self.pipe(script, &[&args, more].concat())
    }

    /// That nothing of a package came here, with the reason and the remedy in `words`.
    pub(super) fn refuses(&self, script: &Path, package: &str, more: &[&str], words: &[&str]) {
        let (well, said) = self.install(script, package, more);
        assert!(!well, "{package} {more:?} was installed:\n{said}");
        for words in words.iter().chain(&["error: ", "do: "]) {
            assert!(said.contains(words), "no {words:?} in:\n{said}");
        }
        let home = self.home();
        assert!(!home.exists() && !home.with_file_name("home-share").exists());
    }
}

/// What root's set-up changes of a machine is the test's own.
const APART: &str = r#"set -e
mount --bind "$1" /var/lib
[ ! -d /usr/local/bin ] || mount --bind "$2" /usr/local/bin
shift 2
exec "$@""#;

/// Whether the tests are root's, who may have mounts of its own.
pub(super) fn own_mounts() -> bool {
    let mount = ["mount", "--bind", "/var/lib", "/var/lib"];
    let mut tried = Command::new("unshare");
    let tried = tried.args(["--mount", "--propagation", "private"]);
    let tried = tried.args(mount).output();
    geteuid().is_root() && tried.is_ok_and(|it| it.status.success())
}

pub(super) fn which(tool: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap();
    let mut places = env::split_paths(&path).map(|folder| folder.join(tool));
    places.find(|it| it.is_file())
}

/// The most that is served of a file that has no end.
const MUCH: u64 = 64 << 20;

/// Serves the files of `folder` on loopback as long as the test runs; gives its address. Of one that is a device the
/// length is not said.
pub(super) fn served(folder: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap();
            while lines
                .next()
                .is_some_and(|it| it.is_ok_and(|it| !it.is_empty()))
            {}
            let name = first.split(' ').nth(1).unwrap().trim_start_matches('/');
            let file = fs::File::open(folder.join(name)).ok();
            let found = file.as_ref().map(|it| it.metadata().unwrap());
            let head = match &found {
                Some(it) if it.is_file() => format!("200 OK\r\ncontent-length: {}", it.len()),
                Some(_) => "200 OK".to_owned(),
                None => "404 Not Found\r\ncontent-length: 0".to_owned(),
            };
            let head = format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(head.as_bytes());
            let _ = file.map(|it| io::copy(&mut it.take(MUCH), &mut stream));
        }
    });
    address
}
