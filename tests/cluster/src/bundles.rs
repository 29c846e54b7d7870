//! Bundles of the stories: built and signed by the aionctl of the images' build, and laid where every node looks.

use std::{fs, path::Path, process::Command};

use aion_testkit::architecture;
use serde_json::{Value, json};

use crate::{Installed, images, installed::run};

impl Installed {
    /// Builds the bundle in `folder`, signs it, gives it to every node, and gives its digest and a TrustPolicy for it.
    #[must_use]
    pub fn bundle(&self, name: &str, folder: &Path) -> (String, Value) {
        let work = self.cluster.folder().join(format!("bundle-{name}"));
        fs::create_dir(&work).unwrap();
        let aionctl = |args: &[&str]| {
            let mut command =
                Command::new(images().join(format!("bin-{}/aionctl", architecture())));
            command.env("AION_HOME", &work).current_dir(&work);
            run(command.args(["bundle"]).args(args)).unwrap()
        };
        let folder = folder.to_string_lossy();
        let digest = aionctl(&["build", &folder, "--layout", "layout", "--quiet"]);
        let digest = digest.trim().to_owned();
        aionctl(&["keygen", "--no-password", "key"]);
        aionctl(&["sign", &digest, "--layout", "layout", "--key", "key.key"]);
        for node in self.cluster.nodes() {
            let mut copy = Command::new("cp");
            copy.args(["-rT", "layout"])
                .arg(node.path("/var/lib/bundles"));
            run(copy.current_dir(&work)).unwrap();
        }
        let key = fs::read_to_string(work.join("key.pub")).unwrap();
        let trust = json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "TrustPolicy", "metadata": {"name": name},
            "spec": {"keys": [{"name": name, "publicKey": key}]},
        });
        (digest, trust)
    }
}
