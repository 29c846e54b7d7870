//! A daemon that is killed while a thousand syscalls are under way: what a caller was told is in the journal,
//! nothing is done twice, and the worker is taken over.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use aion_abi::admin::OUTPUT_MOUNT;
use aion_abi::canonical::{CanonicalRequest, body_digest};
use aion_abi::date::UnixMillis;
use aion_abi::headers;
use aion_abi::syscall::Syscall;
use aion_e2e::launcher_double::{Run, serve};
use aion_e2e::program;
use aion_testkit::{Process, until};
use base64::{Engine, engine::general_purpose::STANDARD};
use nix::sys::signal::Signal;
use parking_lot::Mutex;
use serde_json::{Value, json};

const CALLERS: u64 = 4;
const EACH: u64 = 250;
/// The daemon is killed when so many answers have come in, each time.
const KILLS: [u64; 3] = [150, 400, 700];
const BOUND: Duration = Duration::from_secs(120);

const MANIFEST: &str = r"
apiVersion: aion.dev/v1alpha1
kind: Agent
metadata: {name: busy}
spec:
  instructions: Does as it is told.
  limits: {callsPerMinute: 100000, concurrentCalls: 64, turnSeconds: 600}
---
apiVersion: aion.dev/v1alpha1
kind: TrustPolicy
metadata: {name: inline}
spec: {inline: allow}
---
apiVersion: aion.dev/v1alpha1
kind: ClusterAgentPolicy
metadata: {name: busy}
spec: {allow: ['agent.*']}
";

/// What a caller was told of one call.
#[derive(Debug)]
struct Told {
    line: String,
    call: u64,
    ok: bool,
    /// The stable code of the problem.
    code: Option<String>,
    effect: bool,
}

#[test]
fn what_a_caller_was_told_survives_kill_9_and_nothing_is_done_twice() {
    let folder = tempfile::Builder::new()
        .prefix("aion-")
        .tempdir_in("/tmp")
        .unwrap();
    let home = folder.path().join("home");
    for place in ["run", "logs", "manifests"] {
        std::fs::create_dir_all(home.join(place)).unwrap();
    }
    std::fs::write(home.join("manifests/busy.yaml"), MANIFEST).unwrap();
    let runs = serve(&home.join("run/launcher.sock")).unwrap();
    let mut daemon = start(&home);
    ask(&home);
    let run = Arc::new(runs.recv_timeout(BOUND).unwrap());

    let told = Arc::new(Mutex::new(Vec::new()));
    let counter = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (run, told, counter) = (Arc::clone(&run), Arc::clone(&told), Arc::clone(&counter));
            thread::spawn(move || call_all(caller, &run, &counter, &told))
        })
        .collect();
    for kill_at in KILLS {
        until("answers to come in", BOUND, || {
            let got = told.lock().len() as u64;
            if got >= kill_at {
                Ok(())
            } else {
                Err(format!("{got} of {kill_at}"))
            }
        })
        .unwrap();
        daemon.signal(Signal::SIGKILL);
        daemon.wait(BOUND).unwrap();
        daemon = start(&home);
    }
    for caller in callers {
        caller.join().unwrap();
    }

    let told = told.lock();
    assert_eq!(
        told.len() as u64,
        CALLERS * EACH,
        "each call was answered in the end"
    );
    let journal = outcomes(&home);
    for it in told.iter() {
        let recorded = journal
            .get(&it.call)
            .unwrap_or_else(|| panic!("{it:?} is not in the journal"));
        let same = match (it.ok, &it.code) {
            (true, _) => recorded == "ok",
            (false, Some(code)) => recorded == code,
            (false, None) => false,
        };
        assert!(same, "{it:?} stands in the journal as {recorded}");
    }
    let written = written(&home);
    let once: BTreeSet<&String> = written.iter().collect();
    assert_eq!(once.len(), written.len(), "a line was written twice");
    for it in told.iter().filter(|it| it.effect && it.ok) {
        assert!(
            once.contains(&it.line),
            "{it:?} was answered and its line is not there"
        );
    }
    let unknown = told.iter().filter(|it| !it.ok).count() as u64;
    assert!(
        unknown <= CALLERS * KILLS.len() as u64,
        "{unknown} calls have no outcome, and only those under way at a kill may have none"
    );
    drop(daemon);
}

fn start(home: &Path) -> Process {
    let mut command = Command::new(program("aion-node").unwrap());
    command
        .arg("--home")
        .arg(home)
        .args(["--node-name", "here"]);
    Process::spawn(&command, &home.join("logs/node.log")).unwrap()
}

