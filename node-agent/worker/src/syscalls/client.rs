//! The real [`Syscalls`]: signs each request with the run's key and sends it over the run's socket.
//!
//! The daemon may be killed and come back while a turn runs. So a lost connection is opened again, with
//! growing pauses, for as long as the turn has time; every effect carries an idempotency key, and a second
//! try gets the recorded outcome instead of a second effect. After a restart the daemon calls earlier
//! timestamps stale: then the request is signed anew.
//!
//! The key of an effect says what it is and the how-manieth of its kind, or the place that its program names: a turn that runs
//! again, after its node agent was replaced, has the same key for the same step, and goes on where it was.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use aion_abi::canonical::{CanonicalRequest, body_digest};
use aion_abi::code::Code;
use aion_abi::date::UnixMillis;
use aion_abi::headers;
use aion_abi::problem::Problem;
use aion_abi::signing::Key;
use aion_abi::syscall::model::{ChatEvent, ChatRequest};
use aion_abi::syscall::{Class, Syscall};
use aion_backoff::Backoff;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

use super::connection::{Connection, Lost, Whole, read};
use super::sse::Decoder;
use super::{Chat, Syscalls};

/// Between two tries of a syscall.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));

/// How long to wait after a refusal that may pass by itself; `None` for one that stands.
fn pause_after(problem: &Problem, pauses: &mut Backoff) -> Option<Duration> {
    let named = problem.retry_after_ms.map(Duration::from_millis);
    let pause = || named.map_or_else(|| pauses.pause(), Backoff::after);
    problem.code.passes().then(pause)
}

/// A connection to the kernel, for one run.
pub(crate) struct Client {
    socket: PathBuf,
    key: Key,
    turn: u64,
    /// The last counter used.
    counter: Cell<u64>,
    /// How often each effect was asked for, by its digest; makes idempotency keys.
    effects: RefCell<HashMap<[u8; 32], u32>>,
    /// When the turn is over and another try is in vain.
    until: Instant,
    /// Those that no call has at the moment.
    idle: RefCell<Vec<Connection>>,
}

impl Client {
    /// A client for a run of `turn`, which ends at `until`.
    pub(crate) fn new(socket: PathBuf, key: Key, turn: u64, until: Instant) -> Self {
        Self {
            socket,
            key,
            turn,
            counter: Cell::new(0),
            effects: RefCell::default(),
            until,
            idle: RefCell::default(),
        }
    }

    /// Makes a syscall other than `model.chat` until it has an answer, be it a refusal, or the turn is over.
    pub(crate) async fn exchange(&self, syscall: Syscall, body: Bytes) -> Result<Whole, Lost> {
        let effect = self.effect_key(syscall, &body);
        self.exchange_as(syscall, body, effect).await
    }

    async fn exchange_as(
        &self,
        syscall: Syscall,
        body: Bytes,
        effect: Option<String>,
    ) -> Result<Whole, Lost> {
        let attempt = async || self.attempt(syscall, &body, effect.as_deref()).await;
        self.retry(attempt, Whole::problem).await
    }

    /// Makes `attempt` until its outcome stands or the turn is over: what `refusal` finds in an outcome may
    /// pass by itself, and so may a lost connection.
    async fn retry<T>(
        &self,
        attempt: impl AsyncFn() -> Result<T, Lost>,
        refusal: impl Fn(&T) -> Option<Problem>,
    ) -> Result<T, Lost> {
        let mut pauses = PAUSES;
        loop {
            let outcome = attempt().await;
            let wait = match outcome.as_ref().map(&refusal) {
                Ok(Some(problem)) => pause_after(&problem, &mut pauses),
                Ok(None) => None,
                Err(_) => Some(pauses.pause()),
            };
            let Some(wait) = wait else { return outcome };
            if Instant::now() + wait >= self.until {
                return outcome;
            }
            sleep(wait).await;
        }
    }

    async fn attempt(
        &self,
        syscall: Syscall,
        body: &Bytes,
        effect: Option<&str>,
    ) -> Result<Whole, Lost> {
        let idle = self.idle.borrow_mut().pop().filter(Connection::is_open);
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(&self.socket).await?,
        };
        let response = connection.send(self.sign(syscall, body, effect)?).await?;
        let answer = read(response).await?;
        self.idle.borrow_mut().push(connection);
        Ok(answer)
    }

    /// Names an effect once for all its tries, and for all runs of its turn.
    fn effect_key(&self, syscall: Syscall, body: &[u8]) -> Option<String> {
        if syscall.class() == Class::Observe {
            return None;
        }
        let what = [syscall.path().as_bytes(), &body_digest(body)].concat();
        let what = body_digest(&what);
        let mut effects = self.effects.borrow_mut();
        let times = effects.entry(what).or_default();
        *times += 1;
        Some(format!("t{}.{:032x}.{times}", self.turn, half(what)))
    }

    /// Names an effect by its place in the program.
    fn place_key(&self, syscall: Syscall, place: &str) -> Option<String> {
        let what = [syscall.path(), "\0", place].concat();
        let what = half(body_digest(what.as_bytes()));
        (syscall.class() == Class::Effect).then(|| format!("t{}.{what:032x}.at", self.turn))
    }

    fn sign(
        &self,
        syscall: Syscall,
        body: &Bytes,
        effect: Option<&str>,
    ) -> Result<Request<Full<Bytes>>, Lost> {
        self.counter.set(self.counter.get() + 1);
        #[expect(clippy::disallowed_methods, reason = "the date of a signature")]
        let timestamp_ms = UnixMillis::from(SystemTime::now());
        let counter = self.counter.get();
        let canonical = CanonicalRequest {
            idempotency_key: effect,
            ..CanonicalRequest::call(syscall, timestamp_ms, counter, body_digest(body))
        };
        let mut request = Request::post(syscall.path())
            .header("host", "aion")
            .header("content-type", "application/json");
        for (name, value) in headers::sign(&self.key, &canonical) {
            request = request.header(name, value);
        }
        request
            .body(Full::new(body.clone()))
            .map_err(|error| Lost(error.to_string()))
    }

    /// Asks for a chat completion until its stream begins, it is refused, or the turn is over.
    pub(crate) async fn stream(
        &self,
        body: Bytes,
    ) -> Result<Result<Response<Incoming>, Whole>, Lost> {
        let effect = self.effect_key(Syscall::ModelChat, &body);
        self.stream_as(body, effect).await
    }

    async fn stream_as(
        &self,
        body: Bytes,
        effect: Option<String>,
    ) -> Result<Result<Response<Incoming>, Whole>, Lost> {
        let attempt = async || self.open_chat(&body, effect.as_deref()).await;
        let refusal = |begun: &Result<_, Whole>| begun.as_ref().err().and_then(Whole::problem);
        self.retry(attempt, refusal).await
    }

    async fn open_chat(
        &self,
        body: &Bytes,
        effect: Option<&str>,
    ) -> Result<Result<Response<Incoming>, Whole>, Lost> {
        // A connection of its own: other syscalls go on while the answer streams.
        let mut connection = Connection::open(&self.socket).await?;
        let request = self.sign(Syscall::ModelChat, body, effect)?;
        let response = connection.send(request).await?;
        if response.status() == StatusCode::OK {
            return Ok(Ok(response));
        }
        Ok(Err(read(response).await?))
    }
}

