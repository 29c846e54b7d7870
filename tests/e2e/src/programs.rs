//! Agents that are programs in images: built upon an interpreter of this machine, signed, trusted and applied.

use std::{
    fs,
    path::{Path, PathBuf},
};

use aion_testkit::{Interpreter, or_skip};
use serde_json::{Value, json};

use crate::{local::Local, standalone::Standalone};

/// A node, and `aionctl` to talk to it.
pub trait Node {
    /// Runs `aionctl` and gives what it printed.
    ///
    /// # Errors
    /// What it said, when it did not end with success.
    fn aionctl(&self, arguments: &[&str]) -> anyhow::Result<String>;
    /// A file or folder beside its state, gone with it.
    fn path(&self, name: &str) -> PathBuf;
}

impl Node for Standalone {
    fn aionctl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.aionctl(arguments)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.path(name)
    }
}

impl Node for Local {
    fn aionctl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.aionctl(arguments)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.path(name)
    }
}

/// A node that runs images of one interpreter.
pub struct Programs<N> {
    /// The node.
    pub node: N,
    interpreter: Interpreter,
    base: String,
    digests: Vec<String>,
}

impl<N: Node> Programs<N> {
    /// `None`, and the test skipped, where the interpreter is not on this machine.
    ///
    /// # Errors
    /// When no image can be made of it.
    pub fn on(node: N, interpreter: Interpreter) -> anyhow::Result<Option<Self>> {
        let Some(base) = or_skip(interpreter.image(&node.path("base"))) else {
            return Ok(None);
        };
        Ok(Some(Self {
            node,
            interpreter,
            base,
            digests: Vec::new(),
        }))
    }

    /// Builds the folder of an image upon the interpreter, has this machine trust it, and gives its digest.
    ///
    /// # Errors
    /// As [`Node::aionctl`].
    pub fn trust(&mut self, folder: &Path) -> anyhow::Result<String> {
        let recipe = folder.join("bundle.yaml");
        let text = fs::read_to_string(&recipe)?;
        fs::write(&recipe, format!("{text}base: {}\n", self.base))?;
        let folder = folder.to_string_lossy();
        let built = self
            .node
            .aionctl(&["bundle", "build", &folder, "--quiet"])?;
        let digest = built.trim().to_owned();
        let key = self.node.path("machine");
        if self.digests.is_empty() {
            self.node
                .aionctl(&["bundle", "keygen", "--no-password", &key.to_string_lossy()])?;
        }
        let secret = key.with_extension("key");
        self.node.aionctl(&[
            "bundle",
            "sign",
            &digest,
            "--key",
            &secret.to_string_lossy(),
        ])?;
        self.digests.push(digest.clone());
        let public = fs::read_to_string(key.with_extension("pub"))?;
        let keys = json!([{"name": "machine", "purpose": "machine", "publicKey": public, "digests": self.digests}]);
        self.apply(&[json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "TrustPolicy", "metadata": {"name": "tests"},
            "spec": {"inline": "allow", "keys": keys},
        })])?;
        Ok(digest)
    }

    /// Applies objects.
    ///
    /// # Errors
    /// As [`Node::aionctl`].
    pub fn apply(&self, objects: &[Value]) -> anyhow::Result<String> {
        let path = self.node.path("objects.yaml");
        let texts: Vec<String> = objects.iter().map(Value::to_string).collect();
        fs::write(&path, texts.join("\n---\n"))?;
        self.node
            .aionctl(&["apply", "--wait", "120", "-f", &path.to_string_lossy()])
    }

    /// An agent whose program is this text, in the interpreter's language, with this in its spec besides.
    ///
    /// # Errors
    /// As [`Node::aionctl`].
    pub fn agent(&mut self, name: &str, source: &str, spec: Value) -> anyhow::Result<()> {
        let folder = self.node.path(name);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("main"), source)?;
        let about = format!(
            "name: {name}\nversion: 0.1.0\nruntime: process\nfiles: [main]\ncommand: [{}, /app/main]\n",
            self.interpreter.path()
        );
        fs::write(folder.join("bundle.yaml"), about)?;
        let digest = self.trust(&folder)?;
        let mut agent = json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "Agent", "metadata": {"name": name}, "spec": spec,
        });
        agent["spec"]["runtime"] = json!("process");
        agent["spec"]["bundle"] = json!({"name": name, "digest": digest});
        self.apply(&[agent])?;
        Ok(())
    }

    /// What asking comes to, well or badly.
    pub fn ask(&self, name: &str) -> String {
        let asked = self.node.aionctl(&["ask", name, "hello"]);
        asked.unwrap_or_else(|refused| format!("refused: {refused}"))
    }
}
