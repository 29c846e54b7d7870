//! A log of signatures as Rekor keeps it: a Merkle tree (RFC 6962), a checkpoint that the log signs, and, of its first
//! version, a promise that an entry was logged at some time.

use anyhow::Result;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::key::{Key, sha256};

/// As the trusted root has it in its address.
const NAME: &str = "log.example";
/// Entries that are there before the first, so that proofs have a path.
const BEFORE: u8 = 5;

/// See the module.
#[derive(Debug)]
pub(super) struct Log {
    key: Key,
    leaves: Mutex<Vec<[u8; 32]>>,
}

impl Log {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            key: Key::new()?,
            leaves: Mutex::new((0..BEFORE).map(|n| leaf(&[n])).collect()),
        })
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// Logs `body`; gives the entry of a bundle. With a time, as Rekor of version 1 does.
    pub(super) fn append(
        &self,
        kind: &str,
        version: &str,
        body: &Value,
        at: Option<i64>,
    ) -> Result<Value> {
        let body = serde_json::to_vec(body)?;
        let (index, size, path, root) = {
            let mut leaves = self.leaves.lock();
            leaves.push(leaf(&body));
            let index = leaves.len() - 1;
            (index, leaves.len(), path(index, &leaves), root(&leaves))
        };
        let path: Vec<String> = path.iter().map(|it| STANDARD.encode(it)).collect();
        let mut entry = json!({
            "logIndex": index.to_string(),
            "logId": {"keyId": STANDARD.encode(self.key.id())},
            "kindVersion": {"kind": kind, "version": version},
            "canonicalizedBody": STANDARD.encode(&body),
            "inclusionProof": {
                "logIndex": index.to_string(),
                "rootHash": STANDARD.encode(root),
                "treeSize": size.to_string(),
                "hashes": path,
                "checkpoint": {"envelope": self.checkpoint(at.is_some(), size, &root)?},
            },
        });
        if let Some(at) = at {
            // RFC 8785: the names in order, without spaces.
            let id = hex::encode(self.key.id());
            let promised = format!(
                r#"{{"body":"{}","integratedTime":{at},"logID":"{id}","logIndex":{index}}}"#,
                STANDARD.encode(&body)
            );
            let promise = STANDARD.encode(self.key.sign(promised.as_bytes())?);
            entry["integratedTime"] = at.to_string().into();
            entry["inclusionPromise"] = json!({"signedEntryTimestamp": promise});
        }
        Ok(entry)
    }

    /// A signed note. The first version names its tree in it.
    fn checkpoint(&self, first: bool, size: usize, root: &[u8; 32]) -> Result<String> {
        let origin = match first {
            true => format!("{NAME} - 1193050959916656506"),
            false => NAME.to_owned(),
        };
        let note = format!("{origin}\n{size}\n{}\n", STANDARD.encode(root));
        let mut signature = self.key.id()[..4].to_vec();
        signature.extend(self.key.sign(note.as_bytes())?);
        Ok(format!(
            "{note}\n\u{2014} {NAME} {}\n",
            STANDARD.encode(signature)
        ))
    }
}

fn leaf(body: &[u8]) -> [u8; 32] {
    sha256(&[&[0], body].concat())
}

fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [one] => *one,
        many => {
            let (left, right) = many.split_at(split(many.len()));
            sha256(&[&[1][..], &root(left), &root(right)].concat())
        }
    }
}

/// From the leaf to the root.
fn path(index: usize, leaves: &[[u8; 32]]) -> Vec<[u8; 32]> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut below, beside) = match index.checked_sub(left.len()) {
        None => (path(index, left), root(right)),
        Some(index) => (path(index, right), root(left)),
    };
    below.push(beside);
    below
}

/// The largest power of two below `count`.
fn split(count: usize) -> usize {
    count.next_power_of_two() / 2
}