impl Syscalls for Client {
    type Chat = ChatStream;

    async fn call<Q: Serialize, A: DeserializeOwned>(
        &self,
        syscall: Syscall,
        request: &Q,
    ) -> Result<A, Problem> {
        decoded(self.exchange(syscall, body_of(request)?).await)
    }

    async fn call_at<Q: Serialize, A: DeserializeOwned>(
        &self,
        place: &str,
        syscall: Syscall,
        request: &Q,
    ) -> Result<A, Problem> {
        let effect = self.place_key(syscall, place);
        decoded(self.exchange_as(syscall, body_of(request)?, effect).await)
    }

    async fn chat(&self, request: &ChatRequest) -> Result<ChatStream, Problem> {
        begun(self.stream(body_of(request)?).await)
    }

    async fn chat_at(&self, place: &str, request: &ChatRequest) -> Result<ChatStream, Problem> {
        let effect = self.place_key(Syscall::ModelChat, place);
        begun(self.stream_as(body_of(request)?, effect).await)
    }
}

/// Half of a digest: a key has 64 characters.
fn half(digest: [u8; 32]) -> u128 {
    let (half, _) = digest.split_at(16);
    half.iter()
        .fold(0, |all, byte| all << 8 | u128::from(*byte))
}

fn body_of(request: &impl Serialize) -> Result<Bytes, Problem> {
    let body = serde_json::to_vec(request);
    body.map(Bytes::from)
        .map_err(|error| Problem::new(Code::BadRequest, error.to_string()))
}

fn decoded<A: DeserializeOwned>(answer: Result<Whole, Lost>) -> Result<A, Problem> {
    match answer {
        Ok(answer) => answer.decode(),
        Err(lost) => Err(unreachable(&lost)),
    }
}

fn begun(answer: Result<Result<Response<Incoming>, Whole>, Lost>) -> Result<ChatStream, Problem> {
    match answer {
        Ok(Ok(response)) => Ok(ChatStream::new(response.into_body())),
        Ok(Err(refusal)) => Err(refusal.problem().unwrap_or_else(|| {
            Problem::new(Code::Internal, "the node refused and gave no reason")
        })),
        Err(lost) => Err(unreachable(&lost)),
    }
}

pub(crate) fn unreachable(lost: &Lost) -> Problem {
    Problem::new(Code::Unreachable, lost.to_string())
        .remedy("look whether the node agent runs: aionctl local status")
}

/// A streamed answer.
pub(crate) struct ChatStream {
    body: Incoming,
    decoder: Decoder,
    ready: std::collections::VecDeque<Vec<u8>>,
    over: bool,
}

impl ChatStream {
    fn new(body: Incoming) -> Self {
        Self {
            body,
            decoder: Decoder::default(),
            ready: std::collections::VecDeque::new(),
            over: false,
        }
    }

    fn broken(&mut self, why: &str) -> Option<ChatEvent> {
        self.over = true;
        Some(ChatEvent::Error(
            Problem::new(
                Code::OutcomeUnknown,
                format!("the model's answer broke off: {why}"),
            )
            .remedy("ask again: the tokens of the broken answer are charged"),
        ))
    }
}

impl Chat for ChatStream {
    async fn next(&mut self) -> Option<ChatEvent> {
        loop {
            if self.over {
                return None;
            }
            if let Some(data) = self.ready.pop_front() {
                return match serde_json::from_slice(&data) {
                    Ok(event) => {
                        self.over = matches!(event, ChatEvent::End { .. } | ChatEvent::Error(_));
                        Some(event)
                    }
                    Err(error) => self.broken(&format!("an event is not of this version: {error}")),
                };
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.ready.extend(self.decoder.feed(bytes));
                    }
                }
                Some(Err(error)) => return self.broken(&error.to_string()),
                None => return self.broken("the node closed the connection"),
            }
        }
    }
}

#[cfg(test)]
mod tests;
