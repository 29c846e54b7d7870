//! Programs that run elsewhere, as `aion_abi::external` has it; their syscalls go to the socket of their run.

use std::{path::Path as FsPath, sync::Arc};

use aion_abi::{
    code::Code,
    external::{End, Given, Holding, Registered, Registration, Run, Told},
    problem::Problem,
};
use aion_api::program::Runtime;
use axum::{
    Json,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderValue, Uri, header},
    response::Response,
};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixStream;

use super::{Admin, agents, answer::Refused};

/// The longest name of a program, in bytes.
const MAX_NAME: usize = 128;

type OfProgram = Path<(String, String, String)>;

pub(super) async fn register(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent)): Path<(String, String)>,
    Json(registration): Json<Registration>,
) -> Result<Json<Registered>, Refused> {
    agents::known(&admin, &namespace, &agent)?;
    let instances = admin.instances.of_agent(&namespace, &agent);
    let runtime = instances.first().map(|it| it.spec().runtime);
    match runtime {
        Some(Runtime::External) => {}
        Some(other) => {
            let what = format!(
                "agent {agent} is of runtime {}: its program is the node's",
                other.as_str()
            );
            let remedy = "say runtime: external in its Agent";
            return Err(Problem::new(Code::BadRequest, what).remedy(remedy).into());
        }
        None => {
            let what = format!("agent {agent} is not let in here");
            let remedy = format!("aionctl why {agent} says what is missing");
            return Err(Problem::new(Code::NotRunning, what).remedy(remedy).into());
        }
    }
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
    let agent = format!("{namespace}/{agent}");
    let registered = admin.externals.register(&agent, &registration)?;
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

pub(super) async fn next(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent, program)): OfProgram,
    Json(holding): Json<Holding>,
) -> Result<Json<Given>, Refused> {
    let agent = format!("{namespace}/{agent}");
    Ok(Json(
        admin.externals.next(&agent, &program, &holding).await?,
    ))
}

pub(super) async fn hear(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent, program)): OfProgram,
    Json(holding): Json<Holding>,
) -> Result<Json<Told>, Refused> {
    let agent = format!("{namespace}/{agent}");
    Ok(Json(admin.externals.hear(&agent, &program, &holding)?))
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

async fn forward(socket: &FsPath, to: Uri, request: Request) -> anyhow::Result<Response> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the answer's body, or when that is dropped.
    tokio::spawn(connection);
    let (mut head, body) = request.into_parts();
    head.uri = to;
    // What is between the program and this interface is not the run's business.
    for name in [header::AUTHORIZATION, header::CONNECTION, header::COOKIE] {
        head.headers.remove(name);
    }
    let host = HeaderValue::from_static("aion");
    head.headers.insert(header::HOST, host);
    let answer = sender.send_request(Request::from_parts(head, body)).await?;
    Ok(answer.map(Body::new))
}
