//! Leaving out the oldest messages that do not fit into a model's context. Pure.

use aion_abi::syscall::model::{ChatRequest, Message, Role};

use super::estimate::{of_message, of_tool};

/// About how many tokens of a prompt a request has, before a model is asked.
pub fn prompt(request: &ChatRequest) -> u64 {
    of_all(request, &request.messages)
}

/// Tokens of what a model is given.
pub(super) fn of_all<'a>(
    request: &ChatRequest,
    messages: impl IntoIterator<Item = &'a Message>,
) -> u64 {
    let messages: u64 = messages.into_iter().map(of_message).sum();
    messages + request.tools.iter().map(of_tool).sum::<u64>()
}

/// Whether all of it leaves no room for an answer. What was asked for of that may be more than there ever was.
pub(super) fn is_too_much(request: &ChatRequest, context_tokens: Option<u32>) -> bool {
    context_tokens.map(u64::from).is_some_and(|context| {
        let quarter = context / 4;
        let answer = request.max_tokens.map_or(quarter, u64::from).min(quarter);
        of_all(request, &request.messages) > context - answer
    })
}

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
    let room = context.saturating_sub(answer);
    let mut used = of_all(request, kept.iter().copied());
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
    fn what_leaves_no_room_for_an_answer_is_too_much() {
        let is_too_much = |context, max_tokens| {
            let request = ChatRequest {
                messages: vec![say(Role::User, "a", 700)],
                max_tokens,
                ..ChatRequest::default()
            };
            super::is_too_much(&request, context)
        };
        assert!(!is_too_much(None, None));
        assert!(!is_too_much(Some(1_000), None));
        assert!(is_too_much(Some(900), None));
        assert!(!is_too_much(Some(900), Some(100)));
        assert!(!is_too_much(Some(1_000), Some(30_000)));
        assert!(is_too_much(Some(1), Some(1)));
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
