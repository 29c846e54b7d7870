//! The launcher's process: as whom it runs, in which cgroup, and behind what.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{example, launcher_program};

/// What a container engine leaves root by default.
const CONTAINED: &str = "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,\
                         +net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap";

pub(super) fn spawn(
    folder: &Path,
    arguments: &[String],
    user: Option<u32>,
    contained: bool,
    group: Option<&Path>,
) -> Child {
    let socket = folder.join("s/launcher.sock");
    // In its group, and with something left open that no worker is to find.
    let mut command = Command::new("/bin/sh");
    command
        .args([
            "-c",
            r#"[ -z "$0" ] || echo $$ >"$0/cgroup.procs" || exit; exec "$@" 6</dev/null 7</dev/null"#,
        ])
        .arg(group.unwrap_or(Path::new("")));
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
            command.arg(launcher_program());
        }
        Some(user) => {
            command
                .arg("setpriv")
                .arg(format!("--reuid={user}"))
                .arg(format!("--regid={user}"))
                .arg("--clear-groups");
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
