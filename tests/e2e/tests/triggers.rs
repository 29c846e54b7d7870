//! Turns that nobody asks for: by time, by signed deliveries through the gateway, by the ends of other agents' turns.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    time::SystemTime,
};

use aion_e2e::{cluster::BOUND, program, standalone::Standalone};
use aion_testkit::{FakeModel, Process, Reply, free_port, until};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

const GITHUB: &str = "It's a Secret to Everybody";
const OLD: &str = "whsec_b2xkIHNlY3JldCBvZiB0aGUgaG9vaw==";
const NEW: &str = "whsec_bmV3IHNlY3JldCBvZiB0aGUgaG9vaw==";

fn mac(key: &[u8], signed: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    signed.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As GitHub sends.
fn github(secret: &str, delivery: &str, body: &str) -> Vec<(&'static str, String)> {
    let signature = hex(&mac(secret.as_bytes(), &[body.as_bytes()]));
    vec![
        ("x-hub-signature-256", format!("sha256={signature}")),
        ("x-github-delivery", delivery.to_owned()),
    ]
}

/// As Standard Webhooks are sent.
fn standard(secret: &str, id: &str, at: u64, body: &str) -> Vec<(&'static str, String)> {
    let key = STANDARD
        .decode(secret.strip_prefix("whsec_").unwrap())
        .unwrap();
    let signed = format!("{id}.{at}.{body}");
    let signature = STANDARD.encode(mac(&key, &[signed.as_bytes()]));
    vec![
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", at.to_string()),
        ("webhook-signature", format!("v1,{signature}")),
    ]
}

#[expect(clippy::disallowed_methods, reason = "a sender's clock")]
fn seconds() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs()
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "aion.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// A node with agents that have triggers, and a gateway to it.
struct Works {
    node: Standalone,
    model: FakeModel,
    _gateway: Process,
    port: u16,
}

impl Works {
    fn open(name: &str, agents: &[(&str, Value)]) -> anyhow::Result<Self> {
        let model = FakeModel::answering(|_| Reply::text("Done."))?;
        let nobody = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let nobody = nobody.to_string();
        let environment = [
            ("AION_OLLAMA_PORT", &*nobody),
            ("AION_LLAMA_CPP_PORT", &*nobody),
        ];
        let node = Standalone::start_with(name, &environment)?.with_policies()?;
        for (place, secret) in [
            ("github/secret", GITHUB),
            ("std/old", OLD),
            ("std/new", NEW),
        ] {
            let file = node.home().join("config/secrets").join(place);
            fs::create_dir_all(file.parent().unwrap())?;
            fs::write(&file, secret)?;
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        }
        let endpoint = json!({"baseUrl": model.base_url(), "models": [{"name": "m"}]});
        let mut objects = vec![
            object("TrustPolicy", "tests", &json!({"inline": "allow"})),
            object("ModelEndpoint", "said", &endpoint),
        ];
        for (agent, triggers) in agents {
            let spec =
                json!({"instructions": "Do it.", "model": {"use": "said"}, "triggers": triggers});
            objects.push(object("Agent", agent, &spec));
        }
        let text: Vec<String> = objects.iter().map(Value::to_string).collect();
        let path = node.path("objects.yaml");
        fs::write(&path, text.join("\n---\n"))?;
        node.aionctl(&["apply", "--wait", "120", "-f", &path.to_string_lossy()])?;
        let port = free_port()?;
        let mut gateway = Command::new(program("aion-gateway")?);
        gateway.arg("--home").arg(node.home());
        gateway.args(["--listen", &format!("127.0.0.1:{port}")]);
        let gateway = Process::spawn(&gateway, &node.path("gateway.log"))?;
        until("the gateway to listen", BOUND, || {
            TcpStream::connect(("127.0.0.1", port))
                .map_err(|why| format!("{why}\n{}", gateway.tail()))
        })?;
        Ok(Self {
            node,
            model,
            _gateway: gateway,
            port,
        })
    }

    /// Sends a delivery, and gives the answer's status and body.
    fn deliver(
        &self,
        hook: &str,
        headers: &[(&'static str, String)],
        body: &str,
    ) -> anyhow::Result<(u16, Value)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(BOUND))?;
        let length = body.len();
        // Through a proxy, under the name that it has outside.
        let mut request = format!(
            "POST /v1/hooks/default/{hook} HTTP/1.1\r\nhost: hooks.example.org\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n"
        );
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        // What says that it is too large is refused before it comes.
        let comes = if length > 1 << 20 { "" } else { body };
        write!(stream, "{request}\r\n{comes}")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).unwrap_or_default().parse()?;
        let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
        Ok((status, serde_json::from_str(body).unwrap_or_default()))
    }

    fn triggers(&self) -> anyhow::Result<Vec<Value>> {
        let told = self.node.aionctl(&["trigger", "list", "-o", "json"])?;
        let told: Value = serde_json::from_str(&told)?;
        Ok(told["items"].as_array().unwrap().clone())
    }

    fn trigger(&self, agent: &str) -> anyhow::Result<Value> {
        let agent = format!("default/{agent}");
        let all = self.triggers()?;
        let mut of_agent = all.into_iter().filter(|it| it["agent"] == agent);
        of_agent
            .next()
            .ok_or_else(|| anyhow::anyhow!("no trigger of {agent}"))
    }

    fn until_asked(&self, times: usize) -> anyhow::Result<()> {
        until("the model to be asked", BOUND, || {
            let asked = self.model.requests().len();
            (asked >= times)
                .then_some(())
                .ok_or(format!("{asked} times"))
        })?;
        Ok(())
    }

    /// What the model was told at last.
    fn question(&self) -> String {
        let requests = self.model.requests();
        let messages = requests.last().unwrap().body["messages"].clone();
        messages.as_array().unwrap().last().unwrap()["content"].to_string()
    }
}

