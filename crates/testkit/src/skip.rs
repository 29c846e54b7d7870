//! Tests that cannot run on this machine: said aloud, and noted for the summary.
//!
//! `make test` names a file in `AION_SKIPS`; each skip is one line of it,
//! `package  test  what is missing  why`, separated by tabs. libtest counts a
//! skipped test as passed, so the summary takes these off again.

use std::{env, fs::OpenOptions, io::Write, thread};

use crate::StartError;

/// Notes the running test as skipped for want of `what`. The test returns next.
///
/// # Panics
/// When `AION_SKIPS` names a file that cannot be written: the summary would then
/// count this test as passed.
#[allow(clippy::panic)]
pub fn skip(what: &str, why: &str) {
    let current = thread::current();
    let test = current.name().unwrap_or("unnamed");
    let package = env::var("CARGO_PKG_NAME").unwrap_or_default();
    let why = why.replace(['\t', '\n'], " ");
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED {package} {test}: no {what}: {why}"
    );
    let Some(path) = env::var_os("AION_SKIPS") else {
        return;
    };
    let line = format!("{package}\t{test}\t{what}\t{why}\n");
    let noted = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    if let Err(error) = noted {
        panic!(
            "the skip of {test} cannot be noted in {}: {error}",
            path.display()
        );
    }
}

/// What was started; or `None`, with the test noted as skipped, when its component
/// is not on this machine.
///
/// ```no_run
/// use aion_testkit::{Registry, RegistryKind, or_skip};
/// fn a_pushed_manifest_is_pulled() {
///     let Some(registry) = or_skip(Registry::start(RegistryKind::Anonymous)) else { return };
/// }
/// ```
///
/// # Panics
/// With the component's log when it is here and did not start: that is a failure.
#[allow(clippy::panic)]
pub fn or_skip<T>(started: Result<T, StartError>) -> Option<T> {
    match started {
        Ok(value) => Some(value),
        Err(StartError::Missing { component, why }) => {
            skip(component, &why);
            None
        }
        Err(error) => panic!("{error}"),
    }
}
