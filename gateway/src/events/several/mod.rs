//! The feeds of several nodes as one: each subscription follows every node that has agents of its namespace, in its caller's name, and
//! a cursor says where it is at each of them. So whichever gateway it is given to goes on from there.
//!
//! Each costs a connection to each node, so there are few of them, and they follow so many nodes at most. A node that comes, goes, is away
//! or was started again is told by its name. What may not enter: which nodes there are, and what a caller may hear.

mod following;
mod marks;
mod merge;
mod nodes;
mod room;
mod socket;
mod stream;

use aion_abi::{code::Code, problem::Problem};

pub(super) use self::{room::Room, socket::Socket, stream::follow};

/// Nodes that one follows, at most.
const NODES: usize = 64;

fn too_many(namespace: &str) -> Problem {
    let what = format!("agents of namespace {namespace} are on more than {NODES} nodes");
    Problem::new(Code::TooLarge, what)
        .remedy("follow turns by /v1/turns/TURN/events, or one node with aionctl --cluster")
}
