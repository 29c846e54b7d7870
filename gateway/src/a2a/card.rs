//! What an agent says of itself, to be found by: its card, signed.
//!
//! Nothing in it is empty: clients take what is empty out before they check a signature, and do not agree about what is left.

use aion_route::Agent;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::VERSION;
use crate::signing::Signer;

/// The card of an agent. `base` is the gateway's address; `pushes`: ends of tasks are told.
pub(super) fn of(agent: &Agent, base: &str, pushes: bool, signer: Option<&Signer>) -> Value {
    let url = format!("{base}/v1/a2a/{}/{}", agent.namespace, agent.name);
    let interface =
        |binding: &str| json!({"url": url, "protocolBinding": binding, "protocolVersion": VERSION});
    let description = described(agent);
    let mut card = json!({
        "name": agent.name,
        "description": description,
        "supportedInterfaces": [interface("JSONRPC"), interface("HTTP+JSON")],
        "capabilities": {"streaming": true, "pushNotifications": pushes, "extendedAgentCard": false},
        "securitySchemes": {"token": {"httpAuthSecurityScheme": {
            "scheme": "Bearer", "description": "The token of the gateway",
        }}},
        // A role, of which there is one: a scheme without any is taken out before a signature is checked.
        "securityRequirements": [{"schemes": {"token": {"list": ["ask"]}}}],
        "defaultInputModes": ["text/plain", "application/octet-stream"],
        "defaultOutputModes": ["text/plain", "application/octet-stream"],
        "skills": [skill(agent, &description)],
    });
    card["version"] = version(&card).into();
    if let Some(signer) = signer {
        let signature = signer.sign(&card, &format!("{base}/v1/a2a/jwks.json"));
        card["signatures"] = json!([signature]);
    }
    card
}

fn described(agent: &Agent) -> String {
    let described = agent.description.clone().filter(|it| !it.is_empty());
    let Agent {
        name, namespace, ..
    } = agent;
    described.unwrap_or_else(|| format!("The agent {name} of {namespace}."))
}

/// What it can do, as far as it says: it is asked.
fn skill(agent: &Agent, description: &str) -> Value {
    let labels = agent.labels.iter();
    let labels = labels.flat_map(|(key, value)| [key, value]);
    let mut tags = vec![agent.name.as_str()];
    for tag in agent.tools.iter().chain(labels) {
        if !tag.is_empty() && !tags.contains(&tag.as_str()) {
            tags.push(tag);
        }
    }
    let mut skill = json!({
        "id": agent.name, "name": agent.name, "description": description, "tags": tags,
    });
    let examples = agent.try_asking.iter().filter(|it| !it.is_empty());
    let examples: Vec<&String> = examples.collect();
    if !examples.is_empty() {
        skill["examples"] = json!(examples);
    }
    skill
}

/// Another one where the agent says something else of itself: it has no version of its own.
fn version(card: &Value) -> String {
    let digest = Sha256::digest(card.to_string());
    let digits = digest.iter().take(6);
    digits.map(|it| format!("{it:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn emptiness(value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(values) => values.is_empty() || values.iter().any(emptiness),
            Value::Object(fields) => fields.is_empty() || fields.values().any(emptiness),
            _ => false,
        }
    }

    #[test]
    fn a_card_says_what_the_agent_says_and_nothing_in_it_is_empty() {
        let signer = Signer::of(&[7; 32]).unwrap();
        let bare = Agent {
            namespace: "office".to_owned(),
            name: "clerk".to_owned(),
            description: Some(String::new()),
            try_asking: vec![String::new()],
            ..Agent::default()
        };
        let clerk = Agent {
            description: Some("Writes invoices".to_owned()),
            try_asking: vec!["Who owes us?".to_owned()],
            labels: [("team".to_owned(), String::new())].into(),
            tools: vec!["ledger".to_owned(), "clerk".to_owned()],
            ..bare.clone()
        };
        let card = |agent: &Agent| of(agent, "http://127.0.0.1:8421", true, Some(&signer));
        for agent in [&bare, &clerk] {
            assert!(!emptiness(&card(agent)), "{}", card(agent));
        }
        let told = card(&clerk);
        assert_eq!(
            told["skills"][0]["tags"],
            json!(["clerk", "ledger", "team"])
        );
        assert_eq!(told["skills"][0]["examples"], json!(["Who owes us?"]));
        for interface in told["supportedInterfaces"].as_array().unwrap() {
            assert_eq!(
                interface["url"],
                "http://127.0.0.1:8421/v1/a2a/office/clerk"
            );
        }
        assert_eq!(
            told,
            card(&clerk),
            "the same for every gateway with the key"
        );
        assert_ne!(told["version"], card(&bare)["version"]);
    }
}
