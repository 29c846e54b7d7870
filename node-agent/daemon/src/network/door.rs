//! One door: connections to a port, whomever they are for, each of them a call.

use std::{io, sync::Arc};

use aion_abi::{canonical::body_digest, code::Code};
use aion_kernel::{Body, BodyDigest, Call, Kind, Name, Resource};
use aion_policy::Destination;
use bytes::Bytes;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::sleep,
};

use super::{Run, resolver::PAUSE};
use crate::{
    call::{Connection, NoPlace, Place, Request, Verified},
    instance::named,
    shell::{CallInput, Reply},
};

pub(super) async fn serve(door: TcpListener, run: Arc<Run>) {
    loop {
        let Ok((stream, _)) = door.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        // Further ones wait in the socket, of which there is one a port.
        let Some(in_run) = run.places.in_run().await else {
            return;
        };
        let run = Arc::clone(&run);
        // As many as the run has places, and each has one or is refused in time.
        tokio::spawn(async move {
            let place = run.places.place(in_run).await;
            if let Err(error) = run.take(stream, place) {
                let agent = run.caller.instance.agent();
                tracing::debug!(%agent, %error, "a connection was gone before it was looked at");
            }
        });
    }
}

impl Run {
    /// Puts a connection to the kernel. It is reset wherever it is refused.
    fn take(&self, stream: TcpStream, place: Result<Place, NoPlace>) -> io::Result<()> {
        // What the program sees of a refusal: nothing was taken, rather than all of it.
        stream.set_zero_linger()?;
        let meant = stream.local_addr()?;
        let destination = Destination {
            host: self.names.lock().meant(meant.ip()),
            port: Some(meant.port()),
        };
        let target = destination.to_string();
        let connection = Connection {
            destination,
            stream,
            place,
        };
        self.put(&target, Request::Connect(connection));
        Ok(())
    }

    /// Has the kernel refuse and record a name that nobody was granted: there is nothing to do but that.
    pub(super) fn refuse(&self, name: &str) {
        self.put(name, Request::Null);
    }

    fn put(&self, target: &str, request: Request) {
        let ticket = self.shell.ticket();
        let instance = &self.caller.instance;
        let call = Call {
            ticket,
            turn: self.caller.turn,
            kind: Kind::NetConnect,
            target: Some(Name::from(target)),
            resource: Resource::Network(named(instance, &instance.spec().agent.name)),
            body: Body {
                digest: BodyDigest(body_digest(target.as_bytes())),
                size: target.len() as u64,
            },
            key: None,
            deadline_ms: None,
            reserve_tokens: 0,
            repeatable: false,
            peer: None,
            aim: None,
        };
        let verified = Verified {
            caller: self.caller.clone(),
            kind: Kind::NetConnect,
            request,
            key: None,
            chunks: None,
        };
        let (reply, replied) = oneshot::channel();
        let input = CallInput {
            call,
            verified,
            body: Bytes::copy_from_slice(target.as_bytes()),
            reply,
        };
        let taken = self.shell.call(input);
        let (told, target) = (self.told.clone(), target.to_owned());
        // It ends with the call: the shell answers each, and lets go of the others when it ends.
        tokio::spawn(async move {
            let problem = match taken {
                Err(problem) => problem,
                Ok(()) => match replied.await {
                    Ok(Reply::Problem(problem)) if problem.code != Code::Cancelled => *problem,
                    _ => return,
                },
            };
            told.not_made(&target, &problem).await;
        });
    }
}
