//! Rules that act, on the kernel that the tests run on, as root. Those that refuse run where it has the hooks of BPF LSM.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::process::ExitStatusExt;

use aion_tracer::{ALLOWED, ALLOWED_PATH, Event, Follow, FollowError, Kind, Rule, Tracer};

mod stage;
use stage::{everything, followed, of, tracer};

/// A tracer that refuses.
fn refusing() -> Option<Tracer> {
    let tracer = tracer()?;
    match tracer.without_hooks() {
        None => Some(tracer),
        Some(why) => {
            aion_testkit::skip("BPF LSM", why);
            None
        }
    }
}

fn broken(events: &[Event]) -> Vec<(Kind, Rule, &str)> {
    let broken = events.iter();
    let broken = broken.filter_map(|it| Some((it.kind, it.rule?, it.text.as_str())));
    broken.collect()
}

/// The shell is followed from within, so the next program is its own.
fn with_own(rule: Rule) -> Follow {
    Follow {
        exec: Some(rule),
        own: 1,
        ..everything()
    }
}

#[test]
fn an_agents_own_program_breaks_no_rule_and_the_next_is_killed_before_it_runs() {
    let Some(mut tracer) = tracer() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (own, next) = (folder.path().join("own"), folder.path().join("next"));
    let script = format!(
        "exec /bin/sh -c ': > {}; exec /usr/bin/touch {}'",
        own.display(),
        next.display()
    );
    let seen = followed(&mut tracer, &script, &with_own(Rule::Kill));
    assert_eq!(seen.status.signal(), Some(9));
    assert!(own.exists() && !next.exists(), "the second program ran");
    assert_eq!(
        broken(&seen.events),
        [(Kind::Exec, Rule::Kill, "/usr/bin/touch")]
    );
    assert_eq!(seen.counters.broken(Kind::Exec), 1);
    assert_eq!(seen.counters.of(Kind::Exec), 2);
}

#[test]
fn what_is_to_be_told_only_goes_on() {
    let Some(mut tracer) = tracer() else { return };
    let follow = Follow {
        connect: Some(Rule::Alert),
        open: Some(Rule::Alert),
        ..with_own(Rule::Alert)
    };
    let script = "exec /bin/bash -c '/bin/true; : < /dev/tcp/127.0.0.1/1; exit 7'";
    let seen = followed(&mut tracer, script, &follow);
    assert_eq!(seen.status.code(), Some(7));
    assert_eq!(
        broken(&seen.events),
        [
            (Kind::Exec, Rule::Alert, "/bin/true"),
            (Kind::Connect, Rule::Alert, "127.0.0.1:1")
        ]
    );
}

#[test]
fn a_program_that_is_let_through_is_that_path_and_no_other() {
    let Some(mut tracer) = tracer() else { return };
    let follow = Follow {
        programs: vec!["/bin/true".into()],
        ..with_own(Rule::Kill)
    };
    let run = |tracer: &mut Tracer, script: &str| {
        followed(tracer, &format!("exec /bin/sh -c '{script}'"), &follow).status
    };
    assert!(run(&mut tracer, "/bin/true; /bin/true; exit 0").success());
    for other in [
        "exec /usr/bin/true",
        "cd /bin; exec ./true",
        "exec /bin/../bin/true",
    ] {
        assert_eq!(run(&mut tracer, other).signal(), Some(9), "{other}");
    }
    // What is let through is of one agent, and gone with it.
    let strict = with_own(Rule::Kill);
    let seen = followed(&mut tracer, "exec /bin/sh -c 'exec /bin/true'", &strict);
    assert_eq!(seen.status.signal(), Some(9));
}

#[test]
fn a_file_outside_what_was_shown_kills_and_one_that_is_hidden_within_it_too() {
    let Some(mut tracer) = tracer() else { return };
    let follow = Follow {
        hidden: vec!["/proc/ke".into()],
        open: Some(Rule::Kill),
        ..everything()
    };
    let seen = followed(&mut tracer, "true < /proc/version; exit 3", &follow);
    assert_eq!(seen.status.code(), Some(3));
    let seen = followed(&mut tracer, "true < /proc/key-users; exit 3", &follow);
    assert_eq!(seen.status.signal(), Some(9));
    assert_eq!(
        broken(&seen.events),
        [(Kind::Open, Rule::Kill, "/proc/key-users")]
    );
}

#[test]
fn a_connection_kills_unless_it_is_granted_or_the_agents_own() {
    let Some(mut tracer) = tracer() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = listener.local_addr().unwrap();
    let reach = |reach: &[&str], own_loopback| Follow {
        connect: Some(Rule::Kill),
        reach: reach.iter().map(|it| it.parse().unwrap()).collect(),
        own_loopback,
        ..everything()
    };
    let mut killed = |to: SocketAddr, follow: &Follow| {
        let script = format!("exec /bin/bash -c ': < /dev/udp/{}/{}'", to.ip(), to.port());
        let seen = followed(&mut tracer, &script, follow);
        let told: Vec<Event> = of(&seen.events, Kind::Connect)
            .into_iter()
            .cloned()
            .collect();
        assert_eq!(told.len(), 1, "{told:?}");
        let killed = seen.status.signal() == Some(9);
        assert_eq!(killed, told[0].rule == Some(Rule::Kill));
        killed
    };
    let at = |text: &str| -> SocketAddr { text.parse().unwrap() };
    assert!(killed(here, &reach(&[], false)));
    assert!(!killed(here, &reach(&[], true)));
    assert!(!killed(here, &reach(&[&here.to_string()], false)));
    assert!(killed(here, &reach(&["127.0.0.1:1"], false)));
    let names = reach(&["198.18.0.0:443"], true);
    assert!(!killed(at("198.18.0.7:443"), &names));
    assert!(!killed(at("198.19.255.1:443"), &names));
    assert!(killed(at("198.18.0.7:80"), &names));
    assert!(killed(at("198.17.0.7:443"), &names));
}

