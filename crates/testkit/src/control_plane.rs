//! A Kubernetes control plane: etcd, kube-apiserver with RBAC and, where a test
//! needs namespaces to end and garbage to be collected, the controller-manager.
//!
//! On loopback there is no kubelet and no scheduler: a Pod stays pending, a Node is only
//! its object. [`crate::Cluster`] has them.

mod credentials;
mod node_token;
mod place;
mod proxy;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use tempfile::TempDir;

use self::credentials::Credentials;
pub(crate) use self::place::Place;
pub use self::proxy::{ApiProxy, Moment};
use crate::process::remove;
use crate::{Component, Process, StartError, component, free_port, skip};

/// Readiness takes seconds; a machine that is busy compiling may need minutes.
const BOUND: Duration = Duration::from_secs(240);

/// Two launches may be given the same port; the one that loses it tries again.
const ATTEMPTS: usize = 3;

/// What a control plane is started with.
#[derive(Debug, Clone, Default)]
pub struct ControlPlaneOptions {
    /// Run the controller-manager too: without it a deleted namespace stays
    /// terminating, nothing is collected through owner references, and the
    /// aggregated roles (`view`, `edit`, `admin`) are empty.
    pub controller_manager: bool,
    /// Users who can log in and may do nothing until a test binds a role to them,
    /// each with the groups that it is in. The admin exists always.
    pub users: Vec<(String, Vec<String>)>,
}

/// A running control plane; gone when dropped.
#[derive(Debug)]
pub struct ControlPlane {
    // In the order of dropping: who talks to the store goes before it.
    _scheduler: Option<Process>,
    _controller_manager: Option<Process>,
    api_server: Process,
    api_server_command: Command,
    _etcd: Process,
    kubectl: PathBuf,
    place: Place,
    url: String,
    credentials: Credentials,
    folder: TempDir,
}

impl ControlPlane {
    /// Starts etcd and kube-apiserver.
    ///
    /// # Errors
    /// See [`ControlPlane::with`].
    pub fn start() -> Result<Self, StartError> {
        Self::with(&ControlPlaneOptions::default())
    }

    /// Starts what the options say and waits until the API server is ready.
    ///
    /// # Errors
    /// [`StartError::Missing`] when a component is not on this machine; otherwise
    /// with the log of the one that did not start.
    pub fn with(options: &ControlPlaneOptions) -> Result<Self, StartError> {
        Self::at(&Place::default(), options)
    }

