//! The table of endpoints: where each is, what answers there, and how it is described. Router and description are made of the one table.

use std::sync::{Arc, LazyLock};

use aion_abi::{
    admin::{TurnRecord, TurnRequest, Upload},
    approval::{Answer, Approval},
    audit::Audit,
    code::Code,
    external::{Begin, Begun, End, Given, Holding, Registered, Registration, Told},
    memory,
    page::Part,
    problem::Problem,
    syscall::memory::{ForgetResponse, Hit},
    tools::Tools,
    turn::TurnPage,
    usage::{Queues, Usage},
};
use aion_route::Agent;
use axum::{
    Json, Router,
    extract::Request,
    http::Method,
    middleware,
    response::Response,
    routing::{MethodRouter, any, delete, get, post},
};
use serde_json::Value;

use crate::{
    a2a,
    access::{self, Guard},
    events, hooks,
    mcp::Mcp,
    openai::{chat, embeddings, models, responses},
    openapi::{self, Form, Operation},
    paged, protected,
    refusal::{MCP, refused},
    rest::{self, Within, turns},
};

/// Of a question.
const ONE_TURN: &str = "The same question under the same key is one turn.";

struct Endpoint {
    path: &'static str,
    method: Method,
    handler: MethodRouter,
    operation: Operation,
}

pub(crate) fn router(guard: Guard) -> Router {
    let gateway = Arc::clone(&guard.gateway);
    let guard = middleware::from_fn_with_state(Arc::new(guard), access::check);
    let mcp = Arc::new(Mcp::default());
    let mcp = move |request: Request| async move { mcp.answer(request).await };
    // Beside the table: MCP and A2A describe themselves.
    let mut router = Router::new()
        .route(MCP, any(mcp))
        .route("/v1/a2a/jwks.json", get(a2a::keys))
        .route("/v1/a2a/{namespace}/{agent}", any(a2a::rpc))
        // As clients have it that put a path behind a base.
        .route("/v1/a2a/{namespace}/{agent}/", any(a2a::rpc))
        .route("/v1/a2a/{namespace}/{agent}/{*below}", any(a2a::rest));
    for endpoint in endpoints() {
        router = router.route(endpoint.path, endpoint.handler);
    }
    router
        .method_not_allowed_fallback(nothing)
        .fallback(nothing)
        // Also what is not there is told only to who may ask.
        .layer(guard)
        // Behind the guard's layer, and so not behind the guard: who sends a delivery signs it, and who has no token looks for one.
        .route(
            "/v1/hooks/{namespace}/{agent}/{trigger}",
            post(hooks::deliver).with_state(Arc::clone(&gateway)),
        )
        .merge(protected::router(gateway))
}

