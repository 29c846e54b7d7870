//! The texts of the systemd units: what each program is given, and nothing it does not need. Pure.
//!
//! Beside root's own manager the units take away what systemd can take; beside an ordinary user's the kernel lets it
//! take little. What a unit refuses the launcher is refused to every worker and tool too, so there it is only what is
//! root's business.

use std::path::Path;

use super::super::recipe::{Recipe, Recipes};
use crate::{failure::Failure, home::Home};

/// From this version on systemd waits longer each time (`RestartSteps=`).
const STEPS_SINCE: u32 = 254;

/// What the units are for.
pub(super) struct Setting<'a> {
    pub(super) home: &'a Home,
    pub(super) recipes: &'a Recipes,
    pub(super) variables: &'a [(&'static str, String)],
    /// Of root's manager, not of a user's.
    pub(super) system: bool,
    /// Of systemd.
    pub(super) version: u32,
    /// The unit of the launcher, as the daemon's names it.
    pub(super) launcher: &'a str,
    /// The daemon's, as the gateway's names it.
    pub(super) node: &'a str,
}

/// What making and reading back a sandbox takes, and entering the folders of the daemon's user for its sockets.
const CAPABILITIES: &str =
    "CAP_SYS_ADMIN CAP_SETUID CAP_SETGID CAP_SETPCAP CAP_CHOWN CAP_DAC_READ_SEARCH CAP_KILL";

/// The launcher's.
pub(super) fn launcher(setting: &Setting<'_>) -> Result<String, Failure> {
    let mut unit = Unit::new("AION-OS launcher: starts the agents' confined workers");
    unit.line("");
    unit.service(setting, &setting.recipes.launcher)?;
    unit.lines(&[
        // Its workers lie in groups below its own, each with its limits.
        "Delegate=yes",
        "OOMPolicy=continue",
        "KillMode=mixed",
        "TimeoutStopSec=30s",
        "LimitNOFILE=16384",
        "TasksMax=16384",
    ]);
    if setting.system {
        unit.line(&format!("CapabilityBoundingSet={CAPABILITIES}"));
        unit.line(&format!(
            "ReadWritePaths={}",
            quoted(setting.home.launcher_state().as_path())?
        ));
        unit.lines(&[
            "ProtectSystem=strict",
            "ProtectHome=read-only",
            "PrivateNetwork=yes",
            "PrivateDevices=yes",
            "ProtectKernelModules=yes",
            "ProtectKernelTunables=yes",
            "ProtectKernelLogs=yes",
            "ProtectClock=yes",
            "ProtectHostname=yes",
            "RestrictRealtime=yes",
            "SystemCallFilter=~@clock @cpu-emulation @module @obsolete @raw-io @reboot @swap",
            "SystemCallErrorNumber=EPERM",
        ]);
    }
    Ok(unit.end(setting))
}

/// The daemon's.
pub(super) fn node(setting: &Setting<'_>) -> Result<String, Failure> {
    let recipe = &setting.recipes.node;
    let mut unit = Unit::new("AION-OS node: the kernel that agents run under");
    unit.line(&format!("Wants={}", setting.launcher));
    unit.line(&format!("After=network.target {}", setting.launcher));
    unit.line("");
    unit.service(setting, recipe)?;
    if setting.system {
        unit.user(recipe, "the daemon", "aion")?;
        unit.lines(&[
            // Not strict: people map folders that agents may write to.
            "ProtectSystem=full",
            "PrivateDevices=yes",
            "ProtectProc=invisible",
            "ProtectControlGroups=yes",
            "ProtectKernelModules=yes",
            "ProtectKernelTunables=yes",
            "ProtectKernelLogs=yes",
            "ProtectClock=yes",
            "ProtectHostname=yes",
            "RemoveIPC=yes",
        ]);
    }
    unit.lines(&[
        "TimeoutStopSec=90s",
        "LimitNOFILE=65536",
        "TasksMax=4096",
        "MemoryDenyWriteExecute=yes",
        "RestrictNamespaces=yes",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
        "RestrictRealtime=yes",
        "SystemCallFilter=@system-service",
        "SystemCallErrorNumber=EPERM",
    ]);
    Ok(unit.end(setting))
}

