//! What a model is offered of an agent: the operation `ask`, described by its card; and what it may ask. Pure.

use aion_abi::{code::Code, problem::Problem, syscall::tool::ToolSpec};
use serde_json::{Map, Value, json};

use super::{super::ToolServer, ASK, card::Card};

/// The longest description, in bytes; what is longer is cut.
const MAX_DESCRIPTION: usize = 4 * 1024;
/// The most skills that are told, and of each text the most letters.
const MAX_SKILLS: usize = 16;
const MAX_WORDS: usize = 600;

/// What an agent is asked.
#[derive(Debug)]
pub(super) struct Asked {
    message: String,
    data: Option<Value>,
    /// The task that it answers.
    pub(super) task: Option<String>,
}

impl Asked {
    /// As the parts of a message.
    pub(super) fn parts(&self) -> Value {
        let mut parts = vec![json!({"text": self.message, "mediaType": "text/plain"})];
        parts.extend(
            self.data
                .iter()
                .map(|it| json!({"data": it, "mediaType": "application/json"})),
        );
        Value::Array(parts)
    }

    /// All of it as text.
    pub(super) fn written(&self) -> String {
        json!([self.message, self.data, self.task]).to_string()
    }
}

/// The operation, as a model is offered it.
pub(super) fn of(server: &ToolServer, card: &Card) -> ToolSpec {
    let mut properties = json!({
        "message": {"type": "string", "description": "What the agent is asked, in words. It knows nothing of this conversation: say all that it has to know."},
        "task": {"type": "string", "description": "Only to go on with a task of an earlier call that asked for more: as its answer has it."},
    });
    if card.takes_data {
        properties["data"] = json!({"description": "Structured input beside the message, where the agent wants some."});
    }
    ToolSpec {
        strict: None,
        name: format!("{}.{ASK}", server.name),
        description: description(server, card),
        parameters: json!({
            "type": "object", "properties": properties, "required": ["message"], "additionalProperties": false,
        }),
    }
}

fn description(server: &ToolServer, card: &Card) -> String {
    let own = server.description.iter().map(String::as_str);
    let says = match card.name.is_empty() {
        true => words(&card.description),
        false => format!("{}: {}", words(&card.name), words(&card.description)),
    };
    // The Tool's own is bounded where it is written.
    let mut lines: Vec<String> = own.map(str::to_owned).collect();
    lines.push(format!("Asks another agent. {says}"));
    for skill in card.skills.iter().take(MAX_SKILLS) {
        let mut line = format!("- {}: {}", words(&skill.name), words(&skill.description));
        if let Some(example) = &skill.example {
            line.push_str(&format!(" Such as: {}", words(example)));
        }
        lines.push(line);
    }
    let mut text = lines.join("\n");
    text.truncate(text.floor_char_boundary(MAX_DESCRIPTION));
    text
}

/// On one line, and not without an end.
fn words(text: &str) -> String {
    let plain = text
        .chars()
        .map(|it| if it.is_control() { ' ' } else { it });
    let text: String = plain.take(MAX_WORDS).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The arguments of a call.
///
/// # Errors
/// `bad-request`, with the argument that is wrong.
pub(super) fn read(
    server: &ToolServer,
    mut arguments: Map<String, Value>,
) -> Result<Asked, Problem> {
    let wrong = |what: &str| {
        let what = format!("{}.{ASK}: {what}", server.name);
        Problem::new(Code::BadRequest, what)
            .remedy("mend them by the operation's parameters and call it again; it was not called")
    };
    let message = match arguments.remove("message") {
        Some(Value::String(message)) if !message.trim().is_empty() => message,
        _ => return Err(wrong("message must be text that says something")),
    };
    // Models fill in what they do not mean.
    let task = match arguments.remove("task") {
        None | Some(Value::Null) => None,
        Some(Value::String(task)) => Some(task).filter(|it| !it.is_empty()),
        Some(_) => return Err(wrong("task must be the id of a task")),
    };
    let data = arguments.remove("data").filter(|it| !it.is_null());
    match arguments.keys().next() {
        None => Ok(Asked {
            message,
            data,
            task,
        }),
        Some(other) => {
            let other: String = other.chars().take(80).collect();
            Err(wrong(&format!("{other:?} is not an argument of it")))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::scripted::{card, remote_tool};
    use super::*;
    use crate::tool::a2a::card::Card;

    #[test]
    fn a_card_describes_the_operation_within_bounds() {
        let at = "http://127.0.0.1:9/".parse().unwrap();
        let mut said = card("http://127.0.0.1:9", "JSONRPC");
        let server = remote_tool("travel", "http://127.0.0.1:9");
        let spec = of(&server, &Card::read(&said, &at, false).unwrap());
        assert_eq!(spec.name, "travel.ask");
        assert_eq!(
            spec.description,
            "Asks another agent. Traveller: Knows the way.\n- Trains: Finds trains. Such as: To Rome?"
        );
        assert!(spec.parameters["properties"].get("data").is_none());
        said["defaultInputModes"] = json!(["text/plain", "application/json"]);
        said["description"] = "x\n".repeat(100_000).into();
        let skill = said["skills"][0].clone();
        said["skills"] = vec![skill; 1000].into();
        let spec = of(&server, &Card::read(&said, &at, false).unwrap());
        assert!(spec.description.len() <= MAX_DESCRIPTION);
        assert!(spec.parameters["properties"].get("data").is_some());
    }

    #[test]
    fn arguments_that_are_none_of_it_are_refused_by_name() {
        let server = remote_tool("travel", "http://127.0.0.1:9");
        let read = |arguments: Value| read(&server, arguments.as_object().unwrap().clone());
        for (arguments, word) in [
            (json!({}), "message"),
            (json!({"message": " "}), "message"),
            (json!({"message": 7}), "message"),
            (json!({"message": "?", "task": 7}), "task"),
            (json!({"message": "?", "file": "x"}), "\"file\""),
        ] {
            let problem = read(arguments).unwrap_err();
            assert!(problem.detail.contains(word), "{problem}");
        }
        let asked = read(json!({"message": "?", "data": null, "task": ""})).unwrap();
        assert!(asked.data.is_none() && asked.task.is_none());
    }
}
