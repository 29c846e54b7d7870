//! Whom the daemon runs as where root starts the node. It parses what models, registries and tools write: whatever
//! takes it over must be a user that owns nothing else on the machine.

use std::fs;

use aion_folders::Owner;

use crate::failure::Failure;

/// The system user that `install.sh` makes.
const NAME: &str = "aion";
/// Where there is no such user: numbers that nobody gives out. The first lies beside those of the launcher's workers,
/// in a range that systemd's table of users leaves unused; the second is for a container that has 65,536 users.
const NUMBERS: [u32; 2] = [0x7000_1000, 65_533];

/// A user without other rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NodeUser {
    pub(super) owner: Owner,
    /// Its name, where it has one.
    pub(super) name: Option<String>,
}

impl NodeUser {
    /// The user `aion` of this machine, or a number that is nobody's.
    pub(super) fn find() -> Result<Self, Failure> {
        let read = |path: &str| {
            fs::read_to_string(path)
                .map_err(|why| Failure::io("look for a user", path.as_ref(), &why))
        };
        choose(&read("/etc/passwd")?, &read("/proc/self/uid_map")?).ok_or_else(|| {
            Failure::new(
                "this machine has no user that the daemon can run as: it is not to be root's",
            )
            .at("/proc/self/uid_map")
            .remedy("start the container as an ordinary user, or give it more users")
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

fn choose(passwd: &str, uid_map: &str) -> Option<NodeUser> {
    let system = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, user, group, .., shell] = fields[..] else {
            return None;
        };
        // One who logs in is a person of that name.
        let logs_in = !["nologin", "false"].iter().any(|it| shell.ends_with(it));
        let (user, group) = (user.parse().ok()?, group.parse().ok()?);
        (name == NAME && !logs_in && user != 0 && exists(uid_map, user)).then(|| NodeUser {
            owner: Owner { user, group },
            name: Some(name.to_owned()),
        })
    });
    system.or_else(|| {
        let free = |number: &u32| exists(uid_map, *number) && !is_taken(passwd, *number);
        let number = NUMBERS.into_iter().find(free)?;
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

    const ALL: &str = "         0          0 4294967295\n";
    const CONTAINER: &str = "         0     100000      65536\n";
    const ROOT: &str = "root:x:0:0:root:/root:/bin/bash\n";

    fn user(passwd: &str, map: &str) -> Option<(Option<String>, u32, u32)> {
        let chosen = choose(&format!("{ROOT}{passwd}"), map)?;
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
    }
}
