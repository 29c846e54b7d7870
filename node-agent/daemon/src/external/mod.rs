//! Programs that run elsewhere: who is registered for which agent, which runs of turns they hold, and when one that is
//! not heard any more has lost them.
//!
//! Here a run is offered as a launcher starts a worker, and ends as one: [`Ended`](Told::Ended) is what the launcher would say.
//! What may not enter: HTTP (`admin`), the kernel, what a program does with its turn.

mod table;

use std::{sync::Arc, time::Duration};

use aion_abi::{
    boot::Boot,
    code::Code,
    external::{
        End, Given, Holding, LEASE_MS, Registered, Registration, Run, Told as Leave, WAIT_MS,
    },
    problem::Problem,
};
use aion_sandbox::protocol::{Exited, WorkerId};
use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout_at},
};
use zeroize::Zeroizing;

use table::{Full, Table};

/// How long a program is taken to be there after it was heard.
const LEASE: Duration = Duration::from_millis(LEASE_MS);
/// How long a question for a turn waits: less than the lease, which it renews.
const WAIT: Duration = Duration::from_millis(WAIT_MS);

/// How long a run waits for a first program.
const COMING: Duration = Duration::from_secs(20);

/// What becomes of programs and of what they hold.
#[derive(Debug)]
pub(crate) enum Told {
    /// A run ended.
    Ended(Box<Exited>),
    /// There is a first program of this agent (`namespace/name`), or none any more.
    Connected(String),
}

/// A run to be given to a program.
pub(crate) struct Offer {
    pub(crate) id: WorkerId,
    pub(crate) run: Run,
    /// `namespace/name`.
    pub(crate) agent: String,
    /// The program that begins it itself; any where none does.
    pub(crate) to: Option<String>,
}

/// See the module. Clones share them.
#[derive(Clone)]
pub(crate) struct Externals(Arc<Shared>);

struct Shared {
    table: Mutex<Table>,
    /// Something is offered, or a lease begins.
    changed: watch::Sender<()>,
    told: mpsc::UnboundedSender<Told>,
}

