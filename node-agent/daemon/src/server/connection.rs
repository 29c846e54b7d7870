//! One request of one connection: verified, read, handed to the kernel, answered.

use std::sync::Arc;

use aion_abi::{
    canonical::body_digest,
    code::Code,
    headers::{self, Signed},
    notice,
    problem::Problem,
    syscall::Syscall,
};
use aion_kernel::{Body, BodyDigest, Call, Event, IdempotencyKey, Kind, Resource, Ticket};
use http::{HeaderName, HeaderValue, Method, Response, request::Parts};
use tokio::sync::{mpsc, oneshot};

use super::{
    Session,
    body::{self, Answer, Incoming},
    chat::{self, Events},
    reactors::beside,
};
use crate::{
    call::{Lowered, Request, Verified, frame_of, restarting},
    shell::{CHUNKS_WAITING, CallInput, Handle, Reply},
};

const JSON: &str = "application/json";
static CALL: HeaderName = HeaderName::from_static(headers::CALL);

/// Answers one request.
pub(super) async fn answer<B: Incoming>(
    session: Arc<Session>,
    request: http::Request<B>,
) -> Response<Answer> {
    let (head, mut incoming) = request.into_parts();
    let answered = match head.uri.path() {
        notice::PATH => listen(&session, &head, &mut incoming).await,
        _ => serve(Arc::clone(&session), &head, &mut incoming).await,
    };
    let mut response = match answered {
        Ok(response) => response,
        Err(problem) => {
            body::hear_out(&mut incoming).await;
            body::refused(&problem)
        }
    };
    session.notices.mark(&mut response);
    response
}

/// Verified as a syscall is, and none: nothing is done.
async fn listen(
    session: &Session,
    head: &Parts,
    incoming: &mut impl Incoming,
) -> Result<Response<Answer>, Problem> {
    if head.method != Method::POST || head.uri.query().is_some() {
        let text = format!("{} takes POST, and no query", notice::PATH);
        return Err(Problem::new(Code::BadRequest, text));
    }
    let read = head.headers.iter();
    let signed = Signed::read(read.map(|(name, value)| (name.as_str(), value.as_bytes())))?;
    session.fresh(&signed)?;
    let taken = body::take(&session.admission, incoming).await?;
    let canonical = signed.request(notice::PATH, body_digest(&taken.bytes));
    session.verify(&canonical, signed.signature)?;
    let told = session.notices.stream()?;
    Ok(body::ok(chat::MEDIA_TYPE, Answer::Notices(told)))
}

async fn serve(
    session: Arc<Session>,
    head: &Parts,
    incoming: &mut impl Incoming,
) -> Result<Response<Answer>, Problem> {
    let syscall = syscall(head)?;
    let read = head.headers.iter();
    let signed = Signed::read(read.map(|(name, value)| (name.as_str(), value.as_bytes())))?;
    session.fresh(&signed)?;
    let taken = body::take(&session.admission, incoming).await?;
    let (size, bytes) = (taken.bytes.len(), taken.bytes.clone());
    let digest = beside(size, move || body_digest(&bytes)).await;
    let canonical = signed.request(syscall.path(), digest);
    session.verify(&canonical, signed.signature)?;
    let (bytes, instance) = (taken.bytes.clone(), Arc::clone(&session.caller.instance));
    let mut lowered = beside(size, move || Lowered::read(syscall, &bytes, &instance)).await?;
    let aimed = match session.devices.aim(&session.caller.instance, &mut lowered) {
        Ok(()) => {
            let instance = &session.caller.instance;
            session.devices.is_here(instance, &lowered).await
        }
        unfit => unfit,
    };
    if let Request::DeviceList(listing) = &mut lowered.request {
        listing.called = session.callees.called(session.caller.turn).await;
    }
    if lowered.kind.waits_for_a_turn() {
        lowered.resource = Resource::Turns(session.caller.turn);
    }
    let streams = lowered.kind == Kind::ModelChat;
    let what = match &lowered.target {
        Some(target) => format!("{} {target}", syscall.name()),
        None => syscall.name().to_owned(),
    };
    let (reply, replied) = oneshot::channel();
    let (chunks, chunks_out) = match streams {
        true => {
            let (chunks, out) = mpsc::channel(CHUNKS_WAITING);
            (Some(chunks), Some(out))
        }
        false => (None, None),
    };
    let ticket = Ticketed::new(&session.callees.shell);
    let mut call = Call {
        ticket: ticket.ticket,
        turn: session.caller.turn,
        kind: lowered.kind,
        target: lowered.target,
        resource: lowered.resource,
        body: Body {
            digest: BodyDigest(digest),
            size: size as u64,
        },
        key: signed.idempotency_key.and_then(IdempotencyKey::new),
        deadline_ms: signed.deadline_ms.or(lowered.deadline_ms),
        reserve_tokens: lowered.reserve_tokens,
        repeatable: lowered.repeatable,
        peer: lowered.peer,
        aim: lowered.aim,
    };
    if let Err(unfit) = aimed {
        session.callees.made_again(&call).await.ok_or(unfit)?;
    }
    if let Request::Begin(begin) = &mut lowered.request {
        let callees = &session.callees;
        callees.prepare(&session.caller, &mut call, begin).await?;
    }
    let verified = Verified {
        caller: session.caller.clone(),
        kind: lowered.kind,
        request: lowered.request,
        key: call.key.clone(),
        chunks,
    };
    session.callees.shell.call(CallInput {
        call,
        verified,
        body: taken.bytes.clone(),
        reply,
    })?;
    let answered = match chunks_out {
        None => whole(ticket, replied).await,
        Some(chunks) => stream(ticket, chunks, replied).await,
    };
    answered.map_err(|problem| naming(&what, problem))
}

