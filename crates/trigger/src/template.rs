//! What an agent is asked by a trigger: a text of its author with `{{field}}` in it. Fields are words of the node alone: what
//! comes from outside is a file of the turn, and never a part of this text.

/// Every field, and what stands there.
pub const FIELDS: [(&str, &str); 8] = [
    ("trigger", "the trigger's name"),
    ("agent", "the agent's name"),
    ("time", "when the turn was started"),
    ("scheduled", "when it was due, by its schedule"),
    ("files", "the names of the files that came"),
    ("source", "the agent whose turn ended, or the device"),
    ("events", "what the device says anew, in the node's words"),
    ("turn", "the number of that turn"),
];

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// What a trigger asks.
///
/// # Errors
/// A field that is none, or does not end.
pub fn check(text: &str) -> Result<(), String> {
    let mut rest = text;
    while let Some(at) = rest.find(OPEN) {
        let inner = &rest[at + OPEN.len()..];
        let Some(end) = inner.find(CLOSE) else {
            return Err(format!("{OPEN} has no {CLOSE} after it"));
        };
        let name = inner[..end].trim();
        if FIELDS.iter().all(|(field, _)| *field != name) {
            return Err(format!("{name:?} is not a field"));
        }
        rest = &inner[end + CLOSE.len()..];
    }
    Ok(())
}

/// The text with its fields filled in. One without a value is left out; what is no field stays as it is.
#[must_use]
pub fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(OPEN) {
        let inner = &rest[at + OPEN.len()..];
        let Some(end) = inner.find(CLOSE) else { break };
        filled.push_str(&rest[..at]);
        let name = inner[..end].trim();
        match FIELDS.iter().any(|(field, _)| *field == name) {
            true => filled.push_str(&value(name).unwrap_or_default()),
            false => filled.push_str(&rest[at..at + OPEN.len() + end + CLOSE.len()]),
        }
        rest = &inner[end + CLOSE.len()..];
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_filled_in_once_and_others_are_found_beforehand() {
        let value = |name: &str| (name == "time").then(|| "{{agent}} at 7".to_owned());
        assert_eq!(
            fill("Now {{ time }}, {{files}}.", value),
            "Now {{agent}} at 7, ."
        );
        assert_eq!(fill("{{body}} {{", value), "{{body}} {{");
        assert_eq!(check("{{time}} {{ scheduled }}"), Ok(()));
        assert_eq!(check("{{body}}"), Err("\"body\" is not a field".to_owned()));
        assert!(check("{{time").is_err());
    }
}
