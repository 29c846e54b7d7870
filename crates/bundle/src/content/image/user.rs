//! Who the program of an image is, by the image's own lists. What may not enter: the users of this machine.

use serde::{Deserialize, Serialize};

/// Whom an image's program runs as, within the image. Root here has none of root's rights.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ImageUser {
    /// The user's number.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
}

/// The largest number, as runtimes have it.
const MAX_ID: u32 = i32::MAX as u32;

/// The user that an image's configuration names: `USER` or `USER:GROUP`, names or numbers; root where it names none.
/// `passwd` and `group` are the image's lists. Gives the word that is in neither, where one is not.
pub(crate) fn find(named: &str, passwd: &[u8], group: &[u8]) -> Result<ImageUser, String> {
    let (user, of_group) = match named.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|it| !it.is_empty())),
        None => (named, None),
    };
    let user = match user {
        "" => "0",
        other => other,
    };
    let lines = || String::from_utf8_lossy(passwd).into_owned();
    // NAME:PASSWORD:UID:GID:…
    let listed = |is: &dyn Fn(&str, u32) -> bool| {
        lines().lines().find_map(|line| {
            let mut fields = line.split(':');
            let (name, uid, gid) = (fields.next()?, fields.nth(1)?, fields.next()?);
            let (uid, gid) = (number(uid)?, number(gid)?);
            is(name, uid).then_some(ImageUser { uid, gid })
        })
    };
    let unknown = |word: &str| word.escape_debug().to_string();
    let mut found = match number(user) {
        Some(uid) => listed(&|_, other| other == uid).unwrap_or(ImageUser { uid, gid: 0 }),
        None => listed(&|name, _| name == user).ok_or_else(|| unknown(user))?,
    };
    if let Some(wanted) = of_group {
        found.gid = match number(wanted) {
            Some(gid) => gid,
            None => String::from_utf8_lossy(group)
                .lines()
                .find_map(|line| {
                    let mut fields = line.split(':');
                    let (name, gid) = (fields.next()?, fields.nth(1)?);
                    (name == wanted).then(|| number(gid)).flatten()
                })
                .ok_or_else(|| unknown(wanted))?,
        };
    }
    Ok(found)
}

fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits
        .then(|| text.parse().ok())
        .flatten()
        .filter(|it| *it <= MAX_ID)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_are_those_of_the_image() {
        let passwd = b"root:x:0:0:root:/root:/bin/sh\nbroken\n#c\napp:x:1000:1001::/:\nbig:x:4294967295:0::/:\n";
        let group = b"root:x:0:\nstaff:x:50:app\n\xff:x:7:\n";
        let check = |named: &str, expect: Result<(u32, u32), &str>| {
            let found = find(named, passwd, group);
            let found = found
                .as_ref()
                .map(|it| (it.uid, it.gid))
                .map_err(String::as_str);
            assert_eq!(found, expect, "{named}");
        };
        check("", Ok((0, 0)));
        check("root", Ok((0, 0)));
        check("app", Ok((1000, 1001)));
        check("1000", Ok((1000, 1001)));
        check("1234", Ok((1234, 0)));
        check("1234:5", Ok((1234, 5)));
        check("app:staff", Ok((1000, 50)));
        check("app:", Ok((1000, 1001)));
        check(":staff", Ok((0, 50)));
        check("nobody", Err("nobody"));
        check("app:nobody", Err("nobody"));
        check("big", Err("big"));
        check("4294967295", Err("4294967295"));
        check("2147483648", Err("2147483648"));
        check("-1", Err("-1"));
        check("a\x1b[2J", Err("a\\u{1b}[2J"));
    }

    #[test]
    fn an_image_without_lists_has_numbers_only() {
        assert_eq!(
            find("65532:65532", b"", b""),
            Ok(ImageUser {
                uid: 65532,
                gid: 65532
            })
        );
        assert!(find("root", b"", b"").is_err());
    }
}
