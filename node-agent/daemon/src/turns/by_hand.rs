//! Who does something by hand, as the node knows them. The agent that stands for people is told so in its question; where a
//! program wrote the question, it may not say that it is somebody else. What is done may not enter.

use aion_abi::device::BY_HAND;
use serde_json::Value;

use super::Cause;

/// The question to an agent (`namespace/name`) as it is asked: to [`BY_HAND`], with whoever the node knows to ask in place of
/// whoever the question names. A question that is not an object names nobody.
pub(super) fn as_known(agent: &str, input: String, cause: &Cause) -> String {
    let by = match cause {
        // The node wrote the question of a person. Nobody asks it otherwise (`admin::turns`).
        Cause::Person | Cause::Ask | Cause::Key(_) => return input,
        Cause::Agent(caller) => format!("agent {}, turn {}", caller.agent, caller.turn),
        Cause::Program(program, _) => format!("program {program}"),
        Cause::Trigger { name, .. } => format!("trigger {name}"),
    };
    let is_its = agent.rsplit_once('/').is_some_and(|(_, it)| it == BY_HAND);
    if !is_its {
        return input;
    }
    match serde_json::from_str(&input) {
        Ok(Value::Object(mut question)) => {
            question.insert("by".to_owned(), Value::from(by));
            Value::Object(question).to_string()
        }
        _ => input,
    }
}

#[cfg(test)]
mod tests {
    use aion_abi::caller::TurnCaller;
    use serde_json::json;

    use super::*;

    #[test]
    fn no_program_says_that_somebody_else_does_it() {
        let agent = Cause::Agent(TurnCaller {
            turn: 7,
            agent: "home/butler".to_owned(),
        });
        let asked =
            r#"{"by": "ann", "device": "lamp", "property": "power", "value": true, "by": "uid 0"}"#;
        let known = |cause: &Cause| -> Value {
            let input = as_known("home/by-hand", asked.to_owned(), cause);
            assert_eq!(input.matches("\"by\"").count(), 1, "{input}");
            serde_json::from_str(&input).unwrap_or_default()
        };
        let by = |by: &str| json!({"by": by, "device": "lamp", "property": "power", "value": true});
        assert_eq!(known(&agent), by("agent home/butler, turn 7"));
        assert_eq!(
            known(&Cause::Program("app".to_owned(), None)),
            by("program app")
        );
        let trigger = Cause::Trigger {
            name: "evening".to_owned(),
            depth: 0,
        };
        assert_eq!(known(&trigger), by("trigger evening"));
        let same = |whose: &str, input: &str, cause: &Cause| {
            assert_eq!(as_known(whose, input.to_owned(), cause), input);
        };
        same("home/by-hand", asked, &Cause::Person);
        same("home/butler", asked, &agent);
        same("home/by-hand", "turn it on", &agent);
    }
}