impl Externals {
    /// None yet, and what becomes of those to come.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Told>) {
        let (told, out) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            table: Mutex::default(),
            changed: watch::Sender::default(),
            told,
        });
        tokio::spawn(watch_leases(
            Arc::downgrade(&shared),
            shared.changed.subscribe(),
        ));
        (Self(shared), out)
    }

    /// Whether a program of `agent` is there.
    pub(crate) fn is_connected(&self, agent: &str) -> bool {
        self.0.table.lock().is_connected(agent)
    }

    /// A program comes.
    ///
    /// # Errors
    /// There are as many as may be.
    pub(crate) fn register(
        &self,
        agent: &str,
        registration: &Registration,
        key: Option<&str>,
    ) -> Result<Registered, Problem> {
        let now = Instant::now();
        let first = !registration.own && !self.is_connected(agent);
        let (program, stop, ended) = self
            .0
            .table
            .lock()
            .register(agent, registration, key, now)
            .map_err(|Full(what)| {
                Problem::new(Code::Overloaded, what)
                    .remedy("end programs that are not needed")
                    .retry_after_ms(LEASE_MS)
            })?;
        if first {
            self.tell(Told::Connected(agent.to_owned()));
        }
        self.ended(ended);
        Ok(Registered {
            program,
            lease_ms: LEASE_MS,
            stop,
        })
    }

    /// It is there still; what it is to leave.
    ///
    /// # Errors
    /// Nobody knows it.
    pub(crate) fn hear(
        &self,
        agent: &str,
        program: &str,
        holding: &Holding,
    ) -> Result<Leave, Problem> {
        let heard = self
            .0
            .table
            .lock()
            .hear(agent, program, &holding.holds, Instant::now());
        let (stop, again) = heard.ok_or_else(unknown)?;
        // A lease that is longer is found when the shorter one would have ended: those who wait are not woken for it.
        if again {
            self.0.changed.send_replace(());
        }
        Ok(Leave { stop })
    }

    /// The next run for it, once there is one; none where none comes in time.
    ///
    /// # Errors
    /// Nobody knows it.
    pub(crate) async fn next(
        &self,
        agent: &str,
        program: &str,
        holding: &Holding,
    ) -> Result<Given, Problem> {
        let until = Instant::now() + WAIT;
        let stop = self.hear(agent, program, holding)?.stop;
        let mut changed = self.0.changed.subscribe();
        loop {
            let taken = self.0.table.lock().take(agent, program, Instant::now());
            if let Some(boot) = taken {
                let boot: Boot = serde_json::from_slice(&boot)
                    .map_err(|why| Problem::new(Code::Internal, why.to_string()))?;
                return Ok(Given {
                    boot: Some(boot),
                    stop,
                });
            }
            // What it is to leave is not kept back.
            if !stop.is_empty() || !matches!(timeout_at(until, changed.changed()).await, Ok(Ok(())))
            {
                return Ok(Given { boot: None, stop });
            }
        }
    }

    /// It is done with a run.
    ///
    /// # Errors
    /// As [`Externals::holds`].
    pub(crate) fn end(&self, agent: &str, program: &str, end: &End) -> Result<(), Problem> {
        let ended = self.known(agent, program)?.end(agent, program, end);
        self.tell(Told::Ended(Box::new(ended.ok_or_else(not_held)?)));
        Ok(())
    }

    /// That it is known, before it begins a turn of its own.
    ///
    /// # Errors
    /// Nobody knows it, which passes where it registers again.
    pub(crate) fn begins(&self, agent: &str, program: &str) -> Result<(), Problem> {
        self.known(agent, program).map(|_| ())
    }

    /// It goes.
    ///
    /// # Errors
    /// Nobody knows it.
    pub(crate) fn leave(&self, agent: &str, program: &str) -> Result<(), Problem> {
        let was_connected = self.is_connected(agent);
        let ended = self.0.table.lock().leave(agent, program);
        self.ended(ended.ok_or_else(unknown)?);
        if was_connected && !self.is_connected(agent) {
            self.tell(Told::Connected(agent.to_owned()));
        }
        Ok(())
    }

    /// That it holds a run, and so may make its syscalls.
    ///
    /// # Errors
    /// It does not hold it; or nobody knows it, which passes where it registers again.
    pub(crate) fn holds(&self, agent: &str, program: &str, run: Run) -> Result<(), Problem> {
        let held = self.known(agent, program)?.holds(agent, program, run);
        held.then_some(()).ok_or_else(not_held)
    }

    /// The table, where the program is known. One that is not comes again soon, after a restart of the daemon.
    fn known(&self, agent: &str, program: &str) -> Result<MutexGuard<'_, Table>, Problem> {
        let table = self.0.table.lock();
        if table.knows(agent, program) {
            return Ok(table);
        }
        let unknown = unknown();
        Err(Problem::new(Code::Restarting, unknown.detail).remedy(unknown.remedy))
    }

    /// Waits until a program of `agent` is there, or this one: after a start of the daemon they come again.
    ///
    /// # Errors
    /// None came in time.
    pub(crate) async fn wait(&self, agent: &str, to: Option<&str>) -> Result<(), String> {
        let until = Instant::now() + COMING;
        let mut changed = self.0.changed.subscribe();
        while !self.0.table.lock().reaches(agent, to) {
            if !matches!(timeout_at(until, changed.changed()).await, Ok(Ok(()))) {
                return Err(absent(agent));
            }
        }
        Ok(())
    }

    /// Keeps a run for a program, which is given it when the gate opens.
    ///
    /// # Errors
    /// No program of its agent is there.
    pub(crate) fn offer(&self, offer: Offer, boot: Zeroizing<Vec<u8>>) -> Result<(), String> {
        let agent = offer.agent.clone();
        match self.0.table.lock().offer(offer, boot) {
            true => Ok(()),
            false => Err(absent(&agent)),
        }
    }

    /// A run that an earlier daemon gave to a program, which is waited for.
    pub(crate) fn adopt(&self, offer: Offer) {
        self.0.table.lock().adopt(offer, Instant::now());
        self.0.changed.send_replace(());
    }

    /// Lets a program have it.
    pub(crate) fn open_gate(&self, id: &WorkerId) {
        self.0.table.lock().open(id);
        self.0.changed.send_replace(());
    }

    /// Takes a run back: whoever holds it is told to leave it.
    pub(crate) fn kill(&self, id: &WorkerId) {
        let ended = self.0.table.lock().kill(id);
        self.ended(ended);
    }

    fn ended(&self, all: impl IntoIterator<Item = Exited>) {
        for exited in all {
            self.tell(Told::Ended(Box::new(exited)));
        }
        self.0.changed.send_replace(());
    }

    fn tell(&self, told: Told) {
        // Nobody hears it where the daemon ends.
        let _ = self.0.told.send(told);
    }
}

fn absent(agent: &str) -> String {
    format!("no program is registered for {agent}: start it, or see whether it reaches the node")
}

fn unknown() -> Problem {
    Problem::new(
        Code::NotFound,
        "this program is not registered, or was not heard in time",
    )
    .remedy("register again, with the runs that it holds")
}

fn not_held() -> Problem {
    Problem::new(
        Code::NotFound,
        "the program does not hold this run of a turn",
    )
    .remedy("leave it: it was taken back, or given to another program")
}

/// Ends what programs hold that are not heard any more.
async fn watch_leases(shared: std::sync::Weak<Shared>, mut changed: watch::Receiver<()>) {
    loop {
        let Some(next) = shared.upgrade().map(|it| it.table.lock().next_lapse()) else {
            return;
        };
        let lapse = async {
            match next {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            heard = changed.changed() => if heard.is_err() { return },
            () = lapse => {
                let Some(shared) = shared.upgrade() else { return };
                let externals = Externals(shared);
                let (ended, gone) = externals.0.table.lock().lapse(Instant::now());
                externals.ended(ended);
                for agent in gone {
                    externals.tell(Told::Connected(agent));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
