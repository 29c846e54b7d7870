//! Tool calls put together from their parts, however a server cuts and numbers them. Pure.

use aion_abi::syscall::model::ToolUse;
use serde_json::Value;

/// The most tool calls of one answer.
pub(super) const MAX_CALLS: usize = 64;

/// A part of a call. What a server leaves out is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct CallPart {
    /// The server's number of the call.
    index: Option<u64>,
    /// The place among the parts of its chunk, where there are several.
    position: Option<usize>,
    id: String,
    name: String,
    pub(super) arguments: String,
}

impl CallPart {
    /// A part of `tool_calls`, at this place among several of its chunk.
    pub(super) fn read(part: &Value, position: Option<usize>) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let number = &part["index"];
        Self {
            index: number.as_u64().or_else(|| number.as_str()?.parse().ok()),
            position,
            id: text(&part["id"]),
            ..Self::of_function(&part["function"])
        }
    }

    /// The form that has no ids and knows one call only.
    pub(super) fn of_function(function: &Value) -> Self {
        let arguments = match &function["arguments"] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        Self {
            name: function["name"].as_str().unwrap_or_default().to_owned(),
            arguments,
            ..Self::default()
        }
    }
}

/// The calls of an answer as far as they have come.
#[derive(Debug, Default)]
pub(super) struct Calls(Vec<(Option<u64>, ToolUse)>);

impl Calls {
    /// Adds `part` to its call, or begins one with it.
    ///
    /// # Errors
    /// One call too many.
    pub(super) fn take(&mut self, part: CallPart) -> Result<(), String> {
        let at = match self.meant(&part) {
            Some(at) => at,
            None if self.0.len() == MAX_CALLS => {
                return Err(format!(
                    "the model called more than {MAX_CALLS} tools at once"
                ));
            }
            None => {
                let call = ToolUse {
                    id: String::new(),
                    name: String::new(),
                    arguments: String::new(),
                };
                self.0.push((part.index, call));
                self.0.len() - 1
            }
        };
        let call = &mut self.0[at].1;
        if call.id.is_empty() {
            call.id = part.id;
        }
        if call.name.is_empty() {
            call.name = part.name;
        }
        call.arguments.push_str(&part.arguments);
        Ok(())
    }

    /// All of them, in the order in which they began.
    pub(super) fn whole(self) -> impl Iterator<Item = ToolUse> {
        self.0.into_iter().map(|(_, call)| call)
    }

    /// The call that `part` goes on with; nothing where it begins one. An id says it, else the number, else
    /// the order. A number that several calls share tells nothing: a name tells where the next one begins.
    fn meant(&self, part: &CallPart) -> Option<usize> {
        let same_id =
            |(_, call): &(Option<u64>, ToolUse)| !part.id.is_empty() && call.id == part.id;
        if let Some(at) = self.0.iter().rposition(same_id) {
            return Some(at);
        }
        let nameless = part.id.is_empty() && part.name.is_empty();
        let last = self.0.len().checked_sub(1);
        let by_number = match part.index {
            Some(_) => self.0.iter().rposition(|(index, _)| *index == part.index),
            None if nameless => part.position.filter(|at| *at < self.0.len()).or(last),
            None => last,
        };
        let Some(at) = by_number else {
            // Arguments alone begin no call, whatever their number.
            return last.filter(|_| nameless);
        };
        let call = &self.0[at].1;
        let other_id = !part.id.is_empty() && !call.id.is_empty();
        let complete = serde_json::from_str::<Value>(&call.arguments).is_ok();
        let named_anew = !part.name.is_empty() && !call.name.is_empty();
        let begins = match (named_anew, other_id) {
            (true, true) => true,
            (true, false) => part.name != call.name || complete,
            // A server that gives each part an id of its own still says no name twice.
            (false, true) => complete && part.arguments.is_empty(),
            (false, false) => false,
        };
        (!begins).then_some(at)
    }
}
