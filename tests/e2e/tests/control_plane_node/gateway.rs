//! Gateways of a cluster: they ask an agent's node with the token of who asks, one takes up what another began, and each says by
//! name what a cluster does not have.

use std::thread;

use aion_e2e::{
    cluster::{BOUND, furnish, namespace},
    elsewhere::{Elsewhere, json_of},
    gateways::{ClusterGateway, Numbered},
    node_agent::NodeAgent,
    operator::Operator,
};
use aion_testkit::{ControlPlane, or_skip, until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{
    asked::{account, token},
    documents, get, instance, kubectl,
};

const HOME: &str = "gated";
const ASKS: &str = "POST /v1/agents/helper/turns";
const QUESTION: &str = r#"{"input": "What is the tide?"}"#;

/// A cluster whose policies let programs run elsewhere, which those that are shipped do not.
struct Scene {
    cluster: ControlPlane,
    /// Tokens of who may ask, and of who may be a program.
    asker: String,
    server: String,
}

impl Scene {
    /// With two agents whose programs are elsewhere.
    fn set() -> Option<Self> {
        let cluster = or_skip(ControlPlane::start())?;
        furnish(&cluster).unwrap();
        namespace(&cluster, HOME).unwrap();
        let agent = |name: &str| {
            json!({
                "apiVersion": "aion.dev/v1alpha1", "kind": "Agent",
                "metadata": {"name": name, "namespace": HOME},
                "spec": {"description": "Helps from elsewhere", "runtime": "external", "limits": {"turnSeconds": 300}},
            })
        };
        for object in [
            json!({
                "apiVersion": "aion.dev/v1alpha1", "kind": "ClusterAgentPolicy", "metadata": {"name": "default"},
                "spec": {"allow": ["agent.*"]},
            }),
            json!({
                "apiVersion": "aion.dev/v1alpha1", "kind": "TrustPolicy", "metadata": {"name": "elsewhere"},
                "spec": {"external": "allow"},
            }),
            agent("helper"),
            agent("hidden"),
        ] {
            cluster.apply(&object.to_string()).unwrap();
        }
        let asker = account(&cluster, HOME, "asker");
        let server = account(&cluster, HOME, "server");
        for (who, role) in [("asker", "aion-invoke"), ("server", "aion-serve")] {
            let role = format!("--clusterrole={role}");
            let subject = format!("--serviceaccount={HOME}:{who}");
            let bound = ["-n", HOME, "create", "rolebinding", who, &role, &subject];
            kubectl(&cluster, &bound);
        }
        Some(Self {
            cluster,
            asker,
            server,
        })
    }
}

fn until_on(scene: &Scene, node: &NodeAgent) {
    until("the agent to be on the node", BOUND, || {
        let all = get(&scene.cluster, &["-n", HOME, "agentinstances"])?;
        let all = all["items"].as_array().cloned().unwrap_or_default();
        let mut ours = all
            .iter()
            .filter(|it| it["spec"]["agent"]["name"] == "helper");
        match ours.all(|it| it["spec"]["nodeName"] == node.name) && !all.is_empty() {
            true => Ok(()),
            false => Err(format!("{all:?}\n{}", node.tail())),
        }
    })
    .unwrap();
}

/// A program at the node, once the gateway knows that the agent is ready by it.
fn program(scene: &Scene, node: &NodeAgent, gateway: &ClusterGateway) -> Elsewhere {
    let agent = format!("{HOME}/agents/helper");
    let program = Elsewhere::register(node.port, &scene.server, &agent).unwrap();
    until("the agent to be ready at the gateway", BOUND, || {
        let (status, body) = gateway
            .ask("GET /v1/agents/helper", Some(&scene.asker), "", "")
            .map_err(|why| why.to_string())?;
        match status == 200 && json_of(&body).is_ok_and(|it| it["ready"] == true) {
            true => Ok(()),
            false => Err(format!("{status} {body}\n{}", gateway.process.tail())),
        }
    })
    .unwrap();
    program
}

fn deltas(events: &[Numbered]) -> String {
    let texts = events.iter().filter(|it| it.event["event"] == "delta");
    texts.filter_map(|it| it.event["text"].as_str()).collect()
}

#[test]
fn what_one_gateway_began_another_takes_up_and_every_token_comes_once() {
    let Some(scene) = Scene::set() else {
        return;
    };
    let docs = documents();
    let node = |name| NodeAgent::start(&scene.cluster, name, docs.path(), false).unwrap();
    let mut first = node("node-gate-a");
    let _operator = Operator::start(&scene.cluster, "operator-of-gateways").unwrap();
    until_on(&scene, &first);
    let mut one = ClusterGateway::start(&scene.cluster).unwrap();
    let two = ClusterGateway::start(&scene.cluster).unwrap();
    let helper = program(&scene, &first, &two);

    let key = "\r\nidempotency-key: tide-1";
    let mut stream = one.stream(ASKS, &scene.asker, key, QUESTION).unwrap();
    let mut given = helper.take().unwrap();
    helper.message(&mut given, "delta", "High ").unwrap();
    let mut heard = Vec::new();
    while deltas(&heard) != "High " {
        heard.push(stream.event().unwrap());
    }
    let turn = heard[0].event["turn"].as_u64().unwrap();
    assert_ne!(turn, given.boot["turn"], "it says its node");

    // The first is gone in the middle of it: nobody notices but the connection.
    one.process.signal(Signal::SIGKILL);
    one.process.wait(BOUND).unwrap();
    while let Some(event) = stream.event() {
        heard.push(event);
    }
    helper.message(&mut given, "delta", "at ").unwrap();
    let behind = format!("\r\nlast-event-id: {}", heard.last().unwrap().id);
    let line = format!("GET /v1/turns/{turn}/events");
    let mut stream = two.stream(&line, &scene.asker, &behind, "").unwrap();
    heard.push(stream.event().unwrap());
    for (kind, text) in [("delta", "noon."), ("final", "High at noon.")] {
        helper.message(&mut given, kind, text).unwrap();
    }
    helper.end(&given).unwrap();
    while let Some(event) = stream.event() {
        heard.push(event);
    }
    assert_eq!(deltas(&heard), "High at noon.", "{heard:?}");
    let ids: Vec<u64> = heard.iter().map(|it| it.id).collect();
    let all: Vec<u64> = (1..=ids.len() as u64).collect();
    assert_eq!(ids, all);
    assert_eq!(heard.last().unwrap().event["event"], "ended", "{heard:?}");

    // Asked again by way of the other it is the same turn.
    let (status, again) = two.ask(ASKS, Some(&scene.asker), key, QUESTION).unwrap();
    let again = json_of(&again).unwrap();
    assert_eq!((status, &again["turn"]), (200, &json!(turn)), "{again}");
    assert_eq!(again["answer"], "High at noon.");

    // Its node is forgotten: the agent is asked where it is then, and that turn is nobody's any more.
    let second = node("node-gate-b");
    first.daemon.signal(Signal::SIGKILL);
    first.daemon.wait(BOUND).unwrap();
    kubectl(&scene.cluster, &["delete", "kernelnode", "node-gate-a"]);
    until_on(&scene, &second);
    let helper = program(&scene, &second, &two);
    let asked = thread::scope(|scope| {
        let asked = scope.spawn(|| two.ask(ASKS, Some(&scene.asker), "", QUESTION).unwrap());
        let mut given = helper.take().unwrap();
        helper.message(&mut given, "final", "Low.").unwrap();
        helper.end(&given).unwrap();
        asked.join().unwrap()
    });
    let answer = json_of(&asked.1).unwrap();
    assert_eq!(
        (asked.0, &answer["answer"]),
        (200, &json!("Low.")),
        "{answer}"
    );
    let line = format!("GET /v1/turns/{turn}");
    let (status, gone) = two.ask(&line, Some(&scene.asker), "", "").unwrap();
    assert_eq!(status, 404, "{gone}");
    let line = format!("GET /v1/turns/{}", answer["turn"]);
    assert_eq!(two.ask(&line, Some(&scene.asker), "", "").unwrap().0, 200);
}

#[test]
fn a_gateway_widens_no_right_and_says_what_a_cluster_does_not_have() {
    let Some(scene) = Scene::set() else {
        return;
    };
    let docs = documents();
    let cluster = &scene.cluster;
    let node = NodeAgent::start(cluster, "node-gate-c", docs.path(), false).unwrap();
    let _operator = Operator::start(cluster, "operator-of-a-gateway").unwrap();
    until_on(&scene, &node);
    let gateway = ClusterGateway::start(cluster).unwrap();
    let helper = program(&scene, &node, &gateway);

    let stranger = account(cluster, HOME, "stranger");
    let refused = |line: &str, token: Option<&str>| {
        let (status, body) = gateway.ask(line, token, "", QUESTION).unwrap();
        let problem = json_of(&body).unwrap();
        let remedy = problem["remedy"]
            .as_str()
            .or(problem["error"]["message"].as_str());
        assert!(remedy.is_some_and(|it| !it.is_empty()), "{line}: {body}");
        (status, body)
    };
    let other = token(cluster, HOME, "asker", &["somebody.else"]);
    let server = token(cluster, HOME, "asker", &[]);
    let key = aion_abi::key::key(&[7; 22]);
    for token in [
        None,
        Some("nobody"),
        Some("eyJ.a.b"),
        Some(other.as_str()),
        Some(server.as_str()),
        Some(key.as_str()),
    ] {
        let (status, body) = refused(ASKS, token);
        assert_eq!(status, 401, "{body}");
    }
    let elsewhere = "POST /v1/agents/helper/turns?namespace=default";
    for (line, token) in [
        (ASKS, &stranger),
        (elsewhere, &scene.asker),
        ("GET /v1/agents/helper", &stranger),
        ("GET /v1/models/helper", &stranger),
    ] {
        assert_eq!(refused(line, Some(token)).0, 403, "{line}");
    }
    // Nothing is told of an agent, not whether it is there.
    for line in [ASKS, "GET /v1/agents/helper", "GET /v1/models/helper"] {
        let told = |name: &str| {
            let (status, body) = refused(&line.replace("helper", name), Some(&stranger));
            (status, body.replace(name, "AGENT"))
        };
        assert_eq!(told("helper"), told("ghosts"), "{line}");
    }
    let odd = "GET /v1/agents/helper?namespace=gated%2Fagents%3F";
    assert_eq!(refused(odd, Some(&scene.asker)).0, 404);
    // Who may be its program may not ask it.
    assert_eq!(refused(ASKS, Some(&scene.server)).0, 403);

    // A turn is somebody's conversation.
    let (status, body) = thread::scope(|scope| {
        let asked = scope.spawn(|| gateway.ask(ASKS, Some(&scene.asker), "", QUESTION).unwrap());
        let mut given = helper.take().unwrap();
        helper.message(&mut given, "final", "High.").unwrap();
        helper.end(&given).unwrap();
        asked.join().unwrap()
    });
    assert_eq!(status, 200, "{body}");
    let turn = json_of(&body).unwrap()["turn"].clone();
    for line in [
        format!("GET /v1/turns/{turn}"),
        format!("DELETE /v1/turns/{turn}"),
    ] {
        assert_eq!(refused(&line, Some(&stranger)).0, 403);
        assert_eq!(
            gateway.ask(&line, Some(&scene.asker), "", "").unwrap().0,
            200
        );
    }
    for number in ["7", "9007199254740991"] {
        let line = format!("GET /v1/turns/{number}");
        assert_eq!(refused(&line, Some(&scene.asker)).0, 404);
    }

    lists_are_of_what_the_caller_may_ask(&scene, &gateway, &stranger);
    for line in [
        "POST /v1/agents/helper/register",
        "POST /v1/hooks/gated/helper/alarm",
    ] {
        let (status, body) = refused(line, Some(&scene.asker));
        assert_eq!(status, 404, "{line}: {body}");
        assert!(body.contains("at a gateway of a cluster"), "{line}: {body}");
    }
    // The gateway's own account asks nobody.
    let own = token(
        cluster,
        "aion-system",
        "aion-gateway",
        &["aion.dev/node-agent"],
    );
    let line = "POST /api/v1/namespaces/gated/agents/helper/turns";
    assert_eq!(
        node.request(line, Some(&own), Some(QUESTION)).unwrap().0,
        403
    );
    assert!(instance(cluster, HOME).is_ok());
}

fn lists_are_of_what_the_caller_may_ask(scene: &Scene, gateway: &ClusterGateway, stranger: &str) {
    let role = ["-n", HOME, "create", "role", "some", "--verb=get,invoke"];
    let which = ["--resource=agents.aion.dev", "--resource-name=helper"];
    kubectl(&scene.cluster, &[&role[..], &which].concat());
    let some = account(&scene.cluster, HOME, "some");
    let subject = format!("--serviceaccount={HOME}:some");
    kubectl(
        &scene.cluster,
        &[
            "-n",
            HOME,
            "create",
            "rolebinding",
            "some",
            "--role=some",
            &subject,
        ],
    );
    let names = |token: &str| -> Result<Vec<Value>, String> {
        let (status, body) = gateway
            .ask("GET /v1/agents", Some(token), "", "")
            .map_err(|why| why.to_string())?;
        let list = json_of(&body).map_err(|why| format!("{status} {why}: {body}"))?;
        let items = list["items"].as_array().ok_or(body)?;
        Ok(items.iter().map(|it| it["name"].clone()).collect())
    };
    assert_eq!(names(&scene.asker).unwrap(), ["helper", "hidden"]);
    assert_eq!(names(stranger).unwrap(), [Value::Null; 0]);
    until("the right to be in force", BOUND, || match names(&some)? {
        names if names == ["helper"] => Ok(()),
        names => Err(format!("{names:?}")),
    })
    .unwrap();
    let (status, models) = gateway.ask("GET /v1/models", Some(&some), "", "").unwrap();
    assert_eq!(status, 200, "{models}");
    assert!(
        models.contains("\"helper\"") && !models.contains("hidden"),
        "{models}"
    );
    let card = "GET /v1/a2a/gated/helper/.well-known/agent-card.json";
    let (status, card) = gateway.ask(card, Some(&some), "", "").unwrap();
    assert_eq!(status, 200, "{card}");
    let card = "GET /v1/a2a/gated/hidden/.well-known/agent-card.json";
    assert_eq!(gateway.ask(card, Some(&some), "", "").unwrap().0, 403);
}
