//! What a registry asks for in `WWW-Authenticate` (RFC 9110 §11.6.1, and the
//! token flow of the distribution project). Parsing only.

/// A challenge of one of the two schemes that registries use.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// A name and a password.
    Basic,
    /// A token from `realm`.
    Bearer {
        realm: String,
        service: Option<String>,
    },
}

/// Reads one header value; nothing where it is not a challenge that we answer.
pub(crate) fn parse(header: &str) -> Option<Challenge> {
    let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let (mut realm, mut service) = (None, None);
    let mut rest = rest;
    while let Some((key, value, after)) = parameter(rest) {
        match key.to_ascii_lowercase().as_str() {
            "realm" => realm = Some(value),
            "service" => service = Some(value),
            _ => {}
        }
        rest = after;
    }
    Some(Challenge::Bearer {
        realm: realm?,
        service,
    })
}

/// The first `key=value` or `key="value"`, and what follows its comma.
fn parameter(text: &str) -> Option<(&str, String, &str)> {
    let (key, rest) = text.split_once('=')?;
    let key = key.trim_matches([' ', ',', '\t']);
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = rest.find(',').unwrap_or(rest.len());
        return Some((key, rest[..end].trim().to_owned(), &rest[end..]));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((key, value, &quoted[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer {
                realm: realm.into(),
                service: service.map(Into::into),
            })
        };
        let check = |header: &str, expect: Option<Challenge>| {
            assert_eq!(parse(header), expect, "{header}");
        };
        check(r#"Basic realm="x""#, Some(Challenge::Basic));
        check("basic", Some(Challenge::Basic));
        check(
            r#"Bearer realm="https://a/t",service="r",scope="repository:x:pull,push""#,
            bearer("https://a/t", Some("r")),
        );
        check(
            r#"bearer service=r , realm="https://a/\"t\"""#,
            bearer("https://a/\"t\"", Some("r")),
        );
        check(r#"Bearer service="r""#, None);
        check(r#"Bearer realm="unfinished"#, None);
        check("Negotiate", None);
        check("", None);
        check("Bearer =", None);
    }
}
