//! Lists in pages, of the official library's server over HTTP and over pipes: all of it is offered, and what is odd about it is said.
#![allow(clippy::unwrap_used)]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use aion_abi::problem::Problem;
use futures::future::BoxFuture;
use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt,
    model::{ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool},
    service::RequestContext,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{
    StdioCommand, StdioProcess, StdioServers, ToolDriver, ToolServer,
    conformance::{over_http, over_stdio},
    mcp_tests::driver,
    test_server::behind_pipes,
};

/// Operations of a page.
const OF_A_PAGE: usize = 10;

#[derive(Clone, Copy)]
struct Manner {
    pages: usize,
    /// The last page names the first once more.
    turns_round: bool,
    /// The operation whose schema is none of an object.
    bad: Option<usize>,
    /// Bytes of a schema.
    bytes: usize,
}

const PLAIN: Manner = Manner {
    pages: 20,
    turns_round: false,
    bad: None,
    bytes: 0,
};

#[derive(Clone)]
struct Pages(Manner, Arc<AtomicUsize>);

impl ServerHandler for Pages {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        asked: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        self.1.fetch_add(1, Ordering::AcqRel);
        let Manner {
            pages,
            turns_round,
            bad,
            bytes,
        } = self.0;
        let cursor = asked.and_then(|it| it.cursor);
        let page: usize = cursor.map_or(0, |it| it.parse().unwrap());
        let tool = |at: usize| {
            let schema = match bad == Some(at) {
                true => json!({"type": "string"}),
                false => {
                    let what = "x".repeat(bytes);
                    json!({"type": "object", "properties": {"text": {"type": "string", "description": what}}})
                }
            };
            let schema = schema.as_object().unwrap().clone();
            Tool::new(format!("op{at:03}"), "does it", Arc::new(schema))
        };
        let first = page * OF_A_PAGE;
        let tools = (first..first + OF_A_PAGE).map(tool).collect();
        let mut listed = ListToolsResult::with_all_items(tools);
        listed.next_cursor = match page + 1 < pages {
            true => Some((page + 1).to_string()),
            false => turns_round.then(|| "0".to_owned()),
        };
        Ok(listed)
    }
}

struct Piped(Pages);

impl StdioServers for Piped {
    fn start<'a>(
        &'a self,
        _: &'a ToolServer,
        _: &'a StdioCommand,
    ) -> BoxFuture<'a, Result<StdioProcess, Problem>> {
        let pages = self.0.clone();
        Box::pin(async move {
            Ok(behind_pipes(|read, write| async move {
                let running = pages.serve((read, write)).await.unwrap();
                let _ = running.waiting().await;
            }))
        })
    }
}

/// What is offered, what is left out and why, and how many pages were asked for: over HTTP and over pipes.
async fn listed(manner: Manner) -> [(Vec<String>, Vec<String>, usize); 2] {
    let mut all = Vec::new();
    for over_pipes in [false, true] {
        let pages = Pages(manner, Arc::default());
        let asked = Arc::clone(&pages.1);
        let driver = driver(Arc::new(Piped(pages.clone())));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let service: StreamableHttpService<Pages, LocalSessionManager> = StreamableHttpService::new(
            move || Ok(pages.clone()),
            Arc::default(),
            StreamableHttpServerConfig::default(),
        );
        let app = axum::Router::new().nest_service("/mcp", service);
        let served = tokio::spawn(async move { axum::serve(listener, app).await });
        let server = match over_pipes {
            true => over_stdio("t"),
            false => over_http("t", &url),
        };
        let listed = driver.list(&[server], &|_| true).await.unwrap();
        let names = listed.tools.iter().map(|it| it.name.clone()).collect();
        let left_out = listed.unavailable.iter();
        let left_out = left_out
            .map(|it| format!("{}: {}", it.tool, it.reason))
            .collect();
        all.push((names, left_out, asked.load(Ordering::Acquire)));
        served.abort();
    }
    all.try_into().unwrap()
}

fn named(operations: impl Iterator<Item = usize>) -> Vec<String> {
    operations.map(|at| format!("t.op{at:03}")).collect()
}

#[tokio::test]
async fn every_page_is_followed_and_one_that_comes_again_is_not() {
    for turns_round in [false, true] {
        let manner = Manner {
            turns_round,
            ..PLAIN
        };
        for (names, left_out, asked) in listed(manner).await {
            assert_eq!(names, named(0..200));
            assert!(left_out.is_empty(), "{left_out:?}");
            // The first page is asked for by its cursor once more, and brings nothing.
            assert_eq!(asked, 20 + usize::from(turns_round));
        }
    }
}

#[tokio::test]
async fn one_bad_schema_hides_none_of_many() {
    let manner = Manner {
        bad: Some(57),
        ..PLAIN
    };
    for (names, left_out, _) in listed(manner).await {
        assert_eq!(names, named((0..200).filter(|it| *it != 57)));
        assert_eq!(left_out.len(), 1, "{left_out:?}");
        assert!(left_out[0].starts_with("t.op057: "), "{left_out:?}");
    }
}

#[tokio::test]
async fn pages_that_are_too_much_together_are_said_to_be() {
    let large = Manner {
        bytes: 32 << 10,
        ..PLAIN
    };
    let many = Manner { pages: 30, ..PLAIN };
    for manner in [large, many] {
        for (names, left_out, asked) in listed(manner).await {
            assert!(names.is_empty(), "{names:?}");
            let why: Value = json!(left_out);
            let said = why.to_string();
            assert!(
                said.contains("256 operations") && said.contains("4194304 bytes"),
                "{said}"
            );
            assert!(asked < 30, "it is given up: {asked}");
        }
    }
}
