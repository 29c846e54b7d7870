//! What every tool driver must do.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use aion_abi::{
    code::Code,
    syscall::tool::{CallRequest, CallResponse},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{ToolDriver, ToolServer, Waits};

#[cfg(test)]
mod ours;
#[cfg(test)]
pub(super) use ours::{outbound, over_http, over_stdio, secrets};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Calls the operation of that name.
///
/// # Errors
/// As the driver.
pub async fn call(
    driver: &dyn ToolDriver,
    tools: &[ToolServer],
    name: &str,
    arguments: Value,
) -> Result<CallResponse, aion_abi::problem::Problem> {
    driver
        .call(
            tools,
            CallRequest {
                name: name.into(),
                arguments,
                link: None,
            },
            soon(),
            &Waits::nobody(),
        )
        .await
}

/// `calendar` has `crash`, `fail`, `grow`, `read`, `slow` and `write`; nothing answers for `gone`. `read` says
/// what it is given, `fail` says that it did not work.
///
/// # Panics
/// Where the driver does something else.
pub async fn conforms(driver: &dyn ToolDriver, calendar: ToolServer, gone: ToolServer) {
    let tools = [gone, calendar.clone()];
    let granted = |name: &str| name.starts_with("calendar.") && name != "calendar.write";
    let listed = driver.list(&tools, &granted).await.unwrap();
    let names: Vec<_> = listed.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "calendar.crash",
            "calendar.fail",
            "calendar.grow",
            "calendar.read",
            "calendar.slow"
        ]
    );
    assert!(listed.tools[3].description.contains("does"));
    assert_eq!(listed.tools[3].parameters["type"], "object");
    assert_eq!(listed.unavailable.len(), 1);
    assert_eq!(listed.unavailable[0].tool, "gone");
    assert!(!listed.unavailable[0].reason.is_empty());

    let narrow = ToolServer {
        operations: vec!["read".into()],
        ..calendar
    };
    let listed = driver
        .list(std::slice::from_ref(&narrow), &|_| true)
        .await
        .unwrap();
    assert_eq!(listed.tools.len(), 1);
    let code = call(driver, &[narrow], "calendar.fail", json!({}))
        .await
        .unwrap_err()
        .code;
    assert_eq!(
        code,
        Code::NotFound,
        "an operation that the Tool does not offer"
    );

    let answer = call(driver, &tools, "calendar.read", json!({"text": "today"}))
        .await
        .unwrap();
    assert_eq!(answer.text, "read \n\ntoday");
    assert_eq!(answer.structured, Some(json!({"said": "today"})));
    assert!(!answer.is_error);
    let answer = call(driver, &tools, "calendar.fail", Value::Null)
        .await
        .unwrap();
    assert!(answer.is_error && answer.text == "it did not work" && answer.structured.is_none());
    for (name, arguments, code) in [
        ("calendar.none", json!({}), Code::NotFound),
        ("mail.send", json!({}), Code::NotFound),
        ("calendar", json!({}), Code::BadRequest),
        ("calendar.", json!({}), Code::BadRequest),
        ("calendar.read", json!("today"), Code::BadRequest),
        ("gone.read", json!({}), Code::Unreachable),
    ] {
        let problem = call(driver, &tools, name, arguments).await.unwrap_err();
        assert_eq!(problem.code, code, "{name}: {problem}");
    }
}
