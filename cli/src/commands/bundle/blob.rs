//! `aionctl bundle sign-blob` and `verify-blob`: signatures over plain files, such as a package of AION-OS.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use aion_bundle::{MAX_BLOB, MAX_SIGNATURE, SigningKey, verify_blob};

use crate::{
    context::Context,
    failure::{Failure, Status},
};

use super::password;

/// What a signature's file is called, after its file's name.
const ENDING: &str = "sigstore.json";

pub(super) fn sign(
    context: &Context,
    file: &Path,
    key: &Path,
    signature: Option<PathBuf>,
) -> Result<(), Failure> {
    let blob = read(file, MAX_BLOB)?;
    let key = SigningKey::load(key, || password::ask("password of the key: "))
        .map_err(|why| Failure::usage(why).at(key.display()))?;
    let signed = key.sign_blob(&blob).map_err(Failure::new)?;
    let at = signature.unwrap_or_else(|| beside(file));
    fs::write(&at, signed).map_err(|why| Failure::io("write the signature", &at, &why))?;
    context.print(&format!(
        "signed {} with the key {}: {}\n",
        file.display(),
        key.fingerprint(),
        at.display()
    ))
}

pub(super) fn check(
    context: &Context,
    file: &Path,
    key: &Path,
    signature: Option<PathBuf>,
) -> Result<(), Failure> {
    let blob = read(file, MAX_BLOB)?;
    let signature = read(&signature.unwrap_or_else(|| beside(file)), MAX_SIGNATURE)?;
    let trusted = super::verify::trusted(key, Vec::new())?;
    verify_blob(&blob, &signature, &trusted).map_err(|why| refused(&why).at(file.display()))?;
    context.print(&format!(
        "verified {} with the key {} ({})\n",
        file.display(),
        trusted.name(),
        trusted.fingerprint(),
    ))
}

fn refused(why: &aion_bundle::BlobRefusal) -> Failure {
    Failure::new(why)
        .status(Status::Refused)
        .remedy("fetch the file and its signature anew, and the key from whoever signs")
}

fn beside(file: &Path) -> PathBuf {
    file.with_added_extension(ENDING)
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(most + 1).read_to_end(&mut bytes))
        .map_err(|why| Failure::io("read the file", path, &why))?;
    match bytes.len() as u64 > most {
        false => Ok(bytes),
        true => Err(Failure::usage(format!("it is larger than {most} bytes")).at(path.display())),
    }
}
