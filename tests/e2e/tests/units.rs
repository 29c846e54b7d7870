//! The node and its gateway as units of systemd, against a stand-in for `systemctl` that starts what a unit says: written, enabled,
//! told of, taken away. What systemd itself makes of the texts is asked of `systemd-analyze` in aionctl's own tests.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use aion_e2e::cluster::BOUND;
use aion_e2e::local::{Local, answers, lives, said};
use aion_testkit::until;
use nix::unistd::geteuid;

const USER: u32 = 61_989;

/// Plays a manager of services: `$DOUBLE` has a pid file a unit, and what it was asked.
const SYSTEMCTL: &str = r#"#!/bin/sh
printf '%s\n' "$*" >> "$DOUBLE/asked"
[ "$1" != --user ] || shift
units=$XDG_CONFIG_HOME/systemd/user
asked=$1
shift
pid() { cat "$DOUBLE/$1.pid" 2>/dev/null || echo 0; }
alive() { [ "$(pid "$1")" != 0 ] && ! grep -qs '^State:.[ZX]' "/proc/$(pid "$1")/status" && [ -d "/proc/$(pid "$1")" ]; }
case $asked in
    --version) echo 'systemd 252 (252.1)' ;;
    enable) for unit; do [ "$unit" = --quiet ] || touch "$DOUBLE/$unit.enabled"; done ;;
    disable) for unit; do
            rm -f "$DOUBLE/$unit.enabled"
            if [ "$1" = --now ] && alive "$unit"; then kill "$(pid "$unit")"; fi
        done ;;
    start)
        for unit; do
            alive "$unit" && continue
            variables=$(sed -n 's/^Environment=//p' "$units/$unit" | tr '\n' ' ')
            command=$(sed -n 's/^ExecStart=//p' "$units/$unit")
            (
                exec > "$DOUBLE/$unit.log" 2>&1 < /dev/null
                eval "exec setsid env -i $variables $command"
            ) &
            echo $! > "$DOUBLE/$unit.pid"
        done ;;
    stop | kill)
        for unit; do :; done
        signal=TERM
        [ "$asked" = stop ] || signal=KILL
        if alive "$unit" && [ ! -e "$DOUBLE/hangs" ]; then kill -s $signal "$(pid "$unit")"; fi ;;
    show)
        for unit; do :; done
        if alive "$unit"; then echo 'ActiveState=active'; echo "MainPID=$(pid "$unit")"; else echo 'ActiveState=inactive'; echo 'MainPID=0'; fi
        echo 'NRestarts=2'
        [ ! -e "$DOUBLE/$unit.enabled" ] || echo 'UnitFileState=enabled' ;;
esac
exit 0
"#;

/// A home of an ordinary user whose services a stand-in manages.
fn installed() -> anyhow::Result<Local> {
    let user = geteuid().is_root().then_some(USER);
    let mut local = Local::install(user)?;
    for folder in ["double", "config"] {
        fs::create_dir(local.path(folder))?;
        chown(local.path(folder), user, user)?;
    }
    let systemctl = local.path("double/systemctl");
    fs::write(&systemctl, SYSTEMCTL)?;
    fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755))?;
    let (double, config) = (local.path("double"), local.path("config"));
    let path = std::env::var("PATH")?;
    local.set("PATH", &format!("{}:{path}", double.display()));
    local.set("DOUBLE", &double.to_string_lossy());
    local.set("XDG_CONFIG_HOME", &config.to_string_lossy());
    Ok(local)
}