/// Starts the turn that all calls belong to, once the agent is ready.
fn ask(home: &Path) {
    let mut asked = Command::new(program("aionctl").unwrap());
    asked.env("AION_HOME", home).args(["ask", "busy", "go"]);
    until("the agent to be ready", BOUND, || {
        let mut get = Command::new(program("aionctl").unwrap());
        let got = get
            .env("AION_HOME", home)
            .args(["get", "agents", "-o", "json"])
            .output()
            .unwrap();
        let list: Value = serde_json::from_slice(&got.stdout).unwrap_or_default();
        let ready = list["items"][0]["status"]["conditions"]
            .as_array()
            .is_some_and(|all| {
                all.iter()
                    .any(|it| it["type"] == "Ready" && it["status"] == "True")
            });
        if ready {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&got.stderr).into_owned())
        }
    })
    .unwrap();
    // It waits for the answer of a turn that has none; the test's end is its end.
    Box::leak(Box::new(
        Process::spawn(&asked, &home.join("logs/ask.log")).unwrap(),
    ));
}

fn call_all(caller: u64, run: &Run, counter: &AtomicU64, told: &Mutex<Vec<Told>>) {
    let mut connection = None;
    for number in 0..EACH {
        let line = format!("{caller}-{number}");
        let effect = number % 2 == 0;
        let (syscall, body) = match effect {
            true => (
                Syscall::FsWrite,
                json!({"mount": OUTPUT_MOUNT, "path": format!("caller-{caller}"), "mode": "append",
                       "data": STANDARD.encode(format!("{line}\n"))}),
            ),
            false => (Syscall::SysNull, json!({})),
        };
        let body = body.to_string();
        let answer = loop {
            match try_call(&mut connection, run, counter, syscall, &line, &body) {
                // Signed before the daemon that came back: to be signed anew.
                Some((_, problem, _)) if problem["code"] == "stale" => {}
                Some((_, problem, _)) if problem["code"] == "overloaded" => {}
                Some(answer) => break answer,
                None => connection = None,
            }
            thread::sleep(Duration::from_millis(10));
        };
        let (status, value, call) = answer;
        told.lock().push(Told {
            line,
            call: call.unwrap_or_else(|| panic!("an answer without a call: {status} {value}")),
            ok: status == 200,
            code: value["code"].as_str().map(str::to_owned),
            effect,
        });
    }
}

/// One try; nothing where the connection broke.
fn try_call(
    connection: &mut Option<BufReader<UnixStream>>,
    run: &Run,
    counter: &AtomicU64,
    syscall: Syscall,
    key: &str,
    body: &str,
) -> Option<(u16, Value, Option<u64>)> {
    if connection.is_none() {
        *connection = Some(BufReader::new(UnixStream::connect(&run.socket).ok()?));
    }
    let stream = connection.as_mut()?;
    let counter = counter.fetch_add(1, Ordering::Relaxed) + 1;
    #[expect(clippy::disallowed_methods, reason = "the date of a signature")]
    let timestamp_ms = UnixMillis::from(SystemTime::now());
    let path = syscall.path();
    let digest = body_digest(body.as_bytes());
    let canonical = CanonicalRequest {
        idempotency_key: Some(key),
        ..CanonicalRequest::call(syscall, timestamp_ms, counter, digest)
    };
    let signed = headers::sign(&run.boot.key, &canonical);
    let signed: String = signed
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: aion\r\n{signed}content-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.get_mut().write_all(request.as_bytes()).ok()?;
    answer(stream)
}

fn answer(stream: &mut BufReader<UnixStream>) -> Option<(u16, Value, Option<u64>)> {
    let mut head = BTreeMap::new();
    let mut status = None;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        match line.split_once(": ") {
            Some((name, value)) => drop(head.insert(name.to_lowercase(), value.to_owned())),
            None => status = line.split(' ').nth(1)?.parse().ok(),
        }
    }
    let mut body = vec![0; head.get("content-length")?.parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    let call = head.get("aion-call").and_then(|call| call.parse().ok());
    Some((status?, serde_json::from_slice(&body).ok()?, call))
}

/// How each call ended, as the journal has it.
fn outcomes(home: &Path) -> BTreeMap<u64, String> {
    let dump = Command::new(program("aion-node").unwrap())
        .args(["journal", "dump", "--output", "json", "--home"])
        .arg(home)
        .output()
        .unwrap();
    let mut found = BTreeMap::new();
    for line in String::from_utf8(dump.stdout).unwrap().lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        let fact = &entry["fact"];
        let outcome = match fact["fact"].as_str() {
            Some("call-served") => "ok",
            Some("call-ended") => match fact["as"]["outcome"].as_str().unwrap() {
                "failed" => fact["as"]["code"].as_str().unwrap(),
                outcome => outcome,
            },
            Some("call-refused") => fact["as"]["refusal"].as_str().unwrap(),
            _ => continue,
        };
        let call = fact["call"].as_u64().unwrap();
        let before = found.insert(call, outcome.to_owned());
        assert!(
            before.is_none(),
            "call {call} ended twice: {before:?} and {outcome}"
        );
    }
    found
}

/// All lines that were written to the turn's folder.
fn written(home: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut folders = vec![home.join("state/turns")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.starts_with("caller-") {
                lines.extend(
                    std::fs::read_to_string(path)
                        .unwrap()
                        .lines()
                        .map(str::to_owned),
                );
            }
        }
    }
    lines
}