#[test]
fn a_signed_delivery_is_one_turn_through_replays_and_a_daemon_that_is_killed() -> anyhow::Result<()>
{
    let secret = |secret: &str, key: &str| json!({"secret": secret, "key": key});
    let triggers = json!([
        {"name": "push", "input": "Look at {{files}}.",
            "webhook": {"signed": "github", "secrets": [secret("github", "secret")]}},
        {"name": "paid", "webhook": {"secrets": [secret("std", "new"), secret("std", "old")]}},
    ]);
    let mut works = Works::open("hooks", &[("clerk", triggers)])?;
    let body = r#"{"ref": "refs/heads/main"}"#;
    let signed = github(GITHUB, "72d3162e", body);

    let (status, wrong) = works.deliver("clerk/push", &github("another", "1", body), body)?;
    assert_eq!(status, 401, "{wrong}");
    for (hook, headers) in [
        ("clerk/pull", &signed),
        ("nobody/push", &signed),
        ("clerk/paid", &signed),
        ("clerk/push", &vec![]),
    ] {
        let (status, told) = works.deliver(hook, headers, body)?;
        assert_eq!((status, &told), (401, &wrong), "{hook} is told apart");
    }
    let mut of_page = signed.clone();
    of_page.push(("origin", "http://example.org".to_owned()));
    let (status, _) = works.deliver("clerk/push", &of_page, body)?;
    assert_eq!(status, 403, "a page sends no deliveries");
    assert_eq!(works.model.requests().len(), 0);

    let (status, first) = works.deliver("clerk/push", &signed, body)?;
    assert_eq!(status, 202, "{first}");
    works.until_asked(1)?;
    let question = works.question();
    assert!(question.contains("Look at push-1.json."), "{question}");
    assert!(
        question.contains("Attached: input/push-1.json"),
        "{question}"
    );
    assert!(
        !question.contains("refs/heads"),
        "what came is a file: {question}"
    );
    works.node.restart_daemon()?;
    // The id that GitHub sends is signed by nobody.
    for headers in [&signed, &github(GITHUB, "another", body)] {
        let again = until("the agent to be ready again", BOUND, || {
            let (status, told) = works
                .deliver("clerk/push", headers, body)
                .map_err(|why| why.to_string())?;
            (status == 200)
                .then_some(told.clone())
                .ok_or(told.to_string())
        })?;
        assert_eq!(again, json!({"turn": first["turn"], "repeated": true}));
    }

    let at = seconds();
    for (secret, id) in [(OLD, "msg_1"), (NEW, "msg_2")] {
        let (status, told) = works.deliver("clerk/paid", &standard(secret, id, at, body), body)?;
        assert_eq!(status, 202, "either secret counts: {told}");
    }
    let (status, told) = works.deliver("clerk/paid", &standard(NEW, "msg_1", at, "{}"), "{}")?;
    assert_eq!((status, &told["repeated"]), (200, &json!(true)), "{told}");
    let (status, told) =
        works.deliver("clerk/paid", &standard(NEW, "msg_3", at - 301, body), body)?;
    assert_eq!((status, &told["code"]), (401, &json!("stale")), "{told}");
    let (status, _) = works.deliver("clerk/paid", &standard(NEW, "msg_4", at, body), "{}")?;
    assert_eq!(status, 401, "another body");
    let large = "x".repeat((1 << 20) + 1);
    let (status, _) = works.deliver("clerk/paid", &standard(NEW, "msg_5", at, &large), &large)?;
    assert_eq!(status, 413);
    works.until_asked(3)?;
    assert_eq!(works.model.requests().len(), 3);

    // Of the turns that ended; the model was asked before.
    until("a turn of the other trigger to end", BOUND, || {
        let why = works.node.aionctl(&["why", "clerk"]);
        let why = why.map_err(|why| why.to_string())?;
        match why.contains("of trigger paid") {
            true => Ok(()),
            false => Err(why),
        }
    })?;
    let described = works.node.aionctl(&["describe", "agent", "clerk"])?;
    for part in ["Triggers", "push: a signed delivery comes", "paid: "] {
        assert!(described.contains(part), "{part} is not in {described}");
    }
    let log = works.node.log()? + &fs::read_to_string(works.node.path("gateway.log"))?;
    for secret in [GITHUB, OLD, NEW, "refs/heads"] {
        assert!(!log.contains(secret), "{secret} was logged");
    }
    Ok(())
}