/// Has a refusal by the rules name what they refuse: the kernel's own words say which rule.
fn naming(what: &str, problem: Problem) -> Problem {
    match problem.code {
        Code::Denied | Code::ApprovalRequired | Code::ApprovalDenied | Code::ApprovalExpired
            if problem.call.is_some() =>
        {
            Problem {
                detail: format!("{what}: {}", problem.detail),
                ..problem
            }
        }
        _ => problem,
    }
}

fn syscall(head: &Parts) -> Result<Syscall, Problem> {
    let path = head.uri.path();
    let known = Syscall::from_path(path).filter(|_| head.uri.query().is_none());
    let syscall = known.ok_or_else(|| {
        let shown: String = path.chars().take(100).collect();
        Problem::new(Code::UnknownSyscall, format!("{shown} is not a syscall"))
    })?;
    if head.method != Method::POST {
        return Err(Problem::new(
            Code::BadRequest,
            format!("{} takes POST, not {}", syscall.path(), head.method),
        ));
    }
    Ok(syscall)
}

async fn whole(
    mut ticket: Ticketed,
    replied: oneshot::Receiver<Reply>,
) -> Result<Response<Answer>, Problem> {
    let reply = replied.await;
    ticket.answered();
    answered(reply.ok(), JSON)
}

/// The answer of a call; `None` where the shell is gone.
fn answered(reply: Option<Reply>, media_type: &'static str) -> Result<Response<Answer>, Problem> {
    match reply {
        Some(Reply::Done {
            call,
            recorded,
            body,
            ..
        }) => {
            let mut response = body::ok(media_type, Answer::Whole(Some(body)));
            let headers = response.headers_mut();
            headers.insert(&CALL, HeaderValue::from(call.0));
            if recorded {
                headers.insert(headers::OUTCOME, HeaderValue::from_static("recorded"));
            }
            Ok(response)
        }
        Some(Reply::Problem(problem)) => Err(*problem),
        // What became of it is in the journal: the next try has the answer by its key.
        None => Err(restarting()),
    }
}

/// A stream begins with its first event; what is refused before is an ordinary problem.
async fn stream(
    ticket: Ticketed,
    mut chunks: mpsc::Receiver<aion_abi::syscall::model::ChatEvent>,
    replied: oneshot::Receiver<Reply>,
) -> Result<Response<Answer>, Problem> {
    match chunks.recv().await {
        None => whole_stream(ticket, replied).await,
        first @ Some(_) => Ok(body::ok(
            chat::MEDIA_TYPE,
            Answer::Stream(Box::new(Events {
                first,
                chunks,
                reply: Some(replied),
                ticket,
            })),
        )),
    }
}

/// The driver said nothing but its end, or the answer is a recorded one.
async fn whole_stream(
    mut ticket: Ticketed,
    replied: oneshot::Receiver<Reply>,
) -> Result<Response<Answer>, Problem> {
    let mut reply = replied.await;
    ticket.answered();
    if let Ok(Reply::Done {
        body, whole: false, ..
    }) = &mut reply
    {
        *body = frame_of(body);
    }
    answered(reply.ok(), chat::MEDIA_TYPE)
}

/// A ticket that the kernel is told about when nobody waits for its answer any more.
pub(super) struct Ticketed {
    ticket: Ticket,
    shell: Option<Handle>,
}

impl Ticketed {
    fn new(shell: &Handle) -> Self {
        Self {
            ticket: shell.ticket(),
            shell: Some(shell.clone()),
        }
    }

    /// The answer came; dropping this tells nothing any more.
    pub(super) fn answered(&mut self) {
        self.shell = None;
    }
}

impl Drop for Ticketed {
    fn drop(&mut self) {
        if let Some(shell) = &self.shell {
            shell.tell(Event::Disconnected {
                ticket: self.ticket,
            });
        }
    }
}
