//! `process_start_ms`: what a program from an image takes from its start to the end that is told, by the real launcher
//! with every layer on and read back, against `runc run` of the same root file system and program, in turns.
//!
//! The program does nothing, so all of it is the start and the end. The parts say where the launcher's time goes.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aion_abi::boot::{Boot, Input, Process, Program, SOCKET_NAME};
use aion_abi::signing::Key;
use aion_sandbox::client::{Client, StartFds};
use aion_sandbox::protocol::{ExitStatus, Exited, Limits, Role, Rules, Start, WorkerId};
use anyhow::{Context, Result, ensure};
use rustix::fs::{MemfdFlags, memfd_create};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::machine::Machine;
use crate::report::{Figure, median_ms};

const STARTS: usize = 60;
const WARM: usize = 5;
/// It ends at once, and every machine has it.
const PROGRAM: &str = "/bin/true";

/// One start, by its parts.
struct Seen {
    whole: Duration,
    confined: Duration,
    layers: usize,
}

/// Measures the figure.
pub(crate) fn measure(runtime: &Runtime) -> Result<Vec<Figure>> {
    let node = Machine::new()?;
    let stage = Stage::make(node.folder(), PROGRAM, &[])?;
    let (client, mut exits) = runtime.block_on(node.launcher())?;
    let runc = Runc::make(node.folder(), &stage.root)?;
    let (mut ours, mut confined, mut theirs, mut layers) = (vec![], vec![], vec![], 0);
    for round in 0..WARM + STARTS {
        let number = u32::try_from(round)?;
        let seen = runtime.block_on(stage.start(&client, &mut exits, number))?;
        let beside = runc.as_ref().map(|it| it.run(number)).transpose()?;
        if round >= WARM {
            ours.push(seen.whole);
            confined.push(seen.confined);
            theirs.extend(beside);
            layers = seen.layers;
        }
    }
    let (ours, confined) = (median_ms(ours), median_ms(confined));
    let name = "process_start_ms";
    let whole = match runc {
        Some(_) => Figure::against(name, ours, "ms", median_ms(theirs), "ratio to runc ≤ 0.5"),
        None => Figure::plain(name, ours, "ms", "runc is not on this machine"),
    };
    Ok(vec![
        whole,
        Figure::plain(
            "process_layers_enforced",
            layers as f64,
            "layers",
            "all that the machine has",
        ),
        Figure::share("process_confined_ms", confined, "ms", ours),
        Figure::share("process_executed_and_ended_ms", ours - confined, "ms", ours),
    ])
}

/// A root file system with one program, and what a start takes beside it.
pub(crate) struct Stage {
    command: Vec<String>,
    root: PathBuf,
    socket: PathBuf,
    _listener: UnixListener,
}

