//! A network around a node, made of namespaces of the test: addresses that everybody reaches, and names that lead to them.
//! Nothing of it is seen outside the thread that entered it, and what that starts.

use std::{fs::File, net::TcpListener, os::fd::AsFd, path::Path, process::Command, thread};

use aion_testkit::skip;
use anyhow::{Context, ensure};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, setns, unshare},
    unistd::{geteuid, gettid},
};
use tempfile::NamedTempFile;

/// What the node's machine has (RFC 5737), and the first of the world's.
const NODE: &str = "203.0.113.1";
const WORLD: &str = "203.0.113.2";

/// See the module. Gone with its last process.
pub struct World {
    network: File,
    _hosts: NamedTempFile,
}

impl World {
    /// Moves this thread into a network with these hosts, names and addresses. `None`, and the test skipped, where that
    /// takes another user or a program that is not here.
    ///
    /// # Errors
    /// What the kernel or `ip` says.
    pub fn enter(hosts: &[(&str, &str)]) -> anyhow::Result<Option<Self>> {
        if !geteuid().is_root() {
            skip("a network of the test's own", "it takes root");
            return Ok(None);
        }
        if Command::new("ip").arg("-V").output().is_err() {
            skip("a network of the test's own", "iproute2 is not installed");
            return Ok(None);
        }
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)?;
        let here = gettid();
        let of_world = thread::spawn(move || -> anyhow::Result<File> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            let network = File::open("/proc/thread-self/ns/net")?;
            let here = here.to_string();
            ip(&[
                "link", "add", "near", "netns", &here, "type", "veth", "peer", "name", "far",
            ])?;
            ip(&["address", "add", &format!("{WORLD}/24"), "dev", "far"])?;
            ip(&["link", "set", "far", "up"])?;
            ip(&["link", "set", "lo", "up"])?;
            Ok(network)
        });
        let network = of_world
            .join()
            .map_err(|_| anyhow::anyhow!("the world's thread panicked"))??;
        ip(&["link", "set", "lo", "up"])?;
        ip(&["address", "add", &format!("{NODE}/24"), "dev", "near"])?;
        ip(&["link", "set", "near", "up"])?;
        ip(&["route", "add", "default", "via", WORLD])?;
        let mut names = String::from("127.0.0.1 localhost\n");
        for (name, address) in hosts {
            names += &format!("{address} {name}\n");
        }
        let hosts_file = NamedTempFile::new()?;
        std::fs::write(hosts_file.path(), names)?;
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
        over(hosts_file.path(), "/etc/hosts")?;
        // Names that are in no file are asked of nobody.
        over(Path::new("/dev/null"), "/etc/resolv.conf")?;
        let world = Self {
            network,
            _hosts: hosts_file,
        };
        for (_, address) in hosts {
            if *address != WORLD && *address != NODE {
                let address = format!("{address}/32");
                world.within(move || ip(&["address", "replace", &address, "dev", "lo"]))??;
            }
        }
        Ok(Some(world))
    }

    /// A socket that listens at an address of the world.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn listen(&self, address: &str) -> anyhow::Result<TcpListener> {
        let address = address.to_owned();
        Ok(self.within(move || TcpListener::bind(address))??)
    }

    fn within<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> anyhow::Result<T> {
        let network = self.network.try_clone()?;
        let done = thread::spawn(move || {
            setns(network.as_fd(), CloneFlags::CLONE_NEWNET).map(|()| work())
        });
        Ok(done
            .join()
            .map_err(|_| anyhow::anyhow!("a thread in the world panicked"))??)
    }
}

fn over(file: &Path, place: &str) -> anyhow::Result<()> {
    let none: Option<&str> = None;
    mount(Some(file), place, none, MsFlags::MS_BIND, none)
        .with_context(|| format!("covering {place}"))
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let said = Command::new("ip").args(arguments).output()?;
    ensure!(
        said.status.success(),
        "ip {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&said.stderr)
    );
    Ok(())
}
