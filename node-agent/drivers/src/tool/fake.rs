//! Tools that answer what a test wrote down.

use std::collections::BTreeMap;

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::tool::{CallRequest, CallResponse, ListResponse, ToolSpec, Unavailable},
};
use futures::future::{BoxFuture, ready};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Attempt, Granted, ToolDriver, ToolServer, Waits, parsed};

type Operation =
    Box<dyn Fn(&serde_json::Map<String, serde_json::Value>) -> CallResponse + Send + Sync>;

/// Operations by tool and name; a tool without any is not reachable.
#[derive(Default)]
pub struct FakeTools {
    tools: BTreeMap<String, BTreeMap<String, Operation>>,
    /// What was called, in order.
    pub called: Mutex<Vec<CallRequest>>,
}

impl FakeTools {
    /// With one more operation.
    pub fn with(
        mut self,
        tool: &str,
        operation: &str,
        answer: impl Fn(&serde_json::Map<String, serde_json::Value>) -> CallResponse
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.tools
            .entry(tool.into())
            .or_default()
            .insert(operation.into(), Box::new(answer));
        self
    }

    fn list_now(&self, tools: &[ToolServer], granted: &Granted) -> ListResponse {
        let mut response = ListResponse {
            tools: Vec::new(),
            unavailable: Vec::new(),
        };
        for server in tools {
            let Some(operations) = self.tools.get(&server.name) else {
                let reason = format!("tool {}: connection refused", server.name);
                response.unavailable.push(Unavailable {
                    tool: server.name.clone(),
                    reason,
                });
                continue;
            };
            let names = operations.keys().filter(|name| server.offers(name));
            let names = names
                .map(|name| format!("{}.{name}", server.name))
                .filter(|name| granted(name));
            response.tools.extend(names.map(|name| ToolSpec {
                strict: None,
                description: format!("does {name}"),
                parameters: serde_json::json!({"type": "object"}),
                name,
            }));
        }
        response
    }

    fn call_now(
        &self,
        tools: &[ToolServer],
        request: &CallRequest,
    ) -> Result<CallResponse, Problem> {
        let (server, operation, arguments) = parsed(tools, request)?;
        let Some(operations) = self.tools.get(&server.name) else {
            return Err(Problem::new(
                Code::Unreachable,
                format!("tool {}: connection refused", server.name),
            ));
        };
        let Some(answer) = operations.get(operation) else {
            return Err(Problem::new(
                Code::NotFound,
                format!("tool {}: no operation {operation}", server.name),
            ));
        };
        self.called.lock().push(request.clone());
        Ok(answer(&arguments))
    }
}

impl ToolDriver for FakeTools {
    fn list<'a>(
        &'a self,
        tools: &'a [ToolServer],
        granted: &'a Granted,
    ) -> BoxFuture<'a, Result<ListResponse, Problem>> {
        Box::pin(ready(Ok(self.list_now(tools, granted))))
    }

    fn call<'a>(
        &'a self,
        tools: &'a [ToolServer],
        request: CallRequest,
        _: &'a Attempt,
        _: Instant,
        _: &'a Waits,
    ) -> BoxFuture<'a, Result<CallResponse, Problem>> {
        Box::pin(ready(self.call_now(tools, &request)))
    }
}
