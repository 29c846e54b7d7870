//! Bundles of the stories: built and signed by the aionctl of the images' build, and laid where every node looks, or pushed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use aion_testkit::{Registry, architecture};
use serde_json::{Value, json};

use crate::{Installed, images, installed::run};

impl Installed {
    /// Builds the bundle in `folder`, signs it, gives it to every node, and gives its digest and a TrustPolicy for it.
    #[must_use]
    pub fn bundle(&self, name: &str, folder: &Path) -> (String, Value) {
        let (digest, trust) = self.signed(name, folder);
        for node in self.cluster.nodes() {
            let mut copy = Command::new("cp");
            copy.args(["-rT", "layout"])
                .arg(node.path("/var/lib/bundles"));
            run(copy.current_dir(self.bundles(name))).unwrap();
        }
        (digest, trust)
    }

    /// Builds the bundle in `folder`, signs it, and gives it to a registry in the cluster's network, under `agents/NAME`.
    #[must_use]
    pub fn pushed(&self, name: &str, folder: &Path, registry: &Registry) -> (String, Value) {
        let (digest, trust) = self.signed(name, folder);
        let work = self.bundles(name);
        let account = registry.credentials();
        let login = account.map(|it| json!({"username": it.user, "password": it.password}));
        let config = json!({"auths": {registry.address(): login}});
        fs::write(work.join("login.json"), config.to_string()).unwrap();
        let to = format!("{}/agents/{name}:0.1.0", registry.address());
        let mut push = self.cluster.command(aionctl());
        push.env("AION_HOME", &work).current_dir(&work);
        push.args(["bundle", "push", &digest, &to, "--layout", "layout"]);
        run(push.args(["--docker-config", "login.json"])).unwrap();
        (digest, trust)
    }

    /// Where the bundle of this name is built, with its layout.
    fn bundles(&self, name: &str) -> PathBuf {
        self.cluster.folder().join(format!("bundle-{name}"))
    }

    fn signed(&self, name: &str, folder: &Path) -> (String, Value) {
        let work = self.bundles(name);
        fs::create_dir(&work).unwrap();
        let aionctl = |args: &[&str]| {
            let mut command = Command::new(aionctl());
            command.env("AION_HOME", &work).current_dir(&work);
            run(command.args(["bundle"]).args(args)).unwrap()
        };
        let folder = folder.to_string_lossy();
        let digest = aionctl(&["build", &folder, "--layout", "layout", "--quiet"]);
        let digest = digest.trim().to_owned();
        aionctl(&["keygen", "--no-password", "key"]);
        aionctl(&["sign", &digest, "--layout", "layout", "--key", "key.key"]);
        let key = fs::read_to_string(work.join("key.pub")).unwrap();
        let trust = json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "TrustPolicy", "metadata": {"name": name},
            "spec": {"keys": [{"name": name, "publicKey": key}]},
        });
        (digest, trust)
    }
}

fn aionctl() -> PathBuf {
    images().join(format!("bin-{}/aionctl", architecture()))
}
