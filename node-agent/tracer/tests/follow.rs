//! Real processes followed on the kernel that the tests run on, as root.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

use aion_tracer::{CLASSES, Counters, EVENTS_PER_SECOND, Event, Follow, Kind, SLOTS};

mod stage;
use stage::{Waiting, everything, followed, happened, of, tracer};

fn class(name: &str) -> usize {
    CLASSES.iter().position(|it| *it == name).unwrap()
}

#[test]
fn what_an_agent_makes_is_followed_and_what_others_do_is_not() {
    let Some(mut tracer) = tracer() else { return };
    let other = Waiting::new("/bin/true");
    let seen = followed(
        &mut tracer,
        "/bin/echo a; (/bin/echo b; /bin/echo c)",
        &everything(),
    );
    assert!(other.run().success());
    let executed: Vec<&str> = of(&seen.events, Kind::Exec)
        .into_iter()
        .map(|event| event.text.as_str())
        .collect();
    assert_eq!(executed, ["/bin/echo"; 3]);
    assert!(
        seen.counters.calls[class("write")] >= 3,
        "{:?}",
        seen.counters
    );
    assert!(seen.counters.calls[class("open")] >= 3);
    assert_eq!(seen.counters.of(Kind::Exec), 3);
    assert!(tracer.take().is_none(), "another's events came");
}

#[test]
fn a_file_outside_what_was_shown_is_told_and_one_within_is_not() {
    let Some(mut tracer) = tracer() else { return };
    let follow = Follow {
        shown: vec!["/etc/".into(), "/lib".into()],
        ..Follow::default()
    };
    let script =
        "true < /etc/hostname; true < /proc/version; true < /nowhere/at/all; true < relative";
    let seen = followed(&mut tracer, script, &follow);
    let opened: Vec<(&str, i32)> = of(&seen.events, Kind::Open)
        .into_iter()
        .map(|event| (event.text.as_str(), event.result.min(0)))
        .collect();
    assert_eq!(opened, [("/proc/version", 0), ("/nowhere/at/all", -2)]);
}

#[test]
fn a_connection_is_told_with_its_address_and_a_refused_call_with_its_number() {
    let Some(mut tracer) = tracer() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!(
        "exec /bin/bash -c ': < /dev/tcp/127.0.0.1/{port}; exec setpriv --reuid 65534 cat /etc/shadow'"
    );
    let seen = followed(&mut tracer, &script, &everything());
    let connected = of(&seen.events, Kind::Connect);
    assert_eq!(connected.len(), 1, "{:?}", seen.events);
    assert_eq!(connected[0].text, format!("127.0.0.1:{port}"));
    assert_eq!(connected[0].result, 0);
    let denied = of(&seen.events, Kind::Denied);
    assert!(
        denied
            .iter()
            .any(|it| it.call == Some(257) && it.result == -13 && it.comm == "cat"),
        "{:?}",
        seen.events
    );
    assert_eq!(seen.counters.denied[class("open")], 1);
}

#[test]
fn a_process_that_a_signal_ends_is_told() {
    let Some(mut tracer) = tracer() else { return };
    let seen = followed(&mut tracer, "kill -9 $$", &everything());
    let ended = of(&seen.events, Kind::Signal);
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].result, 9);
}

#[test]
fn an_agent_that_floods_loses_its_own_events_by_number_and_nobody_elses() {
    let Some(mut tracer) = tracer() else { return };
    let (flood, quiet) = (
        Waiting::new("i=0; while [ $i -lt 2000 ]; do i=$((i+1)); : < /proc/version; done"),
        Waiting::new("/bin/true"),
    );
    let none_shown = Follow::default();
    let noisy = tracer.follow(&[flood.handle.as_fd()], &none_shown).unwrap();
    let other = tracer.follow(&[quiet.handle.as_fd()], &none_shown).unwrap();
    assert!(flood.run().success());
    assert!(quiet.run().success());
    let events: Vec<Event> = std::iter::from_fn(|| tracer.take()).collect();
    let told = events.iter().filter(|event| event.key == noisy).count() as u64;
    let counters = tracer.let_go(noisy).unwrap();
    assert!(counters.of(Kind::Open) >= 2000);
    assert!(counters.limited > 0 && told >= EVENTS_PER_SECOND);
    assert_eq!(
        told + counters.limited + counters.dropped,
        happened(&counters)
    );
    let others: Vec<&Event> = events.iter().filter(|event| event.key == other).collect();
    assert_eq!(of(&events, Kind::Exec).len(), 1);
    assert!(!others.is_empty());
}

