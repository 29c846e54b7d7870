//! Where the real components are found on this machine, and why one is not.
//!
//! `tests/components/ensure` builds them; this only looks. The versions are read
//! from the same file that it reads.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::WaitError;

const VERSIONS: &str = include_str!("../../../tests/components/versions");

/// Why a component is not running.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It is not on this machine; the test that wants it is skipped.
    #[error("{component} is not on this machine: {why}; run tests/components/ensure {component}")]
    Missing {
        /// The binary's name.
        component: &'static str,
        /// What stood in the way of having it, in words.
        why: String,
    },
    /// It ended, or never became ready.
    #[error(transparent)]
    NotReady(#[from] WaitError),
    /// It ran, and said no.
    #[error("{command} failed ({status}): {output}")]
    Command {
        /// What was run, with its arguments.
        command: String,
        /// Its exit status, in words.
        status: String,
        /// What it wrote, standard error first.
        output: String,
    },
    /// A file, a port or a process could not be made.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// The system's reason.
        source: io::Error,
    },
}

impl StartError {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

/// A real component, by the binary that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// The API server's store.
    Etcd,
    /// The Kubernetes API server.
    KubeApiserver,
    /// Garbage collection, namespaces, service accounts.
    KubeControllerManager,
    /// The command-line client.
    Kubectl,
    /// Gives Pods to Nodes.
    KubeScheduler,
    /// Makes Services reachable on a Node.
    KubeProxy,
    /// Puts NetworkPolicies in force on a Node.
    KubeRouter,
    /// Runs the Pods of a Node.
    Kubelet,
    /// What runs in the sample Pods.
    Pod,
    /// Installs charts.
    Helm,
    /// Signs and verifies artifacts.
    Cosign,
    /// Makes, changes and checks images in registries.
    Crane,
    /// OCI registries, of the version of CNCF distribution.
    Registry,
    /// How tools that deploy from Git judge resources.
    Judge,
    /// The conformance suite of MCP.
    McpConformance,
    /// Puts a load on what speaks HTTP.
    K6,
}

/// Checks that programs are on the `PATH`, each named with its package of Debian.
pub(crate) fn programs(wanted: &[(&'static str, &str)]) -> Result<(), StartError> {
    let path = env::var_os("PATH").unwrap_or_default();
    for (program, package) in wanted {
        if !env::split_paths(&path).any(|folder| folder.join(program).is_file()) {
            return Err(StartError::Missing {
                component: program,
                why: format!("{program} is not on the PATH; Debian's package {package} has it"),
            });
        }
    }
    Ok(())
}

/// Checks that this machine lets a program do its work, by a command that is of no consequence.
pub(crate) fn works(component: &'static str, command: &mut Command) -> Result<(), StartError> {
    match run(command) {
        Ok(_) => Ok(()),
        Err(StartError::Command { output, .. }) => Err(StartError::Missing {
            component,
            why: format!("{} says: {output}", words(command)),
        }),
        Err(error) => Err(error),
    }
}

/// This machine's processor, as Go and images name it.
#[must_use]
pub fn architecture() -> &'static str {
    match env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

impl Component {
    /// The name of its binary.
    #[must_use]
    pub fn binary(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::Kubectl => "kubectl",
            Self::KubeScheduler => "kube-scheduler",
            Self::KubeProxy => "kube-proxy",
            Self::KubeRouter => "kube-router",
            Self::Kubelet => "kubelet",
            Self::Pod => "pod",
            Self::Helm => "helm",
            Self::Cosign => "cosign",
            Self::Crane => "crane",
            Self::Registry => "registry",
            Self::Judge => "judge",
            Self::McpConformance => "mcp-conformance",
            Self::K6 => "k6",
        }
    }

    /// The name that it goes by in `tests/components/versions`.
    fn name(self) -> &'static str {
        match self {
            Self::KubeApiserver
            | Self::KubeControllerManager
            | Self::Kubectl
            | Self::KubeScheduler
            | Self::KubeProxy
            | Self::Kubelet => "kubernetes",
            other => other.binary(),
        }
    }

    /// The version that the tests are written for, as its project writes it.
    #[must_use]
    pub fn version(self) -> &'static str {
        version_of(self.name())
    }

    /// Where it is: in `KUBEBUILDER_ASSETS`, else where `tests/components/ensure`
    /// puts it.
    ///
    /// # Errors
    /// [`StartError::Missing`] with the reason that `ensure` left, if it left one.
    pub fn find(self) -> Result<PathBuf, StartError> {
        if let Some(assets) = env::var_os("KUBEBUILDER_ASSETS") {
            let binary = Path::new(&assets).join(self.binary());
            if binary.is_file() {
                return Ok(binary);
            }
        }
        let Some(cache) = cache_folder() else {
            return Err(self.missing("neither AION_CACHE, XDG_CACHE_HOME nor HOME is set"));
        };
        let folder = cache.join(self.name()).join(self.version());
        let binary = folder.join("bin").join(self.binary());
        if binary.is_file() {
            return Ok(binary);
        }
        match fs::read_to_string(folder.join(format!("{}.missing", self.binary()))) {
            Ok(why) => Err(self.missing(why.trim())),
            Err(_) => Err(self.missing(&format!("{} does not exist", binary.display()))),
        }
    }

    fn missing(self, why: &str) -> StartError {
        StartError::Missing {
            component: self.binary(),
            why: why.to_owned(),
        }
    }
}