fn endpoints() -> Vec<Endpoint> {
    let on = |method, path, handler, operation| Endpoint {
        path,
        method,
        handler,
        operation,
    };
    let rest = |id, summary| Operation::new(Form::Problem, id, summary);
    let openai = |id, summary| Operation::new(Form::OpenAi, id, summary);
    vec![
        on(
            Method::GET,
            "/v1/agents",
            get(rest::agents::list),
            rest("listAgents", "The agents")
                .query::<Within>()
                .query::<rest::agents::Page>()
                .answers::<rest::agents::List>()
                .tagged(),
        ),
        on(
            Method::GET,
            "/v1/agents/{agent}",
            get(rest::agents::get),
            rest("getAgent", "One agent")
                .query::<Within>()
                .answers::<Agent>()
                .tagged(),
        ),
        on(
            Method::POST,
            "/v1/agents/{agent}/turns",
            post(turns::ask),
            rest("askAgent", "Ask an agent; with Accept: text/event-stream the answer comes as events")
                .query::<Within>()
                .keyed(ONE_TURN)
                .reads::<TurnRequest>()
                .answers::<TurnRecord>()
                .streams::<turns::Told>(),
        ),
        on(
            Method::POST,
            "/v1/agents/{agent}/uploads",
            post(turns::upload),
            rest("upload", "Upload a file for an agent, to be named in `uploads` of a turn")
                .query::<turns::Named>()
                .reads_bytes()
                .answers::<Upload>(),
        ),
        on(
            Method::POST,
            "/v1/agents/{agent}/register",
            post(rest::programs::register),
            rest("registerProgram", "Register a program that runs elsewhere, for an agent of runtime external")
                .query::<Within>()
                .reads::<Registration>()
                .answers::<Registered>(),
        ),
        on(
            Method::DELETE,
            "/v1/agents/{agent}/programs/{program}",
            delete(rest::programs::leave),
            rest("leaveProgram", "Unregister the program; the runs that it holds are lost")
                .query::<Within>()
                .answers::<Value>(),
        ),
        on(
            Method::POST,
            "/v1/agents/{agent}/programs/{program}/turn",
            rest::programs::said("turn"),
            rest("takeTurn", "Wait for a turn for the program, and name the runs that it holds")
                .query::<Within>()
                .reads::<Holding>()
                .answers::<Given>(),
        ),
        on(
            Method::POST,
            "/v1/agents/{agent}/programs/{program}/heartbeat",
            rest::programs::said("heartbeat"),
            rest("keepProgram", "A heartbeat of the program, with the runs that it holds")
                .query::<Within>()
                .reads::<Holding>()
                .answers::<Told>(),
        ),
        on(
            Method::POST,
            "/v1/agents/{agent}/programs/{program}/begin",
            rest::programs::said("begin"),
            rest("beginTurn", "Begin a turn that only this program is given")
                .query::<Within>()
                .reads::<Begin>()
                .answers::<Begun>(),
        ),
        on(
            Method::POST,
            "/v1/agents/{agent}/programs/{program}/end",
            rest::programs::said("end"),
            rest("endRun", "End a run of a turn")
                .query::<Within>()
                .reads::<End>()
                .answers::<Value>(),
        ),
        on(
            Method::POST,
            "/v1/agents/{agent}/programs/{program}/turns/{turn}/{incarnation}/v1/{*syscall}",
            post(rest::programs::syscall),
            rest("makeSyscall", "A signed syscall of a run that the program holds, as docs/syscalls.md has it")
                .query::<Within>()
                .keyed("The same syscall under the same key is made once.")
                .reads::<Value>()
                .answers::<Value>()
                .streams::<Value>(),
        ),
        on(
            Method::GET,
            "/v1/approvals",
            get(rest::approvals::list),
            rest("listApprovals", "List what agents want approved; needs a key that may approve or the header Aion-Approver, in a cluster the right to approve")
                .query::<Within>()
                .query::<paged::Wanted>()
                .answers::<paged::List>()
                .tagged(),
        ),
        on(
            Method::GET,
            "/v1/approvals/{approval}",
            get(rest::approvals::get),
            rest("getApproval", "One approval, waiting or answered; needs a key that may approve or the header Aion-Approver, in a cluster the right to approve")
                .answers::<Approval>(),
        ),
        on(
            Method::POST,
            "/v1/approvals/{approval}",
            post(rest::approvals::answer),
            rest("answerApproval", "Approve or deny what was shown, named by its turn and digest; needs a key that may approve or the header Aion-Approver, in a cluster the right to approve")
                .reads::<Answer>()
                .answers::<Approval>(),
        ),
        on(
            Method::DELETE,
            "/v1/approvals/{approval}",
            delete(rest::approvals::revoke),
            rest("revokeApproval", "End a standing approval; needs a key that may approve or the header Aion-Approver, in a cluster the right to approve")
                .answers::<Value>(),
        ),
        on(
            Method::POST,
            "/v1/ask",
            post(rest::ask::ask),
            rest("ask", "Ask the agent that the question is for, without uploads, which belong to one agent; a refusal with the code undecided has candidates")
                .query::<Within>()
                .keyed(ONE_TURN)
                .reads::<TurnRequest>()
                .answers::<turns::Answered>()
                .streams::<turns::Told>()
                .refuses::<rest::ask::Undecided>(),
        ),
        on(
            Method::GET,
            "/v1/turns/{turn}",
            get(turns::get),
            rest("getTurn", "A turn's record").answers::<TurnRecord>(),
        ),
        on(
            Method::DELETE,
            "/v1/turns/{turn}",
            delete(turns::cancel),
            rest("cancelTurn", "Cancel a turn that waits or runs").answers::<TurnRecord>(),
        ),
        on(
            Method::GET,
            "/v1/turns/{turn}/events",
            get(turns::events),
            rest("followTurn", "A turn's events from its start, or behind those that a client has")
                .query::<turns::Behind>()
                .streams::<turns::Told>(),
        ),
        on(
            Method::GET,
            "/v1/turns/{turn}/files/{*path}",
            get(turns::file),
            rest("getFile", "A file that a turn wrote").answers_bytes(),
        ),
        on(
            Method::GET,
            "/v1/agents/{agent}/memory",
            get(rest::memory::list),
            rest("listMemory", "What an agent remembers: what a query finds, or everything, newest first")
                .query::<Within>()
                .query::<memory::Wanted>()
                .answers::<memory::Page>()
                .tagged(),
        ),
        on(
            Method::GET,
            "/v1/agents/{agent}/memory/{item}",
            get(rest::memory::get),
            rest("getMemory", "One item that an agent remembers")
                .query::<Within>()
                .answers::<Hit>()
                .tagged(),
        ),
        on(
            Method::DELETE,
            "/v1/agents/{agent}/memory/{item}",
            delete(rest::memory::forget),
            rest("forgetMemory", "Have an agent forget one item")
                .query::<Within>()
                .answers::<ForgetResponse>(),
        ),
        on(
            Method::GET,
            "/v1/agents/{agent}/turns",
            get(rest::looks::turns),
            rest("listTurns", "The turns that an agent has, newest first, without their answers")
                .query::<Within>()
                .query::<Part>()
                .answers::<TurnPage>()
                .tagged(),
        ),
        on(
            Method::GET,
            "/v1/agents/{agent}/tools",
            get(rest::looks::tools),
            rest("listTools", "The tools that an agent has, and whether a person is asked first")
                .query::<Within>()
                .query::<Part>()
                .answers::<Tools>()
                .tagged(),
        ),
        on(
            Method::GET,
            "/v1/agents/{agent}/audit",
            get(rest::looks::audit),
            rest("listAudit", "The syscalls that an agent's turns made, allowed and refused, newest first")
                .query::<Within>()
                .query::<Part>()
                .answers::<Audit>()
                .tagged(),
        ),
        on(
            Method::GET,
            "/v1/turns/{turn}/audit",
            get(rest::looks::audit_of_turn),
            rest("listTurnAudit", "The syscalls that a turn made, allowed and refused, newest first")
                .query::<Part>()
                .answers::<Audit>()
                .tagged(),
        ),
        on(
            Method::GET,
            "/v1/usage",
            get(rest::looks::usage),
            rest("getUsage", "What agents and their namespaces used of their quotas")
                .query::<Within>()
                .query::<Part>()
                .answers::<Usage>()
                .tagged(),
        ),
        on(
            Method::GET,
            "/v1/queues",
            get(rest::looks::queues),
            rest("getQueues", "How much waits in the kernel: by driver, lane and namespace")
                .query::<Part>()
                .answers::<Queues>()
                .tagged(),
        ),
        on(
            Method::GET,
            events::PATH,
            get(rest::events::listen),
            rest("listen", "What happens, as it happens: with Accept: text/event-stream as events, else over a WebSocket, as docs/gateway.md has it")
                .query::<events::Wanted>()
                .streams::<events::Frame>(),
        ),
        on(
            Method::GET,
            "/v1/models",
            get(models::list),
            openai("listModels", "The agents as models, and the models that agents lend").answers::<models::List>(),
        ),
        on(
            Method::GET,
            "/v1/models/{*model}",
            get(models::get),
            openai("retrieveModel", "One of them").answers::<models::Model>(),
        ),
        on(
            Method::POST,
            "/v1/chat/completions",
            post(chat::complete),
            openai("createChatCompletion", "Ask an agent, or a model of one, as OpenAI's chat completions do")
                .keyed("The same question to an agent under the same key is one turn. For a model it is refused.")
                .reads::<chat::Request>()
                .answers::<chat::Object>()
                .streams::<chat::Object>(),
        ),
        on(
            Method::POST,
            "/v1/embeddings",
            post(embeddings::create),
            openai("createEmbedding", "Have the embedding model of an agent make vectors of texts")
                .reads::<embeddings::Request>()
                .answers::<embeddings::Object>(),
        ),
        on(
            Method::POST,
            "/v1/responses",
            post(responses::create),
            openai("createResponse", "Ask an agent as OpenAI's responses do")
                .keyed(ONE_TURN)
                .reads::<responses::Request>()
                .answers::<responses::Object>()
                .streams::<responses::Numbered>(),
        ),
        on(
            Method::GET,
            "/v1/openapi.json",
            get(description),
            rest("describe", "What is described here").answers::<Value>(),
        ),
    ]
}

