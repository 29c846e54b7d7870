//! From a server's answer to ours: text that is bounded, and the structured part. Pure.

use aion_abi::syscall::tool::CallResponse;
use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};

/// The longest text that is handed on, in bytes.
pub(super) const MAX_TEXT: usize = 256 * 1024;
/// The largest structured answer that is handed on, in bytes as JSON.
pub(super) const MAX_STRUCTURED: usize = 256 * 1024;

/// What is left out is said in the text: the call was made, and an error would hide that.
pub(super) fn response(result: CallToolResult) -> CallResponse {
    let mut parts: Vec<String> = result
        .content
        .into_iter()
        .map(part)
        .filter(|part| !part.is_empty())
        .collect();
    let structured = result.structured_content.filter(|value| {
        let size = value.to_string().len();
        if size > MAX_STRUCTURED {
            parts.push(format!(
                "[the structured answer has {size} bytes and is left out: ask for less]"
            ));
        }
        size <= MAX_STRUCTURED
    });
    let mut text = parts.join("\n\n");
    if text.len() > MAX_TEXT {
        let whole = text.len();
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push_str(&format!("\n\n[cut here: {whole} bytes in all]"));
    }
    CallResponse {
        text,
        structured,
        is_error: result.is_error.unwrap_or(false),
    }
}

fn part(block: ContentBlock) -> String {
    match block {
        ContentBlock::Text(text) => text.text,
        ContentBlock::Image(image) => left_out("image", &image.mime_type, image.data.len()),
        ContentBlock::Audio(audio) => left_out("audio", &audio.mime_type, audio.data.len()),
        ContentBlock::ResourceLink(link) => format!("[{}]({})", link.name, link.uri),
        ContentBlock::Resource(embedded) => match embedded.resource {
            ResourceContents::TextResourceContents { text, .. } => text,
            ResourceContents::BlobResourceContents {
                mime_type, blob, ..
            } => left_out(
                "file",
                mime_type.as_deref().unwrap_or("of unknown type"),
                blob.len(),
            ),
            _ => "[a resource of a kind that is not known]".to_owned(),
        },
        _ => "[a part of a kind that is not known]".to_owned(),
    }
}

/// Base64 has four letters for three bytes.
fn left_out(what: &str, kind: &str, base64: usize) -> String {
    format!("[{what}, {kind}, {} bytes: not shown]", base64 / 4 * 3)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parts_are_joined_and_what_is_left_out_is_said() {
        let mut result = CallToolResult::success(vec![
            ContentBlock::text("one"),
            ContentBlock::image("AAAA", "image/png"),
            ContentBlock::text("two"),
        ]);
        result.structured_content = Some(json!({"n": 1}));
        let answer = response(result);
        assert_eq!(
            answer.text,
            "one\n\n[image, image/png, 3 bytes: not shown]\n\ntwo"
        );
        assert_eq!(answer.structured, Some(json!({"n": 1})));
        assert!(!answer.is_error);
    }

    #[test]
    fn a_large_answer_is_cut_and_says_so() {
        let mut result = CallToolResult::error(vec![ContentBlock::text("é".repeat(MAX_TEXT))]);
        result.structured_content = Some(json!("x".repeat(MAX_STRUCTURED)));
        let answer = response(result);
        assert!(answer.is_error && answer.structured.is_none());
        assert!(answer.text.len() < MAX_TEXT + 100);
        assert!(answer.text.ends_with(" bytes in all]") && answer.text.contains("[cut here: "));
    }
}