fn units(local: &Local) -> Vec<String> {
    let folder = local.path("config/systemd/user");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Whether systemd would start it at boot.
fn enabled(local: &Local, unit: &str) -> bool {
    let entries = fs::read_dir(local.path("double")).into_iter().flatten();
    let mut names = entries.flatten().map(|entry| entry.file_name());
    names.any(|name| {
        let name = name.to_string_lossy();
        name.starts_with(unit) && name.ends_with(".enabled")
    })
}

const PROGRAMS: [&str; 3] = ["aion-node", "aion-launcher", "aion-gateway"];

fn pids(local: &Local) -> anyhow::Result<Vec<i32>> {
    PROGRAMS.iter().map(|it| local.running(it)).collect()
}

const START: [&str; 4] = ["local", "start", "--service", "systemd"];

#[test]
fn the_node_and_its_gateway_are_units_from_a_start_on_until_they_are_taken_away()
-> anyhow::Result<()> {
    let mut local = installed()?;
    local.set("OFFLINE_MODE", "true");
    let told = local.aionctl(&START)?;
    assert!(
        told.contains("systemd starts it again when it ends"),
        "{told}"
    );
    assert_eq!(units(&local).len(), 3, "{:?}", units(&local));
    assert!(PROGRAMS.iter().all(|it| enabled(&local, it)));
    let status = local.status()?;
    let url = status["gateway"]["url"].as_str().unwrap().to_owned();
    assert!(told.contains(&format!("programs ask at {url}")), "{told}");
    assert!(answers(&local, &url)?, "{}", local.logs());
    assert_eq!(status["service"]["by"], "systemd");
    assert_eq!(status["service"]["programs"]["aion-node"]["restarts"], 2);
    // It is enabled, and of a user who has to be logged in.
    assert_eq!(status["service"]["atBoot"], false);
    let told = said(&local.try_aionctl(&["local", "status"])?);
    assert!(
        told.contains("enable-linger") && told.contains("journalctl --user"),
        "{told}"
    );
    assert_eq!(status["node"]["offline"], true);

    let pids = pids(&local)?;
    assert!(local.aionctl(&START)?.contains("runs already"));
    assert_eq!(local.running("aion-node")?, pids[0]);
    let told = local.aionctl(&["local", "stop"])?;
    assert!(told.contains("starts it again at boot"), "{told}");
    assert!(!pids.into_iter().any(lives));
    assert_eq!(units(&local).len(), 3);

    local.aionctl(&START)?;
    let told = local.aionctl(&[&START[..], &["--no-gateway"]].concat())?;
    assert!(told.contains("removed"), "{told}");
    assert_eq!(units(&local).len(), 2, "{:?}", units(&local));
    assert!(!enabled(&local, "aion-gateway"));
    assert_eq!(local.status()?["gateway"]["on"], false);

    local.aionctl(&START)?;
    let pids = self::pids(&local)?;
    local.aionctl(&["local", "stop", "--no-service"])?;
    assert!(!pids.into_iter().any(lives));
    assert_eq!(units(&local), Vec::<String>::new());
    assert!(local.aionctl(&["local", "stop"])?.contains("nothing runs"));
    Ok(())
}

#[test]
fn a_node_that_runs_by_itself_is_left_and_its_want_of_a_unit_is_said() -> anyhow::Result<()> {
    let local = installed()?;
    local.aionctl(&["local", "start", "--no-service"])?;
    let node = local.running("aion-node")?;
    let told = local.aionctl(&START)?;
    assert!(told.contains("nothing starts it again"), "{told}");
    assert_eq!(local.running("aion-node")?, node);
    assert_eq!(units(&local), Vec::<String>::new());

    // Of two programs one is left.
    local.kill("aion-node")?;
    until("the node to end", BOUND, || match lives(node) {
        true => Err("it lives".to_owned()),
        false => Ok(()),
    })?;
    local.aionctl(&START)?;
    assert_ne!(local.running("aion-node")?, node);
    local.aionctl(&["local", "stop"])?;
    local.aionctl(&["local", "start", "--service", "aionctl"])?;
    let told = local.aionctl(&START)?;
    assert!(told.contains("supervise starts it again"), "{told}");
    assert_eq!(units(&local), Vec::<String>::new());
    Ok(())
}

#[test]
fn a_start_without_a_service_takes_the_units_away() -> anyhow::Result<()> {
    let local = installed()?;
    local.aionctl(&START)?;
    let refused = local.try_aionctl(&["local", "start", "--no-service"])?;
    assert!(
        said(&refused).contains("local stop --no-service"),
        "{refused:?}"
    );
    local.aionctl(&["local", "stop"])?;
    local.aionctl(&["local", "start", "--no-service"])?;
    assert_eq!(units(&local), Vec::<String>::new());
    assert_eq!(local.status()?["service"]["by"], serde_json::Value::Null);
    Ok(())
}

#[test]
fn a_unit_that_does_not_end_though_it_was_killed_is_not_waited_for() -> anyhow::Result<()> {
    let local = installed()?;
    local.aionctl(&START)?;
    let hangs = local.path("double/hangs");
    fs::write(&hangs, "")?;
    let refused = local.try_aionctl(&["local", "stop", "--timeout", "0", "--force"])?;
    fs::remove_file(&hangs)?;
    assert!(!refused.status.success());
    let told = said(&refused);
    assert!(
        told.contains("it does not end") && told.contains("journalctl"),
        "{told}"
    );
    Ok(())
}

#[test]
fn a_set_up_that_is_taken_away_takes_its_units_with_it() -> anyhow::Result<()> {
    let local = installed()?;
    local.aionctl(&START)?;
    let pids = pids(&local)?;
    let home = local.home();
    let mark = "AION-OS was set up here by install.sh, with the programs in bin/ of:";
    let mark = format!("{mark}\n{}\n", home.display());
    fs::write(home.join("config/installed"), mark)?;
    let left = home.join("a person's own file");
    fs::write(&left, "")?;

    let told = local.install_sh(&["--uninstall", "--purge", "--yes"])?;
    assert!(told.status.success(), "{}", said(&told));
    assert!(!pids.into_iter().any(lives));
    assert_eq!(units(&local), Vec::<String>::new());
    let asked = fs::read_to_string(local.path("double/asked"))?;
    for unit in PROGRAMS {
        assert!(!enabled(&local, unit), "{asked}");
    }
    assert!(asked.trim_end().ends_with("daemon-reload"), "{asked}");
    let there: Vec<_> = fs::read_dir(&home)?.collect::<Result<_, _>>()?;
    let there: Vec<_> = there.iter().map(fs::DirEntry::path).collect();
    assert_eq!(there, [left]);
    Ok(())
}