/// The document, which is the same for as long as the program runs.
async fn description() -> Json<&'static Value> {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| described(&endpoints()));
    Json(&DOCUMENT)
}

fn described(endpoints: &[Endpoint]) -> Value {
    let operations = endpoints.iter();
    openapi::document(operations.map(|it| (it.path, &it.method, &it.operation)))
}

async fn nothing(request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let what = format!("there is nothing at {method} {path}");
    refused(
        path,
        Problem::new(Code::NotFound, what).remedy("docs/gateway.md lists the paths"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;

    /// Every value of `key`, wherever it is.
    fn all<'a>(value: &'a Value, key: &str, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get(key).and_then(Value::as_str));
                fields.values().for_each(|value| all(value, key, found));
            }
            Value::Array(values) => values.iter().for_each(|value| all(value, key, found)),
            _ => {}
        }
    }

    #[test]
    fn every_endpoint_is_described_and_what_is_described_is_there() {
        let endpoints = endpoints();
        let document = described(&endpoints);
        let mut operations = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                operations.insert((path.clone(), method.to_uppercase()));
                let parameters = operation["parameters"].as_array().unwrap().iter();
                let named = parameters.filter(|it| it["in"] == "path");
                assert_eq!(named.count(), path.matches('{').count(), "{path}");
            }
        }
        let table = endpoints.iter();
        let table = table.map(|it| (it.path.replace("{*", "{"), it.method.to_string()));
        assert_eq!(operations, table.collect());
        let (mut ids, mut references) = (BTreeSet::new(), BTreeSet::new());
        all(&document, "operationId", &mut ids);
        assert_eq!(ids.len(), endpoints.len());
        all(&document, "$ref", &mut references);
        assert!(!references.is_empty());
        for reference in references {
            let place = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(place).is_some(), "{reference}");
        }
    }

    #[test]
    fn what_is_read_may_leave_out_what_is_answered() {
        let document = described(&endpoints());
        let schemas = &document["components"]["schemas"];
        let required = |name: &str| schemas[name]["required"].clone();
        assert_eq!(required("TurnRequest"), serde_json::json!(["input"]));
        let answered = required("Agent");
        let answered = answered.as_array().unwrap();
        assert!(answered.contains(&Value::from("ready")), "{answered:?}");
    }
}
