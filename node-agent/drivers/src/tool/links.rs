//! Which resources the answers of a tool linked to: only those may be read, by whoever may call the operation that
//! linked to them. Pure.

use std::collections::VecDeque;

use aion_abi::syscall::tool::Link;

/// So many links are remembered of a tool, the newest.
const MAX_REMEMBERED: usize = 1024;

/// The links of a tool's answers.
#[derive(Default)]
pub(super) struct Links(VecDeque<(String, String)>);

impl Links {
    /// An answer of `operation` linked to these.
    pub(super) fn note(&mut self, operation: &str, links: &[Link]) {
        for link in links {
            if !self.has(operation, &link.uri) {
                self.0.push_back((operation.to_owned(), link.uri.clone()));
            }
        }
        let over = self.0.len().saturating_sub(MAX_REMEMBERED);
        self.0.drain(..over);
    }

    /// Whether an answer of `operation` linked to `uri`.
    pub(super) fn has(&self, operation: &str, uri: &str) -> bool {
        self.0.iter().any(|(of, to)| of == operation && to == uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_of_its_operation_and_the_newest_are_remembered() {
        let link = |n: usize| Link {
            uri: format!("file:///{n}"),
            name: String::new(),
            mime_type: None,
            size: None,
        };
        let mut links = Links::default();
        links.note("read", &[link(0), link(0)]);
        assert!(links.has("read", "file:///0") && !links.has("write", "file:///0"));
        let many: Vec<Link> = (1..=MAX_REMEMBERED).map(link).collect();
        links.note("read", &many);
        assert!(!links.has("read", "file:///0") && links.has("read", "file:///1"));
        assert_eq!(links.0.len(), MAX_REMEMBERED);
    }
}
