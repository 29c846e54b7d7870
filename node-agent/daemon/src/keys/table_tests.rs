//! Keys from the making to the end, and what is on the disk of them.
#![allow(clippy::unwrap_used)]

use aion_abi::key::Scope;

use super::*;

fn wanted(name: &str) -> NewKey {
    NewKey {
        name: name.to_owned(),
        scope: Scope {
            namespace: "home".to_owned(),
            agents: vec!["helper".to_owned()],
            labels: BTreeMap::new(),
        },
        doors: Vec::new(),
        may: Vec::new(),
        expires_ms: clock::date().plus(3_600_000),
        requests_per_minute: None,
        tokens_per_hour: None,
    }
}

fn open(home: &tempfile::TempDir) -> Keys {
    let file = home.path().join("keys.json");
    Keys::open(file, Clock::behind(None), Issuers::default()).unwrap()
}

fn code(refused: Result<Held, Problem>) -> String {
    refused.unwrap_err().detail
}

#[test]
fn a_key_is_known_after_a_restart_and_is_in_no_file() {
    let home = tempfile::tempdir().unwrap();
    let made = open(&home).make(wanted("notes")).unwrap();
    let keys = open(&home);
    let holder = keys.of_key(&made.secret).unwrap();
    assert_eq!(
        (holder.name.as_str(), &holder.id),
        ("the key notes", &made.key.id)
    );
    assert!(holder.covers("home", "helper", BTreeMap::new));
    assert!(!holder.covers("office", "helper", BTreeMap::new));
    let file = fs::read_to_string(home.path().join("keys.json")).unwrap();
    assert!(!file.contains(&made.secret[5..20]), "{file}");
    assert!(!format!("{made:?} {keys:?}").contains(&made.secret[5..20]));
}

#[test]
fn who_has_none_is_told_why() {
    let home = tempfile::tempdir().unwrap();
    let keys = open(&home);
    let made = keys.make(wanted("notes")).unwrap();
    let cut = &made.secret[..40];
    assert!(code(keys.of_key(cut)).contains("mistyped"));
    assert!(code(keys.of_key(&key::key(&[7; 22]))).contains("does not exist"));
    assert!(code(keys.of_key("")).contains("does not exist"));
    keys.0
        .table
        .lock()
        .keys
        .get_mut("notes")
        .unwrap()
        .key
        .made
        .expires_ms = UnixMillis(1);
    assert!(code(keys.of_key(&made.secret)).contains("expired"));
    keys.revoke("notes").unwrap();
    assert!(code(keys.of_key(&made.secret)).contains("does not exist"));
    assert!(code(open(&home).of_key(&made.secret)).contains("does not exist"));
    assert!(matches!(keys.revoke("notes"), Err(KeyError::Refused(_))));
}

#[test]
fn one_of_a_name_that_was_there_before_is_another() {
    let home = tempfile::tempdir().unwrap();
    let keys = open(&home);
    let first = keys.make(wanted("notes")).unwrap();
    let twice = keys.make(wanted("notes"));
    assert!(matches!(twice, Err(KeyError::Refused(it)) if it.code == Code::AlreadyExists));
    keys.revoke("notes").unwrap();
    let second = keys.make(wanted("notes")).unwrap();
    assert_ne!(first.key.id, second.key.id);
    assert!(keys.of_key(&first.secret).is_err());
}

#[test]
fn the_last_use_is_known_to_the_minute_and_written_apart() {
    let home = tempfile::tempdir().unwrap();
    let keys = open(&home);
    let made = keys.make(wanted("notes")).unwrap();
    assert_eq!(keys.get("notes").unwrap().used_ms, None);
    keys.of_key(&made.secret).unwrap();
    let used = keys.get("notes").unwrap().used_ms.unwrap();
    assert_eq!(used.0 % MINUTE_MS, 0);
    assert_eq!(open(&home).get("notes").unwrap().used_ms, None);
    keys.keep_used().unwrap();
    assert_eq!(open(&home).get("notes").unwrap().used_ms, Some(used));
}

#[test]
fn keys_are_bounded_and_those_that_expired_make_room() {
    let home = tempfile::tempdir().unwrap();
    let keys = open(&home);
    let one = keys.make(wanted("first")).unwrap().key;
    {
        let mut table = keys.0.table.lock();
        for at in 1..MOST {
            let mut key = one.clone();
            key.made.name = format!("k{at}");
            let kept = Kept {
                digest: String::new(),
                key,
            };
            table.keys.insert(format!("k{at}"), kept);
        }
    }
    let full = keys.make(wanted("more"));
    assert!(matches!(full, Err(KeyError::Refused(it)) if it.code == Code::Overloaded));
    keys.0
        .table
        .lock()
        .keys
        .get_mut("k1")
        .unwrap()
        .key
        .made
        .expires_ms = UnixMillis(1);
    assert!(keys.make(wanted("more")).is_ok());
}

#[test]
fn what_can_be_no_key_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let keys = open(&home);
    let changes: [fn(&mut NewKey); 8] = [
        |it| it.name = "Größe".to_owned(),
        |it| it.scope.namespace.clear(),
        |it| it.scope.agents.clear(),
        |it| it.scope.agents = vec![String::new()],
        |it| it.expires_ms = UnixMillis(1),
        |it| it.requests_per_minute = Some(0),
        |it| it.tokens_per_hour = Some(0),
        |it| it.tokens_per_hour = Some(key::MAX_TOKENS + 1),
    ];
    for change in changes {
        let mut key = wanted("notes");
        change(&mut key);
        let refused = keys.make(key.clone());
        assert!(matches!(refused, Err(KeyError::Refused(_))), "{key:?}");
    }
    assert!(keys.list().items.is_empty());
}

#[test]
fn what_a_key_says_of_itself_is_bounded() {
    let home = tempfile::tempdir().unwrap();
    let keys = open(&home);
    let refused = |change: fn(&mut NewKey)| {
        let mut wanted = wanted("notes");
        change(&mut wanted);
        keys.make(wanted).unwrap_err().to_string()
    };
    let doors = refused(|it| it.doors = vec![key::Door::Rest; 2]);
    assert!(doors.contains("twice"), "{doors}");
    let may = refused(|it| it.may = vec![key::Right::Serve; 2]);
    assert!(may.contains("twice"), "{may}");
    for (name, value) in [
        ("", "x"),
        ("x", &*"x".repeat(254)),
        (&*"x".repeat(318), "x"),
    ] {
        let mut wanted = wanted("notes");
        wanted.scope.labels = [(name.to_owned(), value.to_owned())].into();
        let label = keys.make(wanted).unwrap_err().to_string();
        assert!(label.contains("label"), "{label}");
    }
}

#[test]
fn a_key_is_known_while_another_is_written() {
    let home = tempfile::tempdir().unwrap();
    let keys = open(&home);
    let made = keys.make(wanted("notes")).unwrap();
    let other = wanted("other");
    // Inside of a change a lock that is held would be waited for without end.
    keys.change(|all| {
        assert!(keys.of_key(&made.secret).is_ok());
        let kept = all["notes"].clone();
        assert!(kept.key.used_ms.is_none());
        all.insert(
            other.name.clone(),
            Kept {
                digest: String::new(),
                ..kept
            },
        );
        Ok(())
    })
    .unwrap();
    assert!(keys.get("other").is_some());
    assert!(
        keys.get("notes").unwrap().used_ms.is_some(),
        "that is not lost"
    );
}