/// The gateway's: it reads what programs send, and reaches them and the node.
pub(super) fn gateway(setting: &Setting<'_>, recipe: &Recipe) -> Result<String, Failure> {
    let mut unit = Unit::new("AION-OS gateway: where programs of this machine ask agents");
    unit.line(&format!("After=network.target {}", setting.node));
    unit.line("");
    unit.service(setting, recipe)?;
    if setting.system {
        unit.user(recipe, "the gateway", "aion-gateway")?;
        unit.line(&format!(
            "ReadWritePaths={}",
            quoted(setting.home.gateway_run().as_path())?
        ));
        unit.lines(&[
            "ProtectSystem=strict",
            "ProtectHome=read-only",
            "PrivateDevices=yes",
            "ProtectProc=invisible",
            "ProtectControlGroups=yes",
            "ProtectKernelModules=yes",
            "ProtectKernelTunables=yes",
            "ProtectKernelLogs=yes",
            "ProtectClock=yes",
            "ProtectHostname=yes",
            "RemoveIPC=yes",
            // Its callers are on this machine, and the node is behind a socket.
            "IPAddressDeny=any",
            "IPAddressAllow=localhost",
        ]);
    }
    unit.lines(&[
        "TimeoutStopSec=30s",
        "LimitNOFILE=8192",
        "TasksMax=512",
        "MemoryDenyWriteExecute=yes",
        "RestrictNamespaces=yes",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
        "RestrictRealtime=yes",
        "SystemCallFilter=@system-service",
        "SystemCallErrorNumber=EPERM",
    ]);
    Ok(unit.end(setting))
}

struct Unit(String);

impl Unit {
    fn new(description: &str) -> Self {
        let mut unit = Self(String::new());
        unit.lines(&[
            "# Written by aionctl local start, and again by each start.",
            "[Unit]",
        ]);
        unit.line(&format!("Description={description}"));
        // It never gives up: where systemd cannot wait longer each time, it waits long from the first.
        unit.line("StartLimitIntervalSec=0");
        unit
    }

    fn line(&mut self, line: &str) {
        self.0 += line;
        self.0.push('\n');
    }

    fn lines(&mut self, lines: &[&str]) {
        lines.iter().for_each(|line| self.line(line));
    }

    fn service(&mut self, setting: &Setting<'_>, recipe: &Recipe) -> Result<(), Failure> {
        let mut command = vec![quoted(&recipe.path)?];
        for argument in &recipe.arguments {
            // What a path is not to be is a variable.
            command.push(quoted(Path::new(argument))?.replace('$', "$$"));
        }
        self.lines(&["[Service]", "Type=exec"]);
        self.line(&format!("ExecStart={}", command.join(" ")));
        self.line(&home_line(setting.home)?);
        for (name, value) in setting.variables {
            let assignment = format!("{name}={value}");
            self.line(&format!("Environment={}", quoted(Path::new(&assignment))?));
        }
        self.line("Restart=on-failure");
        match setting.version >= STEPS_SINCE {
            true => self.lines(&["RestartSec=1s", "RestartSteps=6", "RestartMaxDelaySec=60s"]),
            false => self.line("RestartSec=5s"),
        }
        self.lines(&[
            "UMask=0077",
            "NoNewPrivileges=yes",
            "LockPersonality=yes",
            "RestrictSUIDSGID=yes",
            "SystemCallArchitectures=native",
        ]);
        Ok(())
    }

    /// A system user without a capability.
    fn user(&mut self, recipe: &Recipe, program: &str, user: &str) -> Result<(), Failure> {
        let Some(name) = recipe.user.as_ref().and_then(|user| user.name.as_deref()) else {
            return Err(Failure::new(format!("systemd starts {program} as a user with a name, and this machine has no system user {user}"))
                .remedy(format!("make one: useradd --system --user-group --no-create-home --shell /usr/sbin/nologin {user} (install.sh does), or start with --service aionctl")));
        };
        self.line(&format!("User={name}"));
        self.line("CapabilityBoundingSet=");
        Ok(())
    }

    fn end(mut self, setting: &Setting<'_>) -> String {
        let target = match setting.system {
            true => "multi-user.target",
            false => "default.target",
        };
        self.lines(&["", "[Install]"]);
        self.line(&format!("WantedBy={target}"));
        self.0
    }
}

/// By this line a unit is known to be of this home.
pub(super) fn home_line(home: &Home) -> Result<String, Failure> {
    let home = format!("AION_HOME={}", home.root().display());
    Ok(format!("Environment={}", quoted(Path::new(&home))?))
}

/// One word of a unit, as systemd.syntax(7) and systemd.unit(5) take it.
fn quoted(word: &Path) -> Result<String, Failure> {
    let unfit = || {
        Failure::new("a unit cannot name that: it is not plain text")
            .at(word.display())
            .remedy("choose another folder, or start with --service aionctl")
    };
    let text = word.to_str().ok_or_else(unfit)?;
    if text.chars().any(char::is_control) {
        return Err(unfit());
    }
    let text = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('%', "%%");
    Ok(format!("\"{text}\""))
}

#[cfg(test)]
#[path = "unit_tests.rs"]
mod tests;
