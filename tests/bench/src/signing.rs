//! A bundle that a node trusts: built, and signed with a key of this run. What may not enter: the agent that uses it.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::machine::Machine;

/// A signed bundle.
pub(crate) struct Signed {
    pub(crate) digest: String,
    /// The TrustPolicy that trusts it.
    pub(crate) policy: String,
}

/// Builds and signs the bundle in a folder.
pub(crate) fn sign(node: &Machine, bundle: &Path) -> Result<Signed> {
    let key = node.folder().join("key");
    let text = |path: &Path| path.to_string_lossy().into_owned();
    node.aionctl(&["bundle", "keygen", "--no-password", &text(&key)])?;
    let digest = node.aionctl(&["bundle", "build", &text(bundle), "--quiet"])?;
    let (digest, secret) = (digest.trim().to_owned(), text(&key.with_extension("key")));
    node.aionctl(&["bundle", "sign", &digest, "--key", &secret])?;
    let public: String = fs::read_to_string(key.with_extension("pub"))?
        .lines()
        .map(|line| format!("        {line}\n"))
        .collect();
    let policy = format!(
        "apiVersion: aion.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {{name: bench}}\nspec:\n  inline: allow\n  \
         keys:\n    - name: bench\n      purpose: machine\n      publicKey: |\n{public}      digests: [\"{digest}\"]\n"
    );
    Ok(Signed { digest, policy })
}
