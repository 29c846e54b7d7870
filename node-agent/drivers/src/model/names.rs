//! Names of tools as endpoints take them: letters, digits, `_` and `-`, 64 at most. Ours have a dot.

use std::collections::HashMap;

use aion_abi::syscall::model::ChatRequest;

const MAX_NAME: usize = 64;

/// The names of one request, there and back.
pub(super) struct Names {
    sent: HashMap<String, String>,
    ours: HashMap<String, String>,
}

impl Names {
    /// For all tools that are offered or were called.
    pub(super) fn of(request: &ChatRequest) -> Self {
        let mut names = Self {
            sent: HashMap::new(),
            ours: HashMap::new(),
        };
        let called = request
            .messages
            .iter()
            .flat_map(|message| &message.tool_calls)
            .map(|call| &call.name);
        for name in request.tools.iter().map(|tool| &tool.name).chain(called) {
            names.add(name);
        }
        names
    }

    /// The name as it is sent.
    pub(super) fn sent<'a>(&'a self, name: &'a str) -> &'a str {
        self.sent.get(name).map_or(name, String::as_str)
    }

    /// The name that was meant. One that was never offered is given back as it came: the model made it up.
    pub(super) fn ours(&self, sent: &str) -> String {
        self.ours
            .get(sent)
            .cloned()
            .unwrap_or_else(|| sent.to_owned())
    }

    fn add(&mut self, name: &str) {
        if self.sent.contains_key(name) {
            return;
        }
        let plain: String = name
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || c == '-' {
                    c
                } else {
                    '_'
                }
            })
            .take(MAX_NAME)
            .collect();
        let mut sent = plain.clone();
        let mut number = 2;
        while self.ours.contains_key(&sent) {
            let suffix = format!("_{number}");
            sent = format!(
                "{}{suffix}",
                &plain[..plain.len().min(MAX_NAME - suffix.len())]
            );
            number += 1;
        }
        self.ours.insert(sent.clone(), name.to_owned());
        self.sent.insert(name.to_owned(), sent);
    }
}

#[cfg(test)]
mod tests {
    use aion_abi::syscall::model::ToolSpec;

    use super::*;

    #[test]
    fn every_name_is_sent_in_a_form_endpoints_take_and_comes_back() {
        let long = format!("tool.{}", "x".repeat(100));
        let offered = [
            "calendar.read",
            "calendar_read",
            "calendar/read",
            "ö.ü",
            &long,
            &format!("{long}y"),
        ];
        let tool = |name: &&str| ToolSpec {
            strict: None,
            name: (*name).into(),
            description: String::new(),
            parameters: serde_json::json!({}),
        };
        let request = ChatRequest {
            tools: offered.iter().map(tool).collect(),
            ..ChatRequest::default()
        };
        let names = Names::of(&request);
        for name in offered {
            let sent = names.sent(name);
            assert!(
                sent.len() <= MAX_NAME
                    && sent
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'),
                "{sent}"
            );
            assert_eq!(names.ours(sent), name);
        }
        assert_eq!(names.ours("made_up"), "made_up");
    }
}
