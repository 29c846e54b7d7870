//! A connection that the program of an image made, on its way to whoever carries it on.

use aion_abi::tenant::Tenant;
use aion_policy::Destination;
use tokio::{net::TcpStream, sync::OwnedSemaphorePermit};

use crate::shares::Share;

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

/// A place among the connections of a run, and of its tenant among those of the node; given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    _in_run: OwnedSemaphorePermit,
    _of_tenant: Share<Tenant>,
}

impl Place {
    pub(crate) fn of(run: OwnedSemaphorePermit, of_tenant: Share<Tenant>) -> Self {
        Self {
            _in_run: run,
            _of_tenant: of_tenant,
        }
    }
}

/// Why a connection has no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "of the node's {most} connections this tenant has {held}, no more than are left for others, and none was closed in time"
)]
pub struct NoPlace {
    /// How many there may be, of all tenants.
    pub most: usize,
    /// How many the tenant has.
    pub held: usize,
}
