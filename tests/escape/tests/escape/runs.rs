//! Every run that the tests look at, made once: with every layer on, with what holds an attempt off, and with each layer
//! of that alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::OnceLock;

use aion_escape::attempts::{Attempt, Held, all};
use aion_escape::layer::Layer;
use aion_sandbox::protocol::Role;
use anyhow::{Context, Result};
use parking_lot::Mutex;

use crate::image::Image;
use crate::stage::{Outcomes, Stage, bare};

/// The ports of the network of [`Runs::networked`].
const PORTS: [u16; 3] = [80, 443, 8080];
/// As many machines at a time.
const MACHINES: usize = 3;

/// See the module.
pub(crate) struct Runs {
    /// As the program of an image, with every layer on.
    pub(crate) process: Outcomes,
    /// As a tool.
    pub(crate) tool: Outcomes,
    /// As the program of an image with a network, and whom the connections were for that came to its doors.
    pub(crate) networked: (Outcomes, Vec<SocketAddr>),
    /// Outside of any sandbox.
    pub(crate) bare: Outcomes,
    /// With these layers off.
    without: BTreeMap<Vec<Layer>, Outcomes>,
}

impl Runs {
    /// The runs of this test program.
    pub(crate) fn get() -> &'static Self {
        static RUNS: OnceLock<Runs> = OnceLock::new();
        RUNS.get_or_init(|| Self::make().unwrap_or_else(|error| panic!("{error:#}")))
    }

    fn make() -> Result<Self> {
        let folder = tempfile::tempdir_in("/tmp")?;
        let mut wanted: BTreeMap<Vec<Layer>, BTreeSet<&str>> = BTreeMap::new();
        let mut outside = Vec::new();
        for attempt in all() {
            match attempt.held {
                Held::By(_) => {
                    for off in questions(&attempt) {
                        wanted.entry(off).or_default().insert(attempt.name);
                    }
                }
                Held::ByTheSandbox => outside.push(attempt.name),
            }
        }
        let queue = Mutex::new(wanted.into_iter());
        let without = Mutex::new(BTreeMap::new());
        let work = |number: usize| -> Result<()> {
            // Each its own image: an attempt that succeeds changes it.
            let own = folder.path().join(number.to_string());
            std::fs::create_dir(&own)?;
            let image = Image::make(&own)?;
            loop {
                let next = queue.lock().next();
                let Some((off, names)) = next else {
                    return Ok(());
                };
                let names: Vec<&str> = names.into_iter().collect();
                let came = run(Role::Process, &off, &image, &names)?;
                without.lock().insert(off, came);
            }
        };
        std::thread::scope(|scope| -> Result<()> {
            let workers: Vec<_> = (0..MACHINES)
                .map(|number| scope.spawn(move || work(number)))
                .collect();
            workers.into_iter().try_for_each(|worker| {
                worker
                    .join()
                    .map_err(|_| anyhow::anyhow!("a run panicked"))?
            })
        })?;
        let own = folder.path().join("on");
        std::fs::create_dir(&own)?;
        let image = Image::make(&own)?;
        Ok(Self {
            process: run(Role::Process, &[], &image, &[])?,
            tool: run(Role::Tool, &[], &image, &[])?,
            networked: runtime()?
                .block_on(Stage::new(&[])?.with_network(&image, &PORTS))
                .context("with a network")?,
            bare: bare(&outside)?,
            without: without.into_inner(),
        })
    }

    /// What an attempt comes to with everything off that holds it.
    pub(crate) fn with_all_off(&self, attempt: &Attempt) -> &str {
        match attempt.held {
            Held::By(layers) => self.came(&sorted(layers), attempt),
            Held::ByTheSandbox => self
                .bare
                .get(attempt.name)
                .map_or("nothing", String::as_str),
        }
    }

    /// What it comes to with everything off but one of those that hold it.
    pub(crate) fn with_it_alone(&self, attempt: &Attempt, layer: Layer) -> &str {
        match attempt.held {
            Held::By(layers) => self.came(&but(layers, layer), attempt),
            Held::ByTheSandbox => "nothing",
        }
    }

    fn came(&self, off: &[Layer], attempt: &Attempt) -> &str {
        let of_run = match off {
            [] => Some(&self.process),
            off => self.without.get(off),
        };
        of_run
            .and_then(|it| it.get(attempt.name))
            .map_or("nothing", String::as_str)
    }
}

/// What is off when an attempt is asked for: all that holds it, and all but each.
fn questions(attempt: &Attempt) -> Vec<Vec<Layer>> {
    let Held::By(layers) = attempt.held else {
        return Vec::new();
    };
    let each = layers.iter().map(|layer| but(layers, *layer));
    each.chain([sorted(layers)])
        .filter(|off| !off.is_empty())
        .collect()
}

fn sorted(layers: &[Layer]) -> Vec<Layer> {
    let layers: BTreeSet<Layer> = layers.iter().copied().collect();
    layers.into_iter().collect()
}

fn but(layers: &[Layer], one: Layer) -> Vec<Layer> {
    let mut layers = sorted(layers);
    layers.retain(|it| *it != one);
    layers
}

fn run(role: Role, off: &[Layer], image: &Image, names: &[&str]) -> Result<Outcomes> {
    let stage = Stage::new(off)?;
    let attempts = stage.attempts(role, image, names);
    runtime()?
        .block_on(attempts)
        .with_context(|| format!("{role:?} without {off:?}"))
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    Ok(builder.worker_threads(1).enable_all().build()?)
}

/// Whether this is what a machine says that lacks what was tried.
pub(crate) fn is_missing(outcome: &str) -> bool {
    [
        "ENOSYS",
        "ENOENT",
        "ENODEV",
        "EAFNOSUPPORT",
        "EPROTONOSUPPORT",
        "ESOCKTNOSUPPORT",
    ]
    .contains(&outcome)
}
