//! The network of one run: who is asked for names and connected to inside its namespace (docs/adr/0029-a-network-of-doors.md). Each listening
//! socket is a door; what comes through one is looked up, put to the kernel as a call `net.connect`, and carried on by its
//! driver. Names are answered here, from what is granted: nothing is asked outside before something is connected to.
//!
//! What may not enter: whether something is granted (the kernel's), whom a name leads to and what is dialled (the drivers').

mod answer;
mod door;
mod granted;
mod names;
mod places;
mod resolver;
mod told;

use std::{io, os::fd::OwnedFd, sync::Arc};

use parking_lot::Mutex;
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{call::Caller, shell::Handle};

pub(crate) use granted::Granted;
use names::Names;
use places::{OfRun, Places};
pub(crate) use told::Told;

/// What the networks of all runs share. Clones are one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Networks(Places);

/// The network of a run, for as long as this is held. Connections that are open go on until the kernel stops them.
#[derive(Debug)]
pub(crate) struct Network {
    _stop: DropGuard,
}

/// What all doors of a run know.
struct Run {
    caller: Caller,
    shell: Handle,
    names: Mutex<Names>,
    places: OfRun,
    told: Told,
}

impl Networks {
    /// Serves the doors of a run: one for each port in any order, then the two at which names are asked, by datagram
    /// and by stream.
    ///
    /// # Errors
    /// They are not such sockets.
    pub(crate) fn open(
        &self,
        mut doors: Vec<OwnedFd>,
        caller: Caller,
        shell: Handle,
        told: Told,
    ) -> io::Result<Network> {
        let missing = || io::Error::other("the doors of a network are not all there");
        let streams = doors.pop().ok_or_else(missing)?;
        let datagrams = doors.pop().ok_or_else(missing)?;
        let granted = Granted::of(caller.instance.spec());
        let places = self.0.of_run(caller.instance.spec().tenant.clone());
        let run = Arc::new(Run {
            caller,
            shell,
            names: Mutex::new(Names::of(granted)),
            places,
            told,
        });
        let datagrams = UdpSocket::from_std(datagrams.into())?;
        let streams = TcpListener::from_std(streams.into())?;
        let doors: io::Result<Vec<_>> = doors
            .into_iter()
            .map(|door| TcpListener::from_std(door.into()))
            .collect();
        let stop = CancellationToken::new();
        for door in doors? {
            let serving = door::serve(door, Arc::clone(&run));
            tokio::spawn(stop.clone().run_until_cancelled_owned(serving));
        }
        let asked = resolver::datagrams(datagrams, Arc::clone(&run));
        tokio::spawn(stop.clone().run_until_cancelled_owned(asked));
        let asked = resolver::streams(streams, run);
        tokio::spawn(stop.clone().run_until_cancelled_owned(asked));
        let _stop = stop.drop_guard();
        Ok(Network { _stop })
    }
}
