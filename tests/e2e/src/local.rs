//! A node of this machine as a person has it: installed programs, and `aionctl local` to start, watch and stop it.

use std::{
    env, fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use aion_testkit::until;
use anyhow::{Context, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::cluster::{BOUND, root};

/// What a set-up installs.
const PROGRAMS: [&str; 6] = [
    "aionctl",
    "aion-node",
    "aion-launcher",
    "aion-worker",
    "aion-compiler",
    "aion-gateway",
];

/// A home with programs in it; what runs there is stopped when dropped.
pub struct Local {
    folder: TempDir,
    user: Option<u32>,
    variables: Vec<(String, String)>,
}

impl Local {
    /// Installs. The node is `user`'s, where the tests are root's and one is given.
    ///
    /// # Errors
    /// When a program is not built.
    pub fn install(user: Option<u32>) -> anyhow::Result<Self> {
        // A socket's path is at most 108 bytes long.
        let folder = tempfile::Builder::new()
            .prefix("aion-")
            .tempdir_in("/tmp")?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let local = Self {
            folder,
            user,
            variables: Vec::new(),
        };
        fs::create_dir_all(local.home().join("bin"))?;
        for program in PROGRAMS {
            let (from, to) = (crate::program(program)?, local.bin(program));
            // The same file where it is the same disk; they are large.
            fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop))?;
        }
        for folder in [local.home(), local.home().join("bin")] {
            chown(folder, user, user)?;
        }
        Ok(local)
    }

    /// Sets a variable of each aionctl from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Where the state is.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// A file or folder beside the state, gone with it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn bin(&self, program: &str) -> PathBuf {
        self.home().join("bin").join(program)
    }

    /// Runs aionctl, however it ends.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn try_aionctl(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let mut command = self.aionctl_with(arguments);
        command.output().context("starting aionctl")
    }

    /// An aionctl that is not started yet.
    #[must_use]
    pub fn aionctl_with(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&self.bin("aionctl"));
        command.args(arguments);
        command
    }

    /// Runs `install.sh`, as from a pipe, however it ends.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn install_sh(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let script = fs::File::open(root().join("install.sh"))?;
        let mut command = self.command(Path::new("sh"));
        command.args(["-s", "--"]).args(arguments).stdin(script);
        command.output().context("starting install.sh")
    }

    /// A program as whose node it is, with the variables that are set.
    fn command(&self, program: &Path) -> Command {
        let mut command = match self.user {
            Some(user) => {
                let mut command = Command::new("setpriv");
                command
                    .arg(format!("--reuid={user}"))
                    .arg(format!("--regid={user}"))
                    .arg("--clear-groups")
                    .arg(program);
                command
            }
            None => Command::new(program),
        };
        command
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("AION_HOME", self.home())
            .env("LANG", "C.UTF-8")
            .env("TZ", "UTC")
            // Many nodes run here at once.
            .env("AION_GATEWAY_LISTEN", "127.0.0.1:0")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir("/");
        command
    }

    /// Runs aionctl, and gives what it said on both streams.
    ///
    /// # Errors
    /// When it did not end with success.
    pub fn aionctl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.try_aionctl(arguments)?;
        let said = said(&output);
        ensure!(output.status.success(), "aionctl {arguments:?}: {said}");
        Ok(said)
    }

    /// `aionctl local status --json`, whether the node answers or not.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn status(&self) -> anyhow::Result<Value> {
        let output = self.try_aionctl(&["local", "status", "--json"])?;
        serde_json::from_slice(&output.stdout).with_context(|| said(&output))
    }

    /// The process of a program, as status tells it.
    ///
    /// # Errors
    /// As [`Local::status`].
    pub fn pid(&self, program: &str) -> anyhow::Result<Option<i32>> {
        let pid = self.status()?["pids"][program].as_i64();
        Ok(pid.and_then(|pid| i32::try_from(pid).ok()))
    }

    /// The process of a program that runs.
    ///
    /// # Errors
    /// When it does not.
    pub fn running(&self, program: &str) -> anyhow::Result<i32> {
        let pid = self.pid(program)?;
        pid.with_context(|| format!("{program} does not run: {}", self.logs()))
    }

    /// Ends a program by `kill -9`, and gives its process.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&self, program: &str) -> anyhow::Result<i32> {
        let pid = self.running(program)?;
        kill(Pid::from_raw(pid), Signal::SIGKILL)?;
        Ok(pid)
    }

    /// Waits until `program` runs as another process than `before` and the node answers, its launcher with it.
    ///
    /// # Errors
    /// When that does not happen.
    pub fn back(&self, program: &str, before: i32) -> anyhow::Result<i32> {
        let back = until(&format!("{program} to be back"), BOUND, || {
            let status = self.status().map_err(|why| why.to_string())?;
            match status["pids"][program].as_i64() {
                Some(pid) if pid != i64::from(before) && status["node"]["launcher"] == "ready" => {
                    i32::try_from(pid).map_err(|why| why.to_string())
                }
                _ => Err(format!("{status:#}\n{}", self.logs())),
            }
        })?;
        Ok(back)
    }

    /// The ends of the programs' logs, for a failing test's message.
    #[must_use]
    pub fn logs(&self) -> String {
        let mut all = String::new();
        for folder in ["service", "logs"] {
            for name in [
                "aion-supervisor",
                "aion-node",
                "aion-launcher",
                "aion-gateway",
            ] {
                let path = self.home().join(folder).join(format!("{name}.log"));
                if let Ok(text) = fs::read_to_string(&path) {
                    let lines: Vec<_> = text.lines().collect();
                    let from = lines.len().saturating_sub(15);
                    all += &format!("{}:\n{}\n", path.display(), lines[from..].join("\n"));
                }
            }
        }
        all
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let _ = self.try_aionctl(&["local", "stop", "--timeout", "2", "--force"]);
    }
}

/// What a program said on both its streams, its lines joined.
#[must_use]
pub fn said(output: &Output) -> String {
    let text = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it).into_owned());
    let text = text.join("\n");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the gateway at `url` takes its token and tells agents, and tells nobody without.
///
/// # Errors
/// When nothing answers there, or the token cannot be read.
pub fn answers(local: &Local, url: &str) -> anyhow::Result<bool> {
    let token = fs::read_to_string(local.home().join("gateway/token"))?;
    let ask = |token: &str| -> anyhow::Result<String> {
        let address = url.trim_start_matches("http://").trim_end_matches("/v1");
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(BOUND))?;
        write!(
            stream,
            "GET /v1/agents HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let (known, unknown) = (ask(token.trim())?, ask("another")?);
    Ok(known.starts_with("HTTP/1.1 200")
        && known.contains("items")
        && unknown.starts_with("HTTP/1.1 401"))
}

/// Whether a process is there and has not ended.
#[must_use]
pub fn lives(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some(Some('Z' | 'X')))
}

/// The user that a process runs as: the effective one.
///
/// # Errors
/// When it is not there.
pub fn user_of(pid: i32) -> anyhow::Result<u32> {
    let status = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let user = line.and_then(|line| line.split_whitespace().nth(1));
    user.and_then(|user| user.parse().ok())
        .with_context(|| format!("no user in {status}"))
}
