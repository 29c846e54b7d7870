//! A machine that sleeps while somebody waits for an answer, and one whose programs are all killed at once, as far as that
//! is a loss of power (what its disk had not written yet is `node-agent/journal/src/power_tests.rs`): what that person
//! sees, and what is there again.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use aion_e2e::{
    cluster::{BOUND, root},
    local::{Local, lives},
    standalone::Standalone,
};
use aion_testkit::{FakeModel, Reply, until};
use anyhow::{Context, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;

/// More than a signature may be old.
const SLEEP: Duration = Duration::from_secs(45);
const LATE: Duration = Duration::from_secs(8);

/// A model that answers each question but the one of this number at once, and that one late.
fn model(late: usize) -> anyhow::Result<FakeModel> {
    let mut asked = 0;
    let model = FakeModel::answering(move |_| {
        asked += 1;
        let reply = Reply::text("Here I am.");
        match asked == late {
            true => Reply::After(LATE, Box::new(reply)),
            false => reply,
        }
    })?;
    Ok(model)
}

/// The manifests of an agent that asks this model.
fn clerk(model: &FakeModel) -> String {
    let object = |kind: &str, name: &str, spec| json!({"apiVersion": "aion.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    let endpoint = json!({"baseUrl": model.base_url(), "models": [{"name": "m"}]});
    let agent = json!({"instructions": "Be brief.", "model": {"use": "late"}, "limits": {"turnSeconds": 200}});
    let objects = [
        object("TrustPolicy", "tests", json!({"inline": "allow"})),
        object("ModelEndpoint", "late", endpoint),
        object("Agent", "clerk", agent),
    ];
    objects.map(|it| it.to_string()).join("\n---\n")
}

fn until_asked(model: &FakeModel, times: usize) -> anyhow::Result<()> {
    until("the model to be asked", BOUND, || {
        match model.requests().len() {
            asked if asked < times => Err(format!("it was asked {asked} times")),
            _ => Ok(()),
        }
    })?;
    Ok(())
}

/// What gives a program the clocks of a machine that has slept, as long as a file says.
fn clocks(folder: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let (library, slept) = (folder.join("asleep.so"), folder.join("slept"));
    fs::write(&slept, 0_i64.to_ne_bytes())?;
    let source = root().join("tests/e2e/src/asleep.c");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O1", "-o"]);
    let made = cc.arg(&library).arg(source).output();
    let made = made.context("cc, which the project is built with")?;
    ensure!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    Ok((library, slept))
}

/// Whether a daemon has these clocks: one that has its own would pass by sleeping with them.
fn worn_by_a_daemon(library: &Path) -> anyhow::Result<bool> {
    let library = library.to_str().context("a path of UTF-8")?;
    let processes = fs::read_dir("/proc")?.flatten();
    Ok(processes.map(|it| it.path()).any(|process| {
        let read = |name: &str| fs::read_to_string(process.join(name)).unwrap_or_default();
        read("comm").trim_end() == "aion-node" && read("maps").contains(library)
    }))
}

#[test]
fn a_machine_that_sleeps_during_a_turn_answers_when_it_wakes() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (library, slept) = clocks(folder.path())?;
    let model = model(1)?;
    let environment = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("AION_ASLEPT", slept.to_str().unwrap()),
    ];
    let node = Standalone::start_with("asleep", &environment)?.with_policies()?;
    assert!(worn_by_a_daemon(&library)?);
    let manifests = node.path("clerk.yaml");
    fs::write(&manifests, clerk(&model))?;
    node.aionctl(&["apply", "--wait", "60", "-f", &manifests.to_string_lossy()])?;

    let asking = thread::spawn(node.asking(&["ask", "clerk", "Hello?"]));
    until_asked(&model, 1)?;
    // The wall clock is the machine's own and goes on for so long; what the node calls on with is signed by it.
    node.asleep(|| {
        thread::sleep(SLEEP);
        let nanos = i64::try_from(SLEEP.as_nanos())?;
        let file = fs::OpenOptions::new().write(true).open(&slept)?;
        std::os::unix::fs::FileExt::write_all_at(&file, &nanos.to_ne_bytes(), 0)?;
        Ok(())
    })?;
    let answer = asking.join().unwrap()?;
    assert!(answer.contains("Here I am."), "{answer}\n{}", node.log()?);
    let next = node.aionctl(&["ask", "clerk", "Again?"])?;
    assert!(next.contains("Here I am."), "{next}");
    Ok(())
}

/// A process and all that it started, and what these did.
fn family(of: i32) -> Vec<i32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = processes.filter_map(|it| it.file_name().to_str()?.parse::<i32>().ok());
    let parents: Vec<(i32, i32)> = processes
        .filter_map(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let (_, fields) = stat.rsplit_once(')')?;
            Some((pid, fields.split_whitespace().nth(1)?.parse().ok()?))
        })
        .collect();
    let mut found = vec![of];
    let mut at = 0;
    while at < found.len() {
        let children = parents.iter().filter(|(_, parent)| *parent == found[at]);
        let children: Vec<i32> = children.map(|(pid, _)| *pid).collect();
        found.extend(children);
        at += 1;
    }
    found
}

