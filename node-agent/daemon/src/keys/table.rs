//! The keys that there are, in one file that is written whole.

use std::{
    collections::BTreeMap,
    fs, io, mem,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use aion_abi::{
    code::Code,
    date::UnixMillis,
    key::{self, Form, Key, Keys as Listed, Made, NewKey},
    problem::Problem,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    Held, Holder,
    bounds::{Bounds, is_name, refused},
    issuers::Issuers,
    pace::Pace,
};
use crate::{
    clock::{self, Clock},
    files::write_whole,
};

/// Keys at most.
const MOST: usize = 1_000;
/// What the time of the last use is rounded to, and how often it is written.
const MINUTE_MS: u64 = 60_000;

/// Why the keys cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is refused.
    #[error("{0}")]
    Refused(Problem),
    /// The file.
    #[error("the API keys in {path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl From<Problem> for KeyError {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

/// A key as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    /// SHA-256 of the key, in hexadecimal.
    digest: String,
    #[serde(flatten)]
    key: Key,
}

#[derive(Debug, Default)]
struct Table {
    /// By name.
    keys: BTreeMap<String, Kept>,
    /// Something was used since it was written.
    is_used: bool,
}

/// See the module. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Keys(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    file: PathBuf,
    clock: Clock,
    table: Mutex<Table>,
    /// Who writes the file, one at a time. Requests take `table` alone, and wait for no disk.
    writing: Mutex<()>,
    pace: Pace,
    issuers: Issuers,
}

impl Keys {
    /// Those of `file`; there may be none yet.
    ///
    /// # Errors
    /// A file that is there and is not one of keys.
    pub(crate) fn open(file: PathBuf, clock: Clock, issuers: Issuers) -> Result<Self, KeyError> {
        let read = |path: &Path| -> io::Result<Vec<Kept>> {
            match fs::read(path) {
                Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
                Err(error) => Err(error),
            }
        };
        let kept = read(&file).map_err(|source| KeyError::Io {
            path: file.clone(),
            source,
        })?;
        let keys = kept.into_iter().map(|it| (it.key.made.name.clone(), it));
        let table = Table {
            keys: keys.collect(),
            is_used: false,
        };
        Ok(Self(Arc::new(Shared {
            file,
            clock,
            table: Mutex::new(table),
            writing: Mutex::default(),
            pace: Pace::default(),
            issuers,
        })))
    }

    /// All of them, by name.
    pub(crate) fn list(&self) -> Listed {
        let table = self.0.table.lock();
        Listed {
            items: table.keys.values().map(|it| it.key.clone()).collect(),
        }
    }

    /// Whose tokens are taken in their place.
    pub(crate) fn issuers(&self) -> Vec<key::Issuer> {
        self.0.issuers.told()
    }

    /// The name of the one with this id.
    pub(crate) fn name_of(&self, id: &str) -> Option<String> {
        let table = self.0.table.lock();
        let mut all = table.keys.values();
        let kept = all.find(|it| it.key.id == id)?;
        Some(kept.key.made.name.clone())
    }

    /// One of them.
    pub(crate) fn get(&self, name: &str) -> Option<Key> {
        let table = self.0.table.lock();
        table.keys.get(name).map(|it| it.key.clone())
    }

    /// Makes one. Blocks on the disk.
    ///
    /// # Errors
    /// [`KeyError`]; none is made then.
    pub(crate) fn make(&self, wanted: NewKey) -> Result<Made, KeyError> {
        let now = clock::date();
        judge(&wanted, now)?;
        let secret = key::key(&random());
        let digest = digest(&secret);
        let key = Key {
            id: digest[..16].to_owned(),
            made: wanted,
            created_ms: now,
            used_ms: None,
        };
        let kept = Kept {
            digest,
            key: key.clone(),
        };
        self.change(|keys| {
            let name = key.made.name.clone();
            if keys.contains_key(&name) {
                let what = format!("there is a key {name}");
                let remedy = "choose another name, or revoke that one first: aionctl key revoke";
                return Err(Problem::new(Code::AlreadyExists, what).remedy(remedy));
            }
            if keys.len() >= MOST {
                keys.retain(|_, it| it.key.made.expires_ms > now);
            }
            if keys.len() >= MOST {
                let what = format!("there are {MOST} keys");
                let remedy = "revoke those that nobody uses: aionctl key list shows when each was";
                return Err(Problem::new(Code::Overloaded, what).remedy(remedy));
            }
            keys.insert(name, kept);
            Ok(())
        })?;
        Ok(Made { secret, key })
    }

    /// Has one count no longer, from now on. Blocks on the disk.
    ///
    /// # Errors
    /// [`KeyError`]; it counts still then.
    pub(crate) fn revoke(&self, name: &str) -> Result<Key, KeyError> {
        let mut gone = None;
        self.change(|keys| {
            gone = keys.remove(name);
            gone.is_some().then_some(()).ok_or_else(|| unknown(name))
        })?;
        gone.map(|it| it.key).ok_or_else(|| unknown(name).into())
    }

    fn change(
        &self,
        what: impl FnOnce(&mut BTreeMap<String, Kept>) -> Result<(), Problem>,
    ) -> Result<(), KeyError> {
        let _alone = self.0.writing.lock();
        let mut next = self.0.table.lock().keys.clone();
        what(&mut next)?;
        self.write(&next)?;
        let mut table = self.0.table.lock();
        // When others were used meanwhile is not lost.
        for (name, kept) in &mut next {
            if let Some(now) = table.keys.get(name).filter(|it| it.digest == kept.digest) {
                kept.key.used_ms = kept.key.used_ms.max(now.key.used_ms);
            }
        }
        table.keys = next;
        Ok(())
    }

