//! The units as systemd reads them.
#![allow(clippy::unwrap_used)]

use std::{fs, process::Command};

use aion_folders::Owner;

use super::*;
use crate::commands::local::node_user::NodeUser;

fn recipes(home: &Home, user: Option<&str>) -> Recipes {
    let user = user.map(|name| NodeUser {
        owner: Owner {
            user: 998,
            group: 998,
        },
        name: (!name.is_empty()).then(|| name.to_owned()),
    });
    let recipe = |program, arguments: &[&str], user| Recipe {
        program,
        // Is there on every machine that has systemd.
        path: "/bin/true".into(),
        arguments: arguments.iter().map(Into::into).collect(),
        user,
        home: home.clone(),
    };
    let root = home.root().to_str().unwrap();
    let door = user.clone();
    Recipes {
        gateway: Some(recipe(
            crate::commands::local::gateway(home),
            &["--home", root],
            door,
        )),
        launcher: recipe(
            crate::commands::local::launcher(home),
            &["serve", "--state", root],
            None,
        ),
        node: recipe(crate::commands::local::node(home), &["--home", root], user),
    }
}

fn units(home: &Path, user: Option<&str>, version: u32) -> Result<[String; 3], Failure> {
    let home = Home::find(Some(home)).unwrap();
    let recipes = recipes(&home, user);
    let variables = [("OFFLINE_MODE", "true".to_owned())];
    let setting = Setting {
        home: &home,
        recipes: &recipes,
        variables: &variables,
        system: user.is_some(),
        version,
        launcher: "aion-launcher.service",
        node: "aion-node.service",
    };
    let door = recipes.gateway.as_ref().unwrap();
    Ok([
        launcher(&setting)?,
        node(&setting)?,
        gateway(&setting, door)?,
    ])
}

fn has(unit: &str, line: &str) -> bool {
    unit.lines().any(|it| it == line)
}

#[test]
fn systemd_finds_no_fault_in_the_units() {
    let asked = Command::new("systemd-analyze").arg("--version").output();
    let Some(version) = asked.ok().and_then(|told| {
        let text = String::from_utf8(told.stdout).ok()?;
        text.split_whitespace().nth(1)?.parse().ok()
    }) else {
        aion_testkit::skip("systemd-analyze", "it is systemd's own word on a unit");
        return;
    };
    for user in [Some("aion"), None] {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join(r#"a "home" with 100% \of it"#);
        fs::create_dir(&home).unwrap();
        let names = ["aion-launcher", "aion-node", "aion-gateway"];
        let paths = names.map(|it| folder.path().join(format!("{it}.service")));
        for (path, unit) in paths.iter().zip(units(&home, user, version).unwrap()) {
            fs::write(path, unit).unwrap();
        }
        let mut verify = Command::new("systemd-analyze");
        verify.args(["verify", "--man=no"]);
        if user.is_none() {
            verify.arg("--user").env("XDG_RUNTIME_DIR", folder.path());
        }
        let told = verify.args(&paths).output().unwrap();
        let said = String::from_utf8_lossy(&told.stderr).into_owned();
        let of_ours: Vec<_> = said.lines().filter(|line| line.contains("aion-")).collect();
        assert!(
            told.status.success() && of_ours.is_empty(),
            "{user:?}: {said}"
        );
    }
}

#[test]
fn a_setting_that_keeps_packets_here_is_in_the_unit_and_starts_again_with_it() {
    let [launcher, node, gateway] = units(Path::new("/srv/aion"), Some("aion"), 252).unwrap();
    for unit in [&launcher, &node, &gateway] {
        assert!(has(unit, "Environment=\"OFFLINE_MODE=true\""), "{unit}");
        assert!(has(unit, "Environment=\"AION_HOME=/srv/aion\""), "{unit}");
        assert!(has(unit, "Restart=on-failure"), "{unit}");
        assert!(has(unit, "NoNewPrivileges=yes"), "{unit}");
    }
    for unit in [&node, &gateway] {
        assert!(
            has(unit, "User=aion") && has(unit, "CapabilityBoundingSet="),
            "{unit}"
        );
    }
    assert!(
        has(&gateway, "ProtectSystem=strict") && has(&gateway, "IPAddressDeny=any"),
        "{gateway}"
    );
    assert!(
        has(&launcher, "Delegate=yes") && has(&launcher, "OOMPolicy=continue"),
        "{launcher}"
    );
    assert!(
        !node.contains("RestartSteps") && has(&node, "StartLimitIntervalSec=0"),
        "{node}"
    );
    let [_, newer, _] = units(Path::new("/srv/aion"), Some("aion"), 254).unwrap();
    assert!(
        has(&newer, "RestartSteps=6") && has(&newer, "StartLimitIntervalSec=0"),
        "{newer}"
    );
}

#[test]
fn an_ordinary_users_unit_asks_for_nothing_that_takes_root() {
    for unit in &units(Path::new("/srv/aion"), None, 252).unwrap() {
        for root in [
            "User=",
            "CapabilityBoundingSet",
            "Protect",
            "Private",
            "ReadWritePaths",
            "IPAddress",
        ] {
            assert!(
                !unit.lines().any(|line| line.starts_with(root)),
                "{root}: {unit}"
            );
        }
        assert!(has(unit, "WantedBy=default.target"), "{unit}");
    }
}

#[test]
fn a_unit_is_not_made_for_a_user_without_a_name_or_a_path_that_it_cannot_say() {
    let refused = units(Path::new("/srv/aion"), Some(""), 252).unwrap_err();
    assert!(refused.remedy.unwrap().contains("useradd --system"));
    assert!(units(Path::new("/srv/a\nb"), None, 252).is_err());
}
