//! The folders of the state, made or mended before anything of the node runs: root's, which the daemon may at most
//! read, and the daemon's and the gateway's, which root does not believe anything in. Also what a set-up of an earlier
//! version is made into, aloud.

use std::{
    fs, io,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
};

use aion_abi::gateway;
use aion_folders::{Folder, FolderError, Owner, Trust};

use super::node_user::{NodeUser, Users};
use crate::{context::Context, failure::Failure, home::Home};

/// Root's, with who may look into each. `launcher` has the socket in it that the daemon is let in by.
const OF_ROOT: [(&str, u32); 4] = [
    ("bundles", 0o2750),
    ("config", 0o2750),
    ("launcher", 0o711),
    ("service", 0o700),
];
/// The daemon's.
const OF_NODE: [&str; 5] = ["logs", "manifests", "run", "state", "store"];
/// Root's, with the token in it, which the gateway reads and cannot replace: root hands out what lies there.
const GATEWAY: (&str, u32) = (gateway::FOLDER, 0o750);
/// The gateway's, in there.
const GATEWAY_RUN: (&str, u32) = (gateway::RUN, 0o700);
/// The daemon's, with the socket in it that the gateway asks on: its group may enter, not look around.
const ASKING: (&str, u32) = ("asking", 0o2710);
/// What the daemon keeps in `config`, where it may not make a file, with the form of its random bytes.
const SECRETS: [(&str, Form); 3] = [
    ("node.secret", |random| random.to_vec()),
    ("admin.token", aion_folders::text),
    ("approver.token", aion_folders::text),
];
type Form = fn(&[u8; 32]) -> Vec<u8>;
/// Where keys for signing are, which the daemon has no business with.
const KEYS: &str = "keys";

/// Makes what is missing. Gives whom daemon and gateway run as, where that is not who starts them.
pub(super) fn prepare(
    context: &Context,
    home: &Home,
    node: &Path,
) -> Result<Option<Users>, Failure> {
    match home.trust() {
        Trust::Own => of_one_user(home).map(|()| None),
        Trust::Root => {
            let users = Users::find()?;
            none_from_before(home)?;
            for told in of_root(home, &users)? {
                context.note(&told);
            }
            reaches(home, &users.node, node)?;
            Ok(Some(users))
        }
    }
}

/// One user's node keeps everybody else out.
fn of_one_user(home: &Home) -> Result<(), Failure> {
    for folder in [home.root().to_owned(), home.run(), home.logs()] {
        fs::create_dir_all(&folder)
            .and_then(|()| fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)))
            .map_err(|why| Failure::io("use the state folder", &folder, &why))?;
    }
    Ok(())
}

/// A daemon of root's writes on where another user is to.
fn none_from_before(home: &Home) -> Result<(), Failure> {
    let runs = super::node(home)
        .running()
        .or_else(|| super::launcher(home).running());
    let is_before = || {
        let folder = Folder::open(home.root(), Trust::Root).ok()?;
        folder.owner_of("run").ok()?
    };
    match (runs, is_before()) {
        (Some(running), Some(0)) => Err(Failure::new(
            "the node runs as an earlier version started it: its daemon is root's",
        )
        .at(format!("pid {}", running.pid))
        .remedy("aionctl local stop, then aionctl local start: the daemon gets a user of its own")),
        _ => Ok(()),
    }
}

/// What was changed of a set-up that was there is told, a sentence each.
fn of_root(home: &Home, users: &Users) -> Result<Vec<String>, Failure> {
    let mut told = Vec::new();
    of_root_in(home.root(), users, &mut told).map_err(|why| unfit(home, &why))?;
    Ok(told)
}

fn of_root_in(root: &Path, users: &Users, told: &mut Vec<String>) -> Result<(), FolderError> {
    let user = &users.node;
    let (owner, group) = (user.owner, user.owner.group);
    let home = Folder::make(root, Trust::Root, 0o711)?;
    // Programs and what is shared lie in it; what is private is so by itself.
    home.set_mode(0o711)?;
    for (name, mode) in OF_ROOT {
        home.make_within(name, mode)?;
        if mode & 0o040 != 0 {
            home.give(name, 0, Some(group))?;
            home.within(name)?.set_mode(mode)?;
        }
    }
    earlier(&home, told)?;
    for name in OF_NODE {
        match home.owner_of(name)? {
            None => {
                home.make_within(name, 0o700)?;
                home.give(name, owner.user, Some(group))?;
            }
            Some(own) if own == owner.user => {}
            Some(before) => {
                if before == 0 {
                    // It lay in a folder that nobody else could enter.
                    home.within(name)?.set_mode(0o700)?;
                }
                let given = home.hand_over(name, before, owner)?;
                let files = if given == 1 {
                    "folder"
                } else {
                    "files and folders"
                };
                told.push(format!(
                    "{}/{name} was user {before}'s: {given} {files} belong to {user} now, whom the daemon runs as",
                    root.display()
                ));
            }
        }
    }
    let asking = Owner {
        group: users.gateway.owner.group,
        ..owner
    };
    given(&home, ASKING, asking)?;
    of_gateway(&home, users.gateway.owner)?;
    config(&home.within("config")?, user, told)?;
    home.share("bundles", group).map(drop)
}

