//! What every tool driver must do.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use aion_abi::{
    code::Code,
    syscall::tool::{CallRequest, CallResponse},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Attempt, ToolDriver, ToolServer, Waits};

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
            &Attempt::default(),
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
    names_are_judged(driver, &tools, "calendar", "read").await;
}

/// `travel` is an agent elsewhere, which has the operation `ask` alone and answers `By train.`; nothing answers for `gone`.
///
/// # Panics
/// Where the driver does something else.
pub async fn conforms_as_an_agent(driver: &dyn ToolDriver, travel: ToolServer, gone: ToolServer) {
    let tools = [gone, travel.clone()];
    let listed = driver.list(&tools, &|_| true).await.unwrap();
    let names: Vec<_> = listed.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["travel.ask"]);
    assert!(!listed.tools[0].description.is_empty());
    assert_eq!(listed.tools[0].parameters["type"], "object");
    assert_eq!(listed.unavailable.len(), 1);
    assert_eq!(listed.unavailable[0].tool, "gone");
    let own = std::slice::from_ref(&travel);
    let ungranted = driver.list(own, &|_| false).await.unwrap();
    assert!(ungranted.tools.is_empty());
    let narrow = ToolServer {
        operations: vec!["other".into()],
        ..travel
    };
    let asked = json!({"message": "Where to?"});
    let listed = driver.list(std::slice::from_ref(&narrow), &|_| true).await;
    assert!(listed.unwrap().tools.is_empty());
    let refused = call(driver, &[narrow], "travel.ask", asked.clone()).await;
    assert_eq!(refused.unwrap_err().code, Code::NotFound);
    let answer = call(driver, &tools, "travel.ask", asked).await.unwrap();
    assert_eq!(
        (answer.text.as_str(), answer.is_error),
        ("By train.", false)
    );
    names_are_judged(driver, &tools, "travel", "ask").await;
}

/// What is no operation of a tool is refused before anything is sent, and a tool that is `gone` is said to be away.
async fn names_are_judged(
    driver: &dyn ToolDriver,
    tools: &[ToolServer],
    tool: &str,
    operation: &str,
) {
    for (name, arguments, code) in [
        (format!("{tool}.none"), json!({}), Code::NotFound),
        ("mail.send".to_owned(), json!({}), Code::NotFound),
        (tool.to_owned(), json!({}), Code::BadRequest),
        (format!("{tool}."), json!({}), Code::BadRequest),
        (
            format!("{tool}.{operation}"),
            json!("today"),
            Code::BadRequest,
        ),
        (
            format!("gone.{operation}"),
            json!({"message": "?"}),
            Code::Unreachable,
        ),
    ] {
        let problem = call(driver, tools, &name, arguments).await.unwrap_err();
        assert_eq!(problem.code, code, "{name}: {problem}");
    }
}
