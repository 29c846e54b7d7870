//! A connection that the program of an image made, on its way to whoever carries it on.

use aion_policy::Destination;
use tokio::{net::TcpStream, sync::OwnedSemaphorePermit};

/// See the module.
#[derive(Debug)]
pub struct Connection {
    /// Whom it is for.
    pub destination: Destination,
    /// The program's end. It is reset when it is dropped, until it is carried on.
    pub stream: TcpStream,
    /// What counts it, of its run and of all.
    pub room: [OwnedSemaphorePermit; 2],
}
