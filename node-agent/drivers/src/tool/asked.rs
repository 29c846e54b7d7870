//! One request to a server, with its answer as JSON, whatever form it has: the library's own types take whole pages
//! for one bad entry. A call that is answered with questions is made again with what people say. Dropped before it is answered, it is cancelled.

use std::collections::BTreeSet;

use rmcp::{
    RoleClient, ServiceError,
    model::{
        CallToolRequest, CallToolRequestParams, CancelledNotificationParam, ClientRequest,
        ListToolsRequest, PaginatedRequestParams, ReadResourceRequest, ReadResourceRequestParams,
        RequestId, ServerResult,
    },
    service::{Peer, PeerRequestOptions, RequestHandle},
};
use serde_json::Value;

use super::{
    Waits,
    connection::Line,
    pages::{self, Packed},
};

/// So often a server may hand back its state to be called again with it.
const MAX_ROUNDS: usize = 8;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// The request failed.
    Failed(ServiceError),
    /// It was answered with something else.
    Otherwise(&'static str),
    /// It was answered in a way that cannot be used: it may be done.
    Lost(&'static str),
}

/// A page of `tools/list`.
pub(super) async fn list(
    peer: &Peer<RoleClient>,
    cursor: Option<String>,
) -> Result<Packed, NoAnswer> {
    let params = cursor.map(|it| PaginatedRequestParams::default().with_cursor(Some(it)));
    let request = ListToolsRequest {
        method: Default::default(),
        params,
        extensions: Default::default(),
    };
    match send(peer, request.into()).await? {
        ServerResult::ListToolsResult(page) => Ok(pages::unpack(page)),
        ServerResult::CustomResult(page) => Ok(Packed {
            page: page.0,
            refused: BTreeSet::new(),
        }),
        _ => Err(NoAnswer::Otherwise(
            "it answered tools/list with something else",
        )),
    }
}

/// `tools/call`. A server that hands back its state, or a question that a person answers, is called again with it.
/// Whoever `waits` hears how far `operation` is, and is asked.
pub(super) async fn call(
    line: &Line,
    mut params: CallToolRequestParams,
    operation: &str,
    waits: &Waits,
) -> Result<Value, NoAnswer> {
    // What it was told in an earlier round it may have acted on.
    let mut told = false;
    for _ in 0..MAX_ROUNDS {
        let request = CallToolRequest::new(params.clone());
        let sent = begin(&line.peer, request.into()).await?;
        let token = sent.handle.progress_token.clone();
        let _listening = line.heard.listen(token, operation, &waits.told);
        let id = sent.handle.id.clone();
        let mut under_way = line.under_way.begin(&id, operation, waits);
        let answer = sent.answer().await;
        under_way.answered = true;
        match answer? {
            ServerResult::CallToolResult(result) => return json(&result),
            ServerResult::CustomResult(result) => return Ok(result.0),
            ServerResult::EmptyResult(_) => return Ok(Value::Object(Default::default())),
            ServerResult::InputRequiredResult(wanted) => {
                let asked = wanted.input_requests.unwrap_or_default();
                if asked.is_empty() && wanted.request_state.is_none() {
                    return Err(NoAnswer::Otherwise(
                        "it wants to be called again, and does not say with what",
                    ));
                }
                let answers = line.under_way.answers(&id, &asked).await;
                let answers = answers.map_err(|why| match told {
                    true => NoAnswer::Lost(why),
                    false => NoAnswer::Otherwise(why),
                })?;
                told |= !answers.is_empty();
                params.input_responses = (!answers.is_empty()).then_some(answers);
                params.request_state = wanted.request_state;
            }
            ServerResult::CreateTaskResult(_) => {
                return Err(NoAnswer::Lost(
                    "it made a task of the call, and tasks are not followed: use a server that answers at once",
                ));
            }
            ServerResult::TaskAckResult(_) => {
                return Err(NoAnswer::Lost("its answer is not the result of a tool"));
            }
            // Results of other requests have fields that a tool's may have as well.
            other => return json(&other),
        }
    }
    Err(NoAnswer::Lost("it asked to be called again without end"))
}

/// `resources/read`.
pub(super) async fn read(peer: &Peer<RoleClient>, uri: String) -> Result<Value, NoAnswer> {
    let request = ReadResourceRequest::new(ReadResourceRequestParams::new(uri));
    match send(peer, request.into()).await? {
        ServerResult::ReadResourceResult(result) => json(&result),
        ServerResult::CustomResult(result) => Ok(result.0),
        _ => Err(NoAnswer::Otherwise(
            "it answered resources/read with something else",
        )),
    }
}

fn json(result: &impl serde::Serialize) -> Result<Value, NoAnswer> {
    serde_json::to_value(result).map_err(|_| NoAnswer::Lost("its answer has no JSON form"))
}

async fn send(peer: &Peer<RoleClient>, request: ClientRequest) -> Result<ServerResult, NoAnswer> {
    begin(peer, request).await?.answer().await
}

/// A request that is under way.
struct Sent {
    handle: RequestHandle<RoleClient>,
    waiting: Waiting,
}

async fn begin(peer: &Peer<RoleClient>, request: ClientRequest) -> Result<Sent, NoAnswer> {
    let handle = peer
        .send_cancellable_request(request, PeerRequestOptions::no_options())
        .await
        .map_err(NoAnswer::Failed)?;
    let waiting = Waiting {
        peer: peer.clone(),
        id: Some(handle.id.clone()),
    };
    Ok(Sent { handle, waiting })
}

impl Sent {
    async fn answer(mut self) -> Result<ServerResult, NoAnswer> {
        let answer = self.handle.await_response().await;
        self.waiting.id = None;
        answer.map_err(NoAnswer::Failed)
    }
}

/// Tells the server that nobody waits any more.
struct Waiting {
    peer: Peer<RoleClient>,
    id: Option<RequestId>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let peer = self.peer.clone();
        runtime.spawn(async move {
            let params =
                CancelledNotificationParam::new(Some(id), Some("nobody waits for it".to_owned()));
            let _ = peer.notify_cancelled(params).await;
        });
    }
}
