//! `wasm_start_p50_ms`: how long a WASM agent takes from a question to its first syscall, by the real
//! daemon, launcher and sandbox, from a module that is compiled already.
//!
//! The clock starts when the caller is told that the kernel took the turn and ends when the guest's first
//! syscall, its answer, has arrived: the worker's start and confinement, mapping and instantiating the
//! module, and the syscall's own way are all in it. The baseline is a declarative agent, which has no module,
//! through the same node, in turns with it.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use aion_abi::admin::{TurnEvent, TurnRequest};
use anyhow::{Context, Result, bail, ensure};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::programs::{self, Running};
use crate::report::Figure;
use crate::turn;

/// Starts of each that count, after as many that warm everything up as there are rounds of the others.
const STARTS: usize = 100;
const WARM: usize = 5;
/// How long anything may take here.
const BOUND: Duration = Duration::from_secs(60);

/// Says one thing.
const GUEST: &str = r#"(module
    (import "aion" "syscall" (func $syscall (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "agent.message")
    (data (i32.const 32) "{\22text\22:\22here I am\22,\22kind\22:\22final\22}")
    (func (export "_start")
        (drop (call $syscall (i32.const 0) (i32.const 13) (i32.const 32) (i32.const 35)))))"#;

const RECIPE: &str =
    "name: guest\nversion: 0.1.0\nruntime: wasm\nentry: guest.wasm\ndescription: Says one thing\n";

/// Measures the figure.
pub(crate) fn measure(runtime: &Runtime) -> Result<Vec<Figure>> {
    let node = Machine::start()?;
    node.set_up()?;
    let (mut wasm, mut declarative) = (Vec::new(), Vec::new());
    for round in 0..WARM + STARTS {
        let pair = (
            node.first_word(runtime, "guest")?,
            node.first_word(runtime, "plain")?,
        );
        if round >= WARM {
            wasm.push(pair.0);
            declarative.push(pair.1);
        }
    }
    let (wasm, declarative) = (median_ms(&mut wasm), median_ms(&mut declarative));
    Ok(vec![Figure {
        name: "wasm_start_p50_ms",
        value: wasm,
        unit: "ms",
        baseline: Some(declarative),
        ratio: Some(wasm / declarative),
        goal: "≤ 20",
    }])
}

fn median_ms(delays: &mut [Duration]) -> f64 {
    delays.sort_unstable();
    delays
        .get(delays.len() / 2)
        .map_or(f64::NAN, |delay| delay.as_secs_f64() * 1_000.0)
}

/// A node in a folder of its own, with its launcher.
struct Machine {
    // In the order of dropping: the daemon before what starts its workers, the folder last.
    _daemon: Running,
    _launcher: Running,
    home: PathBuf,
    folder: tempfile::TempDir,
}

impl Machine {
    fn start() -> Result<Self> {
        let folder = programs::scratch()?;
        let home = folder.path().join("home");
        let run = home.join("run");
        fs::create_dir_all(&run)?;
        let mut launcher = Command::new(programs::path("aion-launcher")?);
        launcher.arg("serve").arg("--socket");
        launcher.arg(run.join("launcher.sock"));
        launcher.arg("--state").arg(run.join("launcher"));
        let mut launcher = Running::start(&mut launcher)?;
        let mut daemon = Command::new(programs::path("aion-node")?);
        let mut daemon = Running::start(daemon.arg("--home").arg(&home))?;
        let until = Instant::now() + BOUND;
        while UnixStream::connect(run.join("admin.sock")).is_err() {
            launcher.runs().context("aion-launcher")?;
            daemon.runs().context("aion-node")?;
            ensure!(Instant::now() < until, "the node does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(Self {
            _daemon: daemon,
            _launcher: launcher,
            home,
            folder,
        })
    }

    /// Signs the guest with a key of its own and applies both agents.
    fn set_up(&self) -> Result<()> {
        let bundle = self.folder.path().join("guest");
        fs::create_dir(&bundle)?;
        fs::write(bundle.join("guest.wasm"), wat::parse_str(GUEST)?)?;
        fs::write(bundle.join("bundle.yaml"), RECIPE)?;
        let key = self.folder.path().join("key");
        let text = |path: &Path| path.to_string_lossy().into_owned();
        self.aionctl(&["bundle", "keygen", "--no-password", &text(&key)])?;
        let digest = self.aionctl(&["bundle", "build", &text(&bundle), "--quiet"])?;
        let (digest, secret) = (digest.trim(), text(&key.with_extension("key")));
        self.aionctl(&["bundle", "sign", digest, "--key", &secret])?;
        let public: String = fs::read_to_string(key.with_extension("pub"))?
            .lines()
            .map(|line| format!("        {line}\n"))
            .collect();
        let manifest = format!(
            "apiVersion: aion.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {{name: bench}}\nspec:\n  inline: allow\n  \
             keys:\n    - name: bench\n      purpose: machine\n      publicKey: |\n{public}      digests: [\"{digest}\"]\n\
             ---\napiVersion: aion.dev/v1alpha1\nkind: ClusterAgentPolicy\nmetadata: {{name: bench}}\n\
             spec: {{allow: ['memory.*', 'agent.*']}}\n\
             ---\napiVersion: aion.dev/v1alpha1\nkind: MemoryPool\nmetadata: {{name: bench}}\nspec: {{}}\n\
             ---\napiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {{name: guest}}\n\
             spec:\n  runtime: wasm\n  bundle: {{name: guest, digest: \"{digest}\"}}\n\
             ---\napiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {{name: plain}}\n\
             spec: {{instructions: Says one thing., withoutModel: quote, memory: {{pool: bench}}}}\n"
        );
        let path = self.folder.path().join("bench.yaml");
        fs::write(&path, manifest)?;
        self.aionctl(&["apply", "--wait", "60", "-f", &text(&path)])?;
        Ok(())
    }

    fn aionctl(&self, args: &[&str]) -> Result<String> {
        let mut command = Command::new(programs::path("aionctl")?);
        command.args(args).arg("--home").arg(&self.home);
        let output = command.env_remove("AION_HOME").output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("aionctl {}: {said}", args.join(" "));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// From the turn's being taken to its answer; waits for its end, so that no two overlap.
    fn first_word(&self, runtime: &Runtime, agent: &str) -> Result<Duration> {
        let node = turn::node(&self.home.join("run/admin.sock"))?;
        let request = TurnRequest {
            input: "anything?".to_owned(),
            ..TurnRequest::default()
        };
        let turn = async {
            let mut events = node.start_turn("default", agent, &request).await?;
            let (mut taken, mut answered) = (None, None);
            while let Some(event) = events.next().await? {
                let now = Some(Instant::now());
                match event {
                    TurnEvent::Queued { .. } => taken = taken.or(now),
                    TurnEvent::Final { .. } => answered = answered.or(now),
                    TurnEvent::Ended(outcome) if answered.is_none() => {
                        bail!("agent {agent} did not answer: {outcome:?}");
                    }
                    _ => {}
                }
            }
            let (taken, answered) = taken.zip(answered).context("the stream broke off")?;
            Ok(answered - taken)
        };
        runtime.block_on(async { timeout(BOUND, turn).await? })
    }
}
