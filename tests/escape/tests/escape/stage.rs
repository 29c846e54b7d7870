//! One machine with a launcher, from which layers may have been taken, and what attempts come to there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aion_abi::boot::{Boot, Input, Order, Process, Program, SOCKET_NAME};
use aion_abi::signing::Key;
use aion_escape::attempts::{MAY_KEEP, MAY_MEMORY, MAY_PROCESSES};
use aion_escape::layer::Layer;
use aion_sandbox::protocol::{Exited, Limits, Role, Rules, Start, WorkerId};
use aion_sandbox::{Client, StartFds, Started};
use anyhow::{Context, Result, ensure};
use rustix::fs::{MemfdFlags, memfd_create};
use tokio::sync::mpsc::Receiver;

use crate::image::{INSIDE, Image, PROGRAM};

/// Long enough for anything here on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What each attempt came to, by its name.
pub(crate) type Outcomes = BTreeMap<String, String>;

/// A process that is to be started.
struct Asked<'a> {
    role: Role,
    name: &'a str,
    arguments: &'a [&'a str],
    ports: &'a [u16],
}

/// See the module. The launcher ends when dropped, its workers with it.
pub(crate) struct Stage {
    folder: tempfile::TempDir,
    launcher: Child,
    off: Vec<Layer>,
}

