//! Trust roots, as a TrustPolicy has or names them. What may not enter: who is trusted by them.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read as _},
    path::PathBuf,
    sync::Arc,
};

use aion_api::TrustRoot as Stated;
use aion_bundle::{MAX_TRUST_ROOT, TrustRoot};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

/// Trust roots that are kept read. Beyond, all are read anew.
const MAX_ROOTS: usize = 16;

/// The trust roots of a node: read once for each text.
#[derive(Debug)]
pub struct TrustRoots {
    /// Where those that a TrustPolicy names are.
    folder: PathBuf,
    read: Mutex<HashMap<[u8; 32], Arc<TrustRoot>>>,
}

impl TrustRoots {
    /// With the named ones in `folder`.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            read: Mutex::default(),
        }
    }

    /// The trust root that a policy states, or why it cannot be used.
    pub(crate) fn root(&self, stated: &Stated) -> Result<Arc<TrustRoot>, String> {
        match (&stated.inline, &stated.named) {
            (Some(text), None) => self.read(text),
            (None, Some(name)) => self.read(&self.named(name)?),
            _ => Err("it is neither or both of inline and named; keep one".to_owned()),
        }
    }

    fn named(&self, name: &str) -> Result<String, String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(format!("`{name}` is not a name"));
        }
        let path = self.folder.join(format!("{name}.json"));
        let failed = |why: io::Error| match why.kind() {
            io::ErrorKind::NotFound => format!(
                "{} is not on this node; put the `trusted_root.json` there",
                path.display()
            ),
            _ => format!("{}: {why}", path.display()),
        };
        let mut text = String::new();
        let most = MAX_TRUST_ROOT as u64 + 1;
        let file = File::open(&path).map_err(failed)?;
        file.take(most).read_to_string(&mut text).map_err(failed)?;
        Ok(text)
    }

    fn read(&self, text: &str) -> Result<Arc<TrustRoot>, String> {
        let digest: [u8; 32] = Sha256::digest(text).into();
        if let Some(root) = self.read.lock().get(&digest) {
            return Ok(Arc::clone(root));
        }
        let root = Arc::new(TrustRoot::parse(text).map_err(|why| why.to_string())?);
        let mut read = self.read.lock();
        if read.len() >= MAX_ROOTS {
            read.clear();
        }
        read.insert(digest, Arc::clone(&root));
        Ok(root)
    }
}
