//! What we are to a server: a client that has a person asked for a yes or a no where the Tool allows that, can do nothing else for it, and says so
//! at once. What may not enter: anything that waits for a model.
// The library calls sampling deprecated; servers of older revisions ask for it.
#![allow(deprecated)]

use std::sync::Arc;

use parking_lot::Mutex;
use rmcp::{
    ClientHandler, ErrorData, RoleClient,
    model::{
        ClientConfig, CreateMessageRequestMethod, CreateMessageRequestParams, CreateMessageResult,
        CustomRequest, CustomResult, ElicitRequestParams, ElicitResult, ElicitationAction,
        ElicitationCapability, ErrorCode, FormElicitationCapability, Implementation,
        ProgressNotificationParam,
    },
    service::{InboundStreamOrigin, NotificationContext, RequestContext},
};
use serde_json::json;

use super::{known::Known, progress::Heard, questions::UnderWay};

/// The most kinds of questions that are told of a connection.
const MAX_TOLD: usize = 8;

/// See the module.
pub(super) struct Client {
    tool: String,
    known: Arc<Known>,
    heard: Arc<Heard>,
    under_way: Arc<UnderWay>,
    /// What was told of already.
    told: Mutex<Vec<String>>,
}

impl Client {
    pub(super) fn new(
        tool: &str,
        known: &Arc<Known>,
        heard: &Arc<Heard>,
        under_way: &Arc<UnderWay>,
    ) -> Self {
        Self {
            tool: tool.to_owned(),
            known: Arc::clone(known),
            heard: Arc::clone(heard),
            under_way: Arc::clone(under_way),
            told: Mutex::default(),
        }
    }

    /// Once a connection and question: a server may ask at every call.
    fn tell(&self, asked: &str) {
        let mut told = self.told.lock();
        if told.len() < MAX_TOLD && !told.iter().any(|it| it == asked) {
            told.push(asked.to_owned());
            tracing::info!(
                tool = self.tool,
                asked,
                "a tool's server asks of the node what it does not do: it is told so"
            );
        }
    }
}

impl ClientHandler for Client {
    fn get_info(&self) -> ClientConfig {
        let mut info = ClientConfig::default();
        info.client_info = Implementation::new("aion-os", env!("CARGO_PKG_VERSION"));
        let forms = ElicitationCapability::new().with_form(FormElicitationCapability::default());
        info.capabilities.elicitation = self.under_way.asks_people.then_some(forms);
        info
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.known.change();
    }

    async fn on_progress(
        &self,
        progress: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.heard.hear(progress);
    }

    async fn create_message(
        &self,
        _: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        self.tell("sampling/createMessage");
        Err(ErrorData::method_not_found::<CreateMessageRequestMethod>())
    }

    async fn create_elicitation(
        &self,
        asked: ElicitRequestParams,
        context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        if !self.under_way.asks_people {
            self.tell("elicitation/create");
            return Ok(ElicitResult::new(ElicitationAction::Decline));
        }
        if !matches!(asked, ElicitRequestParams::FormElicitationParams { .. }) {
            self.tell("elicitation/create of a mode that is not declared");
            let what = "elicitation/create: form is the only mode";
            return Err(ErrorData::invalid_params(what, None));
        }
        let origin = context.extensions.get::<InboundStreamOrigin>();
        let asking = self.under_way.ask(&asked, origin);
        let answer = tokio::select! {
            answer = asking => answer,
            // The server waits no longer.
            () = context.ct.cancelled() => None,
        };
        Ok(answer.unwrap_or_else(|| {
            self.tell("elicitation/create");
            // Nobody was asked, so nobody declined.
            ElicitResult::new(ElicitationAction::Cancel)
        }))
    }

    /// One that nobody knows, or that has no known form.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleClient>,
    ) -> Result<CustomResult, ErrorData> {
        let mut method = request.method;
        method.truncate(method.floor_char_boundary(64));
        self.tell(&method);
        match method.as_str() {
            "ping" => Ok(CustomResult::new(json!({}))),
            "roots/list" => Ok(CustomResult::new(json!({"roots": []}))),
            "elicitation/create" => Ok(CustomResult::new(json!({"action": "decline"}))),
            _ => Err(ErrorData::new(
                ErrorCode::METHOD_NOT_FOUND,
                format!("{method} is not offered"),
                None,
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_told_that_people_are_asked_only_where_its_tool_says_so() {
        for asks in [false, true] {
            let under_way = UnderWay::new(asks);
            let client = Client::new("t", &Arc::default(), &Arc::default(), &under_way);
            let can = client.get_info().capabilities.elicitation;
            assert_eq!(can.is_some(), asks);
        }
    }
}
