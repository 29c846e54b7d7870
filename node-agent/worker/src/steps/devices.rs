//! Calls of devices that steps make.

use aion_abi::code::Code;
use aion_abi::problem::Problem;
use aion_abi::steps::DeviceCall;
use aion_abi::syscall::device::{
    DoneResponse, HistoryResponse, ListResponse, MAX_DEVICES, ReadResponse,
};
use aion_steps::{Answer, Outcome};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::calls::size;
use crate::syscalls::Syscalls;
use crate::syscalls::patience::patiently;

/// Points of a history where the step does not say how many.
const POINTS: u32 = 24;

/// Makes a call under the name of its step. Where the step tells what a device did not do (`told`), that is its answer; what may
/// have been done is none.
pub(super) async fn device(
    syscalls: &impl Syscalls,
    step: &str,
    call: DeviceCall,
    mut arguments: Map<String, Value>,
    told: bool,
) -> Result<Outcome, Problem> {
    let mut unless_said = |name: &str, value: Value| {
        arguments.entry(name).or_insert(value);
    };
    match call {
        DeviceCall::List => {
            unless_said("limit", MAX_DEVICES.into());
            unless_said("readings", true.into());
        }
        DeviceCall::History => unless_said("points", POINTS.into()),
        _ => {}
    }
    let (place, with) = ((step, call), Value::Object(arguments));
    match call {
        DeviceCall::List => answered::<ListResponse>(syscalls, place, &with).await,
        DeviceCall::Read => answered::<ReadResponse>(syscalls, place, &with).await,
        DeviceCall::History => answered::<HistoryResponse>(syscalls, place, &with).await,
        DeviceCall::Write | DeviceCall::Command => {
            match made::<DoneResponse>(syscalls, place, &with).await {
                Ok(done) => {
                    let mut structured = structured(&done)?;
                    structured["done"] = true.into();
                    Ok(outcome(done.to_string(), structured))
                }
                Err(why) if told && was_not_done(&why) => {
                    let code = why.code.as_str();
                    let structured = json!({"done": false, "code": code, "why": why.detail, "remedy": why.remedy});
                    Ok(outcome(why.detail, structured))
                }
                Err(why) => Err(why),
            }
        }
    }
}

/// Whether it is certain that nothing was done, and that it will not be.
fn was_not_done(why: &Problem) -> bool {
    matches!(
        why.code,
        Code::Guarded
            | Code::Denied
            | Code::ApprovalDenied
            | Code::ApprovalExpired
            | Code::BadRequest
            | Code::NotFound
            | Code::Unreachable
            | Code::Overloaded
    )
}

async fn answered<A: Serialize + DeserializeOwned>(
    syscalls: &impl Syscalls,
    place: (&str, DeviceCall),
    with: &Value,
) -> Result<Outcome, Problem> {
    let answer: A = made(syscalls, place, with).await?;
    let structured = structured(&answer)?;
    Ok(outcome(structured.to_string(), structured))
}

async fn made<A: DeserializeOwned>(
    syscalls: &impl Syscalls,
    (step, call): (&str, DeviceCall),
    with: &Value,
) -> Result<A, Problem> {
    patiently(async || syscalls.call_at(step, call.syscall(), with).await).await
}

fn structured(answer: &impl Serialize) -> Result<Value, Problem> {
    serde_json::to_value(answer).map_err(|why| Problem::new(Code::Internal, why.to_string()))
}

fn outcome(text: String, structured: Value) -> Outcome {
    Outcome {
        kept: size(&structured),
        answer: Ok(Answer {
            text,
            structured: Some(structured),
        }),
        turn: None,
    }
}