/// The kernel takes an address of version six without what RFC 2553 put behind it.
#[test]
fn a_short_address_of_version_six_is_an_address() {
    let Some(mut tracer) = tracer() else { return };
    if !std::path::Path::new("/usr/bin/python3").exists() {
        aion_testkit::skip("python3", "a short address takes a program that makes one");
        return;
    }
    let follow = Follow {
        connect: Some(Rule::Kill),
        ..everything()
    };
    let script = "exec /usr/bin/python3 -c 'import ctypes, socket; \
        it = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); \
        to = bytes([10, 0, 1, 187]) + bytes(14) + bytes([255, 255, 127, 0, 0, 1]); \
        ctypes.CDLL(None).connect(it.fileno(), to, 24)'";
    let seen = followed(&mut tracer, script, &follow);
    let told = of(&seen.events, Kind::Connect);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].rule, Some(Rule::Kill));
    assert_eq!(seen.status.signal(), Some(9));
}

#[test]
fn a_kill_is_told_beyond_what_an_agent_may_tell() {
    let Some(mut tracer) = tracer() else { return };
    let follow = Follow {
        open: Some(Rule::Kill),
        hidden: vec!["/proc/ke".into()],
        shown: vec!["/dev/".into()],
        ..Follow::default()
    };
    // Each of these files is not shown, and kills a shell of its own; the bound is of all together.
    let script = "i=0; while [ $i -lt 300 ]; do i=$((i+1)); ( : < /nowhere ) ; done";
    let seen = followed(&mut tracer, script, &follow);
    let told = broken(&seen.events).len() as u64;
    assert_eq!(
        told + seen.counters.dropped,
        seen.counters.broken(Kind::Open)
    );
    assert!(told >= 300, "{told}");
}

#[test]
fn rules_that_nothing_can_hold_are_refused_in_words() {
    let Some(mut tracer) = tracer() else { return };
    let long = Follow {
        programs: vec![format!("/{}", "x".repeat(ALLOWED_PATH))],
        ..with_own(Rule::Kill)
    };
    assert!(matches!(tracer.follow(&[], &long), Err(FollowError::Path)));
    let many = Follow {
        programs: (0..=ALLOWED).map(|at| format!("/{at}")).collect(),
        ..with_own(Rule::Kill)
    };
    let full = tracer.follow(&[], &many);
    assert!(matches!(full, Err(FollowError::AllowedFull)), "{full:?}");
    let refused = tracer.follow(&[], &with_own(Rule::Deny));
    match tracer.without_hooks() {
        Some(why) => assert_eq!(refused.unwrap_err().to_string(), why),
        None => assert!(refused.is_ok()),
    }
}

#[test]
fn a_program_that_is_refused_is_not_there_and_its_caller_goes_on() {
    let Some(mut tracer) = refusing() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("ran");
    let script = format!(
        "exec /bin/sh -c '/usr/bin/touch {}; exit 5'",
        mark.display()
    );
    let seen = followed(&mut tracer, &script, &with_own(Rule::Deny));
    assert_eq!(seen.status.code(), Some(5));
    assert!(!mark.exists(), "the program ran");
    assert_eq!(
        broken(&seen.events),
        [(Kind::Exec, Rule::Deny, "/usr/bin/touch")]
    );
    assert!(
        of(&seen.events, Kind::Denied).is_empty(),
        "it is told twice"
    );
}

#[test]
fn a_file_that_is_refused_is_refused_by_whatever_name() {
    let Some(mut tracer) = refusing() else { return };
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    fs::write("/etc/aion-tracer-test", "secret").unwrap();
    std::os::unix::fs::symlink("/etc/aion-tracer-test", &link).unwrap();
    let follow = Follow {
        hidden: vec!["/etc/aio".into()],
        open: Some(Rule::Deny),
        ..everything()
    };
    let script = format!(
        "true < {}; cd /etc; true < aion-tracer-test; true < /etc/hostname && exit 5",
        link.display()
    );
    let seen = followed(&mut tracer, &script, &follow);
    fs::remove_file("/etc/aion-tracer-test").unwrap();
    assert_eq!(seen.status.code(), Some(5));
    let refused = (Kind::Open, Rule::Deny, "/etc/aion-tracer-test");
    assert_eq!(broken(&seen.events), [refused, refused]);
}

#[test]
fn a_connection_that_is_refused_reaches_nobody() {
    let Some(mut tracer) = refusing() else { return };
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let port = socket.local_addr().unwrap().port();
    let follow = Follow {
        connect: Some(Rule::Deny),
        ..everything()
    };
    let script = format!("exec /bin/bash -c 'echo hi > /dev/udp/127.0.0.1/{port}; exit 5'");
    let seen = followed(&mut tracer, &script, &follow);
    assert_eq!(seen.status.code(), Some(5));
    assert!(socket.recv(&mut [0; 8]).is_err(), "something came");
    let there = format!("127.0.0.1:{port}");
    assert_eq!(
        broken(&seen.events),
        [(Kind::Connect, Rule::Deny, there.as_str())]
    );
}

#[test]
fn with_hooks_what_kills_is_refused_before_it_is_done() {
    let Some(mut tracer) = refusing() else { return };
    let script = "exec /bin/sh -c 'exec /bin/true'";
    let seen = followed(&mut tracer, script, &with_own(Rule::Kill));
    assert_eq!(seen.status.signal(), Some(9));
    let executed = of(&seen.events, Kind::Exec);
    assert_eq!(
        executed.last().map(|it| it.result),
        Some(-1),
        "{executed:?}"
    );
}