#[test]
fn an_end_starts_the_next_and_a_circle_ends() -> anyhow::Result<()> {
    let after = |agent: &str| json!([{"name": "after", "event": {"agent": agent}, "input": "{{source}} is done: {{files}}"}]);
    let works = Works::open("chain", &[("ping", after("pong")), ("pong", after("ping"))])?;
    works.node.aionctl(&["ask", "ping", "Begin."])?;
    let left_out = until("the circle to end", BOUND, || {
        let state = works.triggers().map_err(|why| why.to_string())?;
        let mut ended = state.iter().filter_map(|it| it["skipped"]["why"].as_str());
        ended.next().map(str::to_owned).ok_or(format!("{state:?}"))
    })?;
    assert!(left_out.contains("too many turns led to it"), "{left_out}");
    assert_eq!(
        works.model.requests().len(),
        9,
        "one that was asked, and eight"
    );
    let question = works.question();
    assert!(question.contains("is done: after-"), "{question}");
    Ok(())
}

#[test]
fn a_time_that_passed_while_the_node_was_down_is_one_turn_and_one_can_be_started_by_hand()
-> anyhow::Result<()> {
    let triggers = json!([{"name": "often", "cron": "* * * * *", "timeZone": "Europe/Berlin", "input": "Now, for {{scheduled}}."}]);
    let mut works = Works::open("times", &[("clock", triggers)])?;
    let state = works.trigger("clock")?;
    assert_eq!(state["when"], "* * * * * in Europe/Berlin");
    assert!(state["nextAtMs"].is_u64(), "{state}");
    let told = works.node.aionctl(&["trigger", "fire", "clock", "often"])?;
    assert!(told.contains("was started"), "{told}");
    works.until_asked(1)?;
    assert!(
        works.question().contains("Now, for 20"),
        "{}",
        works.question()
    );

    // As a node that was down for a day has it.
    let file = works.node.home().join("state/triggers.jsonl");
    let text = fs::read_to_string(&file)?;
    let mut line: Value = serde_json::from_str(text.lines().last().unwrap())?;
    line["row"]["until"] = json!((seconds() - 24 * 3600) * 1000);
    line["row"]["running"] = Value::Null;
    let mut open = fs::OpenOptions::new().append(true).open(&file)?;
    writeln!(open, "{line}")?;
    works.node.restart_daemon()?;
    works.until_asked(2)?;
    let listed = works.node.aionctl(&["trigger", "list", "clock"])?;
    assert!(listed.contains("turn "), "{listed}");
    Ok(())
}
