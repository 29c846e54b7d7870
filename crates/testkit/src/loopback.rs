//! Serves an axum router on a free loopback port from a thread of its own, so that
//! tests that block and tests that await can both use it.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    thread::{self, JoinHandle},
};

use axum::Router;
use tokio_util::sync::CancellationToken;

use crate::StartError;

/// A serving thread; stopped, connections and all, when dropped.
#[derive(Debug)]
pub(crate) struct Loopback {
    address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Loopback {
    pub(crate) fn serve(name: &str, router: Router) -> Result<Self, StartError> {
        let doing = || format!("starting the {name}");
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(StartError::io(doing()))?;
        listener
            .set_nonblocking(true)
            .map_err(StartError::io(doing()))?;
        let address = listener.local_addr().map_err(StartError::io(doing()))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(StartError::io(doing()))?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
                        return;
                    };
                    tokio::select! {
                        _ = axum::serve(listener, router) => {}
                        () = stopped.cancelled() => {}
                    }
                });
            })
            .map_err(StartError::io(doing()))?;
        Ok(Self {
            address,
            stop,
            thread: Some(thread),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
