//! JSON-RPC 2.0: one request a body, answered with status 200 whatever becomes of it, or by a stream of answers.

use axum::{
    Json,
    extract::Request,
    http::Method,
    response::{IntoResponse, Response},
};
use futures::StreamExt as _;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Target, Told,
    fault::{Fault, Kind},
    is_json, list, no_extended_card, push, read, version,
};
use crate::reading;

/// What is answered.
enum Answer {
    Whole(Value),
    Stream(Told),
}

pub(super) async fn answer(target: &Target, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if parts.method != Method::POST {
        let what = format!("there is no {} here", parts.method);
        let remedy = "send JSON-RPC by POST";
        return super::failed(&Fault::new(Kind::MethodNotFound, what, remedy));
    }
    let body = match reading::whole(body).await {
        Ok(body) => body,
        Err(problem) => return Json(failure(&Value::Null, &problem.into())).into_response(),
    };
    if let Err(fault) = is_json(&parts.headers, "application/json") {
        return Json(failure(&Value::Null, &fault)).into_response();
    }
    let (id, called) = match called(&body) {
        Ok((id, method, params)) => (id, Ok((method, params))),
        Err((id, fault)) => (id, Err(fault)),
    };
    let answered = async {
        let (method, params) = called?;
        version(&parts.headers, parts.uri.query())?;
        answered(target, &method, params).await
    };
    match answered.await {
        Ok(Answer::Whole(result)) => {
            Json(json!({"jsonrpc": "2.0", "id": id, "result": result})).into_response()
        }
        Ok(Answer::Stream(told)) => streamed(told, id),
        Err(fault) => Json(failure(&id, &fault)).into_response(),
    }
}

fn failure(id: &Value, fault: &Fault) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": fault.rpc()})
}

type Called = (Value, String, Value);

/// Id, method and parameters; or what is wrong, with the id where it has one.
fn called(body: &[u8]) -> Result<Called, (Value, Fault)> {
    let wrong = |id: Value, what: &str| {
        let remedy = "send one request of JSON-RPC 2.0, with an id";
        (id, Fault::new(Kind::InvalidRequest, what, remedy))
    };
    let mut request: Value = serde_json::from_slice(body).map_err(|error| {
        let what = format!("the body is not JSON: {error}");
        (Value::Null, Fault::new(Kind::Parse, what, "send JSON"))
    })?;
    if !request.is_object() {
        return Err(wrong(Value::Null, "the body is not one request"));
    }
    let id = request["id"].take();
    // Without one no answer is wanted, which nothing here is for.
    if !(id.is_string() || id.is_i64() || id.is_u64()) {
        return Err(wrong(
            Value::Null,
            "id is neither a text nor a whole number",
        ));
    }
    if request["jsonrpc"] != "2.0" {
        return Err(wrong(id, "jsonrpc is not 2.0"));
    }
    match request["method"].take() {
        Value::String(method) => {
            let params = match request["params"].take() {
                Value::Null => json!({}),
                params => params,
            };
            Ok((id, method, params))
        }
        _ => Err(wrong(id, "method is not a text")),
    }
}

async fn answered(target: &Target, method: &str, params: Value) -> Result<Answer, Fault> {
    Ok(match method {
        "SendMessage" => whole(&json!({"task": target.send(read(params)?).await?})),
        "SendStreamingMessage" => Answer::Stream(target.stream(read(params)?).await?),
        "GetTask" => whole(&target.get(&read(params)?).await?),
        "CancelTask" => whole(&target.cancel(&read(params)?).await?),
        "SubscribeToTask" => Answer::Stream(target.subscribe(&read(params)?).await?),
        "ListTasks" => whole(&list::tasks(target, read(params)?).await?),
        "GetExtendedAgentCard" => return Err(no_extended_card()),
        "CreateTaskPushNotificationConfig" => whole(&push::create(target, read(params)?).await?),
        "GetTaskPushNotificationConfig" => whole(&push::get(target, &read(params)?).await?),
        "ListTaskPushNotificationConfigs" => whole(&push::list(target, &read(params)?).await?),
        "DeleteTaskPushNotificationConfig" => whole(&push::remove(target, &read(params)?).await?),
        other => {
            let what = format!("there is no method {other}");
            let remedy = "see A2A 1.0 for what there is";
            return Err(Fault::new(Kind::MethodNotFound, what, remedy));
        }
    })
}

fn whole(value: &impl Serialize) -> Answer {
    // What is answered always has a JSON form.
    Answer::Whole(serde_json::to_value(value).unwrap_or_default())
}

fn streamed(told: Told, id: Value) -> Response {
    aion_serve::events(told.map(move |told| match told {
        Ok(update) => json!({"jsonrpc": "2.0", "id": id, "result": update}),
        Err(fault) => failure(&id, &fault),
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_no_request_is_told_with_its_id_where_it_has_one() {
        for (body, id, code) in [
            ("{", Value::Null, -32700),
            ("[]", Value::Null, -32600),
            (
                r#"{"jsonrpc": "2.0", "method": "GetTask"}"#,
                Value::Null,
                -32600,
            ),
            (
                r#"{"jsonrpc": "2.0", "id": {}, "method": "GetTask"}"#,
                Value::Null,
                -32600,
            ),
            (
                r#"{"jsonrpc": "2.0", "id": 1.5, "method": "GetTask"}"#,
                Value::Null,
                -32600,
            ),
            (r#"{"id": 7, "method": "GetTask"}"#, json!(7), -32600),
            (
                r#"{"jsonrpc": "2.0", "id": "a", "method": 1}"#,
                json!("a"),
                -32600,
            ),
        ] {
            let (told, fault) = called(body.as_bytes()).unwrap_err();
            assert_eq!((told, &fault.rpc()["code"]), (id, &json!(code)), "{body}");
        }
        let good = br#"{"jsonrpc": "2.0", "id": "a", "method": "GetTask"}"#;
        let (id, method, params) = called(good).unwrap();
        assert_eq!((id, &*method, params), (json!("a"), "GetTask", json!({})));
    }
}
