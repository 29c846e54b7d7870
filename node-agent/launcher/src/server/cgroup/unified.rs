//! Version 2: below which group workers get theirs. It gives controllers only to groups whose parent holds no process,
//! so the launcher's own group is divided, where it is the launcher's to divide, and else workers go beside it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Controller, PARENT, Version, make};

/// Where the processes of a divided group are.
const LEAF: &str = "aion-launcher";

/// The number that the kernel shows of a process which has none in the launcher's process-id namespace. Written, it
/// would be the launcher.
const ELSEWHERE: u32 = 0;

/// So often what forks meanwhile is moved after.
const ROUNDS: usize = 16;

/// What systemd writes on a group that is its service's to divide: the second from version 251 on, for all to read.
const DELEGATED: [&str; 2] = ["trusted.delegate", "user.delegate"];

/// Makes the group that workers' groups are made in, and gives it what controllers there are. `own` is the launcher's.
pub(super) fn parent(own: &Path) -> Result<PathBuf, String> {
    // A launcher that somebody of a divided group starts again is where that one was.
    let own = match own.parent() {
        Some(divided) if own.ends_with(LEAF) && is_group(divided) => divided,
        _ => own,
    };
    let held = processes(own)?;
    match whose(own, &held) {
        // Such a group may hold processes beside groups.
        Whose::Root => {}
        Whose::Launcher if held.is_empty() => {}
        Whose::Launcher if held.contains(&ELSEWHERE) => return Err(not_seen(own)),
        Whose::Launcher => move_all(own, &make(&own.join(LEAF))?)?,
        // What a group of others gives is theirs to say.
        Whose::Others => return made(beside(own)?),
    }
    give(own);
    made(own)
}

/// Makes it again where it was.
pub(super) fn again(parent: &Path) -> Result<PathBuf, String> {
    let above = parent.parent().unwrap_or(parent);
    // One that gives any controller is left as it is: it may be of others.
    if controllers(above).is_empty() {
        give(above);
    }
    made(above)
}

/// Makes the group of workers' groups below this one.
fn made(above: &Path) -> Result<PathBuf, String> {
    let parent = make(&above.join(PARENT))?;
    give(&parent);
    Ok(parent)
}

/// Has a group give all controllers to those below it. Judged one by one in `enabled`: one that is refused is not a
/// reason to go without the others.
fn give(group: &Path) {
    for controller in Controller::ALL {
        let word = format!("+{}", controller.name(Version::V2));
        let _ = fs::write(group.join("cgroup.subtree_control"), word);
    }
}

/// Whether the group that workers' groups are made in has a controller for them.
pub(super) fn enabled(parent: &Path, controller: Controller) -> Result<(), String> {
    if controllers(parent).contains(&controller) {
        return Ok(());
    }
    Err(format!(
        "the {} controller is not given to {}; {}",
        controller.name(Version::V2),
        parent.display(),
        REMEDY
    ))
}

/// What to do for a group that can be divided.
const REMEDY: &str = "start the launcher as a unit of systemd, or with its supervisor in a group of their own \
                      (systemd-run --user --scope -p Delegate=yes)";

/// Who may divide a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// It is the root of all, which may hold processes beside groups.
    Root,
    Launcher,
    Others,
}

/// That a group belongs to the launcher's user gives it nothing: a person's shell may be in it.
fn whose(own: &Path, held: &[u32]) -> Whose {
    if !own.join("cgroup.type").exists() {
        return Whose::Root;
    }
    let alone = held.iter().all(|pid| *pid == std::process::id());
    // The top of what is seen is a container's.
    let is_top = !own.parent().is_some_and(is_group);
    let given = is_top || DELEGATED.iter().any(|name| is_marked(own, name));
    match alone || given {
        true => Whose::Launcher,
        false => Whose::Others,
    }
}

fn is_group(folder: &Path) -> bool {
    folder.join("cgroup.procs").exists()
}

fn is_marked(group: &Path, name: &str) -> bool {
    let mut value = [0; 8];
    rustix::fs::getxattr(group, name, &mut value).is_ok_and(|length| &value[..length] == b"1")
}

/// The nearest group above that gives those below it most controllers, of those that the launcher may make groups in
/// and move processes to; nothing of it is changed.
fn beside(own: &Path) -> Result<&Path, String> {
    let above = own.ancestors().skip(1).take_while(|it| is_group(it));
    let above = above.filter(|it| may_write(it) && may_write(&it.join("cgroup.procs")));
    let mut best: Option<(usize, &Path)> = None;
    for group in above {
        let count = controllers(group).len();
        if best.is_none_or(|(most, _)| count > most) {
            best = Some((count, group));
        }
    }
    match best {
        Some((1.., group)) => Ok(group),
        _ => Err(format!(
            "{} holds processes of others and is not delegated, and no group above it that {} may use gives a controller \
             to those below; {REMEDY}",
            own.display(),
            match rustix::process::geteuid() {
                user if user.is_root() => "root".to_owned(),
                user => format!("user {}", user.as_raw()),
            }
        )),
    }
}

