//! A whole Kubernetes cluster on this machine: the control plane, and nodes that run pods
//! with kubelet, containerd and a network of their own.
//!
//! Each node is a machine made of namespaces, so that killing it ends all that runs there
//! and a host path of one is none of the other's. Root is needed, and Debian's packages of
//! containerd; where they are not, a test is skipped by name. Nothing of AION-OS may enter.

mod containerd;
mod images;
mod kubelet;
mod leftovers;
mod machine;
mod network;
mod node;
mod policies;

use std::{ffi::OsStr, net::SocketAddrV4, path::Path, process::Command, time::Duration};

use tempfile::TempDir;

pub(crate) use self::machine::Entrance;
use self::machine::Machine;
pub use self::{images::Image, leftovers::Leftovers, node::Node};
use crate::{
    Component, ControlPlane, ControlPlaneOptions, StartError, component, control_plane::Place,
    until,
};

/// Of [`Cluster::SHOWN`].
const SHOWN_AT: u16 = 5000;
/// Of its proxy on each node.
const PROXY: &str = "system:kube-proxy";

/// A node is ready in seconds; a machine that is busy compiling may need minutes.
const BOUND: Duration = Duration::from_secs(240);

/// A running cluster; gone when dropped.
#[derive(Debug)]
pub struct Cluster {
    // In the order of dropping: who talks to the API server goes before it.
    nodes: Vec<Node>,
    control_plane: ControlPlane,
    switch: Machine,
    folder: TempDir,
    /// Whether NetworkPolicies are in force.
    enforces: bool,
}

impl Cluster {
    /// Where [`Cluster::show`] shows something.
    pub const SHOWN: SocketAddrV4 = SocketAddrV4::new(network::CONTROL_PLANE, SHOWN_AT);

    /// Starts it with nodes `node-0`, `node-1` and so on, and waits until each is ready.
    ///
    /// # Errors
    /// [`StartError::Missing`] when this machine cannot; otherwise with the log of what
    /// did not start.
    pub fn start(nodes: u8) -> Result<Self, StartError> {
        Machine::possible()?;
        component::programs(containerd::WANTED)?;
        component::programs(&[("nft", "nftables"), ("sysctl", "procps")])?;
        containerd::plugins()?;
        let pause = Component::Pod.find()?;
        for component in [Component::Kubelet, Component::KubeProxy] {
            component.find()?;
        }
        let folder = tempfile::Builder::new()
            .prefix("aion-cluster-")
            .tempdir()
            .map_err(StartError::io("making a folder for the cluster"))?;
        let switch = Machine::start(
            "control-plane",
            &folder.path().join("control-plane"),
            "",
            folder.path(),
        )?;
        network::lay(&switch)?;
        let names: Vec<_> = (0..nodes).map(|number| format!("node-{number}")).collect();
        let mut users = vec![
            (PROXY.to_owned(), Vec::new()),
            (policies::USER.to_owned(), Vec::new()),
        ];
        users.extend(
            names
                .iter()
                .map(|name| (user(name), vec!["system:nodes".to_owned()])),
        );
        let place = Place {
            network: switch.network(),
            address: Some(network::CONTROL_PLANE),
        };
        let options = ControlPlaneOptions {
            controller_manager: true,
            users,
        };
        let control_plane = ControlPlane::at(&place, &options)?;
        let mut cluster = Self {
            nodes: Vec::new(),
            control_plane,
            switch,
            folder,
            enforces: false,
        };
        let pause = Image::new(containerd::PAUSE, &["/pod", "pause"]).with("pod", &pause);
        for (name, number) in names.iter().zip(0..) {
            let node = Node::new(cluster.folder.path(), name, number);
            cluster.nodes.push(node);
            cluster.start_node(number)?;
            cluster.nodes[usize::from(number)].import(&pause)?;
        }
        for number in 0..nodes {
            cluster.until_ready(number)?;
        }
        Ok(cluster)
    }

    /// Puts NetworkPolicies in force on all nodes, also those that are started later. Without it they are objects.
    ///
    /// # Errors
    /// [`StartError::Missing`] when this machine cannot.
    pub fn enforce_network_policies(&mut self) -> Result<(), StartError> {
        policies::possible()?;
        self.apply(&policies::role().to_string())?;
        self.enforces = true;
        let kubeconfig = self.control_plane.user(policies::USER);
        self.nodes
            .iter_mut()
            .try_for_each(|node| node.enforce(&kubeconfig))
    }

