//! Push notifications of A2A: the end of a task is told to an address that its client named, where the node lets it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::mpsc::{self, Receiver},
    thread,
};

use serde_json::{Value, json};

use crate::{
    a2a::{JARVIS, call, holding, message},
    door::{BOUND, Door, body},
};

/// Takes what is told; refuses the first.
fn listener() -> anyhow::Result<(String, Receiver<(String, Value)>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let host = listener.local_addr()?.to_string();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for (at, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            let mut reader = BufReader::new(stream);
            let (mut head, mut line) = (String::new(), String::new());
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                head.push_str(&line);
                line.clear();
            }
            let head = head.to_lowercase();
            let length = head.split("content-length: ").nth(1);
            let length = length.and_then(|it| it.lines().next()?.parse().ok());
            let mut content = vec![0; length.unwrap_or_default()];
            let _ = reader.read_exact(&mut content);
            let status = if at == 0 { "503 Later" } else { "204 Taken" };
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = reader.get_mut().write_all(answer.as_bytes());
            if at > 0 {
                let content = serde_json::from_slice(&content).unwrap_or_default();
                let _ = tell.send((head, content));
            }
        }
    });
    Ok((host, told))
}

#[test]
fn the_end_of_a_task_is_told_to_who_asked_for_it_through_a_node_that_is_killed()
-> anyhow::Result<()> {
    let (host, told) = listener()?;
    let (model, held) = holding()?;
    let mut door = Door::open_with(&model, &[("AION_PUSH_HOSTS", &host)])?;
    let (_, card) = door.get(&format!("{JARVIS}/.well-known/agent-card.json"))?;
    assert_eq!(
        body(&card)["capabilities"]["pushNotifications"],
        true,
        "{card}"
    );
    let version = "\r\na2a-version: 1.0";
    let config = |id: &str, url: &str| {
        json!({
            "id": id, "url": url, "token": "of-mine",
            "authentication": {"scheme": "Bearer", "credentials": "hunter2-hunter2"},
        })
    };
    let hook = format!("http://{host}/hook?of=me");
    let rpc = |door: &Door, method: &str, params: &Value| {
        let (_, answer) = door.post(JARVIS, version, &call(method, params))?;
        anyhow::Ok(body(&answer))
    };
    // A host that nobody granted is not called, and the agent is not asked.
    let mut elsewhere = message("m0");
    elsewhere["configuration"] =
        json!({"taskPushNotificationConfig": config("a", "https://elsewhere.example/")});
    let refused = rpc(&door, "SendMessage", &elsewhere)?;
    assert!(
        refused["error"]["message"]
            .as_str()
            .unwrap()
            .contains("pushHosts"),
        "{refused}"
    );
    assert!(model.requests().is_empty(), "it was not asked");

    let mut asked = message("m1");
    asked["configuration"] =
        json!({"returnImmediately": true, "taskPushNotificationConfig": config("a", &hook)});
    let task = rpc(&door, "SendMessage", &asked)?;
    let task = task["result"]["task"]["id"].as_str().unwrap().to_owned();
    held.asked.recv_timeout(BOUND)?;
    let mut second = config("b", &hook);
    second["taskId"] = task.clone().into();
    let second = rpc(&door, "CreateTaskPushNotificationConfig", &second)?;
    assert_eq!(second["result"]["id"], "b", "{second}");
    assert!(!second.to_string().contains("hunter2"), "{second}");
    let path = format!("{JARVIS}/tasks/{task}/pushNotificationConfigs");
    let get = |door: &Door, line: &str| door.exchange(&door.head(line, version), "");
    let (_, all) = get(&door, &format!("GET {path}"))?;
    assert_eq!(
        body(&all)["configs"].as_array().map(Vec::len),
        Some(2),
        "{all}"
    );
    assert_eq!(get(&door, &format!("GET {path}/b"))?.0, 200);
    for _ in 0..2 {
        assert_eq!(get(&door, &format!("DELETE {path}/b"))?.0, 200);
    }
    assert_eq!(get(&door, &format!("GET {path}/b"))?.0, 404);

    door.node.restart_daemon()?;
    for _ in 0..2 {
        held.answer.send(())?;
    }
    let (head, update) = told.recv_timeout(BOUND)?;
    assert!(head.starts_with("post /hook?of=me "), "{head}");
    assert!(
        head.contains("authorization: bearer hunter2-hunter2"),
        "{head}"
    );
    assert!(head.contains("x-a2a-notification-token: of-mine"), "{head}");
    let update = &update["statusUpdate"];
    assert_eq!(
        (&update["taskId"], &update["status"]["state"]),
        (&json!(task), &json!("TASK_STATE_COMPLETED"))
    );
    let ended = get(&door, &format!("GET {path}"))?;
    assert_eq!(ended.0, 200, "{}", ended.1);
    let log = door.node.log()?;
    assert!(!log.contains("hunter2") && !log.contains("/hook"), "{log}");
    Ok(())
}
