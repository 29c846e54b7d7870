//! A person's word by way of MCP at gateways of a cluster: asked of a client whose account may say it, where any gateway can take the
//! answer, and of no other.

use std::{sync::Arc, thread};

use aion_e2e::cluster::BOUND;
use aion_testkit::until;
use parking_lot::Mutex;
use rmcp::{
    ClientHandler, ClientServiceExt as _, ErrorData, RoleClient,
    model::{
        CallToolRequestParams, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction,
        ElicitationCapability, ProtocolVersion,
    },
    service::{ClientLifecycleMode, RequestContext},
    transport::{
        StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{
    asked::account,
    office::{CLERKS, HOME, Office, bind},
};

/// Says yes, and keeps what it was asked.
#[derive(Clone, Default)]
struct Person {
    asked: Arc<Mutex<Vec<String>>>,
}

impl ClientHandler for Person {
    fn get_info(&self) -> ClientConfig {
        let mut info = ClientConfig::default();
        info.capabilities.elicitation = Some(ElicitationCapability::default());
        info
    }

    async fn create_elicitation(
        &self,
        asked: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        if let ElicitRequestParams::FormElicitationParams { message, .. } = asked {
            self.asked.lock().push(message);
        }
        let said = ElicitResult::new(ElicitationAction::Accept);
        Ok(said.with_content(json!({"answer": "approve"})))
    }
}

/// What the first clerk says to who has the token, as text.
fn told(port: u16, token: &str, person: Person, era: ClientLifecycleMode) -> String {
    let url = format!("http://127.0.0.1:{port}/mcp");
    let config = StreamableHttpClientTransportConfig::with_uri(url).auth_header(token.to_owned());
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let transport = StreamableHttpClientTransport::from_config(config);
        let client = person.serve_with_lifecycle(transport, era).await.unwrap();
        let question = json!({"question": "Where is the key?"});
        let question = question.as_object().cloned().unwrap();
        let call = CallToolRequestParams::new(CLERKS[0]).with_arguments(question);
        let result = client.call_tool(call).await.unwrap();
        let text = result.content[0].as_text().unwrap().text.clone();
        client.cancel().await.unwrap();
        text
    })
}

/// The clerk's program at work: it asks, and goes on with the word.
pub(crate) fn works(office: &Office) {
    let remembered = json!({"items": [{"id": "key", "text": "The key is under the mat"}]});
    let program = office.program(0);
    for is_last in [false, true] {
        let mut given = program.take().unwrap();
        let done = program.call(&mut given, "/v1/memory/remember", &remembered, None);
        if is_last {
            let (status, told) = done.unwrap();
            assert_eq!(status, 200, "{told}");
            program.message(&mut given, "final", "Noted.").unwrap();
            program.end(&given).unwrap();
        }
    }
}

/// The token of an account that may ask agents, and answer for them.
pub(crate) fn both(office: &Office) -> String {
    let both = account(&office.cluster, HOME, "both");
    for role in ["aion-invoke", "aion-approve"] {
        let role = format!("--clusterrole={role}");
        bind(&office.cluster, "both", &role);
    }
    until("the rights to be in force", BOUND, || {
        let line = format!("GET /v1/agents/{}", CLERKS[0]);
        match office.ask(0, &line, &both, &json!(null)) {
            (200, _) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .unwrap();
    both
}

/// Who said yes to what waited last.
pub(crate) fn last_by(office: &Office) -> Value {
    let (_, list) = office.ask(0, "GET /v1/approvals", &office.boss, &json!(null));
    list["items"][0]["answered"]["by"].clone()
}

#[test]
fn a_client_whose_account_may_say_it_is_asked_where_any_gateway_takes_the_answer() {
    let Some(office) = Office::open() else {
        return;
    };
    let both = both(&office);
    let port = office.gateways[0].port;
    let newest = ClientLifecycleMode::Discover {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
    };
    let before = ClientLifecycleMode::Initialize;
    for (token, era, is_asked) in [
        (&both, newest.clone(), true),
        // Its answer might come to a gateway that does not have the question.
        (&both, before, false),
        (&office.asker, newest, false),
    ] {
        let person = Person::default();
        let text = thread::scope(|scope| {
            let program = scope.spawn(|| works(&office));
            let client = scope.spawn(|| told(port, token, person.clone(), era));
            if !is_asked {
                says_yes(&office);
            }
            program.join().unwrap();
            client.join().unwrap()
        });
        assert!(text.contains("Noted."), "{text}");
        let asked = person.asked.lock().clone();
        assert_eq!(asked.len(), usize::from(is_asked), "{asked:?}");
        let who = match is_asked {
            true => "both",
            false => "boss",
        };
        let by = format!("system:serviceaccount:{HOME}:{who}");
        assert_eq!(last_by(&office), by);
    }
}

/// To what waits, by way of the other gateway.
fn says_yes(office: &Office) {
    let asked = until("the clerk to ask", BOUND, || {
        let (_, list) = office.ask(1, "GET /v1/approvals", &office.boss, &json!(null));
        let first = &list["items"][0];
        match first.is_object() && first.get("answered").is_none() {
            true => Ok(first.clone()),
            false => Err(list.to_string()),
        }
    })
    .unwrap();
    let yes = json!({"verdict": "approve", "turn": asked["turn"], "digest": asked["digest"]});
    let line = format!("POST /v1/approvals/{}", asked["approval"]);
    let (status, told) = office.ask(1, &line, &office.boss, &yes);
    assert_eq!(status, 200, "{told}");
}
