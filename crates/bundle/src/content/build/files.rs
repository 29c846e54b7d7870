//! The files of a folder, by their names in an archive. What may not enter: what the archive is for.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{artifact::entry_path::entry_path, content::build::BuildError, file::read_bounded};

/// What a folder may hold beside files and folders.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// Nothing else.
    Refused,
    /// Symbolic links, which are kept as such.
    Kept,
}

/// Every file, and every link where they are kept, at and below `paths` of `folder`, by its name there.
pub(crate) fn collect(
    folder: &Path,
    paths: &[String],
    links: Links,
) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    let mut files = BTreeMap::new();
    for path in paths {
        collect_one(folder, &below(path)?, links, &mut files)?;
    }
    Ok(files)
}

fn collect_one(
    folder: &Path,
    path: &Path,
    links: Links,
    files: &mut BTreeMap<String, PathBuf>,
) -> Result<(), BuildError> {
    let full = folder.join(path);
    let failed = |why| BuildError::Io {
        path: full.display().to_string(),
        why,
    };
    let refuse = |why: &str| BuildError::Refused {
        path: full.display().to_string(),
        why: why.to_owned(),
    };
    let name = path
        .to_str()
        .ok_or_else(|| refuse("its name is not UTF-8"))?;
    entry_path(name.as_bytes()).map_err(refuse)?;
    let about = fs::symlink_metadata(&full).map_err(failed)?;
    if about.is_file() || (about.is_symlink() && links == Links::Kept) {
        files.insert(name.to_owned(), full);
        return Ok(());
    }
    if !about.is_dir() {
        return Err(refuse("it is neither file nor folder"));
    }
    for entry in fs::read_dir(&full).map_err(failed)? {
        let child = path.join(entry.map_err(failed)?.file_name());
        collect_one(folder, &child, links, files)?;
    }
    Ok(())
}

fn below(path: &str) -> Result<PathBuf, BuildError> {
    entry_path(path.as_bytes()).map_err(|why| BuildError::Refused {
        path: path.to_owned(),
        why: why.to_owned(),
    })
}

pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, BuildError> {
    match read_bounded(path, limit) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(BuildError::Refused {
            path: path.display().to_string(),
            why: format!("it is larger than {limit} bytes"),
        }),
        Err(why) => Err(on(path)(why)),
    }
}

pub(crate) fn on(path: &Path) -> impl FnOnce(io::Error) -> BuildError + '_ {
    |why| BuildError::Io {
        path: path.display().to_string(),
        why,
    }
}
