//! Whether something starts the node when the machine comes up, where no service manager of the node does; and if
//! not, what would, on this machine.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use aion_folders::Trust;

use super::super::settings;
use crate::home::Home;

/// What starts it, or what would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum AtBoot {
    Yes(String),
    No(String),
}

/// What of this machine starts things.
struct Machine {
    /// Of this user; `None` where there is no cron.
    crontab: Option<String>,
    /// OpenRC's local scripts, where OpenRC is.
    openrc: Option<PathBuf>,
    /// runit's services, where runit is.
    runit: Option<PathBuf>,
}

/// Looks around.
pub(in super::super) fn find(home: &Home) -> AtBoot {
    let root = home.trust() == Trust::Root;
    let is_there = |needed: &str, path: &str| {
        (root && Path::new(needed).exists()).then(|| PathBuf::from(path))
    };
    let machine = Machine {
        crontab: crontab(),
        openrc: is_there("/sbin/openrc", "/etc/local.d/aion.start"),
        runit: is_there("/etc/runit", "/etc/service/aion/run"),
    };
    let own = std::env::current_exe().ok();
    let aionctl = own.map_or("aionctl".into(), |own| own.to_string_lossy().into_owned());
    told(&machine, &Words::of(home, &aionctl), home)
}

/// What has a shell start the node: the settings that a start takes from its variables, and the program.
struct Words {
    variables: String,
    aionctl: String,
}

/// The lines of `crontab -l`; it fails where a user has none yet.
fn crontab() -> Option<String> {
    let asked = Command::new("crontab").arg("-l").output().ok()?;
    Some(String::from_utf8_lossy(&asked.stdout).into_owned())
}

impl Words {
    fn of(home: &Home, aionctl: &str) -> Self {
        let mut variables = format!("AION_HOME={} ", word(&home.root().to_string_lossy()));
        for name in settings::variables_handed_on() {
            if let Ok(value) = std::env::var(name) {
                variables += &format!("{name}={} ", word(&value));
            }
        }
        Self {
            variables,
            aionctl: word(aionctl),
        }
    }

    fn start(&self) -> String {
        format!("{}{} local start", self.variables, self.aionctl)
    }

    /// In the place of the shell.
    fn supervise(&self) -> String {
        format!("{}exec {} local supervise", self.variables, self.aionctl)
    }
}

/// One word as a shell takes it.
pub(in super::super) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

fn told(machine: &Machine, words: &Words, home: &Home) -> AtBoot {
    let is_ours = |line: &str| {
        let line = line.trim();
        line.starts_with("@reboot") && line.contains("aionctl") && line.contains("local start")
    };
    let named = home.root().to_string_lossy();
    let in_cron = |text: &String| {
        text.lines()
            .any(|line| is_ours(line) && (line.contains(&*named) || !line.contains("AION_HOME")))
    };
    if machine.crontab.as_ref().is_some_and(in_cron) {
        return AtBoot::Yes("cron (@reboot)".to_owned());
    }
    for (name, script) in [("OpenRC", &machine.openrc), ("runit", &machine.runit)] {
        if let Some(script) = script.as_ref().filter(|script| script.exists()) {
            return AtBoot::Yes(format!("{name} ({})", script.display()));
        }
    }
    let advice = match machine {
        Machine {
            openrc: Some(script),
            ..
        } => format!(
            "to have OpenRC do it, make {0} of the two lines `#!/bin/sh` and `{1}`, then: chmod +x {0}; rc-update add local",
            script.display(),
            words.start()
        ),
        Machine {
            runit: Some(script), ..
        } => format!(
            "to have runit do it, make {0} of the two lines `#!/bin/sh` and `{1}`, then: chmod +x {0}",
            script.display(),
            words.supervise()
        ),
        Machine {
            crontab: Some(_), ..
        } => format!(
            "to have cron do it, add this line with crontab -e: @reboot {}",
            words.start()
        ),
        _ => "neither cron nor OpenRC nor runit is here for this user; start it by hand, or have a container run \
              aionctl local supervise"
            .to_owned(),
    };
    AtBoot::No(advice)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    const START: &str = "AION_HOME=/srv/aion /opt/aionctl local start";

    fn machine(crontab: Option<&str>) -> Machine {
        Machine {
            crontab: crontab.map(str::to_owned),
            openrc: None,
            runit: None,
        }
    }

    fn at_boot(machine: &Machine) -> AtBoot {
        let home = Home::find(Some(Path::new("/srv/aion"))).unwrap();
        told(machine, &Words::of(&home, "/opt/aionctl"), &home)
    }

    #[test]
    fn crons_line_is_found_once_it_is_there_and_not_that_of_another_home() {
        let AtBoot::No(advice) = at_boot(&machine(Some("@reboot /usr/bin/true\n"))) else {
            panic!("nothing starts it");
        };
        let line = advice.split_once("crontab -e: ").unwrap().1;
        assert_eq!(line, format!("@reboot {START}"));
        let told = at_boot(&machine(Some(&format!("{line}\n"))));
        assert_eq!(told, AtBoot::Yes("cron (@reboot)".into()));
        for other in [format!("# {line}"), line.replace("/srv/aion", "/srv/other")] {
            assert!(
                matches!(at_boot(&machine(Some(&other))), AtBoot::No(_)),
                "{other}"
            );
        }
    }

    #[test]
    fn a_word_of_a_shell_is_one_whatever_is_in_it() {
        assert_eq!(word("/opt/aion-1.0/bin"), "/opt/aion-1.0/bin");
        assert_eq!(word("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(word(""), "''");
    }

    #[test]
    fn a_machine_that_starts_nothing_is_said_to() {
        let AtBoot::No(advice) = at_boot(&machine(None)) else {
            panic!("nothing starts it");
        };
        assert!(advice.contains("start it by hand"), "{advice}");
    }

    #[test]
    fn what_the_machine_has_is_what_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("aion.start");
        let openrc = Machine {
            openrc: Some(script.clone()),
            ..machine(Some(""))
        };
        let AtBoot::No(advice) = at_boot(&openrc) else {
            panic!("it is not there yet");
        };
        assert!(
            advice.contains("OpenRC") && advice.contains(START),
            "{advice}"
        );
        std::fs::write(script, "").unwrap();
        assert!(matches!(at_boot(&openrc), AtBoot::Yes(_)));
        let runit = Machine {
            runit: Some(folder.path().join("run")),
            ..machine(None)
        };
        let AtBoot::No(advice) = at_boot(&runit) else {
            panic!("it is not there yet");
        };
        assert!(
            advice.contains("AION_HOME=/srv/aion exec /opt/aionctl local supervise"),
            "{advice}"
        );
    }
}
