//! What `rmcp` asks of a server. One is made for each request.

use std::{borrow::Cow, sync::Arc};

use axum::http::{Extensions, request::Parts};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, Implementation,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
        ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities,
        ServerConfig,
    },
    service::RequestContext,
};

use super::{
    approval::Asker,
    ask::{self, Client, Progress},
    calls::Calls,
    fault,
    questions::Outlet,
    resources, result,
    resumed::{Of, State},
    session, tools,
};
use crate::{approving::approver, asked::Asked, gateway::Gateway, nodes::Nodes};

/// Those whose results have what an answer is made of: structured content, and links.
const VERSIONS: &[ProtocolVersion] = &[
    ProtocolVersion::V_2025_06_18,
    ProtocolVersion::V_2025_11_25,
    ProtocolVersion::V_2026_07_28,
];

#[derive(Clone)]
pub(super) struct Server {
    pub(super) calls: Calls,
}

/// The gateway as whoever asks has it.
fn gateway(context: &RequestContext<RoleServer>) -> Result<Arc<Gateway>, ErrorData> {
    let parts = context.extensions.get::<Parts>();
    let nowhere = Extensions::new();
    let asked = Asked::of(parts.map_or(&nowhere, |it| &it.extensions));
    asked.map(|it| it.0).map_err(|it| fault(&it))
}

/// How the client is asked for a person's word: where it says that it answers forms, and in whose name it asks may say one. In a cluster any
/// gateway may get the answer: one to a question in a stream, which only the gateway of the stream has, would be lost, and where they share no
/// key none knows what another one sealed.
fn asker(gateway: &Gateway, context: &RequestContext<RoleServer>) -> Option<Asker> {
    let parts = context.extensions.get::<Parts>()?;
    let nodes = approver(gateway, &parts.headers).ok()?;
    let newest = ProtocolVersion::V_2026_07_28;
    if context.protocol_version().is_none_or(|it| it < newest) {
        let outlet = parts.extensions.get::<Outlet>()?;
        let is_here = matches!(nodes, Nodes::One(_));
        return is_here.then(|| Asker::Stream(outlet.clone(), nodes));
    }
    let can = context.client_capabilities()?.elicitation?;
    let forms = can.form.is_some() || can.url.is_none();
    (forms && gateway.signer.is_some()).then_some(Asker::Result(nodes))
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let offered = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .build();
        let name = Implementation::new("aion-gateway", env!("CARGO_PKG_VERSION"));
        ServerConfig::new(offered)
            .with_server_info(name)
            .with_instructions(
                "Each tool is an agent: ask it a question in words, with all that the question is about. \
                 The tool ask finds the agent that a question is for.",
            )
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(VERSIONS)
    }

    async fn list_tools(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let gateway = gateway(&context)?;
        let agents = gateway.agents(None).await.map_err(|it| fault(&it))?;
        let cursor = page.and_then(|it| it.cursor);
        let page = tools::page(&gateway, agents, cursor.as_deref());
        let (tools, next) = page.map_err(|it| fault(&it))?;
        // Agents become ready at any time, and which there are is for who may ask.
        let mut listed = ListToolsResult::with_all_items(tools)
            .with_ttl_ms(0)
            .with_cache_scope(CacheScope::Private);
        listed.next_cursor = next;
        Ok(listed)
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let gateway = gateway(&context)?;
        let parts = context.extensions.get::<Parts>();
        let session = parts.and_then(|it| session(&it.headers));
        let running = session.map(|it| self.calls.begin((gateway.key.as_ref(), it), &context.id));
        let told_off = async {
            match &running {
                Some(running) => running.cancelled().await,
                None => std::future::pending().await,
            }
        };
        let client = Client {
            asker: asker(&gateway, &context),
            progress: Progress::new(&gateway, context.peer, context.meta.get_progress_token()),
        };
        let arguments = call.arguments.unwrap_or_default();
        let of = Of {
            gateway: &gateway,
            tool: &call.name,
            arguments: &arguments,
        };
        let state = call.request_state.as_deref().map(|it| State::read(it, of));
        let state = state.transpose().map_err(|it| fault(&it))?;
        let answer = async {
            match state {
                Some(state) => {
                    let said = (state, call.input_responses);
                    let told = ask::go_on(&gateway, of, said, client).await;
                    told.map_err(|it| fault(&it))
                }
                None => ask::ask(&gateway, of, client).await,
            }
        };
        // What is not waited for any more is dropped, which cancels the turn.
        tokio::select! {
            answer = answer => answer,
            () = context.ct.cancelled() => Ok(result::cancelled().into()),
            () = told_off => Ok(result::cancelled().into()),
        }
    }

    async fn list_resources(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let cursor = page.and_then(|it| it.cursor);
        let listed = resources::list(&*gateway(&context)?, cursor.as_deref()).await;
        listed.map_err(|it| fault(&it))
    }

    async fn list_resource_templates(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let cursor = page.and_then(|it| it.cursor);
        let listed = resources::templates(&*gateway(&context)?, cursor.as_deref());
        listed.map_err(|it| fault(&it))
    }

    async fn read_resource(
        &self,
        read: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let read = resources::read(&*gateway(&context)?, &read.uri).await;
        Ok(read.map_err(|it| fault(&it))?.into())
    }
}
