//! A node or its gateway that ends is started again, by whom and how often is told, and a stop is a stop. Where the tests are root's
//! each story is told of root's node and of an ordinary user's.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::thread;

use aion_e2e::cluster::BOUND;
use aion_e2e::local::{Local, answers, lives, said};
use aion_testkit::until;
use nix::unistd::geteuid;
use serde_json::Value;

const USER: u32 = 61_991;

/// Whose node it is: the tests' own user's, and where that is root another's too.
fn each(story: impl Fn(Local) -> anyhow::Result<()>) -> anyhow::Result<()> {
    story(Local::install(None)?)?;
    match geteuid().is_root() {
        true => story(Local::install(Some(USER))?),
        false => Ok(()),
    }
}

const START: [&str; 4] = ["local", "start", "--service", "aionctl"];

fn of_node(status: &Value) -> &Value {
    &status["service"]["programs"]["aion-node"]
}

#[test]
fn what_is_killed_is_started_again_and_what_is_stopped_is_not() -> anyhow::Result<()> {
    each(|local| {
        local.aionctl(&START)?;
        let status = local.status()?;
        assert_eq!(status["service"]["by"], "aionctl");
        assert_eq!(of_node(&status)["restarts"], 0);

        let before = local.kill("aion-node")?;
        // Who asks now waits for it.
        let asked = local.try_aionctl(&["ask", "nobody", "Who is there?"])?;
        assert_eq!(asked.status.code(), Some(4), "{}", said(&asked));
        local.back("aion-node", before)?;
        let status = local.status()?;
        assert_eq!(of_node(&status)["restarts"], 1);
        assert_eq!(of_node(&status)["lastEnd"], "signal 9 ended it");

        let before = local.kill("aion-launcher")?;
        local.back("aion-launcher", before)?;

        let pids = [
            local.running("aion-node")?,
            local.running("aion-launcher")?,
            i32::try_from(status["service"]["pid"].as_i64().unwrap())?,
        ];
        local.aionctl(&["local", "stop"])?;
        for pid in pids {
            assert!(!lives(pid), "{pid}: {}", local.logs());
        }
        let output = local.try_aionctl(&["local", "status"])?;
        assert_eq!(output.status.code(), Some(3));
        assert!(said(&output).contains("nobody: nothing starts the node again"));
        Ok(())
    })
}

#[test]
fn a_node_that_does_not_stay_is_started_more_rarely_and_that_is_told() -> anyhow::Result<()> {
    each(|local| {
        local.aionctl(&START)?;
        let settings = local.home().join("config/node.yaml");
        fs::write(&settings, "workers: none\n")?;
        local.kill("aion-node")?;
        let status = until("the node to be given time", BOUND, || {
            let status = local.status().map_err(|why| why.to_string())?;
            match of_node(&status)["inARow"].as_u64() {
                Some(3..) if !of_node(&status)["nextStartMs"].is_null() => Ok(status),
                _ => Err(format!("{status:#}\n{}", local.logs())),
            }
        })?;
        let node = of_node(&status);
        assert_eq!(node["lastEnd"], "it ended with code 1");
        assert!(
            status["service"]["programs"]["aion-launcher"]["inARow"]
                .as_u64()
                .unwrap()
                <= 1
        );
        let told = said(&local.try_aionctl(&["local", "status"])?);
        assert!(told.contains("times in a row without staying"), "{told}");
        // Who starts it by hand is told what the node says, and not that it is waited for.
        let refused = said(&local.try_aionctl(&START)?);
        assert!(refused.contains("aion-node keeps ending"), "{refused}");
        assert!(refused.contains("node.yaml"), "{refused}");

        fs::write(&settings, "workers: 3\n")?;
        local.aionctl(&START)?;
        assert_eq!(local.status()?["node"]["launcher"], "ready");
        Ok(())
    })
}

#[test]
fn a_gateway_that_is_killed_is_started_again_and_one_that_is_not_wanted_is_not_there()
-> anyhow::Result<()> {
    each(|local| {
        let told = local.aionctl(&START)?;
        let url = |status: &Value| status["gateway"]["url"].as_str().map(str::to_owned);
        let first = url(&local.status()?).unwrap();
        assert!(told.contains(&format!("programs ask at {first}")), "{told}");
        assert!(answers(&local, &first)?, "{}", local.logs());
        let told = local.aionctl(&["local", "status"])?;
        let use_it = format!("export OPENAI_BASE_URL={first} OPENAI_API_KEY=$(cat");
        assert!(told.contains(&use_it), "{told}");

        let before = local.kill("aion-gateway")?;
        local.back("aion-gateway", before)?;
        let status = local.status()?;
        let told = &status["service"]["programs"]["aion-gateway"];
        assert_eq!(told["lastEnd"], "signal 9 ended it", "{status:#}");
        let again = until("the gateway to serve", BOUND, || {
            let status = local.status().map_err(|why| why.to_string())?;
            url(&status).ok_or_else(|| format!("{status:#}\n{}", local.logs()))
        })?;
        assert!(answers(&local, &again)?);
        let gateway = local.running("aion-gateway")?;
        local.aionctl(&["local", "stop"])?;
        assert!(!lives(gateway));

        for service in [&START[..], &["local", "start", "--no-service"]] {
            let told = local.aionctl(&[service, &["--no-gateway"]].concat())?;
            assert!(!told.contains("programs ask at"), "{told}");
            let status = local.status()?;
            assert_eq!(status["gateway"]["on"], false, "{status:#}");
            assert!(local.aionctl(&["local", "status"])?.contains("is off"));
            local.aionctl(&["local", "stop"])?;
        }
        Ok(())
    })
}