/// The gateway's token, and the folder that it writes to.
fn of_gateway(home: &Folder, owner: Owner) -> Result<(), FolderError> {
    let (name, mode) = GATEWAY;
    let before = home.owner_of(name)?;
    if before.is_some() {
        home.give(name, 0, None)?;
    }
    let folder = home.make_within(name, mode)?;
    home.give(name, 0, Some(owner.group))?;
    if before.is_some_and(|user| user != 0) {
        // What another user could put there is not handed out.
        folder.remove(gateway::TOKEN)?;
        folder.remove(gateway::SERVING)?;
    }
    if folder.owner_of(gateway::TOKEN)?.is_none() {
        folder.secret(gateway::TOKEN, aion_folders::text)?;
    }
    folder.share(gateway::TOKEN, owner.group)?;
    let (run, mode) = GATEWAY_RUN;
    if folder.owner_of(run)? != Some(owner.user) {
        folder.make_within(run, mode)?;
    }
    folder.give(run, owner.user, Some(owner.group))
}

/// A folder of another user's, made where it is missing.
fn given(home: &Folder, (name, mode): (&str, u32), owner: Owner) -> Result<(), FolderError> {
    match home.owner_of(name)? {
        None => home.make_within(name, mode).map(drop)?,
        Some(own) if own == owner.user => {}
        Some(before) => home.hand_over(name, before, owner).map(drop)?,
    }
    home.give(name, owner.user, Some(owner.group))
}

/// What an earlier version had, when both programs were root's, where another user may write now.
fn earlier(home: &Folder, told: &mut Vec<String>) -> Result<(), FolderError> {
    // Only while the folder is root's, and so is everything that was put there.
    if home.owner_of("run")? == Some(0) {
        let (run, launcher) = (home.within("run")?, home.within("launcher")?);
        if let Some(before) = run.find("launcher")?
            && before.move_to("workers", &launcher, "workers")?
        {
            told.push("the launcher's records were moved from run/launcher to launcher".to_owned());
        }
        for left in run.names()? {
            // Pid files and sockets of programs that have ended.
            if left != "launcher" && left != "s" && left != "l" {
                run.remove(&left)?;
            }
        }
    }
    if home.owner_of("state")? == Some(0) {
        let (config, state) = (home.within("config")?, home.within("state")?);
        config.move_to("mounts.json", &state, "mounts.json")?;
    }
    if home.owner_of("logs")? == Some(0) {
        let (logs, service) = (home.within("logs")?, home.within("service")?);
        for name in ["aion-node.log", "aion-launcher.log"] {
            logs.move_to(name, &service, name)?;
        }
    }
    Ok(())
}

/// Settings are root's and the daemon reads them; its own secret is its own, and keys for signing are root's alone.
fn config(config: &Folder, user: &NodeUser, told: &mut Vec<String>) -> Result<(), FolderError> {
    config.make_within("secrets", 0o2750)?;
    let mut shared = 0;
    for name in config.names()? {
        let is_secret = SECRETS.iter().any(|(secret, _)| name == *secret);
        if name == KEYS {
            config.within(&name)?.set_mode(0o700)?;
        } else if !is_secret {
            shared += config.share(&name, user.owner.group)?;
        }
    }
    if shared > 0 {
        told.push(format!(
            "{user} may read what is in {} now, besides {KEYS}",
            config.path().display()
        ));
    }
    for (name, form) in SECRETS {
        if config.owner_of(name)?.is_none() {
            config.secret(name, form)?;
        }
        config.give(name, user.owner.user, Some(user.owner.group))?;
    }
    Ok(())
}

pub(super) fn unfit(home: &Home, why: &FolderError) -> Failure {
    let failure = Failure::new(why);
    match why {
        FolderError::NotRoots { .. } => failure.remedy(format!(
            "start the node of {} as the user whose it is, or name a folder of root's with --home",
            home.root().display()
        )),
        FolderError::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            failure.remedy(
                "root of this container may not give files to another user: start the container as an ordinary user",
            )
        }
        _ => failure,
    }
}

/// Whether the user gets at its folders and the program. Asked by doing it: access lists count too.
fn reaches(home: &Home, user: &NodeUser, node: &Path) -> Result<(), Failure> {
    let mut tried = Command::new(node);
    tried
        .arg("--version")
        .env_clear()
        .current_dir(home.root())
        .uid(user.owner.user)
        .gid(user.owner.group)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let why = match tried.status() {
        Ok(status) if status.success() => return Ok(()),
        Ok(status) => format!("{} --version ended with {status}", node.display()),
        Err(why) => why.to_string(),
    };
    let failure = Failure::new(format!("the daemon's user {user} cannot run here: {why}"));
    let closed = [home.root(), node]
        .into_iter()
        .flat_map(Path::ancestors)
        .find(|it| mode(it).is_some_and(|mode| mode & 0o001 == 0));
    Err(match closed {
        Some(closed) => failure.at(closed.display()).remedy(format!(
            "{} lets nobody else in: install to a folder that it can enter, as ./install.sh --local does by itself (/var/lib/aion), \
             or say another with --home",
            closed.display()
        )),
        None => failure
            .at(home.root().display())
            .remedy("look whether this container lets root change users; else start it as an ordinary user"),
    })
}

fn mode(path: &Path) -> Option<u32> {
    fs::metadata(path).ok().map(|it| it.permissions().mode())
}

#[cfg(test)]
#[path = "folders_tests.rs"]
mod tests;
