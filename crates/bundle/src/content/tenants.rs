//! Which tenants have an entry of the store, or a layer: those whose own source gave it to them, or said that it has it.
//! Who knows a digest has nothing by that. It is kept beside what they have, so it holds offline, and goes with it. What
//! may not enter: sources.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use aion_abi::tenant::Tenant;

use crate::{artifact::digest::Digest, file::write_atomically};

/// Below what they have.
const FOLDER: &str = "tenants";

/// Whether `tenant` has what is in `folder`.
pub(crate) fn has(folder: &Path, tenant: &Tenant) -> bool {
    file(folder, tenant).is_file()
}

/// Keeps that it has.
pub(crate) fn keep(folder: &Path, tenant: &Tenant) -> io::Result<()> {
    if has(folder, tenant) {
        return Ok(());
    }
    fs::create_dir_all(folder.join(FOLDER))?;
    write_atomically(&file(folder, tenant), io::empty(), 0o400)
}

fn file(folder: &Path, tenant: &Tenant) -> PathBuf {
    folder.join(FOLDER).join(file_name(tenant))
}

/// What is called after a tenant: by a digest, as a name may be any text.
pub(crate) fn file_name(tenant: &Tenant) -> String {
    Digest::of(tenant.as_str().as_bytes()).hex()
}