impl Stage {
    /// In a folder of its own, with what the program is linked to.
    pub(crate) fn make(folder: &Path, program: &str, arguments: &[&str]) -> Result<Self> {
        let root = folder.join("root");
        for place in ["dev", "proc", "sys", "tmp", "run", "mnt", "etc"] {
            fs::create_dir_all(root.join(place))?;
        }
        let listed = Command::new("ldd").arg(program).output().context("ldd")?;
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let libraries = listed.split_whitespace().filter(|it| it.starts_with('/'));
        for file in libraries.chain([program]) {
            let place = root.join(file.trim_start_matches('/'));
            fs::create_dir_all(place.parent().context("a file without a folder")?)?;
            fs::copy(file, &place).with_context(|| format!("copying {file}"))?;
        }
        let place = folder.join("s");
        fs::create_dir(&place)?;
        fs::set_permissions(&place, fs::Permissions::from_mode(0o711))?;
        let socket = place.join(SOCKET_NAME);
        let listener = UnixListener::bind(&socket)?;
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o666))?;
        let command = [program].into_iter().chain(arguments.iter().copied());
        Ok(Self {
            command: command.map(str::to_owned).collect(),
            root,
            socket,
            _listener: listener,
        })
    }

    async fn start(
        &self,
        client: &Client,
        exits: &mut mpsc::Receiver<Exited>,
        number: u32,
    ) -> Result<Seen> {
        let from = Instant::now();
        let (id, layers, confined) = self.begin(client, number).await?;
        let ended = exits.recv().await.context("the launcher is gone")?;
        let whole = from.elapsed();
        ensure!(
            ended.status == ExitStatus::Code(0),
            "{PROGRAM} ended otherwise: {ended:?}"
        );
        client.acknowledge(&id).await?;
        Ok(Seen {
            whole,
            confined,
            layers,
        })
    }

    /// Starts it; says how many layers it has, and how long it took until it was confined.
    pub(crate) async fn begin(
        &self,
        client: &Client,
        number: u32,
    ) -> Result<(WorkerId, usize, Duration)> {
        let id = WorkerId {
            instance: "bench".into(),
            incarnation: number,
        };
        let boot = memfd_create("boot", MemfdFlags::CLOEXEC)?;
        rustix::io::write(&boot, &serde_json::to_vec(&self.document(number))?)?;
        rustix::fs::seek(&boot, rustix::fs::SeekFrom::Start(0))?;
        let nothing = fs::File::options()
            .read(true)
            .write(true)
            .open("/dev/null")?;
        let root = fs::File::open(&self.root)?;
        let rest: Vec<BorrowedFd<'_>> = vec![root.as_fd()];
        let fds = StartFds {
            boot: boot.as_fd(),
            stdout: nothing.as_fd(),
            stderr: nothing.as_fd(),
            rest,
        };
        let start = Start {
            id: id.clone(),
            role: Role::Process,
            profile: "process".into(),
            limits: Limits::default(),
            seccomp: Vec::new(),
            socket: Some(self.socket.clone()),
            mounts: Vec::new(),
            user: None,
            scratch_bytes: Some(16 << 20),
            ports: Vec::new(),
            rules: Rules::default(),
        };
        let from = Instant::now();
        let started = client.start(start, fds).await?;
        let confined = from.elapsed();
        client.open_gate(&id).await?;
        let layers = started.layers.iter().filter(|it| it.is_enforced()).count();
        Ok((id, layers, confined))
    }

    fn document(&self, number: u32) -> Boot {
        Boot {
            instance: "bench".into(),
            incarnation: number,
            turn: 1,
            agent: "default/bench".into(),
            key: Key::new([7; 32]),
            program: Program::Process(Process {
                command: self.command.clone(),
                env: Vec::new(),
                working_dir: "/".into(),
            }),
            input: Input::default(),
            checkpoint: None,
            turn_ms: 60_000,
        }
    }
}

/// The same program and root as a bundle of runc's, with what `runc spec` asks for.
struct Runc(PathBuf);

impl Runc {
    fn make(folder: &Path, root: &Path) -> Result<Option<Self>> {
        let bundle = folder.join("runc");
        fs::create_dir(&bundle)?;
        let Ok(made) = Command::new("runc")
            .arg("spec")
            .current_dir(&bundle)
            .output()
        else {
            return Ok(None);
        };
        ensure!(
            made.status.success(),
            "runc spec: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let file = bundle.join("config.json");
        let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&file)?)?;
        config["process"]["args"] = serde_json::json!([PROGRAM]);
        config["process"]["terminal"] = false.into();
        config["root"] = serde_json::json!({"path": root, "readonly": true});
        fs::write(&file, config.to_string())?;
        Ok(Some(Self(bundle)))
    }

    fn run(&self, number: u32) -> Result<Duration> {
        let mut command = Command::new("runc");
        command.args(["run", "--bundle"]).arg(&self.0);
        command.arg(format!("aion-bench-{}-{number}", std::process::id()));
        command.stdin(Stdio::null());
        let from = Instant::now();
        let output = command.output()?;
        let took = from.elapsed();
        ensure!(
            output.status.success(),
            "runc run: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(took)
    }
}
