//! The node as units of systemd, and the gateway beside it: root's manager where root starts it, the user's own otherwise.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use aion_folders::{Folder, Trust};

use super::super::recipe::{self, Recipes};
use super::unit::{self, Setting};
use crate::{
    context::Context,
    failure::Failure,
    home::Home,
    process::{AFTER_KILL, ended},
};

/// Where root's units are.
const SYSTEM: &str = "/etc/systemd/system";

/// The units of one home.
#[derive(Debug, Clone)]
pub(in super::super) struct Systemd {
    home: Home,
    folder: PathBuf,
    pub(in super::super) node: String,
    pub(in super::super) launcher: String,
    pub(in super::super) gateway: String,
}

/// What systemd says of a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Shown {
    /// `active`, `activating`, `failed`.
    pub(in super::super) state: String,
    pub(in super::super) pid: Option<i32>,
    pub(in super::super) restarts: u64,
    /// `signal`, `exit-code`, where the last run did not end well.
    pub(in super::super) result: String,
    /// Since when it runs, as systemd writes it.
    pub(in super::super) since: String,
    pub(in super::super) enabled: bool,
}

impl Systemd {
    /// The units of `home`, whether they are there or not; `None` where a user has no folder for units.
    pub(in super::super) fn of(home: &Home) -> Option<Self> {
        let folder = match home.trust() {
            Trust::Root => PathBuf::from(SYSTEM),
            Trust::Own => own_units()?,
        };
        let suffix = match home.is_default() {
            true => String::new(),
            false => suffix(home.root()),
        };
        Some(Self {
            home: home.clone(),
            folder,
            node: format!("aion-node{suffix}.service"),
            launcher: format!("aion-launcher{suffix}.service"),
            gateway: format!("aion-gateway{suffix}.service"),
        })
    }

    /// The unit of a program.
    pub(in super::super) fn of_program(&self, name: &str) -> &str {
        match name {
            "aion-launcher" => &self.launcher,
            "aion-gateway" => &self.gateway,
            _ => &self.node,
        }
    }

    /// Whether systemd runs this machine, and this user's services.
    pub(in super::super) fn is_there(&self) -> bool {
        // sd_booted(3).
        Path::new("/run/systemd/system").is_dir() && self.answers()
    }

    /// Whether the manager answers at all.
    pub(in super::super) fn answers(&self) -> bool {
        self.run(&["show-environment"]).is_ok()
    }

    /// Whether the unit is there and is of this home.
    pub(in super::super) fn is_installed(&self) -> bool {
        let text = fs::read_to_string(self.folder.join(&self.node)).unwrap_or_default();
        unit::home_line(&self.home).is_ok_and(|line| text.lines().any(|it| it == line))
    }

    /// Whether there is one of the gateway, too.
    pub(in super::super) fn has_gateway(&self) -> bool {
        self.folder.join(&self.gateway).exists()
    }

    /// Writes the units where they differ, and has the manager read them. One of a gateway that is not wanted is taken
    /// away, with what runs of it.
    pub(in super::super) fn install(
        &self,
        context: &Context,
        recipes: &Recipes,
    ) -> Result<(), Failure> {
        let path = self.folder.join(&self.node);
        if path.exists() && !self.is_installed() {
            return Err(Failure::new("a unit of that name is of another node")
                .at(path.display())
                .remedy("remove it, or start with --no-service"));
        }
        let variables = recipe::variables();
        let setting = Setting {
            home: &self.home,
            recipes,
            variables: &variables,
            system: self.home.trust() == Trust::Root,
            version: self.version(),
            launcher: &self.launcher,
            node: &self.node,
        };
        let door = recipes.gateway.as_ref().and_then(|recipe| {
            let text = unit::gateway(&setting, recipe);
            text.map_err(|why| context.warn(&format!("there is no gateway: {}", told(&why))))
                .ok()
        });
        if door.is_none() {
            self.without_gateway(context)?;
        }
        let mut changed = false;
        let made = fs::create_dir_all(&self.folder).and_then(|()| fs::canonicalize(&self.folder));
        let real = made.map_err(|why| Failure::io("make the folder", &self.folder, &why))?;
        let folder = Folder::open(&real, self.home.trust()).map_err(Failure::new)?;
        let mut texts = vec![
            (&self.launcher, unit::launcher(&setting)?),
            (&self.node, unit::node(&setting)?),
        ];
        texts.extend(door.map(|text| (&self.gateway, text)));
        let mut names = Vec::new();
        for (name, text) in texts {
            names.push(name.as_str());
            let path = self.folder.join(name);
            if fs::read_to_string(&path).is_ok_and(|there| there == text) {
                continue;
            }
            let written = folder.replace(name, text.as_bytes(), 0o644);
            written.map_err(Failure::new)?;
            context.note(&format!("wrote {}", path.display()));
            changed = true;
        }
        if changed {
            self.must(&["daemon-reload"])?;
        }
        self.must(&[&["enable", "--quiet"], &names[..]].concat())
    }

