//! The ways in which a server writes a key that it repeats: as it is, escaped for JSON or HTML, percent-encoded, in
//! base64. Pure. What may not enter: where keys come from.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use zeroize::Zeroizing;

/// What stands in its place.
const STRUCK_OUT: &str = "[secret]";
/// Of a shorter value, in bytes, only the value itself is struck out: its other forms would be found in many words. Of
/// a longer one the beginning is struck out, too, where the text ends in it.
const TELLING: usize = 8;

/// `text` without `value`, however that is written.
pub(super) fn redact(value: &str, text: &str) -> String {
    let mut text = text.to_owned();
    if value.is_empty() {
        return text;
    }
    for form in forms(value) {
        if text.contains(form.as_str()) {
            text = text.replace(form.as_str(), STRUCK_OUT);
        }
        if let Some(at) = cut_at(&form, &text) {
            text.truncate(at);
            text.push_str(STRUCK_OUT);
        }
    }
    text
}

/// The value first, each form once.
fn forms(value: &str) -> Vec<Zeroizing<String>> {
    let mut forms = vec![Zeroizing::new(value.to_owned())];
    if value.len() < TELLING {
        return forms;
    }
    let json = Zeroizing::new(serde_json::Value::from(value).to_string());
    for form in [
        json[1..json.len() - 1].to_owned(),
        percent(value, |byte| format!("%{byte:02X}")),
        percent(value, |byte| format!("%{byte:02x}")),
        html_escape::encode_safe(value).into_owned(),
        html_escape::encode_text(value).into_owned(),
        STANDARD_NO_PAD.encode(value),
        URL_SAFE_NO_PAD.encode(value),
    ] {
        let form = Zeroizing::new(form);
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms
}

fn percent(value: &str, encoded: impl Fn(u8) -> String) -> String {
    let letter = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        other => encoded(other),
    };
    value.bytes().map(letter).collect()
}

/// Where the beginning of `form` begins that `text` ends in.
fn cut_at(form: &str, text: &str) -> Option<usize> {
    let lengths = (TELLING..form.len()).rev();
    let mut begun = lengths.filter(|it| form.is_char_boundary(*it));
    let length = begun.find(|it| text.ends_with(&form[..*it]))?;
    Some(text.len() - length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_struck_out_however_it_is_written() {
        let key = r#"hunter2/"<é>\hunter2"#;
        for written in [
            key,
            r#"hunter2/\"<é>\\hunter2"#,
            "hunter2%2F%22%3C%C3%A9%3E%5Chunter2",
            "hunter2%2f%22%3c%c3%a9%3e%5chunter2",
            &html_escape::encode_safe(key),
            &html_escape::encode_text(key),
            &STANDARD_NO_PAD.encode(key),
            &URL_SAFE_NO_PAD.encode(key),
        ] {
            assert_eq!(redact(key, &format!("no {written}!")), "no [secret]!");
        }
    }

    #[test]
    fn a_key_that_the_end_of_a_text_cuts_is_struck_out() {
        let key = "hunter2-hunter2";
        for length in TELLING..key.len() {
            let cut = format!("bad header {}", &key[..length]);
            assert_eq!(redact(key, &cut), "bad header [secret]");
        }
        assert_eq!(redact(key, "the hunter"), "the hunter");
    }

    #[test]
    fn of_a_short_key_only_the_key_itself_is_struck_out() {
        assert_eq!(redact("a", "YQ %61"), "YQ %61");
        assert_eq!(redact("hunter2", "bad key hunter2!"), "bad key [secret]!");
    }
}
