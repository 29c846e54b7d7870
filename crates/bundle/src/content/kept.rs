//! The signatures that are kept with a bundle, for the day the trust changes
//! while its source cannot be reached.
//!
//! Those that counted for a tenant have a folder of their own: whatever else refers to the
//! bundle, however much of it, and whoever else has it, they are the first that are read again for that tenant.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use aion_abi::tenant::Tenant;

use crate::{
    artifact::digest::Digest,
    content::{tenants, vouched::Vouched},
    file::{read_bounded, write_atomically},
    trust::verify::{Candidate, MAX_ATTACHED, MAX_SIGNATURE, MAX_SIGNATURES},
};

/// Below the folder of signatures.
const COUNTED: &str = "counted";
/// How many that counted are kept for a tenant. Beyond, the oldest goes.
const MAX_COUNTED: usize = 16;
const FILE_MODE: u32 = 0o444;

/// What is kept in `folder`: first what counted for `tenant`, then the others.
pub(crate) fn read(folder: &Path, tenant: &Tenant) -> Vec<Candidate> {
    let mut kept = listed(&counted(folder, tenant));
    // An earlier version kept what counted for all of them there.
    kept.extend(listed(&folder.join(COUNTED)));
    kept.extend(listed(folder));
    kept.truncate(MAX_SIGNATURES);
    kept
}

fn counted(folder: &Path, tenant: &Tenant) -> PathBuf {
    folder.join(COUNTED).join(tenants::file_name(tenant))
}

/// Keeps in `folder` those that count for `tenant`, and of the others as many as are read
/// again.
pub(crate) fn keep(folder: &Path, tenant: &Tenant, vouched: &Vouched) -> io::Result<()> {
    let counted = counted(folder, tenant);
    fs::create_dir_all(&counted)?;
    let mut room = MAX_SIGNATURES.saturating_sub(files(&counted)?.len() + files(folder)?.len());
    for (at, one) in vouched.candidates.iter().enumerate() {
        let name = format!("{}-{}.json", one.origin.hex(), Digest::of(&one.bytes).hex());
        if vouched.counted.contains(&at) {
            make_room(&counted, &name)?;
            write(&counted.join(name), one)?;
        } else if room > 0
            && one.bytes.len() as u64 <= MAX_SIGNATURE
            && write(&folder.join(name), one)?
        {
            room -= 1;
        }
    }
    Ok(())
}

/// Whether it was not there yet.
fn write(path: &Path, one: &Candidate) -> io::Result<bool> {
    let new = !path.exists();
    if new {
        write_atomically(path, one.bytes.as_slice(), FILE_MODE)?;
    }
    Ok(new)
}

fn make_room(counted: &Path, name: &str) -> io::Result<()> {
    let mut there = files(counted)?;
    if there.len() < MAX_COUNTED || there.iter().any(|it| it.file_name() == name) {
        return Ok(());
    }
    let written = |it: &fs::DirEntry| {
        let about = it.metadata().and_then(|it| it.modified());
        about.unwrap_or(SystemTime::UNIX_EPOCH)
    };
    there.sort_by_cached_key(written);
    match there.first() {
        Some(oldest) => fs::remove_file(oldest.path()),
        None => Ok(()),
    }
}

fn files(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            found.push(entry);
        }
    }
    Ok(found)
}

fn listed(folder: &Path) -> Vec<Candidate> {
    let Ok(mut files) = files(folder) else {
        return Vec::new();
    };
    files.sort_by_key(fs::DirEntry::file_name);
    let read = |entry: fs::DirEntry| {
        let path = entry.path();
        // What an earlier version wrote is called after its origin alone.
        let origin = path.file_stem()?.to_str()?.split('-').next()?;
        Some(Candidate {
            origin: format!("sha256:{origin}").parse().ok()?,
            bytes: read_bounded(&path, MAX_ATTACHED).ok()??,
        })
    };
    files
        .into_iter()
        .filter_map(read)
        .take(MAX_SIGNATURES)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn vouched(names: impl IntoIterator<Item = String>, counted: usize) -> Vouched {
        let candidates = names.into_iter().map(|name| Candidate {
            origin: Digest::of(b"one origin for all"),
            bytes: name.into_bytes(),
        });
        Vouched::new(candidates.collect(), vec![counted])
    }

    fn tenant() -> Tenant {
        "team".into()
    }

    fn first(folder: &Path) -> String {
        String::from_utf8(read(folder, &tenant()).remove(0).bytes).unwrap()
    }

    #[test]
    fn the_one_that_counts_is_read_first_whatever_else_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let junk = |from: usize| (from..from + 2 * MAX_SIGNATURES).map(|n| format!("junk {n}"));
        let with = |name: &str, from| junk(from).chain([name.to_owned()]);
        keep(
            dir.path(),
            &tenant(),
            &vouched(with("good", 0), 2 * MAX_SIGNATURES),
        )
        .unwrap();
        assert_eq!(first(dir.path()), "good");
        assert_eq!(read(dir.path(), &tenant()).len(), MAX_SIGNATURES);
        // Nor is there more of it after the next change of the trust.
        keep(
            dir.path(),
            &tenant(),
            &vouched(with("new", 500), 2 * MAX_SIGNATURES),
        )
        .unwrap();
        let kept = read(dir.path(), &tenant());
        assert_eq!(kept.len(), MAX_SIGNATURES);
        assert!(kept[..2].iter().any(|it| it.bytes == b"good"));
        assert!(kept[..2].iter().any(|it| it.bytes == b"new"));
        assert!(files(dir.path()).unwrap().len() <= MAX_SIGNATURES);
    }

    #[test]
    fn of_those_that_counted_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..2 * MAX_COUNTED {
            keep(dir.path(), &tenant(), &vouched([format!("{n}")], 0)).unwrap();
        }
        let kept = read(dir.path(), &tenant());
        assert_eq!(kept.len(), MAX_COUNTED);
        let newest = format!("{}", 2 * MAX_COUNTED - 1);
        assert!(kept.iter().any(|it| it.bytes == newest.as_bytes()));
    }

    #[test]
    fn a_tenant_with_many_signers_takes_none_from_another() {
        let dir = tempfile::tempdir().unwrap();
        keep(dir.path(), &tenant(), &vouched(["good".to_owned()], 0)).unwrap();
        for n in 0..4 * MAX_COUNTED {
            keep(dir.path(), &"greedy".into(), &vouched([format!("{n}")], 0)).unwrap();
        }
        assert_eq!(first(dir.path()), "good");
    }

    #[test]
    fn what_an_earlier_version_kept_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let origin = Digest::of(b"origin");
        fs::write(dir.path().join(format!("{}.json", origin.hex())), "kept").unwrap();
        let kept = read(dir.path(), &tenant());
        assert_eq!(
            (kept[0].origin, kept[0].bytes.as_slice()),
            (origin, &b"kept"[..])
        );
    }
}
