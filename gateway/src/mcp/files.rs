//! Files that turns wrote, as resources.

use aion_abi::{code::Code, problem::Problem};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::{percent_decode_str, utf8_percent_encode};
use rmcp::model::ResourceContents;

use super::{LARGEST, resources::PLAIN};
use crate::gateway::{Gateway, problem};

/// What their addresses begin with.
pub(super) const BEGIN: &str = "aion://turns/";
pub(super) const TEMPLATE: &str = "aion://turns/{turn}/files/{+path}";

pub(super) fn uri(turn: u64, path: &str) -> String {
    format!("{BEGIN}{turn}/files/{}", utf8_percent_encode(path, PLAIN))
}

/// Turn and path.
fn named(uri: &str) -> Option<(u64, String)> {
    let (turn, path) = uri.strip_prefix(BEGIN)?.split_once("/files/")?;
    let path = percent_decode_str(path).decode_utf8().ok()?;
    let turn = turn.parse().ok()?;
    (!path.is_empty()).then(|| (turn, path.into_owned()))
}

/// Reads a file: as text where it is text.
pub(super) async fn read(gateway: &Gateway, uri: &str) -> Result<ResourceContents, Problem> {
    let (turn, path) = named(uri).ok_or_else(|| {
        Problem::new(Code::NotFound, format!("there is no resource {uri}"))
            .remedy(format!("read what a tool gave: {TEMPLATE}"))
    })?;
    let mut download = gateway
        .nodes
        .turn_file(turn, &path)
        .await
        .map_err(problem)?;
    let mut content = Vec::new();
    while let Some(part) = download.next().await.map_err(problem)? {
        if content.len() + part.len() > LARGEST {
            let what = format!("{path} of turn {turn} is larger than {} MiB", LARGEST >> 20);
            let remedy = format!("fetch it from this gateway: GET /v1/turns/{turn}/files/{path}");
            return Err(Problem::new(Code::TooLarge, what).remedy(remedy));
        }
        content.extend_from_slice(&part);
    }
    Ok(match String::from_utf8(content) {
        Ok(text) => ResourceContents::text(text, uri),
        Err(bytes) => ResourceContents::blob(STANDARD.encode(bytes.as_bytes()), uri)
            .with_mime_type("application/octet-stream"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_comes_back_from_its_uri_whatever_is_in_it() {
        for path in ["report.md", "a b/ü?#%.csv", "files/files/x"] {
            let uri = uri(7, path);
            assert!(uri.is_ascii() && !uri.contains([' ', '?', '#']), "{uri}");
            assert_eq!(named(&uri), Some((7, path.to_owned())));
        }
    }

    #[test]
    fn what_is_no_such_uri_is_no_resource() {
        for uri in [
            "file:///etc/passwd",
            "aion://turns/x/files/a",
            "aion://turns/7/files/",
            "aion://turns/7/files/%ff",
            "aion://turns/7",
        ] {
            assert_eq!(named(uri), None, "{uri}");
        }
    }
}