impl Stage {
    pub(crate) fn new(off: &[Layer]) -> Result<Self> {
        let folder = tempfile::tempdir_in("/tmp")?;
        for own in ["state", "s"] {
            fs::create_dir(folder.path().join(own))?;
        }
        let mut command = machine(folder.path(), off);
        command
            .arg(beside("aion-launcher")?)
            .args(["serve", "--socket"]);
        command
            .arg(folder.path().join("s/launcher.sock"))
            .arg("--state")
            .arg(folder.path().join("state"));
        command.arg("--worker").arg(beside("aion-worker")?);
        command
            .arg("--cgroup-profiles")
            .arg(profiles(folder.path(), off)?);
        let launcher = command
            .stdin(Stdio::null())
            .env("AION_LOG", "error")
            .spawn()?;
        Ok(Self {
            folder,
            launcher,
            off: off.to_vec(),
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Connects as the daemon would, waiting for the launcher to listen.
    async fn connect(&self) -> Result<(Client, Receiver<Exited>)> {
        let socket = self.path("s/launcher.sock");
        let connected = async {
            loop {
                match Client::connect(&socket).await {
                    Ok(connected) => return connected,
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, connected)
            .await
            .context("the launcher does not listen")
    }

    /// What the attempts of these names come to, or all without a name.
    pub(crate) async fn attempts(
        &self,
        role: Role,
        image: &Image,
        names: &[&str],
    ) -> Result<Outcomes> {
        Ok(self.attempts_at(role, image, names, &[]).await?.0)
    }

    /// As [`attempts`](Self::attempts), of all, by an image's program with a network of these ports: beside it whom
    /// the connections were for that came to its doors.
    pub(crate) async fn with_network(
        &self,
        image: &Image,
        ports: &[u16],
    ) -> Result<(Outcomes, Vec<SocketAddr>)> {
        self.attempts_at(Role::Process, image, &[], ports).await
    }

    async fn attempts_at(
        &self,
        role: Role,
        image: &Image,
        names: &[&str],
        ports: &[u16],
    ) -> Result<(Outcomes, Vec<SocketAddr>)> {
        image.renew()?;
        let (client, mut exits) = self.connect().await?;
        let told = fs::read_to_string(self.path("tells"))?;
        let (victim, uts) = told
            .trim()
            .split_once('\n')
            .context("what the machine tells")?;
        let mut env = vec![
            ("ESCAPE_VICTIM".to_owned(), victim.to_owned()),
            ("ESCAPE_UTS".into(), uts.into()),
            (
                "ESCAPE_NAMED".into(),
                self.path("named").display().to_string(),
            ),
            (
                "ESCAPE_LAUNCHER".into(),
                self.path("s/launcher.sock").display().to_string(),
            ),
            (
                "ESCAPE_RECORDS".into(),
                self.path("state").display().to_string(),
            ),
        ];
        let sibling = Asked {
            role: Role::Process,
            name: "sibling",
            arguments: &["sibling"],
            ports: &[],
        };
        let (sibling, started, said) = self.start(&client, image, &sibling, &env).await?;
        let number = started.pid;
        let mut first = String::new();
        let mut said = BufReader::new(File::from(said));
        said.read_line(&mut first)?;
        ensure!(first == "here\n", "the other agent says {first:?}");
        env.push(("ESCAPE_SIBLING".into(), number.to_string()));
        let asked = Asked {
            role,
            name: "attempts",
            arguments: names,
            ports,
        };
        let (id, started, said) = self.start(&client, image, &asked, &env).await?;
        // Read while it runs: there may be more than a pipe holds.
        let reader = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            File::from(said).read_to_string(&mut text).map(|_| text)
        });
        let ended = exit_of(&mut exits, &id).await?;
        let text = reader.await??;
        ensure!(!text.is_empty(), "nothing was attempted: {ended:?}");
        client.kill(&sibling, Duration::ZERO).await?;
        let lines = text.lines().filter_map(|line| line.split_once('\t'));
        let outcomes = lines
            .map(|(name, told)| (name.to_owned(), told.to_owned()))
            .collect();
        let mut meant = Vec::new();
        for door in started.doors.into_iter().take(ports.len()) {
            let door = TcpListener::from(door);
            // It does not block: what has not come by now does not come.
            while let Ok((stream, _)) = door.accept() {
                let whom = stream.local_addr()?;
                meant.push(SocketAddr::new(whom.ip().to_canonical(), whom.port()));
            }
        }
        Ok((outcomes, meant))
    }

    async fn start(
        &self,
        client: &Client,
        image: &Image,
        asked: &Asked<'_>,
        env: &[(String, String)],
    ) -> Result<(WorkerId, Started, OwnedFd)> {
        let Asked {
            role,
            name,
            arguments,
            ports,
        } = *asked;
        let id = WorkerId {
            instance: name.into(),
            incarnation: 1,
        };
        let own = self.path("s").join(name);
        fs::create_dir(&own)?;
        fs::set_permissions(&own, fs::Permissions::from_mode(0o711))?;
        let socket = own.join(SOCKET_NAME);
        let _listener = UnixListener::bind(&socket)?;
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o666))?;
        let arguments: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
        let document = match role {
            Role::Tool => serde_json::to_vec(&order(arguments, env))?,
            _ => serde_json::to_vec(&boot(arguments, env))?,
        };
        let memory = memfd_create("boot", MemfdFlags::CLOEXEC)?;
        rustix::io::write(&memory, &document)?;
        rustix::fs::seek(&memory, rustix::fs::SeekFrom::Start(0))?;
        let (said, says) = rustix::pipe::pipe()?;
        let nothing = File::options().read(true).write(true).open("/dev/null")?;
        let (shown, first) = (
            File::open(&image.shown)?,
            match role {
                Role::Tool => File::open(PROGRAM)?,
                _ => File::open(&image.root)?,
            },
        );
        let mut rest: Vec<BorrowedFd<'_>> = vec![first.as_fd(), shown.as_fd()];
        if role == Role::Tool {
            rest.insert(0, nothing.as_fd());
        }
        // A tool's own folder alone is as large as all that an agent may have here.
        let memory_bytes = if role == Role::Tool {
            2 * MAY_MEMORY
        } else {
            MAY_MEMORY
        };
        let on = |layer| !self.off.contains(&layer);
        let start = Start {
            id: id.clone(),
            role,
            profile: if role == Role::Tool {
                "tool"
            } else {
                "process"
            }
            .into(),
            limits: Limits {
                memory_bytes: on(Layer::CgroupMemory).then_some(memory_bytes),
                pids: on(Layer::CgroupPids).then_some(MAY_PROCESSES),
                cpu_milli: None,
                ..Limits::default()
            },
            seccomp: Vec::new(),
            socket: (role == Role::Process).then_some(socket),
            mounts: vec!["shown".into()],
            user: None,
            scratch_bytes: (role == Role::Process).then_some(if on(Layer::Scratch) {
                MAY_KEEP
            } else {
                16 * MAY_KEEP
            }),
            ports: ports.to_vec(),
            rules: Rules::default(),
        };
        let fds = StartFds {
            boot: memory.as_fd(),
            stdout: says.as_fd(),
            stderr: says.as_fd(),
            rest,
        };
        let started = client.start(start, fds).await?;
        client.open_gate(&id).await?;
        Ok((id, started, said))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.launcher);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.launcher.wait();
    }
}

