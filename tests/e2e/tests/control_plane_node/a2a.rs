//! A person's word by way of A2A at gateways of a cluster: asked of an account that may say it, taken by another gateway than the one that asked,
//! and of no other account.

use std::thread;

use serde_json::{Value, json};

use crate::{
    mcp::{both, last_by, works},
    office::{CLERKS, HOME, Office},
};

/// What a gateway answers to a request below the first clerk.
fn asked(office: &Office, gateway: usize, (line, token): (&str, &str), body: &Value) -> Value {
    let (verb, below) = line.split_once(' ').unwrap();
    let path = format!("/v1/a2a/{HOME}/{}/{below}?A2A-Version=1.0", CLERKS[0]);
    office
        .ask(gateway, &format!("{verb} {path}"), token, body)
        .1
}

fn message(task: Option<&Value>, text: &str) -> Value {
    let id = format!("{text} {}", task.unwrap_or(&Value::Null));
    let mut message = json!({"messageId": id, "role": "ROLE_USER", "parts": [{"text": text}]});
    if let Some(task) = task {
        message["taskId"] = task.clone();
    }
    json!({"message": message})
}

#[test]
fn a_task_asks_an_account_that_may_say_it_and_any_gateway_takes_the_answer() {
    let Some(office) = Office::open() else {
        return;
    };
    let both = both(&office);
    let send = "POST message:send";
    thread::scope(|scope| {
        let program = scope.spawn(|| works(&office));
        let question = message(None, "Where is the key?");
        let waits = asked(&office, 0, (send, &both), &question)["task"].clone();
        let status = &waits["status"];
        assert_eq!(status["state"], "TASK_STATE_INPUT_REQUIRED", "{waits}");
        let data = &status["message"]["parts"][1]["data"];
        let approval = data["approval"].as_u64().unwrap();
        assert!(approval >> 31 > 0, "it says its node: {approval}");
        assert_eq!(data["turn"], waits["metadata"]["turn"], "{waits}");

        // Who may ask and not answer sees it at work, and says nothing about it.
        let id = &waits["id"];
        let get = format!("GET tasks/{}", id.as_str().unwrap());
        let seen = asked(&office, 1, (&get, &office.asker), &Value::Null);
        assert_eq!(seen["status"]["state"], "TASK_STATE_WORKING", "{seen}");
        let yes = message(Some(id), &format!("approve {approval}"));
        let refused = asked(&office, 1, (send, &office.asker), &yes);
        assert_eq!(refused["error"]["code"], 403, "{refused}");
        // The node's own number is another one here.
        let own = approval & ((1 << 31) - 1);
        let own = message(Some(id), &format!("approve {own}"));
        let refused = asked(&office, 1, (send, &both), &own);
        let said = refused["error"]["message"].to_string();
        assert!(said.contains(&format!("`approve {approval}`")), "{refused}");

        let seen = asked(&office, 1, (&get, &both), &Value::Null);
        assert_eq!(seen["status"], *status, "{seen}");
        let done = asked(&office, 1, (send, &both), &yes)["task"].clone();
        assert_eq!(done["status"]["state"], "TASK_STATE_COMPLETED", "{done}");
        assert!(done["artifacts"].to_string().contains("Noted."), "{done}");
        program.join().unwrap();
    });
    let by = format!("system:serviceaccount:{HOME}:both");
    assert_eq!(last_by(&office), by);
}
