//! A connection that the program of an image made, on its way to whoever carries it on.

use aion_policy::Destination;
use tokio::{net::TcpStream, sync::OwnedSemaphorePermit};

use crate::lanes::InLane;

/// See the module.
#[derive(Debug)]
pub struct Connection {
    /// Whom it is for.
    pub destination: Destination,
    /// The program's end. It is reset when it is dropped, until it is carried on.
    pub stream: TcpStream,
    /// What counts it.
    pub place: Result<Place, NoPlace>,
}

/// A place among the connections of a run, of its tenant and of the node; given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    _in_run: OwnedSemaphorePermit,
    _in_tenant: InLane,
    _in_node: OwnedSemaphorePermit,
}

impl Place {
    pub(crate) fn of(
        run: OwnedSemaphorePermit,
        tenant: InLane,
        node: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            _in_run: run,
            _in_tenant: tenant,
            _in_node: node,
        }
    }
}

/// Why a connection has no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connections {whose} are {most}, which is the most, and none was closed in time")]
pub struct NoPlace {
    /// Whose they are.
    pub whose: &'static str,
    /// How many there may be.
    pub most: usize,
}
