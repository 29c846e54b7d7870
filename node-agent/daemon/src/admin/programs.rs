//! Programs that run elsewhere, as `aion_abi::external` has it; their syscalls go to the socket of their run.

use std::{path::Path as FsPath, sync::Arc};

use aion_abi::{
    admin::TurnRequest,
    code::Code,
    external::{Begin, Begun, End, Given, Holding, Registered, Registration, Run, Told},
    key,
    problem::Problem,
};
use aion_api::program::Runtime;
use aion_serve::{Json, Path};
use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Uri, header},
    response::Response,
};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixStream;

use super::{
    Admin, agents,
    answer::Refused,
    held::{self, ByKey},
    turns,
};
use crate::{call::restarting, turns::Cause};

/// The longest name of a program, in bytes.
const MAX_NAME: usize = 128;
/// Runs that a program holds at most.
const MAX_HOLDS: usize = 256;

type OfProgram = Path<(String, String, String)>;

pub(super) async fn register(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent)): Path<(String, String)>,
    by: ByKey,
    Json(registration): Json<Registration>,
) -> Result<Json<Registered>, Refused> {
    let agent = served(&admin, &namespace, &agent, &registration.holds)?;
    let name = &registration.name;
    if name.len() > MAX_NAME || name.chars().any(char::is_control) {
        let what = format!("a program's name is one line of at most {MAX_NAME} bytes");
        return Err(Problem::new(Code::BadRequest, what).into());
    }
    let is_name = |it: &str| it.len() == 32 && it.bytes().all(|digit| digit.is_ascii_hexdigit());
    if registration
        .program
        .as_deref()
        .is_some_and(|it| !is_name(it))
    {
        let what = "program is not 32 hex digits";
        let remedy = "make it of 16 random bytes, or leave it out";
        return Err(Problem::new(Code::BadRequest, what).remedy(remedy).into());
    }
    let key = held::id(&by);
    let registered = admin
        .externals
        .register(&agent, &registration, key.as_deref())?;
    let name = match name.as_str() {
        "" => "it gives no name",
        name => name,
    };
    let text = format!("a program is registered: {name}");
    admin
        .logs
        .add(&agent, aion_kernel::Incarnation(0), "node", &text);
    Ok(Json(registered))
}

/// `namespace/name` of an agent that programs elsewhere are taken for now, and what one says to hold is within its bound.
fn served(admin: &Admin, namespace: &str, agent: &str, holds: &[Run]) -> Result<String, Refused> {
    agents::known(admin, namespace, agent)?;
    let instances = admin.instances.of_agent(namespace, agent);
    let runtime = instances.first().map(|it| it.spec().runtime);
    let refused =
        |code, what: String, remedy: &str| Err(Problem::new(code, what).remedy(remedy).into());
    match runtime {
        Some(Runtime::External) if holds.len() > MAX_HOLDS => refused(
            Code::BadRequest,
            format!("a program holds at most {MAX_HOLDS} runs"),
            "name each once, and take no more turns at once",
        ),
        Some(Runtime::External) => Ok(format!("{namespace}/{agent}")),
        Some(other) => refused(
            Code::BadRequest,
            format!(
                "agent {agent} is of runtime {}: its program is the node's",
                other.as_str()
            ),
            "say runtime: external in its Agent",
        ),
        None => refused(
            Code::NotRunning,
            format!("agent {agent} is not let in here"),
            &format!("aionctl why {agent} says what is missing"),
        ),
    }
}

pub(super) async fn next(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent, program)): OfProgram,
    Json(holding): Json<Holding>,
) -> Result<Json<Given>, Refused> {
    let agent = served(&admin, &namespace, &agent, &holding.holds)?;
    tokio::select! {
        given = admin.externals.next(&agent, &program, &holding) => Ok(Json(given?)),
        () = admin.leaving.closing() => Err(restarting().into()),
    }
}

pub(super) async fn hear(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent, program)): OfProgram,
    Json(holding): Json<Holding>,
) -> Result<Json<Told>, Refused> {
    let agent = served(&admin, &namespace, &agent, &holding.holds)?;
    Ok(Json(admin.externals.hear(&agent, &program, &holding)?))
}

pub(super) async fn begin(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent, program)): OfProgram,
    by: ByKey,
    Json(begin): Json<Begin>,
) -> Result<Json<Begun>, Refused> {
    let whole = served(&admin, &namespace, &agent, &[])?;
    admin.externals.begins(&whole, &program)?;
    let instance = turns::idlest(&admin, &namespace, &agent).await?;
    let request = TurnRequest {
        input: begin.input,
        ..TurnRequest::default()
    };
    let (turns, cause) = (&admin.turns, Cause::Program(program, held::asker(&by)));
    let turn = turns
        .ask(&admin.shell, &instance, request, None, cause)
        .await?;
    admin.telemetry.turns_asked.inc();
    Ok(Json(Begun { turn: turn.0 }))
}

pub(super) async fn end(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent, program)): OfProgram,
    Json(end): Json<End>,
) -> Result<Json<Value>, Refused> {
    let agent = format!("{namespace}/{agent}");
    admin.externals.end(&agent, &program, &end)?;
    Ok(Json(json!({})))
}

pub(super) async fn leave(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent, program)): OfProgram,
) -> Result<Json<Value>, Refused> {
    let agent = format!("{namespace}/{agent}");
    admin.externals.leave(&agent, &program)?;
    Ok(Json(json!({})))
}

/// Its signature is judged where a worker's is.
pub(super) async fn syscall(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent, program, turn, incarnation, syscall)): Path<(
        String,
        String,
        String,
        u64,
        u32,
        String,
    )>,
    request: Request,
) -> Result<Response, Refused> {
    let agent = format!("{namespace}/{agent}");
    let run = Run { turn, incarnation };
    let socket = admin.externals.socket(&agent, &program, run)?;
    let to = format!("/v1/{syscall}");
    let to: Uri = to.parse().map_err(|_| {
        Problem::new(
            Code::UnknownSyscall,
            "the path after /v1 is that of no syscall",
        )
    })?;
    forward(&socket, to, request).await.map_err(|why| {
        // As where a worker finds its socket gone: nothing is known of the call, and its key tells it from another.
        Problem::new(
            Code::Restarting,
            format!("the run's socket does not answer: {why}"),
        )
        .remedy("send the call again under its idempotency key")
        .into()
    })
}

/// What is between the program and this interface, its key above all, is not the run's business.
fn for_a_run(headers: &mut HeaderMap) {
    for name in [header::AUTHORIZATION, header::CONNECTION, header::COOKIE] {
        headers.remove(name);
    }
    headers.remove(key::HEADER);
    headers.insert(header::HOST, HeaderValue::from_static("aion"));
}

async fn forward(socket: &FsPath, to: Uri, request: Request) -> anyhow::Result<Response> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the answer's body, or when that is dropped.
    tokio::spawn(connection);
    let (mut head, body) = request.into_parts();
    head.uri = to;
    for_a_run(&mut head.headers);
    let answer = sender.send_request(Request::from_parts(head, body)).await?;
    Ok(answer.map(Body::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_hears_nothing_of_who_asks() {
        let mut headers = HeaderMap::new();
        for name in ["authorization", "cookie", key::HEADER, "aion-signature"] {
            headers.append(name, HeaderValue::from_static("x"));
            headers.append(name, HeaderValue::from_static("y"));
        }
        for_a_run(&mut headers);
        let mut names: Vec<&str> = headers.keys().map(|it| it.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["aion-signature", "host"]);
    }
}