/// The folder for `PYTHONPATH` that has a package of PyPI.
///
/// # Errors
/// [`StartError::Missing`] with the reason that `ensure` left, if it left one.
pub fn python_package(name: &'static str) -> Result<PathBuf, StartError> {
    package(name, "site")
}

/// The `node_modules` that have a package of npm.
///
/// # Errors
/// As [`python_package`].
pub fn node_package(name: &'static str) -> Result<PathBuf, StartError> {
    package(name, "node_modules")
}

fn package(name: &'static str, beside: &str) -> Result<PathBuf, StartError> {
    let missing = |why: &str| StartError::Missing {
        component: name,
        why: why.to_owned(),
    };
    let cache = cache_folder();
    let cache =
        cache.ok_or_else(|| missing("neither AION_CACHE, XDG_CACHE_HOME nor HOME is set"))?;
    let folder = cache.join(name).join(version_of(name));
    let packages = folder.join(beside);
    if packages.join(name).is_dir() {
        return Ok(packages);
    }
    match fs::read_to_string(folder.join(format!("{name}.missing"))) {
        Ok(why) => Err(missing(why.trim())),
        Err(_) => Err(missing(&format!("{} does not exist", packages.display()))),
    }
}

fn version_of(name: &str) -> &'static str {
    VERSIONS
        .lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(it, _)| *it == name)
        .map_or("", |(_, version)| version)
}

fn cache_folder() -> Option<PathBuf> {
    let set = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("AION_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("aion")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/aion")))
}

/// Runs a command to its end and gives what it wrote to standard output.
pub(crate) fn run(command: &mut Command) -> Result<String, StartError> {
    let line = words(command);
    let output = command
        .output()
        .map_err(StartError::io(format!("running {line}")))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(StartError::Command {
        command: line,
        status: output.status.to_string(),
        output: format!("{}\n{}", stderr.trim(), stdout.trim())
            .trim()
            .to_owned(),
    })
}

/// A command as a person would type it.
fn words(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut line = program
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    for word in command.get_args() {
        line.push(' ');
        line.push_str(&word.to_string_lossy());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_work_here_is_missing_and_says_why() {
        let fails = works(
            "thing",
            Command::new("sh").args(["-c", "echo no sets >&2; exit 1"]),
        );
        assert!(
            matches!(&fails, Err(StartError::Missing { component: "thing", why }) if why.ends_with("says: no sets")),
            "{fails:?}"
        );
        assert!(works("thing", &mut Command::new("true")).is_ok());
    }

    #[test]
    fn every_component_has_a_version() {
        for component in [
            Component::Etcd,
            Component::KubeApiserver,
            Component::KubeControllerManager,
            Component::Kubectl,
            Component::Kubelet,
            Component::Pod,
            Component::Helm,
            Component::Cosign,
            Component::Crane,
            Component::Registry,
            Component::Judge,
        ] {
            assert!(component.version().starts_with('v'), "{component:?}");
        }
    }
}