#[test]
fn a_port_that_is_taken_is_told_by_number_and_the_node_is_there_without_it() -> anyhow::Result<()> {
    each(|mut local| {
        let another = TcpListener::bind("127.0.0.1:0")?;
        let address = another.local_addr()?;
        local.set("AION_GATEWAY_LISTEN", &address.to_string());
        for service in [&START[..], &["local", "start", "--no-service"]] {
            let told = local.aionctl(service)?;
            for words in [
                "is ready",
                "the node runs without its gateway",
                &format!("port {} is in use", address.port()),
                "AION_GATEWAY_LISTEN=127.0.0.1:PORT",
            ] {
                assert!(told.contains(words), "{words}: {told}");
            }
            let status = local.status()?;
            assert_eq!(status["node"]["launcher"], "ready");
            assert_eq!(status["gateway"]["on"], true, "{status:#}");
            assert!(status["gateway"]["url"].is_null(), "{status:#}");
            let told = local.aionctl(&["local", "status"])?;
            assert!(
                told.contains("does not run") || told.contains("does not listen"),
                "{told}"
            );
            local.aionctl(&["local", "stop"])?;
        }
        Ok(())
    })
}

#[test]
fn a_supervisor_that_was_killed_is_replaced_and_the_node_goes_on_meanwhile() -> anyhow::Result<()> {
    each(|local| {
        local.aionctl(&START)?;
        let status = local.status()?;
        let node = local.running("aion-node")?;
        let supervisor = i32::try_from(status["service"]["pid"].as_i64().unwrap())?;
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(supervisor),
            nix::sys::signal::Signal::SIGKILL,
        )?;
        until("the supervisor to end", BOUND, || match lives(supervisor) {
            true => Err("it lives".to_owned()),
            false => Ok(()),
        })?;
        let status = local.status()?;
        assert_eq!(status["service"]["by"], Value::Null);
        assert_eq!(status["node"]["launcher"], "ready");

        assert!(local.aionctl(&START)?.contains("runs already"));
        assert_eq!(local.status()?["service"]["by"], "aionctl");
        assert_eq!(local.running("aion-node")?, node);
        local.kill("aion-node")?;
        local.back("aion-node", node)?;
        local.aionctl(&["local", "stop"])?;
        assert!(local.pid("aion-node")?.is_none());
        Ok(())
    })
}

#[test]
fn two_supervisors_do_not_watch_one_node() -> anyhow::Result<()> {
    each(|local| {
        local.aionctl(&START)?;
        let refused = local.try_aionctl(&["local", "supervise"])?;
        assert!(said(&refused).contains("supervised already"), "{refused:?}");
        Ok(())
    })
}

#[test]
fn without_a_service_that_is_said_and_a_stop_stops_both() -> anyhow::Result<()> {
    each(|local| {
        let told = local.aionctl(&["local", "start", "--no-service"])?;
        assert!(told.contains("nothing starts it again"), "{told}");
        assert_eq!(local.status()?["service"]["by"], Value::Null);
        let pids = [local.running("aion-node")?, local.running("aion-launcher")?];
        // From now on something does, and that is said; nothing of it is undone silently.
        let told = local.aionctl(&START)?;
        assert!(told.contains("runs already"), "{told}");
        assert!(told.contains("supervise starts it again"), "{told}");
        let status = local.status()?;
        assert_eq!(status["service"]["by"], "aionctl");
        assert_eq!(of_node(&status)["restarts"], 0, "{status:#}");
        let refused = local.try_aionctl(&["local", "start", "--no-service"])?;
        assert!(said(&refused).contains("aionctl local stop"), "{refused:?}");
        local.aionctl(&["local", "stop"])?;
        assert!(!pids.into_iter().any(lives));
        Ok(())
    })
}

/// Holds a lock of the node's, in a home where nothing was started yet.
fn held(local: &Local, name: &str) -> anyhow::Result<fs::File> {
    let owner = fs::metadata(local.home())?.uid();
    let folder = local.home().join(match owner {
        0 => "service",
        _ => "run",
    });
    fs::create_dir(&folder)?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
    let file = fs::File::create(folder.join(name))?;
    for made in [&folder, &folder.join(name)] {
        chown(made, Some(owner), Some(owner))?;
    }
    file.lock()?;
    Ok(file)
}

#[test]
fn of_two_starts_at_once_the_second_touches_nothing_before_the_first_is_done() -> anyhow::Result<()>
{
    each(|local| {
        let first = held(&local, "start.lock")?;
        let inode = format!(":{} ", first.metadata()?.ino());
        let started = thread::scope(|scope| {
            let second = scope.spawn(|| local.aionctl(&["local", "start", "--no-service"]));
            let waits = until("the second start to wait", BOUND, || {
                let locks = fs::read_to_string("/proc/locks").map_err(|why| why.to_string())?;
                let mut waiting = locks.lines().filter(|line| line.contains("->"));
                match waiting.any(|line| line.contains(&inode)) {
                    true => Ok(()),
                    false => Err(locks),
                }
            });
            let touched = local.home().join("logs").exists();
            drop(first);
            waits?;
            let started = second.join().unwrap()?;
            anyhow::ensure!(!touched, "it made folders before it had the lock");
            anyhow::Ok(started)
        })?;
        assert!(started.contains("is ready"), "{started}");
        Ok(())
    })
}

#[test]
fn a_second_supervisor_touches_nothing() -> anyhow::Result<()> {
    each(|local| {
        let _first = held(&local, "supervisor.lock")?;
        let refused = local.try_aionctl(&["local", "supervise"])?;
        assert!(said(&refused).contains("supervised already"), "{refused:?}");
        assert!(!local.home().join("logs").exists());
        Ok(())
    })
}