#[test]
fn what_the_ring_has_no_room_for_is_counted() {
    let Some(mut tracer) = tracer() else { return };
    let script = "i=0; while [ $i -lt 300 ]; do i=$((i+1)); : < /proc/version; done";
    let agents: Vec<Waiting> = (0..20).map(|_| Waiting::new(script)).collect();
    let keys: Vec<u64> = agents
        .iter()
        .map(|agent| {
            tracer
                .follow(&[agent.handle.as_fd()], &Follow::default())
                .unwrap()
        })
        .collect();
    for agent in agents {
        assert!(agent.run().success());
    }
    let told = std::iter::from_fn(|| tracer.take()).count() as u64;
    let all: Vec<Counters> = keys
        .iter()
        .map(|key| tracer.let_go(*key).unwrap())
        .collect();
    let sum = |of: fn(&Counters) -> u64| all.iter().map(of).sum::<u64>();
    assert!(sum(|it| it.dropped) > 0, "the ring held {told}");
    assert!(sum(happened) >= 20 * 300);
    assert_eq!(
        told + sum(|it| it.dropped) + sum(|it| it.limited),
        sum(happened)
    );
}

#[test]
fn latencies_are_taken_while_they_are_sampled_and_only_then() {
    let Some(mut tracer) = tracer() else { return };
    let taken = |counters: &Counters| -> u32 { counters.latency.iter().flatten().sum() };
    let seen = followed(&mut tracer, "sleep 0.05", &everything());
    assert_eq!(taken(&seen.counters), 0);
    let waiting = Waiting::new("sleep 0.05; : < /etc/hostname");
    let key = tracer
        .follow(&[waiting.handle.as_fd()], &everything())
        .unwrap();
    tracer.sample(true).unwrap();
    assert!(waiting.run().success());
    tracer.sample(false).unwrap();
    let counters = tracer.let_go(key).unwrap();
    // 50 ms lie between 2^25 and 2^26 ns, and the first part ends at 2^8.
    let slept: u32 = counters.latency[class("wait")][18..].iter().sum();
    assert!(slept >= 1, "{:?}", counters.latency);
    assert!(counters.latency[class("open")].iter().sum::<u32>() >= 1);
}

#[test]
fn a_victim_of_memory_is_told() {
    let Some(mut tracer) = tracer() else { return };
    if !tracer.lacking().is_empty() {
        return aion_testkit::skip("mark_victim", &format!("{:?}", tracer.lacking()));
    }
    let Some(group) = MemoryGroup::make() else {
        return aion_testkit::skip("memory cgroup", "none may be made here");
    };
    let waiting = Waiting::new("exec dd if=/dev/zero of=/dev/null bs=200M count=1");
    group.take(waiting.child.id());
    let key = tracer
        .follow(&[waiting.handle.as_fd()], &everything())
        .unwrap();
    let pid = waiting.child.id();
    assert_eq!(waiting.run().signal(), Some(9));
    let events: Vec<Event> = std::iter::from_fn(|| tracer.take()).collect();
    let victims = of(&events, Kind::OutOfMemory);
    assert_eq!(victims.len(), 1, "{events:?}");
    assert_eq!((victims[0].key, victims[0].pid), (key, pid));
}

/// A group with 16 MiB; gone when dropped.
struct MemoryGroup(PathBuf);

impl MemoryGroup {
    fn make() -> Option<Self> {
        let name = format!("aion-tracer-{}", std::process::id());
        for (parent, limit) in [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max"),
        ] {
            let folder = Path::new(parent).join(&name);
            if fs::create_dir(&folder).is_ok() {
                let group = Self(folder);
                if fs::write(group.0.join(limit), "16777216").is_ok() {
                    return Some(group);
                }
            }
        }
        None
    }

    fn take(&self, pid: u32) {
        fs::write(self.0.join("cgroup.procs"), pid.to_string()).unwrap();
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn an_agent_costs_the_kernel_less_than_a_page() {
    let Some(tracer) = tracer() else { return };
    let each = tracer.bytes().unwrap() / u64::from(SLOTS);
    assert!(each <= 4096, "{each} bytes an agent");
    println!("{each} bytes an agent");
}

#[test]
fn more_than_the_most_are_refused_and_a_slot_is_given_again() {
    let Some(mut tracer) = tracer() else { return };
    let keys: Vec<u64> = (0..SLOTS)
        .map(|_| tracer.follow(&[], &everything()).unwrap())
        .collect();
    let refused = tracer.follow(&[], &everything()).unwrap_err().to_string();
    assert!(refused.contains("1024"), "{refused}");
    tracer.let_go(keys[7]).unwrap();
    let again = tracer.follow(&[], &everything()).unwrap();
    assert!(again > keys[1023]);
}
