//! MCP: what agents remember as resources, cursors, and where a client gets a token.

use std::fs;

use aion_testkit::{FakeModel, Reply};
use rmcp::{
    model::{PaginatedRequestParams, ReadResourceRequestParams, ResourceContents},
    service::ClientLifecycleMode,
};
use serde_json::{Value, json};

use crate::{
    door::{Door, body},
    mcp::{client_that, eras},
};

/// What a resource says, with what is known of it.
async fn read(
    door: &Door,
    era: &ClientLifecycleMode,
    uri: &str,
) -> anyhow::Result<Result<(String, Value), String>> {
    let client = client_that((), door, era.clone()).await?;
    let read = client
        .read_resource(ReadResourceRequestParams::new(uri))
        .await;
    client.cancel().await?;
    Ok(match read {
        Ok(read) => match &read.contents[0] {
            ResourceContents::TextResourceContents { text, meta, .. } => {
                Ok((text.clone(), serde_json::to_value(meta)?))
            }
            other => anyhow::bail!("{other:?}"),
        },
        Err(why) => Err(why.to_string()),
    })
}

#[test]
fn what_agents_remember_are_resources_for_who_may_see_it() -> anyhow::Result<()> {
    let model = FakeModel::answering(|_| Reply::text("Felix."))?;
    let mut door = Door::open(&model)?;
    for question in ["A name for a cat?", "And one for a goldfish?"] {
        let asked = json!({"input": question});
        let (status, answer) = door.post("/v1/agents/jarvis/turns", "", &asked)?;
        assert_eq!(status, 200, "{answer}");
    }
    let (_, all) = door.get("/v1/agents/jarvis/memory")?;
    let all = body(&all);
    let ids: Vec<&str> = all["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|it| it["id"].as_str())
        .collect();
    assert!(ids.len() >= 2, "{all}");
    let runtime = tokio::runtime::Runtime::new()?;
    let owner = door.token.clone();
    for era in eras() {
        door.token.clone_from(&owner);
        runtime.block_on(seen(&door, &era, &ids))?;
        for (name, more) in [("plain", vec![]), ("keeper", vec!["--may", "memory"])] {
            let args = [&["key", "create", name, "--agent", "jarvis"], &*more].concat();
            door.token.clone_from(&owner);
            door.token = door.node.aionctl(&args)?.trim().to_owned();
            runtime.block_on(seen_by_key(&door, &era, (ids[0], !more.is_empty())))?;
            door.node.aionctl(&["key", "revoke", name])?;
        }
    }
    Ok(())
}

/// Everything, by who has the gateway's token.
async fn seen(door: &Door, era: &ClientLifecycleMode, ids: &[&str]) -> anyhow::Result<()> {
    let client = client_that((), door, era.clone()).await?;
    let listed = client.list_all_resources().await?;
    let names: Vec<&str> = listed.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ids);
    let templates = client.list_all_resource_templates().await?;
    let templates: Vec<&str> = templates
        .iter()
        .map(|it| it.uri_template.as_str())
        .collect();
    assert!(templates.contains(&"aion://agents/{namespace}/{agent}/memory/{item}"));
    let wrong =
        || Some(PaginatedRequestParams::default().with_cursor(Some("default/jarvis".to_owned())));
    for refused in [
        client.list_tools(wrong()).await.err(),
        client.list_resources(wrong()).await.err(),
        client.list_resource_templates(wrong()).await.err(),
    ] {
        let refused = refused.map(|it| it.to_string()).unwrap_or_default();
        assert!(
            refused.contains("-32602") && refused.contains("cursor"),
            "{refused}"
        );
    }
    client.cancel().await?;
    let (text, about) = read(door, era, &listed[0].uri).await?.unwrap();
    let (_, item) = door.get(&format!("/v1/agents/jarvis/memory/{}", ids[0]))?;
    assert_eq!(text, body(&item)["text"], "it is REST's");
    assert_eq!(
        about["aion.dev/memory"]["collection"],
        body(&item)["collection"]
    );
    let search = "aion://agents/default/jarvis/memory?query=goldfish&limit=1";
    let (found, _) = read(door, era, search).await?.unwrap();
    let found: Value = serde_json::from_str(&found)?;
    let (_, by_rest) = door.get("/v1/agents/jarvis/memory?query=goldfish&limit=1")?;
    assert_eq!(
        found["items"][0]["id"],
        body(&by_rest)["items"][0]["id"],
        "{found}"
    );
    for (uri, word) in [
        ("aion://agents/default/jarvis/memory/none", "no such item"),
        ("aion://agents/default/nobody/memory", "nobody"),
        ("aion://agents/default/jarvis/memory?limit=0", "limit"),
        ("aion://agents/default/jarvis", "no resource"),
        ("file:///etc/passwd", "no resource"),
    ] {
        let refused = read(door, era, uri).await?.unwrap_err();
        assert!(refused.contains(word), "{uri}: {refused}");
    }
    Ok(())
}