    /// Starts what does not run.
    pub(in super::super) fn start(&self) -> Result<(), Failure> {
        // One that failed too often is started all the same: a person wants it.
        let _ = self.run(&["reset-failed", &self.launcher, &self.node]);
        self.must(&["start", &self.launcher, &self.node])?;
        if self.has_gateway() {
            // The node is there without it; that it is not is seen by who waits for it.
            let _ = self.run(&["reset-failed", &self.gateway]);
            let _ = self.run(&["start", &self.gateway]);
        }
        Ok(())
    }

    fn without_gateway(&self, context: &Context) -> Result<(), Failure> {
        if !self.has_gateway() {
            return Ok(());
        }
        self.must(&["disable", "--now", "--quiet", &self.gateway])?;
        self.remove_unit(context, &self.gateway)?;
        self.must(&["daemon-reload"])
    }

    /// Stops a unit, within `bound`; `false` where it takes longer. With `force` it is ended at once then.
    ///
    /// # Errors
    /// systemd refuses, or the unit does not end either way.
    pub(in super::super) async fn stop(
        &self,
        unit: &str,
        bound: Duration,
        force: bool,
    ) -> Result<bool, Failure> {
        self.must(&["stop", "--no-block", unit])?;
        let runs = || self.show(unit).pid.is_some();
        if ended(bound, runs).await {
            return Ok(true);
        }
        if !force {
            return Ok(false);
        }
        self.must(&["kill", "--signal=SIGKILL", unit])?;
        match ended(AFTER_KILL, runs).await {
            true => Ok(true),
            false => {
                Err(Failure::new(format!("cannot stop {unit}: it does not end"))
                    .at(self.log_of(unit)))
            }
        }
    }

    /// Takes the units away; they do not run any more.
    pub(in super::super) fn remove(&self, context: &Context) -> Result<(), Failure> {
        for name in [&self.launcher, &self.node, &self.gateway] {
            let _ = self.run(&["disable", "--quiet", name]);
            self.remove_unit(context, name)?;
        }
        self.must(&["daemon-reload"])
    }

    fn remove_unit(&self, context: &Context, name: &str) -> Result<(), Failure> {
        let path = self.folder.join(name);
        match fs::remove_file(&path) {
            Ok(()) => context.note(&format!("removed {}", path.display())),
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            Err(why) => return Err(Failure::io("remove the unit", &path, &why)),
        }
        Ok(())
    }

    /// What the manager says of a unit; nothing where it does not answer.
    pub(in super::super) fn show(&self, unit: &str) -> Shown {
        const ASKED: &str =
            "--property=ActiveState,MainPID,NRestarts,Result,ActiveEnterTimestamp,UnitFileState";
        self.run(&["show", ASKED, unit])
            .map(|text| shown(&text))
            .unwrap_or_default()
    }

