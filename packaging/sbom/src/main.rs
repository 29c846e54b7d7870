//! `aion-sbom`: what the programs of a package are built from, as SPDX 2.3 in JSON. The same programs give the same
//! text.
//!
//! `packaging/package` tells it on standard input, a line each, separated by tabs: `program NAME FILE SHA256`, and after
//! each program the crates that are linked into it, as `cargo tree` prints them: `crate NAME vVERSION… LICENCE`. The
//! lock files say what each crate's source digests to. What may not enter: finding anything out by itself.

mod document;
mod locked;

use std::{env, fs, io};

use anyhow::{Context, Result, ensure};

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    ensure!(
        arguments.len() >= 4,
        "usage: aion-sbom NAME VERSION SECONDS-SINCE-1970 LOCK-FILE… <LINES"
    );
    let (name, version, created) = (&arguments[0], &arguments[1], &arguments[2]);
    let created = created
        .parse()
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .with_context(|| format!("{created} is not a number of seconds"))?;
    let mut locks = String::new();
    for path in &arguments[3..] {
        locks += &fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    }
    let input = io::read_to_string(io::stdin())?;
    let programs = document::read(&input)?;
    let document = document::write(
        name,
        version,
        created,
        &programs,
        &locked::checksums(&locks),
    )?;
    println!("{document:#}");
    Ok(())
}
