//! Turns over the admin socket: one that is started and left running, and one that is followed to its end.

use std::path::Path;
use std::time::Duration;

use aion_abi::admin::{TurnEvent, TurnRequest};
use aion_client::{Address, Node};
use anyhow::{Context, Result, bail};
use tokio::time::{Instant, sleep, timeout};

use crate::machine::BOUND;

/// The node whose admin socket that is.
pub(crate) fn node(socket: &Path) -> Result<Node> {
    let address = Address::unix(socket)?;
    Ok(Node { address })
}

/// Asks until the agent is ready; the stream is read to its end in the background.
pub(crate) async fn start(socket: &Path, agent: &str) -> Result<()> {
    let node = node(socket)?;
    let request = TurnRequest {
        input: "go".to_owned(),
        ..TurnRequest::default()
    };
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        match node.start_turn("default", agent, &request, None).await {
            Ok(mut events) => {
                tokio::spawn(async move { while let Ok(Some(_)) = events.next().await {} });
                return Ok(());
            }
            Err(error) if Instant::now() > until => return Err(error.into()),
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

/// When an asker saw what.
pub(crate) struct Seen {
    /// The question went out.
    pub(crate) asked: Instant,
    /// The kernel took the turn.
    pub(crate) taken: Instant,
    /// The worker is confined, and its program runs.
    pub(crate) started: Instant,
    /// The first of the answer.
    pub(crate) spoke: Instant,
    /// The whole answer.
    pub(crate) answered: Instant,
}

/// Asks, and waits for the turn's end, so that no two overlap.
pub(crate) async fn ask(socket: &Path, agent: &str) -> Result<Seen> {
    let node = node(socket)?;
    let request = TurnRequest {
        input: "anything?".to_owned(),
        ..TurnRequest::default()
    };
    let turn = async {
        let asked = Instant::now();
        let mut events = node.start_turn("default", agent, &request, None).await?;
        let (mut taken, mut started, mut spoke, mut answered) = (None, None, None, None);
        while let Some(event) = events.next().await? {
            let now = Instant::now();
            match event {
                TurnEvent::Queued { .. } => taken = taken.or(Some(now)),
                TurnEvent::Started { .. } => started = started.or(Some(now)),
                TurnEvent::Delta { .. } => spoke = spoke.or(Some(now)),
                TurnEvent::Final { .. } => answered = answered.or(Some(now)),
                TurnEvent::Ended(outcome) if answered.is_none() => {
                    bail!("agent {agent} did not answer: {outcome:?}");
                }
                TurnEvent::Progress { .. }
                | TurnEvent::Notice { .. }
                | TurnEvent::Asked { .. }
                | TurnEvent::Answered { .. }
                | TurnEvent::Ended(_) => {}
            }
        }
        let broken = "the stream broke off";
        let answered = answered.context(broken)?;
        Ok(Seen {
            asked,
            taken: taken.context(broken)?,
            started: started.context(broken)?,
            spoke: spoke.unwrap_or(answered),
            answered,
        })
    };
    timeout(BOUND, turn).await?
}
