//! Whom the daemon and the gateway run as where root starts the node. They parse what models, registries, tools and
//! programs write: whatever takes one over must be a user that owns nothing else on the machine, the other's neither.

use std::fs;

use aion_folders::Owner;

use crate::failure::Failure;

/// The system user of a program, which `install.sh` makes.
#[derive(Debug, Clone, Copy)]
struct Role {
    name: &'static str,
    what: &'static str,
    /// Where there is no such user: numbers that nobody gives out.
    numbers: [u32; 2],
}

/// The first of the numbers lies beside those of the launcher's workers,
/// in a range that systemd's table of users leaves unused; the second is for a container that has 65,536 users.
const NODE: Role = Role {
    name: "aion",
    what: "the daemon",
    numbers: [0x7000_1000, 65_533],
};
const GATEWAY: Role = Role {
    name: "aion-gateway",
    what: "the gateway",
    numbers: [0x7000_1001, 65_532],
};

/// Both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Users {
    pub(super) node: NodeUser,
    pub(super) gateway: NodeUser,
}

/// A user without other rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NodeUser {
    pub(super) owner: Owner,
    /// Its name, where it has one.
    pub(super) name: Option<String>,
}

impl Users {
    /// The system users of this machine, or numbers that are nobody's.
    pub(super) fn find() -> Result<Self, Failure> {
        let read = |path: &str| {
            fs::read_to_string(path)
                .map_err(|why| Failure::io("look for a user", path.as_ref(), &why))
        };
        let (passwd, uid_map) = (read("/etc/passwd")?, read("/proc/self/uid_map")?);
        let user = |role: Role| {
            choose(role, &passwd, &uid_map).ok_or_else(|| {
                Failure::new(format!(
                    "this machine has no user that {} can run as: it is not to be root's",
                    role.what
                ))
                .at("/proc/self/uid_map")
                .remedy("start the container as an ordinary user, or give it more users")
            })
        };
        Ok(Self {
            node: user(NODE)?,
            gateway: user(GATEWAY)?,
        })
    }
}

impl std::fmt::Display for NodeUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => self.owner.user.fmt(f),
        }
    }
}

fn choose(role: Role, passwd: &str, uid_map: &str) -> Option<NodeUser> {
    let system = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, user, group, .., shell] = fields[..] else {
            return None;
        };
        // One who logs in is a person of that name.
        let logs_in = !["nologin", "false"].iter().any(|it| shell.ends_with(it));
        let (user, group) = (user.parse().ok()?, group.parse().ok()?);
        (name == role.name && !logs_in && user != 0 && exists(uid_map, user)).then(|| NodeUser {
            owner: Owner { user, group },
            name: Some(name.to_owned()),
        })
    });
    system.or_else(|| {
        let free = |number: &u32| exists(uid_map, *number) && !is_taken(passwd, *number);
        let number = role.numbers.into_iter().find(free)?;
        Some(NodeUser {
            owner: Owner {
                user: number,
                group: number,
            },
            name: None,
        })
    })
}

fn is_taken(passwd: &str, user: u32) -> bool {
    let number = user.to_string();
    passwd
        .lines()
        .any(|line| line.split(':').nth(2) == Some(number.as_str()))
}

/// Whether this process's user namespace holds a user (user_namespaces(7)).
fn exists(uid_map: &str, user: u32) -> bool {
    uid_map.lines().any(|line| {
        let mut numbers = line.split_whitespace().map(|it| it.parse::<u64>().ok());
        let (Some(Some(from)), _, Some(Some(count))) =
            (numbers.next(), numbers.next(), numbers.next())
        else {
            return false;
        };
        (from..from + count).contains(&u64::from(user))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: [u32; 2] = NODE.numbers;
    const ALL: &str = "         0          0 4294967295\n";
    const CONTAINER: &str = "         0     100000      65536\n";
    const ROOT: &str = "root:x:0:0:root:/root:/bin/bash\n";

    fn user(passwd: &str, map: &str) -> Option<(Option<String>, u32, u32)> {
        let chosen = choose(NODE, &format!("{ROOT}{passwd}"), map)?;
        Some((chosen.name, chosen.owner.user, chosen.owner.group))
    }

    #[test]
    fn the_system_user_is_taken_and_a_person_of_that_name_is_not() {
        let system = "aion:x:998:997::/var/lib/aion:/usr/sbin/nologin\n";
        assert_eq!(user(system, ALL), Some((Some("aion".into()), 998, 997)));
        let person = "aion:x:1000:1000:Aion:/home/aion:/bin/bash\n";
        assert_eq!(user(person, ALL), Some((None, NUMBERS[0], NUMBERS[0])));
        let root = "aion:x:0:0::/:/usr/sbin/nologin\n";
        assert_eq!(user(root, ALL), Some((None, NUMBERS[0], NUMBERS[0])));
    }

    #[test]
    fn a_number_is_taken_that_exists_and_is_nobodys() {
        assert_eq!(user("", CONTAINER), Some((None, NUMBERS[1], NUMBERS[1])));
        let taken = format!("x:x:{}:1::/:/bin/false\n", NUMBERS[0]);
        assert_eq!(user(&taken, ALL), Some((None, NUMBERS[1], NUMBERS[1])));
        assert_eq!(user("", "0 1000 1\n"), None);
        let system = "aion:x:998:997::/:/bin/false\naion-gateway:x:996:995::/:/bin/false\n";
        let gateway = choose(GATEWAY, system, ALL);
        assert_eq!(gateway.map(|it| it.owner.user), Some(996));
        let another = choose(GATEWAY, "", CONTAINER).map(|it| it.owner.user);
        assert_ne!(another, Some(NUMBERS[1]), "the daemon's");
    }
}
