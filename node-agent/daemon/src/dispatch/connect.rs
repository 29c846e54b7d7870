//! `net.connect`: a program's connection, carried on to whom it is for.

use std::{mem, time::Duration};

use aion_abi::{code::Code, problem::Problem};
use aion_drivers::outbound;
use aion_kernel::Usage;
use aion_policy::Host;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::{
    Dispatch, ending,
    splice::{End, Moved, splice},
};
use crate::{
    call::Connection,
    shell::{Driven, Progress},
};

/// How long a connection may be open and say nothing, in either direction.
const SILENT: Duration = Duration::from_secs(600);

impl Dispatch {
    pub(super) async fn connect(
        &self,
        connection: Connection,
        cancel: &CancellationToken,
        progress: &Progress,
    ) -> Driven {
        let Connection {
            destination,
            stream,
            place,
        } = connection;
        let place = match place {
            Ok(place) => place,
            Err(none) => {
                let problem = Problem::new(Code::Overloaded, none.to_string());
                return self.not_made(problem);
            }
        };
        let host = match &destination.host {
            Host::Name(name) => outbound::Host::Name(name.clone()),
            Host::Address(address) => outbound::Host::Address(*address),
            Host::Below(_) => return ending::of(Err(nobody(&destination.to_string())), false),
        };
        let Some(port) = destination.port else {
            return ending::of(Err(nobody(&destination.to_string())), false);
        };
        let reached = tokio::select! {
            biased;
            () = cancel.cancelled() => {
                self.telemetry.connection(Code::Cancelled.as_str());
                return ending::stopped();
            }
            reached = self.outbound.reach(&host, port) => reached,
        };
        let outside = match reached {
            Ok(outside) => outside,
            Err(problem) => return self.not_made(problem),
        };
        self.telemetry.connection("made");
        // What is sent at the end arrives.
        #[expect(deprecated, reason = "a time would block a thread, and there is none")]
        let _ = stream.set_linger(None);
        for socket in [&stream, &outside] {
            // What a program writes it has decided to send.
            let _ = socket.set_nodelay(true);
        }
        let counted = Mutex::new(Moved::default());
        let count = |moved: Moved| {
            let before = mem::replace(&mut *counted.lock(), moved);
            self.telemetry
                .carried(moved.sent - before.sent, moved.received - before.received);
        };
        let told = |moved: Moved| {
            count(moved);
            progress.used(usage(moved));
        };
        let (moved, end) = splice(stream, outside, cancel, SILENT, told).await;
        count(moved);
        drop(place);
        let ended = match end {
            End::Closed => ending::of(Ok(b"{}".to_vec()), false),
            End::Stopped => ending::stopped(),
            End::Silent => ending::of(Err(silent()), false),
        };
        Driven {
            usage: usage(moved),
            ..ended
        }
    }

    fn not_made(&self, problem: Problem) -> Driven {
        self.telemetry.connection(problem.code.as_str());
        ending::of(Err(problem), false)
    }
}

fn usage(moved: Moved) -> Usage {
    Usage {
        sent_bytes: moved.sent,
        received_bytes: moved.received,
        ..Usage::default()
    }
}

fn nobody(destination: &str) -> Problem {
    Problem::new(
        Code::BadRequest,
        format!("{destination} is not one host and port"),
    )
}

fn silent() -> Problem {
    let minutes = SILENT.as_secs() / 60;
    Problem::new(
        Code::DeadlineExceeded,
        format!("nothing was said over the connection for {minutes} minutes"),
    )
}