/// What attempts come to outside of any sandbox.
pub(crate) fn bare(names: &[&str]) -> Result<Outcomes> {
    let folder = tempfile::tempdir_in("/tmp")?;
    let mut command = machine(folder.path(), &[]);
    // With something left open.
    command
        .args([
            "/bin/sh",
            "-c",
            r#"exec "$0" "$@" 6</dev/null 7</dev/null"#,
            PROGRAM,
        ])
        .args(names);
    command.env("ESCAPE_NAMED", folder.path().join("named"));
    command
        .env("ESCAPE_LAUNCHER", folder.path().join("named"))
        .env("ESCAPE_RECORDS", folder.path());
    command.env("ESCAPE_PROGRAM", PROGRAM);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    Ok(lines
        .map(|(name, told)| (name.to_owned(), told.to_owned()))
        .collect())
}

/// The program that becomes what follows, around which there is a machine.
fn machine(folder: &Path, off: &[Layer]) -> Command {
    let names: Vec<&str> = off.iter().map(|layer| layer.name()).collect();
    let mut command = Command::new(env!("CARGO_BIN_EXE_aion-escape-machine"));
    command
        .arg("--without")
        .arg(names.join(","))
        .arg("--tells")
        .arg(folder.join("tells"));
    command.arg("--socket").arg(folder.join("named"));
    command
}

/// The profiles that are shipped, without the bounds that are off.
fn profiles(folder: &Path, off: &[Layer]) -> Result<PathBuf> {
    let text = include_str!("../../../../config/cgroup_profiles.yaml");
    let gone = |line: &str| {
        off.iter().any(|layer| match layer {
            Layer::CgroupMemory => line.trim_start().starts_with("memory:"),
            Layer::CgroupPids => line.trim_start().starts_with("pids:"),
            _ => false,
        })
    };
    let kept: Vec<&str> = text.lines().filter(|line| !gone(line)).collect();
    let path = folder.join("profiles.yaml");
    fs::write(&path, kept.join("\n"))?;
    Ok(path)
}

fn boot(arguments: Vec<String>, env: &[(String, String)]) -> Boot {
    let mut env = env.to_vec();
    env.push(("ESCAPE_PROGRAM".into(), INSIDE.into()));
    Boot {
        instance: "escape".into(),
        incarnation: 1,
        turn: 1,
        agent: "default/escape".into(),
        key: Key::new([7; 32]),
        program: Program::Process(Process {
            command: std::iter::once(INSIDE.to_owned())
                .chain(arguments)
                .collect(),
            env,
            working_dir: "/".into(),
        }),
        input: Input::default(),
        checkpoint: None,
        turn_ms: 60_000,
    }
}

fn order(args: Vec<String>, env: &[(String, String)]) -> Order {
    let mut env: BTreeMap<String, String> = env.iter().cloned().collect();
    env.insert("ESCAPE_PROGRAM".into(), PROGRAM.into());
    env.insert("ESCAPE_AS".into(), "tool".into());
    Order {
        command: PROGRAM.into(),
        args,
        env,
    }
}

/// A program of this workspace, which `make test` builds before the tests.
fn beside(name: &str) -> Result<PathBuf> {
    let path = Path::new(PROGRAM).with_file_name(name);
    ensure!(
        path.is_file(),
        "{} does not exist; `make test` builds it (cargo build --bins)",
        path.display()
    );
    Ok(path)
}

async fn exit_of(exits: &mut Receiver<Exited>, id: &WorkerId) -> Result<Exited> {
    let awaited = async {
        loop {
            match exits.recv().await {
                Some(exited) if exited.id == *id => return Ok(exited),
                Some(_) => {}
                None => anyhow::bail!("the launcher went away"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, awaited)
        .await
        .context("the attempts do not end")?
}