#[test]
fn after_all_is_killed_at_once_the_command_for_boot_brings_the_node_back_with_all_it_had()
-> anyhow::Result<()> {
    let local = Local::install(None)?;
    let start = ["local", "start", "--service", "aionctl"];
    local.aionctl(&start)?;
    let model = model(2)?;
    let manifests = local.path("clerk.yaml");
    fs::write(&manifests, clerk(&model))?;
    let policies = root().join("policies/standalone.yaml");
    local.aionctl(&["apply", "-f", &policies.to_string_lossy()])?;
    local.aionctl(&["apply", "--wait", "60", "-f", &manifests.to_string_lossy()])?;
    assert!(
        local
            .aionctl(&["ask", "clerk", "First?"])?
            .contains("Here I am.")
    );

    // The second question is under way as everything ends at once, the supervisor first.
    thread::scope(|scope| -> anyhow::Result<()> {
        let asking = scope.spawn(|| local.try_aionctl(&["ask", "clerk", "Second?"]));
        until_asked(&model, 2)?;
        let supervisor = local.status()?["service"]["pid"].as_i64();
        let supervisor = i32::try_from(supervisor.context("no supervisor")?)?;
        let mut all = family(supervisor);
        for program in ["aion-node", "aion-launcher"] {
            all.extend(family(local.running(program)?));
        }
        for pid in &all {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        until("all of them to end", BOUND, || {
            match all.iter().find(|pid| lives(**pid)) {
                Some(pid) => Err(format!("{pid} lives")),
                None => Ok(()),
            }
        })?;
        assert!(local.pid("aion-node")?.is_none());

        local.aionctl(&start)?;
        let told = asking.join().unwrap()?;
        // Who asked is told that the turn's worker is gone, and how as far as anybody saw it: the kills come one by one.
        assert!(!told.status.success());
        let told = String::from_utf8_lossy(&[told.stdout, told.stderr].concat()).into_owned();
        let lost = ["was gone", "is gone", "was ended by signal 9"];
        let lost = lost.map(|how| format!("error: the worker {how}"));
        assert!(lost.iter().any(|it| told.contains(it)), "{told}");
        assert!(told.contains("turn 2"), "{told}");
        Ok(())
    })?;
    let status = local.status()?;
    assert_eq!(status["service"]["by"], "aionctl");
    assert_eq!(status["node"]["launcher"], "ready");
    assert!(
        local
            .aionctl(&["ask", "clerk", "Third?"])?
            .contains("Here I am.")
    );
    // The two before are known: this is the third.
    let told = local.aionctl(&["why", "clerk"])?;
    assert!(told.contains("turn 3 was answered"), "{told}");
    Ok(())
}
