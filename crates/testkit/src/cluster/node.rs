//! One node: a machine with containerd, a kubelet and a proxy, each of which a test may
//! end and start again.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Image, containerd, kubelet, machine::Machine, network, policies};
use crate::{Process, StartError};

/// A node of a cluster.
#[derive(Debug)]
pub struct Node {
    name: String,
    number: u8,
    folder: PathBuf,
    cgroup: String,
    kubeconfig: PathBuf,
    // In the order of dropping.
    kubelet: Option<Process>,
    proxy: Option<Process>,
    policies: Option<Process>,
    containerd: Option<Process>,
    machine: Option<Machine>,
}

impl Node {
    /// One that does not run yet.
    pub(super) fn new(cluster: &Path, name: &str, number: u8) -> Self {
        let of = cluster.file_name().unwrap_or_default().to_string_lossy();
        Self {
            name: name.to_owned(),
            number,
            folder: cluster.join(name),
            cgroup: format!("{of}-{name}"),
            kubeconfig: PathBuf::new(),
            kubelet: None,
            proxy: None,
            policies: None,
            containerd: None,
            machine: None,
        }
    }

    pub(super) fn start(
        &mut self,
        switch: &Machine,
        others: &[(u8, &Machine)],
        kubeconfig: &Path,
        proxy: &Path,
    ) -> Result<(), StartError> {
        let machine = Machine::start(&self.name, &self.folder, &self.cgroup, Path::new(""))?;
        let machine = self.machine.insert(machine);
        network::connect(switch, machine, self.number, others)?;
        self.containerd = Some(containerd::start(machine, &self.folder, self.number)?);
        self.proxy = Some(kubelet::start_proxy(
            machine,
            &self.folder,
            &self.name,
            proxy,
        )?);
        self.kubeconfig = kubeconfig.to_owned();
        self.start_kubelet()
    }

    /// Puts NetworkPolicies in force on it.
    pub(super) fn enforce(&mut self, kubeconfig: &Path) -> Result<(), StartError> {
        if let Some(machine) = &self.machine {
            let started = policies::start(machine, &self.folder, &self.name, kubeconfig)?;
            self.policies = Some(started);
        }
        Ok(())
    }

    /// Its name, as the API server has it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address, in the cluster's network.
    #[must_use]
    pub fn address(&self) -> std::net::Ipv4Addr {
        network::node(self.number)
    }

    /// Its folder for a path of its own, below `/var/lib`, `/var/log` or `/run`.
    #[must_use]
    pub fn path(&self, own: &str) -> PathBuf {
        self.folder.join(own.trim_start_matches('/'))
    }

    /// Ends all that runs on it, as a power cut does.
    pub fn kill(&mut self) {
        self.machine = None;
        self.kubelet = None;
        self.proxy = None;
        self.policies = None;
        self.containerd = None;
    }

    /// Ends the kubelet; the pods run on.
    pub fn stop_kubelet(&mut self) {
        self.kubelet = None;
    }

    /// Starts the kubelet again.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_kubelet(&mut self) -> Result<(), StartError> {
        let Some(machine) = &self.machine else {
            return Ok(());
        };
        let (name, number) = (&self.name, self.number);
        self.kubelet = Some(kubelet::start(
            machine,
            &self.folder,
            name,
            number,
            &self.kubeconfig,
        )?);
        Ok(())
    }

    /// Gives it an image.
    ///
    /// # Errors
    /// With what `ctr` wrote.
    pub fn import(&self, image: &Image) -> Result<(), StartError> {
        match &self.machine {
            Some(machine) => containerd::import(machine, &self.folder, image),
            None => Ok(()),
        }
    }

    /// Gives it the images of an archive.
    ///
    /// # Errors
    /// With what `ctr` wrote.
    pub fn import_archive(&self, archive: &Path) -> Result<(), StartError> {
        match &self.machine {
            Some(machine) => containerd::import_archive(machine, archive),
            None => Ok(()),
        }
    }

    /// `program`, on this node; nothing when it was killed.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Option<Command> {
        self.machine
            .as_ref()
            .map(|machine| machine.entrance().command(program))
    }

    /// The end of the kubelet's log, for a failing test's message.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.kubelet.as_ref().map(Process::tail).unwrap_or_default()
    }

    pub(super) fn machine(&self) -> Option<(u8, &Machine)> {
        self.machine.as_ref().map(|machine| (self.number, machine))
    }
}
