//! What a worker's own root is, from its mounts as the kernel lists them. Pure.

use aion_sandbox::confine::{DEVICES, PROCESSES, SCRATCH, SHARED_MEMORY};
use aion_sandbox::plan::What;

use crate::server::mountinfo::Mount;

/// What holds, or what is wrong: everything is read-only but what a root of this make may have to write to.
pub(super) fn judge(mountinfo: &str, shown: Option<&What>) -> Result<String, String> {
    let mounts: Option<Vec<_>> = mountinfo.lines().map(Mount::parse).collect();
    let mounts = mounts.ok_or("mountinfo cannot be read")?;
    let Some(root) = mounts.iter().rfind(|mount| mount.at == "/") else {
        return Err("mountinfo names no root".into());
    };
    let others: Vec<_> = mounts.iter().filter(|mount| mount.at != "/").collect();
    let wanted: &[&str] = match shown {
        Some(What::Image { .. }) => &["ro", "nosuid", "nodev"],
        Some(What::Machine { .. }) | None => &["ro"],
    };
    let made = matches!(shown, Some(What::Image { .. })) || root.kind == "tmpfs";
    if !made || !has_all(root, wanted) {
        return Err(format!("root is {} {}", root.kind, root.options));
    }
    match shown {
        None => bare(&others),
        Some(What::Machine { .. }) => {
            written(&others, &[SCRATCH])?;
            Ok(format!(
                "root is a read-only tmpfs with {} mounts, of which {SCRATCH} can be written",
                others.len()
            ))
        }
        Some(What::Image { .. }) => {
            written(&others, &[SCRATCH, SHARED_MEMORY])?;
            Ok(format!(
                "root is a read-only {} with {} mounts, of which {SCRATCH} and {SHARED_MEMORY} can be written, \
                 {PROCESSES} {}",
                root.kind,
                others.len(),
                processes(&others)
            ))
        }
    }
}

fn has_all(mount: &Mount<'_>, options: &[&str]) -> bool {
    options.iter().all(|option| mount.has(option))
}

/// Nothing but the folder of the socket, or nothing at all.
fn bare(others: &[&Mount<'_>]) -> Result<String, String> {
    let others: Vec<&str> = others.iter().map(|mount| mount.at).collect();
    match others[..] {
        [] => Ok("root is an empty read-only tmpfs".into()),
        [aion_abi::boot::SOCKET_FOLDER] => Ok(format!(
            "root is an empty read-only tmpfs with {}",
            aion_abi::boot::SOCKET_FOLDER
        )),
        _ => Err(format!("also mounted: {}", others.join(", "))),
    }
}

/// Whether only `places` can be written to, with no programs or devices there, and devices.
fn written(others: &[&Mount<'_>], places: &[&str]) -> Result<(), String> {
    let fits = |mount: &Mount<'_>| match mount.has("ro") {
        true => true,
        false if places.contains(&mount.at) => has_all(mount, &["nosuid", "nodev", "noexec"]),
        false => DEVICES.contains(&mount.at),
    };
    let wrong: Vec<&str> = (others.iter().filter(|mount| !fits(mount)))
        .map(|mount| mount.at)
        .collect();
    match wrong[..] {
        [] => Ok(()),
        _ => Err(format!("can be written: {}", wrong.join(", "))),
    }
}

/// How much of its own processes it sees.
fn processes(others: &[&Mount<'_>]) -> &'static str {
    let found = others.iter().rfind(|mount| mount.at == PROCESSES);
    match found.filter(|mount| mount.kind == "proc") {
        Some(mount) if mount.of_all.contains("subset=pid") => {
            "has its own processes and nothing of the machine"
        }
        Some(_) => "has its own processes",
        None => "is empty",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> What {
        What::Machine {
            program: "/usr/bin/true".into(),
        }
    }

    fn image() -> What {
        What::Image {
            files: "/x".into(),
            scratch_bytes: 1,
        }
    }

    #[test]
    fn a_root_with_anything_else_in_it_is_not_empty() {
        let socket = "61 60 0:5 /s/7 /run ro - tmpfs tmpfs rw\n";
        let root = "60 60 0:41 / / ro,nosuid,nodev - tmpfs tmpfs rw,size=64k\n";
        let proc = "62 60 0:9 / /proc rw - proc proc rw\n";
        let host = "22 1 254:1 / / rw,relatime - ext4 /dev/vda rw\n";
        let writable = "60 60 0:41 / / rw,nosuid - tmpfs tmpfs rw\n";
        assert!(judge(&format!("{root}{socket}"), None).is_ok());
        for wrong in [
            format!("{root}{socket}{proc}"),
            format!("{host}{socket}"),
            format!("{writable}{socket}"),
            String::new(),
            "what is this".into(),
        ] {
            assert!(judge(&wrong, None).is_err(), "{wrong}");
        }
        assert!(judge(root, None).is_ok());
    }

    #[test]
    fn a_tool_is_shown_nothing_that_it_could_write() {
        let own = "60 60 0:41 / / ro,nosuid,nodev - tmpfs tmpfs rw\n\
                   61 60 0:5 / /tmp rw,nosuid,nodev,noexec - tmpfs tmpfs rw\n\
                   62 60 0:6 /null /dev/null rw,nosuid - devtmpfs udev rw\n";
        let read = "63 60 254:1 /usr /usr ro,relatime - ext4 /dev/vda rw\n";
        let written = "64 60 254:1 /home/me /home/me rw - ext4 /dev/vda rw\n";
        assert!(judge(&format!("{own}{read}"), Some(&machine())).is_ok());
        let why = judge(&format!("{own}{read}{written}"), Some(&machine()));
        assert_eq!(why, Err("can be written: /home/me".into()));
    }

    #[test]
    fn of_an_images_root_only_its_scratch_is_written_and_nothing_there_is_executed() {
        let root = "60 60 254:1 /i /  ro,nosuid,nodev - ext4 /dev/vda rw\n".replace("  ", " ");
        let scratch = "61 60 0:5 /tmp /tmp rw,nosuid,nodev,noexec - tmpfs tmpfs rw\n\
                       62 60 0:5 /shm /dev/shm rw,nosuid,nodev,noexec - tmpfs tmpfs rw\n";
        let of = |lines: &str| judge(&format!("{root}{lines}"), Some(&image()));
        for (proc, said) in [
            (
                "63 60 0:9 / /proc ro - proc proc rw\n",
                "/proc has its own processes",
            ),
            (
                "63 60 0:9 / /proc ro - proc proc rw,subset=pid\n",
                "/proc has its own processes and nothing of the machine",
            ),
            ("63 60 0:9 / /proc ro - tmpfs tmpfs rw\n", "/proc is empty"),
        ] {
            let evidence = of(&format!("{scratch}{proc}")).unwrap_or_default();
            assert!(evidence.ends_with(said), "{evidence}");
        }
        for (wrong, said) in [
            (
                "61 60 0:5 / /tmp rw,nosuid,nodev - tmpfs tmpfs rw\n",
                "/tmp",
            ),
            (
                "61 60 0:5 / /run rw,nosuid,nodev,noexec - tmpfs tmpfs rw\n",
                "/run",
            ),
            ("61 60 0:5 / /proc rw - proc proc rw\n", "/proc"),
        ] {
            assert_eq!(of(wrong), Err(format!("can be written: {said}")));
        }
        let devices = "60 60 254:1 /i / ro,nosuid - ext4 /dev/vda rw\n";
        assert!(judge(devices, Some(&image())).is_err());
    }
}
