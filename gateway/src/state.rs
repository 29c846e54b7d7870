//! What the gateway keeps: the token, and, in a folder of its own, the key of agent cards and where it serves while it does, for `aionctl local
//! status`. Where root starts it, the token is root's, and the gateway reads it.

use std::{
    fs::{self, DirBuilder},
    net::SocketAddr,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use aion_abi::gateway::{FOLDER, RUN, SERVING, Serving, TOKEN};
use aion_folders::{Folder, Trust};
use anyhow::Context as _;

use crate::signing::Signer;

/// The key that cards are signed with, in the gateway's own folder.
const CARD_KEY: &str = "card.key";

/// See the module.
pub(crate) struct State {
    token: PathBuf,
    run: Folder,
}

/// Gone with the gateway that said it.
pub(crate) struct Told<'a>(&'a Folder);

impl State {
    /// Below the node's state. Where another user starts the gateway it is there already.
    ///
    /// # Errors
    /// It cannot be made or opened.
    pub(crate) fn open(home: &Path) -> anyhow::Result<Self> {
        let folder = home.join(FOLDER);
        let path = folder.join(RUN);
        let shown = path.display();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.with_context(|| format!("cannot make {shown}"))?;
        let real = fs::canonicalize(&path).with_context(|| format!("cannot look at {shown}"))?;
        Ok(Self {
            token: folder.join(TOKEN),
            run: Folder::open(&real, Trust::Own)?,
        })
    }

    /// The token that whoever connects has to show, made where there is none and this user may.
    ///
    /// # Errors
    /// It cannot be read or made, can be guessed, or others can read it.
    pub(crate) fn token(&self, given: Option<&Path>) -> anyhow::Result<String> {
        Ok(aion_serve::token(given.unwrap_or(&self.token))?)
    }

    /// What cards are signed with, made where there is none.
    ///
    /// # Errors
    /// As for the token; or it is no key.
    pub(crate) fn signer(&self, given: Option<&Path>) -> anyhow::Result<Signer> {
        let form = |random: &[u8; 32]| random.to_vec();
        let (key, shown) = match given {
            Some(path) => (aion_folders::secret(path, form)?, path),
            None => (self.run.secret(CARD_KEY, form)?, Path::new(CARD_KEY)),
        };
        Signer::of(&key).with_context(|| format!("cannot sign cards with {}", shown.display()))
    }

    /// Says where it serves, until what is given is dropped.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn serves_at(&self, address: SocketAddr) -> anyhow::Result<Told<'_>> {
        let pid = std::process::id();
        let told = serde_json::to_vec(&Serving { pid, address })?;
        self.run.replace_unsynced(SERVING, &told, 0o600)?;
        Ok(Told(&self.run))
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        let _ = self.0.remove(SERVING);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;

    #[test]
    fn it_tells_where_it_serves_while_it_does_and_its_token_stays() {
        let home = tempfile::tempdir().unwrap();
        let state = State::open(home.path()).unwrap();
        let token = state.token(None).unwrap();
        let file = home.path().join(FOLDER).join(RUN).join(SERVING);
        let told = state.serves_at("127.0.0.1:8421".parse().unwrap()).unwrap();
        let serving: Serving = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        assert_eq!(serving.pid, std::process::id());
        assert_eq!(serving.url(), "http://127.0.0.1:8421/v1");
        drop(told);
        assert!(!file.exists());
        let again = State::open(home.path()).unwrap();
        assert_eq!(again.token(None).unwrap(), token);
    }

    #[test]
    fn the_key_of_cards_stays_is_its_owners_alone_and_is_shared_by_its_file() {
        let home = tempfile::tempdir().unwrap();
        let state = State::open(home.path()).unwrap();
        let keys = state.signer(None).unwrap().keys();
        assert_eq!(state.signer(None).unwrap().keys(), keys);
        let file = home.path().join(FOLDER).join(RUN).join(CARD_KEY);
        assert_eq!(state.signer(Some(&file)).unwrap().keys(), keys);
        let mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        mode(0o644);
        assert!(state.signer(None).is_err());
        mode(0o600);
        fs::write(&file, "short").unwrap();
        let refused = state.signer(None).err().unwrap();
        assert!(format!("{refused:#}").contains("32 bytes"), "{refused:#}");
    }
}
