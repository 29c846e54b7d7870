//! How the gateway stands: whether there is one, where it serves, and how programs get there.

use std::path::Path;

use aion_abi::gateway::{SERVING, Serving};
use aion_folders::{Folder, Trust};

use super::service::{By, Standing, word};
use crate::home::Home;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Gateway {
    /// Nobody wanted one.
    Off,
    /// It is to run, and does not.
    Ended,
    /// It does not listen yet, or never will.
    Starts,
    Serves(Serving),
}

impl Gateway {
    /// Looks.
    pub(super) fn find(home: &Home, standing: &Standing) -> Self {
        let program = super::gateway(home);
        let by_hand = program.running().map(|it| it.pid);
        let (pid, wanted) = match &standing.by {
            By::Systemd { gateway, .. } => (
                by_hand.or(gateway.as_ref().and_then(|it| it.pid)),
                gateway.is_some(),
            ),
            By::Aionctl(_, told) => (
                by_hand,
                told.as_ref()
                    .is_none_or(|it| it.programs.contains_key(program.name)),
            ),
            By::Nobody => (by_hand, program.is_noted()),
        };
        match pid {
            Some(pid) => serving(home, pid).map_or(Self::Starts, Self::Serves),
            None if wanted => Self::Ended,
            None => Self::Off,
        }
    }

    pub(super) fn url(&self) -> Option<String> {
        match self {
            Self::Serves(serving) => Some(serving.url()),
            Self::Off | Self::Ended | Self::Starts => None,
        }
    }
}

/// Where the gateway that is process `pid` says that it serves. It may be another user's word: an address of this machine,
/// where it cannot send who asks elsewhere, and no more than that.
pub(super) fn serving(home: &Home, pid: i32) -> Option<Serving> {
    let folder = Folder::open(&home.gateway_run(), Trust::Own).ok()?;
    let told: Serving = serde_json::from_slice(&folder.read(SERVING).ok()??).ok()?;
    (i32::try_from(told.pid) == Ok(pid) && told.address.ip().is_loopback()).then_some(told)
}

/// What a shell is told, so that OpenAI's clients find it.
pub(super) fn variables(url: &str, token: &Path) -> String {
    let token = word(&token.to_string_lossy());
    format!("export OPENAI_BASE_URL={url} OPENAI_API_KEY=$(cat {token})")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    #[test]
    fn a_gateway_is_believed_an_address_of_this_machine_alone() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::find(Some(folder.path())).unwrap();
        fs::create_dir_all(home.gateway_run()).unwrap();
        let says = |address: &str| {
            let told = serde_json::json!({"pid": 7, "address": address});
            fs::write(home.gateway_run().join(SERVING), told.to_string()).unwrap();
        };
        for own in ["127.0.0.1:8421", "[::1]:8421"] {
            says(own);
            assert_eq!(serving(&home, 7).unwrap().url(), format!("http://{own}/v1"));
            // Of one that was killed.
            assert_eq!(serving(&home, 8), None);
        }
        for elsewhere in ["192.0.2.1:8421", "0.0.0.0:8421", "[2001:db8::1]:8421"] {
            says(elsewhere);
            assert_eq!(serving(&home, 7), None, "{elsewhere}");
        }
    }
}
