//! CEL as texts of resources are read: no expression that is deeper than the stack of a thread takes.
//!
//! What may not enter: what an expression may say, and its value.

use kube_cel::cel::common::ast::IdedExpr;
use kube_cel::cel::parser::Parser;

/// How deep brackets and `?` stand in one another at most. The parser goes down for each of them before it counts: some
/// 200 KiB a level of the 2 MiB that a thread has, in a build that is not optimised.
pub const MAX_DEPTH: u16 = 8;
/// The longest reason, in bytes.
const MAX_WHY: usize = 200;

/// Why a text is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// It is deeper than [`MAX_DEPTH`].
    Deep,
    /// It is not CEL; the parser's first line of why.
    NotCel(String),
}

/// Reads an expression.
///
/// # Errors
/// See [`Unread`].
pub fn parse(source: &str) -> Result<IdedExpr, Unread> {
    if is_deep(source) {
        return Err(Unread::Deep);
    }
    let parser = Parser::new().max_recursion_depth(MAX_DEPTH);
    parser.parse(source).map_err(|errors| {
        let why = errors.errors.first().map(|it| it.msg.as_str());
        let line = why.and_then(|it| it.lines().next()).unwrap_or_default();
        Unread::NotCel(line[..line.floor_char_boundary(MAX_WHY)].to_owned())
    })
}

/// Whether the parser would go too deep. A bracket in a text counts, too; what stands behind a `?` is never left again.
fn is_deep(source: &str) -> bool {
    let (mut depth, mut asked) = (0_u16, 0_u16);
    source.chars().any(|char| {
        match char {
            '(' | '[' | '{' => depth = depth.saturating_add(1),
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '?' => asked = asked.saturating_add(1),
            _ => {}
        }
        depth.saturating_add(asked) > MAX_DEPTH
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_deep_is_not_given_to_the_parser() {
        let within = usize::from(MAX_DEPTH);
        for (open, close) in [("(", ")"), ("[", "]"), ("{", "}"), ("a ? (b) : ", "")] {
            let nested = |deep: usize| format!("{}a{}", open.repeat(deep), close.repeat(deep));
            assert_ne!(parse(&nested(within - 1)), Err(Unread::Deep), "{open}");
            assert_eq!(parse(&nested(100_000)), Err(Unread::Deep), "{open}");
        }
    }

    #[test]
    fn what_is_not_cel_says_why_in_one_bounded_line() {
        assert!(parse("a > 1 && b").is_ok());
        for source in ["a >", "", &"ä+".repeat(1_000)] {
            let Err(Unread::NotCel(why)) = parse(source) else {
                unreachable!("{source} is read");
            };
            assert!(why.len() <= MAX_WHY && !why.contains('\n'), "{why}");
        }
    }
}
