//! `mcp-probe`: an MCP server over standard input and output that does what it is asked to the machine, and
//! says how far it came. What a tool's sandbox is tested with.

use std::{
    env, fs, io,
    net::TcpStream,
    os::unix::net::{UnixDatagram, UnixStream},
    sync::Arc,
};

use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ListToolsResult,
        PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
};
use serde_json::{Value, json};

struct Probe;

impl ServerHandler for Probe {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let schema = json!({"type": "object", "properties": {"at": {"type": "string"}}});
        let schema = Arc::new(schema.as_object().cloned().unwrap_or_default());
        let names = [
            "read", "list", "write", "connect", "send", "run", "self", "eat",
        ];
        Ok(ListToolsResult {
            tools: names
                .into_iter()
                .map(|name| Tool::new(name, format!("Tries to {name}"), Arc::clone(&schema)))
                .collect(),
            ..ListToolsResult::default()
        })
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let at = request.arguments.as_ref().and_then(|it| it.get("at"));
        let at = at.and_then(Value::as_str).unwrap_or_default();
        let told = match attempt(&request.name, at) {
            Ok(text) => CallToolResult::success(vec![ContentBlock::text(text)]),
            Err(error) => CallToolResult::error(vec![ContentBlock::text(error.to_string())]),
        };
        Ok(told.into())
    }
}

fn attempt(what: &str, at: &str) -> io::Result<String> {
    match what {
        "read" => fs::read_to_string(at),
        "list" => {
            let mut names: Vec<_> = fs::read_dir(at)?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect::<io::Result<_>>()?;
            names.sort();
            Ok(names.join(" "))
        }
        "write" => fs::write(at, "written").map(|()| "written".to_owned()),
        "connect" if at.starts_with('/') => UnixStream::connect(at).map(|_| "connected".to_owned()),
        "connect" => TcpStream::connect(at).map(|_| "connected".to_owned()),
        "send" => {
            let (one, _other) = UnixDatagram::pair()?;
            one.send_to(b"x", at).map(|_| "sent".to_owned())
        }
        "run" => {
            let output = std::process::Command::new("/bin/sh")
                .args(["-c", at])
                .output()?;
            Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
        }
        "eat" => {
            let mib: usize = at.parse().unwrap_or(0);
            let eaten: Vec<Vec<u8>> = (0..mib).map(|_| vec![1; 1 << 20]).collect();
            Ok(format!("ate {} MiB", eaten.len()))
        }
        "self" => {
            let arguments: Vec<String> = env::args().collect();
            let mut variables: Vec<String> = env::vars()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            variables.sort();
            Ok(format!(
                "{arguments:?} {variables:?} in {}",
                env::current_dir()?.display()
            ))
        }
        other => Err(io::Error::other(format!("no {other}"))),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    if env::args().any(|argument| argument == "--fail") {
        eprintln!("the flux capacitor is missing");
        std::process::exit(3);
    }
    let running = Probe
        .serve((tokio::io::stdin(), tokio::io::stdout()))
        .await?;
    running.waiting().await?;
    Ok(())
}
