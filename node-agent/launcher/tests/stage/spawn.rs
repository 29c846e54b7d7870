//! The launcher's process: as whom it runs, in which cgroup, and behind what.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{example, launcher_program};

/// What a container engine leaves root by default.
const CONTAINED: &str = "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,\
                         +net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap";

/// The cgroup that a launcher starts in.
pub(crate) enum Within {
    /// The tests' own.
    Tests,
    Group(PathBuf),
    /// One that systemd makes for it to divide: root's, or the user's own manager's.
    Scope,
}

const SCOPE: [&str; 5] = ["--scope", "--quiet", "--collect", "-pDelegate=yes", "--"];

pub(super) fn spawn(
    folder: &Path,
    arguments: &[String],
    user: Option<u32>,
    contained: bool,
    within: &Within,
) -> Child {
    let socket = folder.join("s/launcher.sock");
    // In its group, and with something left open that no worker is to find.
    let mut command = Command::new("/bin/sh");
    command
        .args([
            "-c",
            r#"[ -z "$0" ] || echo $$ >"$0/cgroup.procs" || exit; exec "$@" 6</dev/null 7</dev/null"#,
        ])
        .arg(match within {
            Within::Group(group) => group,
            Within::Tests | Within::Scope => Path::new(""),
        });
    let in_scope = matches!(within, Within::Scope);
    match user {
        None if contained => {
            command
                .arg("setpriv")
                .arg(format!("--bounding-set={CONTAINED}"))
                .arg("--inh-caps=-all")
                .arg(example("contained"))
                .arg(launcher_program());
        }
        None => {
            if in_scope {
                command.arg("systemd-run").args(SCOPE);
            }
            command.arg(launcher_program());
        }
        Some(user) => {
            command
                .arg("setpriv")
                .arg(format!("--reuid={user}"))
                .arg(format!("--regid={user}"))
                .arg("--clear-groups");
            if in_scope {
                let folder = format!("XDG_RUNTIME_DIR=/run/user/{user}");
                command
                    .args(["env", &folder, "systemd-run", "--user"])
                    .args(SCOPE);
            }
            if contained {
                command.arg(folder.join("contained"));
            }
            command.arg(folder.join("aion-launcher"));
        }
    }
    command
        .args(["serve", "--socket"])
        .arg(&socket)
        .arg("--state")
        .arg(folder.join("state"))
        .args(arguments)
        .stdin(Stdio::null())
        .env("AION_LOG", "warn")
        .spawn()
        .unwrap()
}
