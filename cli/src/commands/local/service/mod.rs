//! Who starts the node again when it ends, and when the machine comes up: systemd where it is there, else a supervisor
//! that is aionctl itself, or nobody where a person wants that.

mod boot;
mod pace;
mod report;
mod supervisor;
mod systemd;
mod unit;

use clap::ValueEnum;

pub(super) use boot::{AtBoot, word};
pub(super) use report::{Kept, Told, told};
pub(super) use supervisor::run as supervise;
pub(super) use systemd::{Shown, Systemd};

use crate::{failure::Failure, home::Home, process::Running};

/// Who is to do it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Wanted {
    /// systemd where it runs this machine, else aionctl
    #[default]
    Auto,
    /// Units of systemd
    Systemd,
    /// A supervisor of AION-OS's own: `aionctl local supervise` in the background
    Aionctl,
}

/// Who does it.
#[derive(Debug, Clone)]
pub(super) enum Service {
    Systemd(Systemd),
    Aionctl,
    Nobody,
}

impl Service {
    /// As a person wants it; `None` is without one.
    pub(super) fn choose(home: &Home, wanted: Option<Wanted>) -> Result<Self, Failure> {
        let units = Systemd::of(home);
        match (wanted, units) {
            (None, _) => Ok(Self::Nobody),
            (Some(Wanted::Auto), Some(units)) if units.is_there() => Ok(Self::Systemd(units)),
            (Some(Wanted::Systemd), Some(units)) if units.answers() => Ok(Self::Systemd(units)),
            (Some(Wanted::Systemd), _) => Err(Failure::new("systemd does not answer")
                .at("systemctl")
                .remedy("log in as this user, or start with --service aionctl")),
            (Some(Wanted::Auto | Wanted::Aionctl), _) => Ok(Self::Aionctl),
        }
    }
}

/// How it stands, whatever was wanted.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) by: By,
    pub(super) at_boot: AtBoot,
}

/// Who watches the programs now, and what that one tells.
#[derive(Debug)]
pub(super) enum By {
    Systemd {
        units: Box<Systemd>,
        node: Shown,
        launcher: Shown,
        /// Where one is installed.
        gateway: Option<Box<Shown>>,
    },
    Aionctl(Running, Option<Told>),
    Nobody,
}

impl By {
    /// Whether the node is started again when it has ended.
    pub(super) fn starts_again(&self) -> bool {
        match self {
            Self::Systemd { node, .. } => matches!(&*node.state, "active" | "activating"),
            Self::Aionctl(..) => true,
            Self::Nobody => false,
        }
    }
}

impl Standing {
    /// Looks.
    pub(super) fn find(home: &Home) -> Self {
        if let Some(units) = Systemd::of(home).filter(Systemd::is_installed) {
            let (node, launcher) = (units.show(&units.node), units.show(&units.launcher));
            let shown = || Box::new(units.show(&units.gateway));
            let gateway = units.has_gateway().then(shown);
            let at_boot = match (node.enabled, units.lingers()) {
                (true, true) => AtBoot::Yes("systemd".to_owned()),
                (true, false) => AtBoot::No(
                    "it starts when you log in and ends when you log out; to have it from boot on: loginctl enable-linger"
                        .to_owned(),
                ),
                (false, _) => AtBoot::No("the unit is not enabled: aionctl local start".to_owned()),
            };
            return Self {
                by: By::Systemd {
                    units: Box::new(units),
                    node,
                    launcher,
                    gateway,
                },
                at_boot,
            };
        }
        let by = match super::supervisor(home).running() {
            Some(running) => {
                let told = told(home, &running);
                By::Aionctl(running, told)
            }
            None => By::Nobody,
        };
        Self {
            by,
            at_boot: boot::find(home),
        }
    }
}
