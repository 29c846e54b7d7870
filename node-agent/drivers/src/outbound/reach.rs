//! A connection for the program of an agent, to a host that policy names: TCP alone, since what is spoken over it is the
//! program's. Names are resolved here, once, and only addresses that were judged are dialled.

use std::net::{IpAddr, SocketAddr};

use aion_abi::{code::Code, problem::Problem};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

use super::{Outbound, Own, Place, Refusal, dial::CONNECT_TIMEOUT, judge::Unresolved, race::first};

/// Who is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// Whoever has this name.
    Name(String),
    /// Who is at this address, which a policy names in numbers.
    Address(IpAddr),
}

impl Outbound {
    /// Connects to a host that was granted. A name leads to what everybody reaches; what is private, the machine's
    /// own or the cluster's is dialled in numbers alone.
    ///
    /// # Errors
    /// `denied` or `offline` for an address that is refused, `unreachable` where nothing answers in time.
    pub async fn reach(&self, host: &Host, port: u16) -> Result<TcpStream, Problem> {
        let until = Instant::now() + CONNECT_TIMEOUT;
        let reached = async {
            let addresses = match host {
                Host::Address(address) => {
                    self.judge.named(*address).map_err(refused)?;
                    vec![*address]
                }
                Host::Name(name) => self.led(name).await?,
            };
            let connect = |address| TcpStream::connect(SocketAddr::new(address, port));
            match first(addresses, connect).await {
                Ok(stream) => Ok(stream),
                Err(Some(error)) => Err(unreachable(error.to_string())),
                Err(None) => Err(unreachable("its name has no address")),
            }
        };
        match timeout_at(until, reached).await {
            Ok(reached) => reached,
            Err(_) => Err(unreachable("it did not answer in time")),
        }
    }

    async fn led(&self, name: &str) -> Result<Vec<IpAddr>, Problem> {
        // A cluster's are kept by whoever watches its nodes.
        let own = match self.judge.place() {
            Place::Cluster => Own::default(),
            Place::Standalone => {
                let read = tokio::task::spawn_blocking(Own::read).await;
                let read = read.map_err(|error| unreachable(error.to_string()))?;
                read.map_err(|error| {
                    unreachable(format!(
                        "this machine's own addresses cannot be read: {error}"
                    ))
                })?
            }
        };
        let judge = |rule: &super::Rule, address| rule.judge_led(address, &own);
        let found = self.judge.resolve_by(name, judge).await;
        found.map_err(|why| match why {
            Unresolved::Refused(refusal) => refused(refusal),
            Unresolved::Lookup(_) => unreachable(why.to_string()),
        })
    }
}

#[allow(clippy::needless_pass_by_value)]
fn refused(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Offline(_) => Problem::new(Code::Offline, refusal.to_string()),
        Refusal::Kind { .. } => Problem::new(Code::Denied, refusal.to_string()).remedy(
            "where it is meant, name the address in numbers under network of a ClusterAgentPolicy and under \
             permissions.network of the Agent",
        ),
    }
}

fn unreachable(why: impl Into<String>) -> Problem {
    Problem::new(Code::Unreachable, why.into())
}

#[cfg(test)]
#[path = "reach_tests.rs"]
mod tests;
