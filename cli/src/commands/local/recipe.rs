//! How a program of the node is started: which file, with what arguments and variables, as whom.

use std::{
    env,
    ffi::OsString,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use aion_folders::{Folder, Trust};

use super::{
    node_user::{NodeUser, Users},
    settings,
};
use crate::{failure::Failure, home::Home, process::Program};

/// Variables that are handed on besides those of settings, where not all are.
const BESIDES: [&str; 14] = [
    "AION_API_URL",
    "AION_API_TLS_CERT",
    "AION_API_TLS_KEY",
    "AION_API_TLS_CA",
    "AION_KUBERNETES",
    "AION_LLAMA_CPP_PORT",
    "AION_OLLAMA_PORT",
    "KUBECONFIG",
    "LANG",
    "LD_LIBRARY_PATH",
    "RUST_BACKTRACE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TZ",
];

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    pub(super) program: Program,
    pub(super) path: PathBuf,
    pub(super) arguments: Vec<OsString>,
    /// Who it runs as, where that is not who starts it.
    pub(super) user: Option<NodeUser>,
    pub(super) home: Home,
}

/// The node's programs, and the gateway where one is wanted and can be had.
#[derive(Debug, Clone)]
pub(super) struct Recipes {
    pub(super) launcher: Recipe,
    pub(super) node: Recipe,
    pub(super) gateway: Option<Recipe>,
}

impl Recipes {
    /// Of the programs that are installed; `users` are whom daemon and gateway run as. A gateway that cannot be had is
    /// told, and the node goes without.
    pub(super) fn find(
        home: &Home,
        users: Option<Users>,
        gateway: bool,
        tell: impl FnOnce(&str),
    ) -> Result<Self, Failure> {
        let (user, door) = users.map(|it| (it.node, it.gateway)).unzip();
        let text = |text: &str| OsString::from(text);
        let mut launcher = vec![
            text("serve"),
            text("--socket"),
            home.launcher_socket().into(),
            text("--state"),
            home.launcher_state().into(),
        ];
        if let Some(user) = &user {
            launcher.push(text("--daemon-uid"));
            launcher.push(user.owner.user.to_string().into());
        }
        let mut node = vec![
            text("--home"),
            home.root().into(),
            text("--launcher-socket"),
            home.launcher_socket().into(),
        ];
        if let Some(door) = &door {
            node.push(text("--gateway-uid"));
            node.push(door.owner.user.to_string().into());
        }
        let asks = vec![
            text("--home"),
            home.root().into(),
            text("--token-file"),
            home.gateway_token().into(),
            text("--namespace"),
            text("default"),
        ];
        let recipe = |program: Program, arguments, user| {
            Ok::<_, Failure>(Recipe {
                path: find(program.name, home.trust())?,
                program,
                arguments,
                user,
                home: home.clone(),
            })
        };
        let gateway = gateway.then(|| recipe(super::gateway(home), asks, door));
        let gateway = gateway.and_then(|found| match found {
            Ok(recipe) => Some(recipe),
            Err(why) => {
                tell(&format!("there is no gateway: {}", why.what));
                None
            }
        });
        Ok(Self {
            launcher: recipe(super::launcher(home), launcher, None)?,
            node: recipe(super::node(home), node, user)?,
            gateway,
        })
    }
}

impl Recipe {
    /// The program itself, to be waited for by who starts it.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments);
        self.fit(command)
    }

    /// The program away from this terminal, for who does not stay.
    pub(super) fn detached(&self) -> Result<Command, Failure> {
        let mut command = detached(&self.path)?;
        command.args(&self.arguments);
        Ok(self.fit(command))
    }

    fn fit(&self, mut command: Command) -> Command {
        if self.home.trust() == Trust::Root {
            // What root has in its environment is not for another user.
            command.env_clear().envs(variables());
        }
        if let Some(user) = &self.user {
            command.uid(user.owner.user).gid(user.owner.group);
        }
        command
            .env("AION_HOME", self.home.root())
            .current_dir(self.home.root());
        command
    }
}

/// Becomes `program` in a session of its own; its arguments are to follow.
pub(super) fn detached(program: &Path) -> Result<Command, Failure> {
    let mut command = Command::new(own()?);
    command.args(["local", "become"]).arg(program);
    Ok(command)
}

/// This program.
pub(super) fn own() -> Result<PathBuf, Failure> {
    env::current_exe().map_err(|why| Failure::new(format!("cannot find myself: {why}")))
}

/// The variables that a program is given where it is not given all.
pub(super) fn variables() -> Vec<(&'static str, String)> {
    let names = settings::variables_handed_on().chain(BESIDES);
    names
        .filter_map(|name| Some((name, env::var(name).ok()?)))
        .collect()
}

/// Beside aionctl, else on the PATH. Root runs it, so nobody else may be able to replace it.
pub(super) fn find(name: &str, trust: Trust) -> Result<PathBuf, Failure> {
    let own = env::current_exe()
        .ok()
        .and_then(|own| own.canonicalize().ok());
    let beside = own.as_deref().and_then(Path::parent).map(Path::to_owned);
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places = beside.into_iter().chain(env::split_paths(&path));
    let found = places
        .find_map(|folder| Some(folder.join(name)).filter(|path| path.is_file()))
        .and_then(|path| path.canonicalize().ok())
        .ok_or_else(|| {
            Failure::new(format!("the program {name} is not installed"))
                .at("beside aionctl, and on the PATH")
                .remedy("run ./install.sh --local in a copy of the project")
        })?;
    let folder = found.parent().unwrap_or(Path::new("/"));
    if let Err(why) = Folder::open(folder, trust) {
        return Err(Failure::new(format!("root does not run {name} from there: {why}"))
            .at(found.display())
            .remedy("install to a folder that is root's alone, as ./install.sh --local does, or start the node as an ordinary user"));
    }
    Ok(found)
}