    /// What all of it hangs on.
    #[must_use]
    pub fn control_plane(&self) -> &ControlPlane {
        &self.control_plane
    }

    /// As [`Cluster::control_plane`], to stop its API server and start it again.
    pub fn control_plane_mut(&mut self) -> &mut ControlPlane {
        &mut self.control_plane
    }

    /// Runs `kubectl` as the admin and gives its standard output.
    ///
    /// # Errors
    /// As [`ControlPlane::kubectl`].
    pub fn kubectl(&self, args: &[&str]) -> Result<String, StartError> {
        self.control_plane.kubectl(args)
    }

    /// Applies a manifest, YAML or JSON, as the admin.
    ///
    /// # Errors
    /// As [`ControlPlane::kubectl`].
    pub fn apply(&self, manifest: &str) -> Result<String, StartError> {
        self.control_plane.apply(manifest)
    }

    /// `program`, in the network of the control plane, with the admin's `KUBECONFIG`.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.switch.network().command(program);
        command.env("KUBECONFIG", self.control_plane.admin());
        command
    }

    /// Shows the nodes, at [`Cluster::SHOWN`], what listens at `address` on the control plane's loopback; until something
    /// else is shown there.
    ///
    /// # Errors
    /// With what `nft` wrote.
    pub fn show(&self, address: SocketAddrV4) -> Result<(), StartError> {
        network::show(&self.switch, address.port(), SHOWN_AT)
    }

    /// Its nodes.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// One of its nodes.
    ///
    /// # Panics
    /// When there is no such node.
    pub fn node_mut(&mut self, number: u8) -> &mut Node {
        &mut self.nodes[usize::from(number)]
    }

    /// Gives every node an image.
    ///
    /// # Errors
    /// With what `ctr` wrote.
    pub fn import(&self, image: &Image) -> Result<(), StartError> {
        self.nodes.iter().try_for_each(|node| node.import(image))
    }

    /// Gives every node the images of an archive, an OCI layout or what `docker save` writes.
    ///
    /// # Errors
    /// With what `ctr` wrote.
    pub fn import_archive(&self, archive: &Path) -> Result<(), StartError> {
        self.nodes
            .iter()
            .try_for_each(|node| node.import_archive(archive))
    }

    /// Starts a node that was killed, with what is on its disk.
    ///
    /// # Errors
    /// With the log of what did not start.
    ///
    /// # Panics
    /// When there is no such node.
    pub fn start_node(&mut self, number: u8) -> Result<(), StartError> {
        let at = usize::from(number);
        let mut node = self.nodes.remove(at);
        let others: Vec<_> = self.nodes.iter().filter_map(Node::machine).collect();
        let proxy = self.control_plane.user(PROXY);
        let kubelet = self.control_plane.user(&user(node.name()));
        let mut started = node.start(&self.switch, &others, &kubelet, &proxy);
        if self.enforces && started.is_ok() {
            started = node.enforce(&self.control_plane.user(policies::USER));
        }
        self.nodes.insert(at, node);
        started
    }

    /// Waits until the API server calls a node ready.
    ///
    /// # Errors
    /// With what it says of it, and the end of the kubelet's log.
    ///
    /// # Panics
    /// When there is no such node.
    pub fn until_ready(&self, number: u8) -> Result<(), StartError> {
        let node = &self.nodes[usize::from(number)];
        let cidr = format!(r#"{{"spec":{{"podCIDR":"{}"}}}}"#, network::pods(number));
        until(&format!("{} becoming ready", node.name()), BOUND, || {
            let ready = r#"jsonpath={.status.conditions[?(@.type=="Ready")]}"#;
            let words = self.kubectl(&["get", "node", node.name(), "-o", ready]);
            match words {
                Ok(words) if words.contains(r#""status":"True""#) => Ok(()),
                Ok(words) => Err(format!("{words}\n{}", node.log_tail())),
                Err(error) => Err(format!("{error}\n{}", node.log_tail())),
            }
        })?;
        self.kubectl(&["patch", "node", node.name(), "-p", &cidr])
            .map(drop)
    }

    /// A folder that goes with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it leaves behind when it is not taken down: names of files, cgroups, processes.
    #[must_use]
    pub fn marks(&self) -> Vec<String> {
        let folders = [self.folder.path(), self.control_plane.folder()];
        let names = folders.iter().filter_map(|folder| folder.file_name());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    }
}

fn user(node: &str) -> String {
    format!("system:node:{node}")
}
