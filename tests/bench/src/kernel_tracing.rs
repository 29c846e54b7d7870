//! `ebpf_tax_percent`: what following an agent in the kernel costs a load that is little but system calls: each file of
//! a folder is looked at, opened, read and closed, and some of it is written elsewhere. The same process does it
//! followed and not, in turns, and the median counts. The baseline is what it costs while another process is followed:
//! that of a tracepoint at each call, which no program of ours makes less. `ebpf_bytes_per_agent`: the kernel's memory for it.
//! The load has a filter of system calls, as every worker has: what the kernel does for that it need not do for tracing again.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use aion_tracer::{Follow, SLOTS, Tracer};
use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use crate::report::Figure;

const FILES: usize = 64;
const BYTES: usize = 64 * 1024;
/// Times that the folder is read in one measurement, of which the best counts.
const TIMES: usize = 20;
const ROUNDS: usize = 60;
/// `reboot` on x86-64, which tracing is for alone.
const REBOOT: i64 = 169;

/// Measures the figures.
pub(crate) fn measure() -> Result<Vec<Figure>> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "only root loads programs into the kernel"
    );
    let mut tracer = Tracer::load()?;
    let folder = tempfile::tempdir()?;
    for at in 0..FILES {
        fs::write(folder.path().join(format!("file-{at}")), vec![7; BYTES])?;
    }
    let mut load = Load::start(folder.path())?;
    let other = Load::start(folder.path())?;
    let own = pidfd_open(Pid::from_child(&load.child), PidfdFlags::empty())?;
    let others = pidfd_open(Pid::from_child(&other.child), PidfdFlags::empty())?;
    let everything = Follow {
        shown: vec!["/".to_owned()],
        ..Follow::default()
    };
    let mut taxes = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        let bare = load.nanoseconds()?;
        for (process, taxes) in [&own, &others].into_iter().zip(&mut taxes) {
            let key = tracer.follow(&[process.as_fd()], &everything)?;
            let took = load.nanoseconds();
            tracer.let_go(key).context("it was not followed")?;
            tracer.rest();
            taxes.push(100.0 * (took? / bare - 1.0));
        }
    }
    let [tax, floor] = taxes.map(|mut taxes| {
        taxes.sort_by(f64::total_cmp);
        taxes.get(ROUNDS / 2).copied().unwrap_or_default()
    });
    let bytes = tracer.bytes()? as f64 / f64::from(SLOTS);
    Ok(vec![
        Figure::against("ebpf_tax_percent", tax, "%", floor, "≤ 3"),
        Figure::plain("ebpf_bytes_per_agent", bytes, "bytes", "≤ 4096"),
    ])
}

/// The process that makes the calls.
struct Load {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Load {
    fn start(folder: &Path) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("files")
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self {
            input: child.stdin.take().context("no input")?,
            output: BufReader::new(child.stdout.take().context("no output")?),
            child,
        })
    }

    fn nanoseconds(&mut self) -> Result<f64> {
        self.input.write_all(b"again\n")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        line.trim().parse().context("the load ended")
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The load: once a line of its input, it tells how long it took.
pub(crate) fn files(folder: &Path) -> Result<()> {
    let mut buffer = vec![0; BYTES];
    filter()?;
    let mut copy = File::create(folder.join("copy"))?;
    for line in std::io::stdin().lines() {
        line?;
        let mut best = u128::MAX;
        for _ in 0..TIMES {
            let begun = Instant::now();
            for at in 0..FILES {
                let path = folder.join(format!("file-{at}"));
                let mut file = File::open(&path)?;
                ensure!(file.metadata()?.len() == BYTES as u64, "a file changed");
                file.read_exact(&mut buffer)?;
                copy.write_all(&buffer[..BYTES / 16])?;
            }
            copy.set_len(0)?;
            best = best.min(begun.elapsed().as_nanos());
        }
        println!("{best}");
    }
    Ok(())
}

/// Refuses one system call, which is not made.
fn filter() -> Result<()> {
    let processor = std::env::consts::ARCH.try_into()?;
    let refused = SeccompAction::Errno(1);
    let rules = [(REBOOT, Vec::new())].into();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, processor)?;
    let program: BpfProgram = filter.try_into()?;
    Ok(seccompiler::apply_filter(&program)?)
}
