//! What `rmcp` asks of a server. One is made for each request.

use std::{borrow::Cow, sync::Arc};

use axum::http::{Extensions, request::Parts};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, Implementation,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
        ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult,
        ResourceTemplate, ServerCapabilities, ServerConfig,
    },
    service::RequestContext,
};

use super::{
    ask::{self, Progress},
    calls::Calls,
    fault, files, session, tools,
};
use crate::{asked::Asked, gateway::Gateway};

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
        let progress = Progress::new(context.peer, context.meta.get_progress_token());
        let arguments = call.arguments.unwrap_or_default();
        let answer = ask::ask(&gateway, &call.name, arguments, progress);
        // What is not waited for any more is dropped, which cancels the turn.
        let result = tokio::select! {
            answer = answer => answer?,
            () = context.ct.cancelled() => ask::cancelled(),
            () = told_off => ask::cancelled(),
        };
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        // Which turns there were the node tells nobody: who had a file made has its link.
        Ok(ListResourcesResult::with_all_items(Vec::new())
            .with_ttl_ms(0)
            .with_cache_scope(CacheScope::Private))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let file = ResourceTemplate::new(files::TEMPLATE, "file")
            .with_title("A file that a turn wrote")
            .with_description("The result of a tool links to each.");
        Ok(ListResourceTemplatesResult::with_all_items(vec![file])
            .with_ttl_ms(0)
            .with_cache_scope(CacheScope::Private))
    }

    async fn read_resource(
        &self,
        read: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let content = files::read(&*gateway(&context)?, &read.uri).await;
        let content = content.map_err(|it| fault(&it))?;
        let mut read = ReadResourceResult::new(vec![content]);
        read.ttl_ms = Some(0);
        read.cache_scope = Some(CacheScope::Private);
        Ok(read.into())
    }
}
