//! Programs that run elsewhere, as `aion_abi::external` has it; their syscalls go to the session of their run.

use std::sync::Arc;

use aion_abi::{
    admin::TurnRequest,
    code::Code,
    external::{Begin, Begun, End, Given, Holding, Registered, Registration, Run, Told},
    problem::Problem,
};
use aion_api::program::Runtime;
use aion_kernel::{Incarnation, TurnId};
use aion_serve::{Json, Path};
use axum::{
    extract::{Request, State},
    http::Uri,
    response::Response,
};
use serde_json::{Value, json};

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
    admin.logs.add(&agent, Incarnation(0), "node", &text);
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
    mut request: Request,
) -> Result<Response, Refused> {
    let agent = format!("{namespace}/{agent}");
    let run = Run { turn, incarnation };
    admin.externals.holds(&agent, &program, run)?;
    let to = format!("/v1/{syscall}");
    let to: Uri = to.parse().map_err(|_| {
        Problem::new(
            Code::UnknownSyscall,
            "the path after /v1 is that of no syscall",
        )
    })?;
    *request.uri_mut() = to;
    let answered = async {
        let door = admin.doors.of(TurnId(turn), Incarnation(incarnation))?;
        door.answer(request).await
    };
    answered.await.map_err(|why| {
        // As where a worker finds its socket gone: nothing is known of the call, and its key tells it from another.
        Problem::new(Code::Restarting, why.to_string())
            .remedy("send the call again under its idempotency key")
            .into()
    })
}