    fn write(&self, keys: &BTreeMap<String, Kept>) -> Result<(), KeyError> {
        let all: Vec<&Kept> = keys.values().collect();
        let json = serde_json::to_vec_pretty(&all).map_err(io::Error::from);
        let written = json.and_then(|json| write_whole(&self.0.file, &json));
        written.map_err(|source| KeyError::Io {
            path: self.0.file.clone(),
            source,
        })
    }

    /// Whose key or token this is.
    ///
    /// # Errors
    /// It is nobody's, or counts no longer; the refusal says which.
    pub(crate) async fn holder(&self, text: &str) -> Result<Held, Problem> {
        match self.0.issuers.know(text) {
            true => self.0.issuers.holder(text).await.map(Arc::new),
            false => self.of_key(text),
        }
    }

    fn of_key(&self, text: &str) -> Result<Held, Problem> {
        match key::form(text) {
            Form::Key => {}
            Form::Mistyped => return Err(mistyped()),
            Form::Other => return Err(nobodys()),
        }
        let (digest, now) = (digest(text), clock::date());
        let mut table = self.0.table.lock();
        // There are few, and what is compared is a digest: how long it takes says nothing of a key.
        let mut all = table.keys.values_mut();
        let kept = all.find(|it| it.digest == digest).ok_or_else(nobodys)?;
        let Key { id, made, .. } = &kept.key;
        if made.expires_ms <= now {
            let what = format!("the API key {} has expired", made.name);
            let remedy = "make another: aionctl key create";
            return Err(Problem::new(Code::BadSignature, what).remedy(remedy));
        }
        let holder = Holder {
            id: id.clone(),
            name: format!("the key {}", made.name),
            scope: made.scope.clone(),
            doors: made.doors.clone(),
            may: made.may.clone(),
            requests_per_minute: made.requests_per_minute,
            tokens_per_hour: made.tokens_per_hour,
            is_listed: true,
            expires: made.expires_ms,
        };
        let minute = Some(UnixMillis(now.0 - now.0 % MINUTE_MS));
        if kept.key.used_ms < minute {
            kept.key.used_ms = minute;
            table.is_used = true;
        }
        Ok(Arc::new(holder))
    }

    /// Counts a request of a client.
    ///
    /// # Errors
    /// Whose it is had as many as it may.
    pub(crate) fn count(&self, holder: &Holder) -> Result<(), Problem> {
        let Some(limit) = holder.requests_per_minute else {
            return Ok(());
        };
        self.0.pace.take(&holder.id, limit, self.0.clock.now())
    }

    /// Writes when keys were used, from time to time. For ever.
    pub(crate) async fn keep(self) {
        loop {
            tokio::time::sleep(Duration::from_millis(MINUTE_MS)).await;
            self.0.pace.tidy(self.0.clock.now());
            let this = self.clone();
            let kept = tokio::task::spawn_blocking(move || this.keep_used());
            if let Ok(Err(error)) = kept.await {
                tracing::warn!(%error, "when API keys were used is not kept");
            }
        }
    }

    fn keep_used(&self) -> Result<(), KeyError> {
        let _alone = self.0.writing.lock();
        let used = {
            let mut table = self.0.table.lock();
            mem::take(&mut table.is_used).then(|| table.keys.clone())
        };
        let written = used.map_or(Ok(()), |keys| self.write(&keys));
        if written.is_err() {
            self.0.table.lock().is_used = true;
        }
        written
    }
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// Of two UUIDs, which have 244 random bits.
fn random() -> [u8; 22] {
    let mut hash = Sha256::new();
    for _ in 0..2 {
        hash.update(Uuid::new_v4());
    }
    let hash: [u8; 32] = hash.finalize().into();
    std::array::from_fn(|at| hash[at])
}

fn mistyped() -> Problem {
    Problem::new(
        Code::BadSignature,
        "the API key is mistyped or cut: its checksum does not match",
    )
    .remedy("copy it whole, from aion_ to its last letter")
}

fn nobodys() -> Problem {
    Problem::new(
        Code::BadSignature,
        "this API key does not exist, or it was revoked",
    )
    .remedy("make one: aionctl key create")
}

fn unknown(name: &str) -> Problem {
    let shown: String = name.chars().take(100).collect();
    Problem::new(Code::NotFound, format!("there is no key {shown}"))
        .remedy("list them: aionctl key list")
}

/// Whether such a key can be.
fn judge(wanted: &NewKey, now: UnixMillis) -> Result<(), Problem> {
    if !is_name(&wanted.name) {
        return refused(
            "the name of a key is 1 to 63 of a-z, 0-9 and -",
            "choose one like editor-laptop",
        );
    }
    let bounds = Bounds {
        scope: &wanted.scope,
        doors: &wanted.doors,
        may: &wanted.may,
        requests_per_minute: wanted.requests_per_minute,
        tokens_per_hour: wanted.tokens_per_hour,
    };
    bounds.judge()?;
    if wanted.expires_ms <= now {
        return refused("the key would have expired already", "give it a later date");
    }
    Ok(())
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
