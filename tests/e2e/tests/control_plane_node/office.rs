//! Two nodes of a cluster with an agent each, which asks before it remembers anything, and two gateways before them.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
};

use aion_e2e::{
    cluster::{BOUND, furnish, namespace},
    elsewhere::{Elsewhere, Given, json_of},
    gateways::{ClusterGateway, Stream},
    node_agent::NodeAgent,
    operator::Operator,
};
use aion_testkit::{ControlPlane, or_skip, until};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{asked::account, documents, get, kubectl};

pub(crate) const HOME: &str = "worded";
pub(crate) const NODES: [&str; 2] = ["node-word-a", "node-word-b"];
pub(crate) const CLERKS: [&str; 2] = ["clerk-a", "clerk-b"];
const QUESTION: &str = r#"{"input": "Where is the key?"}"#;

/// See the module.
pub(crate) struct Office {
    pub(crate) cluster: ControlPlane,
    pub(crate) nodes: [NodeAgent; 2],
    pub(crate) gateways: [ClusterGateway; 2],
    _operator: Operator,
    _docs: TempDir,
    pub(crate) asker: String,
    pub(crate) server: String,
    pub(crate) boss: String,
    pub(crate) stranger: String,
}

fn resource(kind: &str, name: &str, spec: &Value) -> String {
    let api = "aion.dev/v1alpha1";
    json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": HOME}, "spec": spec})
        .to_string()
}

impl Office {
    pub(crate) fn open() -> Option<Self> {
        let cluster = or_skip(ControlPlane::start())?;
        furnish(&cluster).unwrap();
        namespace(&cluster, HOME).unwrap();
        for (kind, name, spec) in [
            (
                "ClusterAgentPolicy",
                "default",
                json!({"allow": ["memory.*"]}),
            ),
            ("TrustPolicy", "elsewhere", json!({"external": "allow"})),
        ] {
            let object = json!({"apiVersion": "aion.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
            cluster.apply(&object.to_string()).unwrap();
        }
        let docs = documents();
        let operator = Operator::start(&cluster, "operator-of-approvals").unwrap();
        let mut nodes = Vec::new();
        for (name, clerk) in NODES.into_iter().zip(CLERKS) {
            let node = NodeAgent::start(&cluster, name, docs.path(), false).unwrap();
            cluster
                .apply(&resource("MemoryPool", clerk, &json!({})))
                .unwrap();
            let spec = json!({
                "description": "Keeps what it is told", "runtime": "external", "memory": {"pool": clerk},
                "permissions": {"ask": ["memory.remember"]}, "limits": {"turnSeconds": 3600},
            });
            cluster.apply(&resource("Agent", clerk, &spec)).unwrap();
            until_on(&cluster, &node, clerk);
            // The next one is for the next node.
            let paused = r#"{"spec": {"scheduling": "pause"}}"#;
            let patch = ["patch", "kernelnode", name, "--type=merge", "-p", paused];
            kubectl(&cluster, &patch);
            nodes.push(node);
        }
        let [asker, server, boss, stranger] =
            ["asker", "server", "boss", "stranger"].map(|it| account(&cluster, HOME, it));
        for (who, role) in [
            ("asker", "aion-invoke"),
            ("server", "aion-serve"),
            ("boss", "aion-approve"),
        ] {
            bind(&cluster, who, &format!("--clusterrole={role}"));
        }
        // Both know what either sealed.
        let key = docs.path().join("card.key");
        fs::write(&key, [7; 32]).unwrap();
        fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        let shared = ["--card-key-file", &*key.to_string_lossy()];
        let gateways = [(); 2].map(|()| ClusterGateway::start_with(&cluster, &shared).unwrap());
        Some(Self {
            nodes: nodes.try_into().ok()?,
            gateways,
            cluster,
            _operator: operator,
            _docs: docs,
            asker,
            server,
            boss,
            stranger,
        })
    }

    pub(crate) fn program(&self, at: usize) -> Elsewhere {
        let agent = format!("{HOME}/agents/{}", CLERKS[at]);
        Elsewhere::register(self.nodes[at].port, &self.server, &agent).unwrap()
    }

    /// Has an agent asked by way of a gateway. What comes of it, and what its program is given.
    pub(crate) fn begins(&self, at: usize, gateway: usize) -> (Stream, Elsewhere, Given) {
        let program = self.program(at);
        let line = format!("POST /v1/agents/{}/turns", CLERKS[at]);
        let stream = until("the agent to be asked", BOUND, || {
            let asked = self.gateways[gateway].stream(&line, &self.asker, "", QUESTION);
            asked.map_err(|why| why.to_string())
        })
        .unwrap();
        let given = program.take().unwrap();
        (stream, program, given)
    }

    /// Status and JSON of an answer.
    pub(crate) fn ask(
        &self,
        gateway: usize,
        line: &str,
        token: &str,
        body: &Value,
    ) -> (u16, Value) {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let (status, body) = self.gateways[gateway]
            .ask(line, Some(token), "", &body)
            .unwrap();
        (status, json_of(&body).unwrap_or_default())
    }
}

/// Gives an account a role, as kubectl names that.
pub(crate) fn bind(cluster: &ControlPlane, who: &str, role: &str) {
    let subject = format!("--serviceaccount={HOME}:{who}");
    let named = role.split_once('=').map_or(role, |(_, name)| name);
    let name = format!("{who}-{named}");
    kubectl(
        cluster,
        &["-n", HOME, "create", "rolebinding", &name, role, &subject],
    );
}

fn until_on(cluster: &ControlPlane, node: &NodeAgent, agent: &str) {
    until("the agent to be on its node", BOUND, || {
        let all = get(cluster, &["-n", HOME, "agentinstances"])?;
        let all = all["items"].as_array().cloned().unwrap_or_default();
        let ours = |it: &&Value| it["spec"]["agent"]["name"] == agent;
        match all.iter().find(ours).map(|it| &it["spec"]["nodeName"]) {
            Some(name) if *name == node.name => Ok(()),
            other => Err(format!("{other:?}\n{}", node.tail())),
        }
    })
    .unwrap();
}
