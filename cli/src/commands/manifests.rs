//! Reads manifests from files, folders and standard input, and shows what is wrong with them.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use aion_abi::admin::{Manifest, Rejected};

use crate::{context::Context, failure::Failure, render::excerpt};

/// The largest manifest, in bytes.
const MAX_MANIFEST: u64 = 4 << 20;

/// Reads everything that was named: a file, a folder (its .yaml, .yml and .json files, sorted, without those in
/// folders below), `-` for standard input.
///
/// # Errors
/// Where something cannot be read, is too large, is not UTF-8, or where a folder holds no manifest.
pub(crate) fn read(named: &[PathBuf]) -> Result<Vec<Manifest>, Failure> {
    let mut manifests = Vec::new();
    for path in named {
        if path.is_dir() && path != Path::new("-") {
            for file in folder(path)? {
                manifests.push(file_at(&file)?);
            }
        } else {
            manifests.push(read_one(path)?);
        }
    }
    Ok(manifests)
}

/// Reads one file, or `-` for standard input.
///
/// # Errors
/// As for [`read`].
pub(crate) fn read_one(path: &Path) -> Result<Manifest, Failure> {
    match path == Path::new("-") {
        true => standard_input(),
        false => file_at(path),
    }
}

fn folder(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |why: &io::Error| Failure::io("list the folder", path, why);
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(|why| failed(&why))? {
        let file = entry.map_err(|why| failed(&why))?.path();
        let named = file
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default();
        if file.is_file() && ["yaml", "yml", "json"].contains(&named) {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(
            Failure::usage("the folder holds no .yaml, .yml or .json file").at(path.display()),
        );
    }
    Ok(files)
}

fn file_at(path: &Path) -> Result<Manifest, Failure> {
    let failed = |why: io::Error| {
        let failure = Failure::io("read the manifest", path, &why);
        match why.kind() {
            io::ErrorKind::NotFound => failure
                .status(crate::failure::Status::NotFound)
                .remedy("check the path; `-` reads standard input"),
            _ => failure,
        }
    };
    let file = fs::File::open(path).map_err(failed)?;
    text(file, &path.display().to_string())
}

fn standard_input() -> Result<Manifest, Failure> {
    text(io::stdin().lock(), "standard input")
}

fn text(from: impl Read, name: &str) -> Result<Manifest, Failure> {
    let mut bytes = Vec::new();
    from.take(MAX_MANIFEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|why| Failure::io("read the manifest", Path::new(name), &why))?;
    if bytes.len() as u64 > MAX_MANIFEST {
        return Err(Failure::usage(format!(
            "the manifest is larger than {} MiB",
            MAX_MANIFEST >> 20
        ))
        .at(name));
    }
    let text = String::from_utf8(bytes).map_err(|why| {
        Failure::usage(format!(
            "the manifest is not UTF-8 text: {}",
            why.utf8_error()
        ))
        .at(name)
        .remedy("save it as UTF-8")
    })?;
    Ok(Manifest {
        file: name.to_owned(),
        text,
    })
}

/// Shows every fault, and makes the failure that sums them up.
pub(crate) fn rejected(context: &Context, faults: &[Rejected], manifests: &[Manifest]) -> Failure {
    for fault in faults {
        let source = manifests
            .iter()
            .find(|manifest| manifest.file == fault.file);
        let source = source.map(|manifest| manifest.text.as_str());
        eprintln!("{}", excerpt::rejection(&context.screen, fault, source));
    }
    let count = match faults.len() {
        1 => "1 fault".to_owned(),
        n => format!("{n} faults"),
    };
    Failure::usage(format!("{count} in the manifests: nothing was changed"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_gives_its_manifests_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.yml", "c.json", "notes.txt"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let read = read(&[folder.path().to_owned()]).unwrap();
        let texts: Vec<_> = read.iter().map(|m| m.text.as_str()).collect();
        assert_eq!(texts, ["a.yml", "b.yaml", "c.json"]);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("x.yaml");
        assert!(
            read(&[missing])
                .unwrap_err()
                .place
                .unwrap()
                .ends_with("x.yaml")
        );
        assert!(
            read(&[folder.path().to_owned()])
                .unwrap_err()
                .what
                .contains("no .yaml")
        );
        let binary = folder.path().join("b.yaml");
        fs::write(&binary, [0xff, 0xfe]).unwrap();
        assert!(read(&[binary]).unwrap_err().what.contains("UTF-8"));
    }
}
