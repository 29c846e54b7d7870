//! The cluster of a test program with AION-OS in it, for one story after another.

use std::{fmt::Write as _, fs, process::Command, sync::OnceLock};

use aion_testkit::{Cluster, Component, StartError, architecture, skip, until};
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};

use crate::{BOUND, HOME, SYSTEM, images, root};

/// What the librarian finds on every node.
const FACT: &str = "The lighthouse keeper polishes the brass lamp every Thursday.";

/// A cluster with both charts, the shipped policies and a namespace that may have inline
/// agents.
pub struct Installed {
    /// The cluster.
    pub cluster: Cluster,
    /// Why network policies are not in force there.
    unenforced: Option<(&'static str, String)>,
}

/// The program's one, for the running story alone; each leaves it as it was. `None`, with
/// the test noted as skipped, where this machine cannot have it.
pub fn installed() -> Option<MutexGuard<'static, Installed>> {
    static ONE: OnceLock<Result<Mutex<Installed>, StartError>> = OnceLock::new();
    match ONE.get_or_init(|| Installed::start().map(Mutex::new)) {
        Ok(one) => Some(one.lock()),
        Err(StartError::Missing { component, why }) => {
            skip(component, why);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

impl Installed {
    fn start() -> Result<Self, StartError> {
        let installed = Self::prepared()?;
        installed.certificate();
        installed.helm(&["install", "aion-crds", "charts/aion-crds"]);
        installed.install();
        let policies = root().join("policies/cluster.yaml");
        installed.kubectl(&["apply", "-f", &policies.to_string_lossy()]);
        installed.home();
        Ok(installed)
    }

    /// A cluster for AION-OS, with its images and documents on every node, and nothing installed.
    ///
    /// # Errors
    /// [`StartError::Missing`] when this machine cannot have it.
    pub fn prepared() -> Result<Self, StartError> {
        let archives = archives()?;
        Component::Helm.find()?;
        let mut cluster = Cluster::start(2)?;
        let unenforced = match cluster.enforce_network_policies() {
            Ok(()) => None,
            Err(StartError::Missing { component, why }) => Some((component, why)),
            Err(error) => return Err(error),
        };
        for archive in &archives {
            cluster.import_archive(archive)?;
        }
        let installed = Self {
            cluster,
            unenforced,
        };
        installed.documents();
        Ok(installed)
    }

    /// Whether network policies are in force; else the test is noted as skipped.
    #[must_use]
    pub fn enforces_network_policies(&self) -> bool {
        if let Some((component, why)) = &self.unenforced {
            skip(component, why);
        }
        self.unenforced.is_none()
    }

    /// Installs the chart, with a certificate and volumes for its nodes.
    pub fn install(&self) {
        self.helm(&[&["install"], &Self::release()[..]].concat());
    }

    /// The release and its values, for `helm install` and `helm upgrade`.
    #[must_use]
    pub fn release() -> [&'static str; 8] {
        let values = concat!(env!("CARGO_MANIFEST_DIR"), "/values.yaml");
        [
            "aion",
            "charts/aion",
            "--namespace",
            SYSTEM,
            "--values",
            values,
            "--wait",
            "--timeout=150s",
        ]
    }

    /// Runs helm in the repository's root.
    pub fn helm(&self, args: &[&str]) -> String {
        let mut command = self.cluster.command(Component::Helm.find().unwrap());
        // Its caches are none of the user's.
        for folder in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(folder, self.cluster.folder().join("helm"));
        }
        let done = run(command.args(args).current_dir(root()));
        done.unwrap_or_else(|error| panic!("{error}\n{}", self.pods()))
    }

    /// Runs kubectl as the admin.
    pub fn kubectl(&self, args: &[&str]) -> String {
        self.cluster
            .kubectl(args)
            .unwrap_or_else(|error| panic!("{error}\n{}", self.pods()))
    }

    /// One object or a list.
    ///
    /// # Errors
    /// What kubectl says.
    pub fn get(&self, args: &[&str]) -> Result<Value, String> {
        let text = self
            .cluster
            .kubectl(&[&["get", "-o", "json"], args].concat());
        serde_json::from_str(&text.map_err(|error| error.to_string())?).map_err(|e| e.to_string())
    }

    /// Runs the aionctl of the images' build, in the cluster's network, as the admin.
    ///
    /// # Errors
    /// What it wrote, when it did not end with success.
    pub fn aionctl(&self, args: &[&str]) -> Result<String, String> {
        let program = images().join(format!("bin-{}/aionctl", architecture()));
        let mut command = self.cluster.command(program);
        command.env("AION_HOME", self.cluster.folder().join("aionctl"));
        run(command.args(["--cluster", "--namespace", HOME]).args(args))
    }

    /// Asks an agent on its node, over the Unix socket of the node agent there, as root.
    ///
    /// # Errors
    /// What it wrote, when it did not end with success.
    pub fn ask_on_node(&self, node: u8, agent: &str, question: &str) -> Result<String, String> {
        let program = images().join(format!("bin-{}/aionctl", architecture()));
        let command = self.cluster.nodes()[usize::from(node)].command(program);
        let mut command = command.ok_or("the node was killed")?;
        command.env("AION_HOME", "/var/lib/aion/node");
        run(command.args(["--namespace", HOME, "ask", agent, question]))
    }

    /// Waits until the pods of both charts are ready, each on its node.
    pub fn until_rolled_out(&self) {
        for what in ["daemonset/aion-node", "deployment/aion-operator"] {
            self.kubectl(&["-n", SYSTEM, "rollout", "status", what, "--timeout=300s"]);
        }
    }

    /// What the pods of AION-OS are at and wrote last, for a failing test's message.
    #[must_use]
    pub fn pods(&self) -> String {
        let mut text = String::new();
        for args in [
            &["-n", SYSTEM, "get", "pods,kernelnodes", "-o", "wide"][..],
            &["-n", SYSTEM, "get", "events", "--sort-by=.lastTimestamp"],
            &[
                "-n",
                SYSTEM,
                "logs",
                "daemonset/aion-node",
                "--all-pods",
                "--all-containers",
                "--tail=15",
            ],
            &[
                "-n",
                SYSTEM,
                "logs",
                "deployment/aion-operator",
                "--all-pods",
                "--tail=15",
            ],
        ] {
            let said = self.cluster.kubectl(args);
            let _ = writeln!(
                text,
                "--- {}\n{}",
                args.join(" "),
                said.unwrap_or_else(|error| error.to_string())
            );
        }
        text
    }

    /// A folder of documents on each node, and one for bundles.
    fn documents(&self) {
        for node in self.cluster.nodes() {
            let folder = node.path("/var/lib/documents");
            fs::create_dir_all(&folder).unwrap();
            fs::write(
                folder.join("lighthouse.md"),
                format!("# The lighthouse\n\n{FACT}\n"),
            )
            .unwrap();
            fs::create_dir_all(node.path("/var/lib/bundles")).unwrap();
        }
    }

    /// A namespace whose agents may be inline, and whose admin may ask them.
    fn home(&self) {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": HOME, "labels": {"aion.dev/inline-agents": "allowed"}}});
        self.cluster.apply(&namespace.to_string()).unwrap();
        self.kubectl(&["-n", HOME, "create", "serviceaccount", "aion-invoke"]);
        let account = format!("--serviceaccount={HOME}:aion-invoke");
        self.kubectl(&[
            "-n",
            HOME,
            "create",
            "rolebinding",
            "aion-invoke",
            "--clusterrole=aion-invoke",
            &account,
        ]);
    }

    /// Waits until `ask` says yes.
    pub fn until<T>(&self, what: &str, ask: impl FnMut() -> Result<T, String>) -> T {
        until(what, BOUND, ask).unwrap_or_else(|error| panic!("{error}\n{}", self.pods()))
    }
}

/// The images of this version, as `make images` leaves them.
fn archives() -> Result<Vec<std::path::PathBuf>, StartError> {
    let version = env!("CARGO_PKG_VERSION");
    let names = ["aion-node", "aion-operator", "aion-gateway", "aionctl"];
    let paths = names.map(|name| images().join(format!("{name}-{version}.oci.tar")));
    for path in &paths {
        if !path.is_file() {
            let why = format!("{} does not exist; make images writes it", path.display());
            return Err(StartError::Missing {
                component: "image",
                why,
            });
        }
    }
    Ok(paths.to_vec())
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Result<String, String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!(
            "{command:?}: {}\n{}{}",
            output.status,
            text(&output.stderr),
            text(&output.stdout)
        )),
    }
}
