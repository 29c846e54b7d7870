//! What agents weigh that all run at the same time, and how many start in a second: a thousand WASM guests by the real
//! daemon, and two hundred programs from an image by its launcher, every layer on. What is counted is the share of memory
//! (`Pss`) of launcher and workers, what a page of several processes weighs divided among them; the daemon's growth is
//! counted with the guests.

use std::fs::{self, read_to_string};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::runtime::Runtime;

use crate::machine::{BOUND, Machine};
use crate::process_start::Stage;
use crate::programs::mib;
use crate::report::Figure;
use crate::{signing, turn};

const GUESTS: u32 = 1_000;
const PROGRAMS: u32 = 200;
/// What is counted of a process.
const SHARE: &str = "Pss:";

/// Waits for ten minutes, and says nothing.
const GUEST: &str = r#"(module
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "_start")
        (i32.store (i32.const 16) (i32.const 1))
        (i64.store (i32.const 24) (i64.const 600000000000))
        (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))))"#;

const RECIPE: &str =
    "name: guest\nversion: 0.1.0\nruntime: wasm\nentry: guest.wasm\ndescription: Waits\n";

/// Measures every figure.
pub(crate) fn measure(runtime: &Runtime) -> Result<Vec<Figure>> {
    let (guests, guests_rate) = guests(runtime)?;
    let (programs, programs_rate) = programs(runtime)?;
    Ok(vec![
        Figure::plain("density_wasm_1000_mib", guests, "MiB", "smaller"),
        Figure::plain("start_rate_per_s", guests_rate, "guests/s", "greater"),
        Figure::plain("density_process_200_mib", programs, "MiB", "smaller"),
        Figure::plain(
            "start_rate_process_per_s",
            programs_rate,
            "programs/s",
            "greater",
        ),
    ])
}

fn guests(runtime: &Runtime) -> Result<(f64, f64)> {
    let mut machine = Machine::crowded(GUESTS)?;
    machine.start()?;
    let bundle = machine.folder().join("guest");
    fs::create_dir(&bundle)?;
    fs::write(bundle.join("guest.wasm"), wat::parse_str(GUEST)?)?;
    fs::write(bundle.join("bundle.yaml"), RECIPE)?;
    let signing::Signed { digest, policy } = signing::sign(&machine, &bundle)?;
    let mut manifest = format!(
        "{policy}---\napiVersion: aion.dev/v1alpha1\nkind: ClusterAgentPolicy\nmetadata: {{name: bench}}\n\
         spec: {{allow: ['agent.*']}}\n"
    );
    for guest in 0..GUESTS {
        manifest += &format!(
            "---\napiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {{name: guest-{guest}}}\n\
             spec:\n  runtime: wasm\n  limits: {{turnSeconds: 900}}\n  \
             bundle: {{name: guest, digest: \"{digest}\"}}\n"
        );
    }
    machine.apply(&manifest)?;
    machine.await_ready(runtime, GUESTS as usize, Duration::from_millis(100))?;
    let daemon = machine.pid().context("the daemon was started")?;
    let family = || family(machine.launcher_pid());
    let (before, alone) = (family().len(), mib(daemon, SHARE)? + weight_of(&family()));
    let from = Instant::now();
    for guest in 0..GUESTS {
        runtime.block_on(turn::start(&machine.socket(), &format!("guest-{guest}")))?;
    }
    let wanted = before + GUESTS as usize;
    while family().len() < wanted {
        let so_far = family().len() - before;
        ensure!(from.elapsed() < BOUND, "{so_far} of {GUESTS} guests run");
        std::thread::sleep(Duration::from_millis(20));
    }
    let rate = f64::from(GUESTS) / from.elapsed().as_secs_f64();
    Ok((mib(daemon, SHARE)? + weight_of(&family()) - alone, rate))
}

fn programs(runtime: &Runtime) -> Result<(f64, f64)> {
    let machine = Machine::crowded(PROGRAMS)?;
    let stage = Stage::make(machine.folder(), "/bin/sleep", &["600"])?;
    let (client, _exits) = runtime.block_on(machine.launcher())?;
    let alone = weight_of(&family(machine.launcher_pid()));
    let from = Instant::now();
    for number in 0..PROGRAMS {
        runtime.block_on(stage.begin(&client, number))?;
    }
    let rate = f64::from(PROGRAMS) / from.elapsed().as_secs_f64();
    // What is executed is mapped soon after, and not at once.
    std::thread::sleep(Duration::from_secs(2));
    Ok((weight_of(&family(machine.launcher_pid())) - alone, rate))
}

/// A process and all that it started, theirs too.
fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut next = 0;
    while let Some(pid) = all.get(next) {
        let threads = fs::read_dir(format!("/proc/{pid}/task"));
        let threads = threads.into_iter().flatten().filter_map(Result::ok);
        let children = threads.filter_map(|it| read_to_string(it.path().join("children")).ok());
        let children: Vec<u32> = children
            .flat_map(|it| {
                it.split_whitespace()
                    .filter_map(|pid| pid.parse().ok())
                    .collect::<Vec<_>>()
            })
            .collect();
        all.extend(children);
        next += 1;
    }
    all
}

/// Of those that are still there.
fn weight_of(family: &[u32]) -> f64 {
    family.iter().filter_map(|pid| mib(*pid, SHARE).ok()).sum()
}