fn may_write(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

/// Those that a group gives to groups below it.
fn controllers(group: &Path) -> Vec<Controller> {
    let text = fs::read_to_string(group.join("cgroup.subtree_control")).unwrap_or_default();
    let given = |controller: &Controller| {
        text.split_whitespace()
            .any(|word| word == controller.name(Version::V2))
    };
    Controller::ALL.into_iter().filter(given).collect()
}

fn processes(group: &Path) -> Result<Vec<u32>, String> {
    let text = fs::read_to_string(group.join("cgroup.procs"))
        .map_err(|error| format!("cannot read the processes of {}: {error}", group.display()))?;
    let number = |line: &str| {
        let wrong = |_| format!("{} names a process {line:?}", group.display());
        line.parse().map_err(wrong)
    };
    text.lines().map(number).collect()
}

/// Moves all that a group holds into another.
fn move_all(from: &Path, to: &Path) -> Result<(), String> {
    let procs = to.join("cgroup.procs");
    for _ in 0..ROUNDS {
        let held = processes(from)?;
        if held.is_empty() {
            return Ok(());
        }
        if held.contains(&ELSEWHERE) {
            return Err(not_seen(from));
        }
        for pid in held {
            match fs::write(&procs, pid.to_string()) {
                // It ended meanwhile.
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                Err(error) => return Err(not_moved(pid, to, &error)),
                Ok(()) => {}
            }
        }
    }
    Err(format!(
        "{} holds processes still after {ROUNDS} tries to move them into {}",
        from.display(),
        to.display()
    ))
}

fn not_seen(group: &Path) -> String {
    format!(
        "{} holds processes of another process-id namespace, which cannot be moved from here; {REMEDY}",
        group.display()
    )
}

fn not_moved(pid: u32, to: &Path, error: &io::Error) -> String {
    format!("cannot move process {pid} into {}: {error}", to.display())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A group as files show it, with what it holds and what it gives.
    fn group(dir: &Path, holds: &str, gives: &str) {
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("cgroup.type"), "domain\n").unwrap();
        fs::write(dir.join("cgroup.procs"), holds).unwrap();
        fs::write(dir.join("cgroup.subtree_control"), gives).unwrap();
    }

    #[test]
    fn the_nearest_group_above_that_gives_most_is_taken() {
        let root = tempfile::tempdir().unwrap();
        let slice = root.path().join("user.slice");
        let own = slice.join("user-0.slice/session.scope");
        group(root.path(), "", "cpu memory pids\n");
        group(&slice, "", "memory cpu pids\n");
        group(&slice.join("user-0.slice"), "", "memory pids\n");
        group(&own, "1\n", "");
        assert_eq!(beside(&own).unwrap(), slice);
        let refused = beside(root.path()).unwrap_err();
        assert!(refused.contains("Delegate=yes"), "{refused}");
    }

    #[test]
    fn a_group_is_the_launchers_that_it_is_alone_in_or_that_is_all_it_sees() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("scope");
        let alone = std::process::id();
        group(&own, "", "");
        assert_eq!(whose(&own, &[alone]), Whose::Launcher);
        assert_eq!(whose(&own, &[alone, 1]), Whose::Launcher);
        // With a group above it, it is not all that is seen.
        group(root.path(), "", "");
        assert_eq!(whose(&own, &[alone]), Whose::Launcher);
        for other in [1, ELSEWHERE] {
            assert_eq!(whose(&own, &[alone, other]), Whose::Others);
        }
        fs::remove_file(own.join("cgroup.type")).unwrap();
        assert_eq!(whose(&own, &[alone, 1]), Whose::Root);
    }

    #[test]
    fn a_group_that_systemd_marked_is_the_launchers() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("scope");
        group(root.path(), "", "");
        group(&own, "", "");
        let mark = |value: &[u8]| {
            rustix::fs::setxattr(&own, DELEGATED[1], value, rustix::fs::XattrFlags::empty())
        };
        if let Err(error) = mark(b"0") {
            aion_testkit::skip(
                "extended attributes",
                &format!("of temporary files: {error}"),
            );
            return;
        }
        assert_eq!(whose(&own, &[1]), Whose::Others);
        mark(b"1").unwrap();
        assert_eq!(whose(&own, &[1]), Whose::Launcher);
    }

    #[test]
    fn a_process_of_another_namespace_is_told_and_nothing_is_moved() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("top");
        group(&own, "0\n1\n", "");
        let refused = parent(&own).unwrap_err();
        assert!(refused.contains("process-id namespace"), "{refused}");
        assert!(!own.join(LEAF).exists());
    }

    #[test]
    fn a_group_of_others_gives_no_more_than_before() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("session.scope");
        group(root.path(), "", "memory");
        group(&own, "1\n", "");
        let made = parent(&own).unwrap();
        assert_eq!(made, root.path().join(PARENT));
        fs::remove_dir_all(&made).unwrap();
        again(&made).unwrap();
        let gives = fs::read_to_string(root.path().join("cgroup.subtree_control"));
        assert_eq!(gives.unwrap(), "memory");
    }

    #[test]
    fn a_launcher_that_is_started_again_divides_the_group_of_the_one_before() {
        let root = tempfile::tempdir().unwrap();
        group(root.path(), "", "");
        group(&root.path().join(LEAF), "1\n", "");
        assert_eq!(
            parent(&root.path().join(LEAF)),
            Ok(root.path().join(PARENT))
        );
    }
}