    pub(crate) fn at(place: &Place, options: &ControlPlaneOptions) -> Result<Self, StartError> {
        let mut attempt = 1;
        loop {
            match Self::attempt(place, options) {
                Err(StartError::NotReady(error))
                    if attempt < ATTEMPTS && error.last.contains("address already in use") =>
                {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// One control plane for all tests of a test program: with the controller-manager
    /// and a user `alice` without rights, started by the first who asks and gone with
    /// the program. Each test works in a namespace of its own. `None`, with the test
    /// noted as skipped, when a component is not on this machine.
    ///
    /// # Panics
    /// With the log of the component that is here and did not start.
    #[allow(clippy::panic)]
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Result<ControlPlane, StartError>> = OnceLock::new();
        let started = SHARED.get_or_init(|| {
            Self::with(&ControlPlaneOptions {
                controller_manager: true,
                users: vec![("alice".to_owned(), Vec::new())],
            })
        });
        match started {
            Ok(running) => Some(running),
            Err(StartError::Missing { component, why }) => {
                skip(component, why);
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn attempt(place: &Place, options: &ControlPlaneOptions) -> Result<Self, StartError> {
        let kubectl = Component::Kubectl.find()?;
        let (etcd, api_server) = (Component::Etcd.find()?, Component::KubeApiserver.find()?);
        let controller_manager = match options.controller_manager {
            true => Some(Component::KubeControllerManager.find()?),
            false => None,
        };
        let scheduler = match place.runs_pods() {
            true => Some(Component::KubeScheduler.find()?),
            false => None,
        };
        let folder = tempfile::Builder::new()
            .prefix("aion-control-plane-")
            .tempdir()
            .map_err(StartError::io("making a folder for the control plane"))?;
        let mut users = options.users.clone();
        if scheduler.is_some() {
            users.push((credentials::SCHEDULER.to_owned(), Vec::new()));
        }
        let credentials = Credentials::make(folder.path(), &users)?;
        let (etcd, store) = start_etcd(&etcd, place, folder.path())?;
        let (api_server_command, url) =
            api_server_command(&api_server, place, folder.path(), &store, &credentials)?;
        let kubectl_of_admin =
            kubectl_command(place, &kubectl, &credentials.kubeconfig(credentials::ADMIN));
        let api_server = start_api_server(&api_server_command, kubectl_of_admin, folder.path())?;
        let controller_manager = controller_manager
            .map(|binary| start_controller_manager(&binary, place, folder.path(), &credentials))
            .transpose()?;
        let scheduler = scheduler
            .map(|binary| start_scheduler(&binary, place, folder.path(), &credentials))
            .transpose()?;
        Ok(Self {
            _scheduler: scheduler,
            _controller_manager: controller_manager,
            api_server,
            api_server_command,
            _etcd: etcd,
            kubectl,
            place: place.clone(),
            url,
            credentials,
            folder,
        })
    }

    /// Where the API server listens, `https://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate that the API server is known by, PEM.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        credentials::certificate(self.folder.path())
    }

    /// Where it keeps everything, for as long as it runs.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The kubeconfig of `cluster-admin`.
    #[must_use]
    pub fn admin(&self) -> PathBuf {
        self.credentials.kubeconfig(credentials::ADMIN)
    }

    /// The kubeconfig of one of [`ControlPlaneOptions::users`].
    #[must_use]
    pub fn user(&self, name: &str) -> PathBuf {
        self.credentials.kubeconfig(name)
    }

    /// Writes a kubeconfig that logs in with `token`, say a service account's.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn kubeconfig_for_token(&self, name: &str, token: &str) -> Result<PathBuf, StartError> {
        self.credentials.write_kubeconfig(&self.url, name, token)
    }

    /// Runs `kubectl` as the admin and gives its standard output.
    ///
    /// # Errors
    /// [`StartError::Command`] with what it wrote, when it did not end with success.
    pub fn kubectl(&self, args: &[&str]) -> Result<String, StartError> {
        self.kubectl_as(&self.admin(), args)
    }

    /// Runs `kubectl` with another kubeconfig.
    ///
    /// # Errors
    /// As [`ControlPlane::kubectl`].
    pub fn kubectl_as(&self, kubeconfig: &Path, args: &[&str]) -> Result<String, StartError> {
        component::run(kubectl_command(&self.place, &self.kubectl, kubeconfig).args(args))
    }

    /// Applies a manifest, YAML or JSON, as the admin.
    ///
    /// # Errors
    /// As [`ControlPlane::kubectl`].
    pub fn apply(&self, manifest: &str) -> Result<String, StartError> {
        let file = tempfile::Builder::new()
            .suffix(".yaml")
            .tempfile_in(self.folder.path())
            .map_err(StartError::io("making a file for the manifest"))?;
        fs::write(file.path(), manifest).map_err(StartError::io("writing the manifest"))?;
        self.kubectl(&[
            "apply",
            "--server-side",
            "-f",
            &file.path().to_string_lossy(),
        ])
    }

    /// Ends the API server as a power cut does; everything else runs on, and so does what is stored.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop_api_server(&mut self) -> Result<(), StartError> {
        self.api_server.signal(nix::sys::signal::Signal::SIGKILL);
        self.api_server.wait(BOUND)?;
        Ok(())
    }

    /// Starts the API server again, at the same address, and waits until it is ready.
    ///
    /// # Errors
    /// As [`ControlPlane::with`].
    pub fn start_api_server(&mut self) -> Result<(), StartError> {
        self.api_server = start_api_server(
            &self.api_server_command,
            kubectl_command(&self.place, &self.kubectl, &self.admin()),
            self.folder.path(),
        )?;
        Ok(())
    }

    /// The end of the API server's log, for a failing test's message.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.api_server.tail()
    }
}

fn kubectl_command(place: &Place, kubectl: &Path, kubeconfig: &Path) -> Command {
    let mut command = place.command(kubectl);
    command
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .env_remove("KUBECONFIG");
    // Its discovery cache is keyed by host and port, and ports are used again.
    command
        .arg("--cache-dir")
        .arg(kubeconfig.with_extension("cache"));
    command
}

fn start_etcd(
    binary: &Path,
    place: &Place,
    folder: &Path,
) -> Result<(Process, String), StartError> {
    let url = format!("http://127.0.0.1:{}", free_port()?);
    let peer = format!("http://127.0.0.1:{}", free_port()?);
    let mut command = place.command(binary);
    command
        .arg("--unsafe-no-fsync")
        .args(["--name=test", &format!("--initial-cluster=test={peer}")])
        .arg(format!("--data-dir={}", folder.join("etcd").display()))
        .arg(format!("--listen-client-urls={url}"))
        .arg(format!("--advertise-client-urls={url}"))
        .arg(format!("--listen-peer-urls={peer}"))
        .arg(format!("--initial-advertise-peer-urls={peer}"));
    let mut etcd = Process::spawn_then(&command, &folder.join("etcd.log"), &remove(folder))?;
    etcd.until_ready(BOUND, |etcd| {
        match etcd.log().contains("ready to serve client requests") {
            true => Ok(()),
            false => Err("it does not serve yet".to_owned()),
        }
    })?;
    Ok((etcd, url))
}

/// The API server at a port of its own, and its address.
fn api_server_command(
    binary: &Path,
    place: &Place,
    folder: &Path,
    store: &str,
    credentials: &Credentials,
) -> Result<(Command, String), StartError> {
    // In a network of its own it is where every cluster has it, and where policies let pods reach it.
    let port = match place.runs_pods() {
        true => 6443,
        false => free_port()?,
    };
    let url = format!("https://{}:{port}", place.address());
    credentials.write_kubeconfigs(&url)?;
    let mut command = place.command(binary);
    command
        .arg(format!("--etcd-servers={store}"))
        .args(place.arguments())
        .arg(format!("--secure-port={port}"))
        // It makes its own certificate there, which the kubeconfigs trust.
        .arg(format!("--cert-dir={}", folder.display()))
        .arg(format!(
            "--token-auth-file={}",
            credentials.tokens().display()
        ))
        .arg("--service-account-issuer=https://kubernetes.default.svc")
        .arg(format!(
            "--service-account-key-file={}",
            credentials.signing_key().display()
        ))
        .arg(format!(
            "--service-account-signing-key-file={}",
            credentials.signing_key().display()
        ))
        .args(["--authorization-mode=Node,RBAC", "--allow-privileged=true"])
        .arg("--service-cluster-ip-range=10.0.0.0/24");
    Ok((command, url))
}

fn start_api_server(
    command: &Command,
    mut kubectl: Command,
    folder: &Path,
) -> Result<Process, StartError> {
    let mut process = Process::spawn(command, &folder.join("kube-apiserver.log"))?;
    kubectl.args(["get", "--raw", "/readyz"]);
    process.until_ready(BOUND, |_| {
        if !credentials::certificate(folder).is_file() {
            return Err("it has made no certificate yet".to_owned());
        }
        component::run(&mut kubectl).map_err(|error| error.to_string())
    })?;
    Ok(process)
}

fn start_scheduler(
    binary: &Path,
    place: &Place,
    folder: &Path,
    credentials: &Credentials,
) -> Result<Process, StartError> {
    let mut command = place.command(binary);
    command
        .arg(format!(
            "--kubeconfig={}",
            credentials.kubeconfig(credentials::SCHEDULER).display()
        ))
        .args(["--leader-elect=false", "--bind-address=127.0.0.1"]);
    Process::spawn(&command, &folder.join("kube-scheduler.log"))
}

fn start_controller_manager(
    binary: &Path,
    place: &Place,
    folder: &Path,
    credentials: &Credentials,
) -> Result<Process, StartError> {
    let kubeconfig = credentials.kubeconfig(credentials::CONTROLLER_MANAGER);
    let mut command = place.command(binary);
    command
        .arg(format!("--kubeconfig={}", kubeconfig.display()))
        .arg(format!("--controllers={}", place.controllers()))
        .arg(format!(
            "--service-account-private-key-file={}",
            credentials.signing_key().display()
        ))
        .arg(format!(
            "--root-ca-file={}",
            credentials::certificate(folder).display()
        ))
        .arg("--use-service-account-credentials=true")
        .args(["--leader-elect=false", "--secure-port=0"]);
    let mut process = Process::spawn(&command, &folder.join("kube-controller-manager.log"))?;
    process.until_ready(BOUND, |process| {
        // The namespace controller is the last word: caches of all kinds are full.
        match process.log().contains("Caches are synced") {
            true => Ok(()),
            false => Err("its caches are not synced yet".to_owned()),
        }
    })?;
    Ok(process)
}