/// As far as a key reaches: nothing without the right, and no other agent with it.
async fn seen_by_key(
    door: &Door,
    era: &ClientLifecycleMode,
    (item, may): (&str, bool),
) -> anyhow::Result<()> {
    let client = client_that((), door, era.clone()).await?;
    assert_eq!(client.list_all_resources().await?.is_empty(), !may);
    let templates = client.list_all_resource_templates().await?;
    assert_eq!(templates.len(), if may { 3 } else { 1 });
    client.cancel().await?;
    let item = format!("aion://agents/default/jarvis/memory/{item}");
    let read_item = read(door, era, &item).await?;
    assert_eq!(read_item.is_ok(), may, "{read_item:?}");
    let other = read(door, era, "aion://agents/default/other/memory").await?;
    assert!(other.unwrap_err().contains("there is no agent"));
    Ok(())
}

#[test]
fn who_has_no_token_is_told_where_to_get_one() -> anyhow::Result<()> {
    let model = FakeModel::answering(|_| Reply::text("Felix."))?;
    let mut door = Door::open(&model)?;
    const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
    let get = |door: &Door, path: &str, host: &str| {
        door.exchange(&format!("GET {path} HTTP/1.1\r\nhost: {host}"), "")
    };
    let refused = |door: &Door| -> anyhow::Result<String> {
        let (status, answer) = door.exchange("POST /mcp HTTP/1.1\r\nhost: localhost", "")?;
        assert_eq!(status, 401, "{answer}");
        let said = answer
            .lines()
            .find_map(|it| it.strip_prefix("www-authenticate: "));
        Ok(said.unwrap_or_default().to_owned())
    };
    for path in [WELL_KNOWN, &format!("{WELL_KNOWN}/mcp")] {
        assert_eq!(get(&door, path, "localhost")?.0, 404, "there is no issuer");
    }
    assert_eq!(refused(&door)?, "Bearer");
    let issuers = json!({"issuers": [{
        "issuer": "https://login.example", "audience": "aion",
        "rules": [{"claim": "groups", "has": "staff", "namespace": "default", "agents": ["*"]}],
    }]});
    fs::write(
        door.node.home().join("config/issuers.yaml"),
        issuers.to_string(),
    )?;
    door.node.restart_daemon()?;
    door.restart_gateway()?;
    let mcp = format!("http://127.0.0.1:{}/mcp", door.port);
    let (status, answer) = get(&door, &format!("{WELL_KNOWN}/mcp"), "localhost:9")?;
    assert_eq!(status, 200, "{answer}");
    let said = body(&answer);
    assert_eq!(said["resource"], json!(mcp), "{said}");
    assert_eq!(
        said["authorization_servers"],
        json!(["https://login.example"])
    );
    assert_eq!(said["bearer_methods_supported"], json!(["header"]));
    let (_, whole) = get(&door, WELL_KNOWN, "localhost")?;
    assert_eq!(body(&whole)["resource"], json!(mcp.strip_suffix("/mcp")));
    let at = format!(
        "Bearer resource_metadata=\"http://127.0.0.1:{}{WELL_KNOWN}/mcp\"",
        door.port
    );
    assert_eq!(refused(&door)?, at);
    assert_eq!(
        get(&door, &format!("{WELL_KNOWN}/mcp"), "evil.example")?.0,
        403
    );
    assert_eq!(get(&door, &format!("{WELL_KNOWN}/v1"), "localhost")?.0, 401);
    Ok(())
}
