//! The link to the launcher: connected, watched, connected again when it is lost.

use std::{path::PathBuf, sync::Arc, time::Duration};

use aion_backoff::Backoff;
use aion_sandbox::{
    Client, ClientError, Told,
    protocol::{Measured, Start, WorkerId},
};
use futures::future::BoxFuture;
use tokio::sync::{mpsc, watch};

use super::{LaunchError, Launched, Launcher, LauncherEvent, WorkerFds};

/// Between two tries to connect.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

/// See the module.
#[derive(Debug, Clone)]
pub struct Link {
    client: watch::Receiver<Option<Client>>,
    path: Arc<PathBuf>,
}

impl Link {
    /// Keeps a connection to the launcher at `path`. What it tells comes out of the receiver; the link is
    /// given up with it.
    pub fn start(path: PathBuf) -> (Self, mpsc::UnboundedReceiver<LauncherEvent>) {
        let (events, out) = mpsc::unbounded_channel();
        let (client_in, client) = watch::channel(None);
        let path = Arc::new(path);
        tokio::spawn(keep(Arc::clone(&path), client_in, events));
        (Self { client, path }, out)
    }

    fn client(&self) -> Result<Client, LaunchError> {
        self.client.borrow().clone().ok_or_else(|| LaunchError {
            why: format!(
                "the launcher does not answer at {}: start aion-launcher (on a machine of your own, aionctl local start does)",
                self.path.display()
            ),
            unreachable: true,
            failure: None,
        })
    }
}

async fn keep(
    path: Arc<PathBuf>,
    client: watch::Sender<Option<Client>>,
    events: mpsc::UnboundedSender<LauncherEvent>,
) {
    let mut pauses = PAUSES;
    let mut said = String::new();
    while !events.is_closed() {
        let why = match Client::connect_traced(&path).await {
            Ok((connected, told)) => {
                pauses.reset();
                said.clear();
                let why = serve(&connected, told, &client, &events).await;
                client.send_replace(None);
                why
            }
            Err(error) => error.to_string(),
        };
        // Once for each reason, not once for each try.
        if why != said {
            said.clone_from(&why);
            if events.send(LauncherEvent::Down(why)).is_err() {
                return;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pauses.pause()) => {}
            () = events.closed() => return,
        }
    }
}

/// Until the connection is lost; says why.
async fn serve(
    connected: &Client,
    mut told: mpsc::Receiver<Told>,
    client: &watch::Sender<Option<Client>>,
    events: &mpsc::UnboundedSender<LauncherEvent>,
) -> String {
    // Exits must be taken while the questions below are open: the connection reads in order.
    let (forwarded, mut lost) = (events.clone(), watch::channel(()));
    let reader = tokio::spawn(async move {
        while let Some(told) = told.recv().await {
            let _ = forwarded.send(match told {
                Told::Exited(exited) => LauncherEvent::Exited(exited),
                Told::Traced(traced) => LauncherEvent::Traced(traced),
                Told::Pressure(pressure) => LauncherEvent::Pressure(pressure),
            });
        }
        drop(lost.0);
    });
    let asked = async {
        let layers = connected.features().await?;
        let hooks = connected.hooks().await?;
        let workers = connected.list().await?;
        Ok::<_, ClientError>((layers, hooks, workers))
    };
    let why = match asked.await {
        Ok((layers, hooks, workers)) => {
            client.send_replace(Some(connected.clone()));
            let _ = events.send(LauncherEvent::Up {
                layers,
                hooks,
                workers,
            });
            tokio::select! {
                _ = lost.1.changed() => "the connection to the launcher is lost".to_owned(),
                () = events.closed() => "the daemon is stopping".to_owned(),
            }
        }
        Err(error) => error.to_string(),
    };
    reader.abort();
    why
}

impl Launcher for Link {
    fn start(&self, start: Start, fds: WorkerFds) -> BoxFuture<'_, Result<Launched, LaunchError>> {
        Box::pin(async move {
            let started = self.client()?.start(start, fds.borrow()).await;
            let started = started.map_err(refused)?;
            Ok(Launched {
                pid: started.pid,
                start_time: started.start_time,
                layers: started.layers,
                doors: started.doors,
            })
        })
    }

    fn open_gate<'a>(&'a self, id: &'a WorkerId) -> BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(async move { self.client()?.open_gate(id).await.map_err(refused) })
    }

    fn kill<'a>(
        &'a self,
        id: &'a WorkerId,
        grace: Duration,
    ) -> BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(async move { self.client()?.kill(id, grace).await.map_err(refused) })
    }

    fn measure<'a>(&'a self, id: &'a WorkerId) -> BoxFuture<'a, Option<Measured>> {
        Box::pin(async move { self.client().ok()?.measure(id).await.ok() })
    }

    fn acknowledge<'a>(&'a self, id: &'a WorkerId) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Ok(client) = self.client() {
                // What is not acknowledged is told again on the next connection.
                let _ = client.acknowledge(id).await;
            }
        })
    }
}

fn refused(error: ClientError) -> LaunchError {
    LaunchError {
        unreachable: matches!(error, ClientError::Lost | ClientError::Unreachable { .. }),
        failure: match &error {
            ClientError::NotStarted { failure, .. } => Some(*failure),
            _ => None,
        },
        why: error.to_string(),
    }
}
