//! On a whole cluster, made on this machine by the testkit: etcd to kubelet and containerd,
//! two nodes, AION-OS installed from its charts. `make e2e` runs these.
#![allow(clippy::unwrap_used, clippy::panic)]

mod asked;
mod network;
mod pods;
mod programs;
mod pulled;
mod releases;
mod trouble;
