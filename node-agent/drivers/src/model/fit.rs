//! Leaving out the oldest messages that do not fit into a model's context. Pure.

use aion_abi::syscall::model::{ChatRequest, Message, Role};

use super::estimate::{of_message, of_tool};

/// The messages that fit, in their order. System messages stay, and so does everything from the last
/// thing the user said on; what goes, goes from one user's message to the next, so that no answer of a
/// tool stays without the call it answers. Where even that is too much the endpoint is left to say so.
pub(super) fn fitting(request: &ChatRequest, context_tokens: Option<u32>) -> Vec<&Message> {
    let mut kept: Vec<&Message> = request.messages.iter().collect();
    let Some(context) = context_tokens.map(u64::from) else {
        return kept;
    };
    // Room for the answer: what was asked for, else a quarter, as much as a short conversation leaves.
    let answer = request
        .max_tokens
        .map_or(context / 4, u64::from)
        .min(context / 2);
    let tools: u64 = request.tools.iter().map(of_tool).sum();
    let room = context.saturating_sub(answer).saturating_sub(tools);
    let mut used: u64 = kept.iter().map(|message| of_message(message)).sum();
    while used > room {
        let Some(first) = kept.iter().position(|message| message.role != Role::System) else {
            break;
        };
        let starts = |message: &&Message| message.role == Role::User;
        let Some(next) = kept[first + 1..]
            .iter()
            .position(starts)
            .map(|at| first + 1 + at)
        else {
            break;
        };
        let mut at = 0;
        kept.retain(|message| {
            let goes = (first..next).contains(&at) && message.role != Role::System;
            if goes {
                used -= of_message(message);
            }
            at += 1;
            !goes
        });
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(role: Role, letter: &str, tokens: usize) -> Message {
        let content = letter.repeat(tokens * 4);
        let tool_call_id = (role == Role::Tool).then(|| "1".to_owned());
        Message {
            role,
            content,
            tool_calls: vec![],
            tool_call_id,
        }
    }

    fn kept(messages: Vec<Message>, context: Option<u32>) -> String {
        let request = ChatRequest {
            messages,
            max_tokens: Some(10),
            ..ChatRequest::default()
        };
        fitting(&request, context)
            .iter()
            .map(|message| &message.content[..1])
            .collect()
    }

    fn long() -> Vec<Message> {
        use Role::{Assistant, System, Tool, User};
        vec![
            say(System, "s", 10),
            say(User, "a", 100),
            say(Assistant, "b", 100),
            say(Tool, "c", 100),
            say(Assistant, "d", 100),
            say(User, "e", 100),
            say(Assistant, "f", 100),
            say(User, "g", 100),
            say(Tool, "h", 10),
        ]
    }

    #[test]
    fn whole_exchanges_go_oldest_first_and_the_last_one_stays() {
        assert_eq!(kept(long(), None), "sabcdefgh");
        assert_eq!(kept(long(), Some(10_000)), "sabcdefgh");
        assert_eq!(kept(long(), Some(500)), "sefgh");
        assert_eq!(kept(long(), Some(200)), "sgh");
        assert_eq!(kept(long(), Some(256)), "sgh");
        assert_eq!(
            kept(long(), Some(1)),
            "sgh",
            "what cannot be cut is left to the endpoint"
        );
    }
}
