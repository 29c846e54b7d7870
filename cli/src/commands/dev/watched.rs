//! What a project's files are at a moment. They are looked at, not waited for: not every file system tells of changes.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tokio::time::sleep;

use crate::failure::Failure;

/// How often they are looked at.
const LOOK: Duration = Duration::from_millis(400);
/// Files that are watched at most.
const MOST: usize = 20_000;

/// Of each file its length and when it was written last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files(BTreeMap<PathBuf, (u64, Option<SystemTime>)>);

impl Files {
    /// Looks at everything below `watched`. What is not there is not told: it may be on its way.
    pub(super) fn find(watched: &[PathBuf]) -> Result<Self, Failure> {
        let mut found = BTreeMap::new();
        for path in watched {
            look(path, &mut found).map_err(|why| Failure::io("watch the project", path, &why))?;
        }
        Ok(Self(found))
    }

    /// Waits until some file is another one than now, and all of them stay as they are for a look; which one.
    pub(super) async fn changed(&self, watched: &[PathBuf]) -> Result<PathBuf, Failure> {
        let mut before = self.clone();
        loop {
            sleep(LOOK).await;
            let now = Self::find(watched)?;
            let is_still = now == before;
            match self.difference(&now) {
                Some(path) if is_still => return Ok(path.clone()),
                _ => before = now,
            }
        }
    }

    fn difference<'a>(&'a self, now: &'a Self) -> Option<&'a PathBuf> {
        let changed = now
            .0
            .iter()
            .find(|(path, about)| self.0.get(*path) != Some(about));
        let gone = || self.0.keys().find(|path| !now.0.contains_key(*path));
        changed.map(|(path, _)| path).or_else(gone)
    }
}

fn look(path: &Path, found: &mut BTreeMap<PathBuf, (u64, Option<SystemTime>)>) -> io::Result<()> {
    let about = match fs::symlink_metadata(path) {
        Ok(about) => about,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(why) => return Err(why),
    };
    if !about.is_dir() {
        if found.len() >= MOST {
            let why = format!("more than {MOST} files; name fewer under files in bundle.yaml");
            return Err(io::Error::other(why));
        }
        found.insert(path.to_owned(), (about.len(), about.modified().ok()));
        return Ok(());
    }
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(why) => return Err(why),
    };
    for entry in entries {
        let entry = entry?;
        if !is_made_by_tools(&entry.file_name().to_string_lossy()) {
            look(&entry.path(), found)?;
        }
    }
    Ok(())
}

/// Whether a file of that name is written by the program's own tools as it runs, or is no part of it.
fn is_made_by_tools(name: &str) -> bool {
    name.starts_with('.') || name.ends_with('~') || name == "__pycache__" || name == "node_modules"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_file_that_changes_comes_or_goes_is_told_and_what_tools_write_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("lib/__pycache__")).unwrap();
        fs::write(at("main.py"), "1").unwrap();
        fs::write(at("lib/a.py"), "1").unwrap();
        let watched = [at("main.py"), at("lib"), at("agent.yaml")];
        let look = || Files::find(&watched).unwrap();

        let before = look();
        fs::write(at("lib/__pycache__/a.pyc"), "1").unwrap();
        fs::write(at("lib/.a.py.swp"), "1").unwrap();
        assert_eq!(look(), before);
        fs::write(at("lib/a.py"), "12").unwrap();
        assert_eq!(before.changed(&watched).await.unwrap(), at("lib/a.py"));
        let before = look();
        fs::write(at("agent.yaml"), "1").unwrap();
        assert_eq!(before.changed(&watched).await.unwrap(), at("agent.yaml"));
        let before = look();
        fs::remove_file(at("main.py")).unwrap();
        assert_eq!(before.changed(&watched).await.unwrap(), at("main.py"));
    }
}
