//! Whether a node that runs was started with the settings that a start would give it now. A node reads them once.

use std::{collections::BTreeMap, env, fs, path::Path};

use aion_abi::date::UnixMillis;

use crate::failure::Failure;

/// Variables that aion-node reads and a start hands on.
pub(super) const VARIABLES: [&str; 6] = [
    "OFFLINE_MODE",
    "AION_NODE_NAME",
    "AION_LISTEN",
    "AION_WORKERS",
    "AION_LOG",
    "AION_LOG_JSON",
];
/// Variables of the gateway that a start hands on. The first is whether there is one.
pub(super) const OF_GATEWAY: [&str; 2] = ["AION_GATEWAY", "AION_GATEWAY_LISTEN"];
/// Files of settings, below the state folder.
const FILES: [&str; 2] = ["config/node.yaml", "config/memory.yaml"];

/// Whether a gateway is wanted: unless the variable says no.
pub(super) fn gateway() -> Result<bool, Failure> {
    let name = OF_GATEWAY[0];
    let Some(value) = env::var_os(name) else {
        return Ok(true);
    };
    aion_abi::switch::parse(&value.to_string_lossy())
        .map_err(|why| Failure::usage(format!("{name}: {why}")))
}

/// All that a start hands on.
pub(super) fn variables_handed_on() -> impl Iterator<Item = &'static str> {
    VARIABLES.into_iter().chain(OF_GATEWAY)
}

type Variables = BTreeMap<String, String>;

/// What differs, a phrase each. `environ` is the process's `/proc/PID/environ`, `own` looks a variable of this one up.
pub(super) fn differing(environ: &[u8], own: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let there = variables(environ);
    let said = |value: Option<&String>| match value {
        Some(value) => format!("is {value:?}"),
        None => "is not set".to_owned(),
    };
    let phrase = |name: &&str| {
        let (there, here) = (there.get(*name), own(name));
        let differs = meaning(there) != meaning(here.as_ref());
        differs.then(|| {
            format!(
                "{name} {} for it and {} here",
                said(there),
                said(here.as_ref())
            )
        })
    };
    VARIABLES.iter().filter_map(phrase).collect()
}

/// `1` is `true`, and what is not set is off.
fn meaning(value: Option<&String>) -> Option<&str> {
    let text = value.map(String::as_str)?;
    match aion_abi::switch::parse(text) {
        Ok(true) => Some("true"),
        Ok(false) => None,
        Err(_) => Some(text),
    }
}

fn variables(environ: &[u8]) -> Variables {
    let pairs = environ.split(|byte| *byte == 0);
    pairs
        .filter_map(|pair| {
            let text = String::from_utf8_lossy(pair);
            let (name, value) = text.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        })
        .collect()
}

/// The files of settings that were written since `started`, a phrase each.
pub(super) fn written_since(home: &Path, started: UnixMillis) -> Vec<String> {
    let changed = |file: &&str| {
        let written = fs::metadata(home.join(file)).and_then(|it| it.modified());
        written
            .is_ok_and(|written| UnixMillis::from(written) > started)
            .then(|| format!("{file} was changed since it started"))
    };
    FILES.iter().filter_map(changed).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_variable_that_differs_is_named_with_both_values() {
        let environ = b"HOME=/root\0OFFLINE_MODE=true\0AION_WORKERS=4\0";
        let own = |name: &str| match name {
            "AION_WORKERS" => Some("4".to_owned()),
            "AION_LISTEN" => Some("127.0.0.1:1".to_owned()),
            _ => None,
        };
        assert_eq!(
            differing(environ, own),
            [
                "OFFLINE_MODE is \"true\" for it and is not set here",
                "AION_LISTEN is not set for it and is \"127.0.0.1:1\" here"
            ]
        );
    }

    #[test]
    fn one_setting_written_in_two_ways_is_one() {
        let own = |name: &str| (name == "OFFLINE_MODE").then(|| "1".to_owned());
        let environ = b"OFFLINE_MODE=true\0AION_LOG_JSON=false\0";
        assert!(differing(environ, own).is_empty());
    }

    #[test]
    fn a_file_that_was_written_later_is_named() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("config")).unwrap();
        fs::write(home.path().join("config/node.yaml"), "workers: 3\n").unwrap();
        assert_eq!(
            written_since(home.path(), UnixMillis(0)),
            ["config/node.yaml was changed since it started"]
        );
        assert!(written_since(home.path(), UnixMillis(u64::MAX)).is_empty());
    }
}