    /// Whether this user's services run without a session of theirs.
    pub(in super::super) fn lingers(&self) -> bool {
        if self.home.trust() == Trust::Root {
            return true;
        }
        let user = rustix::process::geteuid().as_raw().to_string();
        let asked = Command::new("loginctl")
            .args(["show-user", &user, "--property=Linger", "--value"])
            .output();
        asked.is_ok_and(|told| told.stdout.starts_with(b"yes"))
    }

    /// How to read what a unit wrote.
    pub(in super::super) fn log_of(&self, unit: &str) -> String {
        match self.home.trust() {
            Trust::Root => format!("journalctl -u {unit}"),
            Trust::Own => format!("journalctl --user -u {unit}"),
        }
    }

    /// The last lines that a unit wrote.
    pub(in super::super) fn log_tail(&self, unit: &str, lines: usize) -> String {
        let mut command = Command::new("journalctl");
        if self.home.trust() == Trust::Own {
            command.arg("--user");
        }
        command.args([
            "--no-pager",
            "--output=cat",
            "-n",
            &lines.to_string(),
            "-u",
            unit,
        ]);
        let told = command.output().map(|told| told.stdout).unwrap_or_default();
        String::from_utf8_lossy(&told).trim_end().to_owned()
    }

    /// `systemd 252 (…)`; 0 where it cannot be told.
    fn version(&self) -> u32 {
        let text = self.run(&["--version"]).unwrap_or_default();
        let number = text.split_whitespace().nth(1);
        number.and_then(|it| it.parse().ok()).unwrap_or(0)
    }

    fn must(&self, arguments: &[&str]) -> Result<(), Failure> {
        self.run(arguments).map(drop).map_err(|why| {
            Failure::new(format!("systemctl {}: {why}", arguments.join(" "))).remedy(
                "fix what it says, or start without a unit: aionctl local start --no-service",
            )
        })
    }

    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new("systemctl");
        if self.home.trust() == Trust::Own {
            command.arg("--user");
        }
        let told = command.args(arguments).output();
        let told = told.map_err(|why| why.to_string())?;
        match told.status.success() {
            true => Ok(String::from_utf8_lossy(&told.stdout).into_owned()),
            false => Err(String::from_utf8_lossy(&told.stderr).trim().to_owned()),
        }
    }
}

/// Where an ordinary user's units are (systemd.unit(5)).
fn own_units() -> Option<PathBuf> {
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let config = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(config.join("systemd/user"))
}

fn told(why: &Failure) -> String {
    let remedy = why.remedy.as_deref().unwrap_or_default();
    format!("{}; {remedy}", why.what)
}

/// Tells the units of a home that is not the usual one from others.
fn suffix(home: &Path) -> String {
    let text = home.to_string_lossy();
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' {
            c
        } else {
            '-'
        }
    };
    text.chars().map(plain).collect()
}

fn shown(text: &str) -> Shown {
    let pairs: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    let value = |name: &str| (*pairs.get(name).unwrap_or(&"")).to_owned();
    Shown {
        state: value("ActiveState"),
        pid: value("MainPID").parse().ok().filter(|pid| *pid > 0),
        restarts: value("NRestarts").parse().unwrap_or(0),
        result: value("Result"),
        since: value("ActiveEnterTimestamp"),
        enabled: value("UnitFileState").starts_with("enabled"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_tells_is_read_and_what_it_does_not_is_nothing() {
        let told = shown(
            "MainPID=412\nResult=success\nNRestarts=3\nActiveState=active\nUnitFileState=enabled\n\
             ActiveEnterTimestamp=Tue 2026-07-07 10:00:00 UTC\n",
        );
        assert_eq!(
            (told.pid, told.restarts, told.enabled),
            (Some(412), 3, true)
        );
        assert_eq!(told.since, "Tue 2026-07-07 10:00:00 UTC");
        let none = shown("MainPID=0\nActiveState=inactive\nNRestarts=[not set]\n");
        assert_eq!((none.pid, none.restarts, none.enabled), (None, 0, false));
    }

    #[test]
    fn another_home_has_units_of_its_own() {
        assert_eq!(suffix(Path::new("/srv/a b")), "-srv-a-b");
    }
}
