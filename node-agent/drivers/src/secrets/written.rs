//! The ways in which a server writes a key that it repeats: as it is, escaped for JSON or HTML, percent-encoded, in
//! base64, alone or within something longer. Pure. What may not enter: where keys come from.

use base64::{
    Engine,
    engine::general_purpose::{GeneralPurpose, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use zeroize::Zeroizing;

/// What stands in its place.
const STRUCK_OUT: &str = "[secret]";
/// Of a shorter value, in bytes, only the value itself is struck out: its other forms would be found in many words. Of
/// a longer one the beginning is struck out, too, where the text ends in it.
const TELLING: usize = 8;

/// The forms of a value, the value first, each once.
#[derive(Clone)]
pub(super) struct Forms(Vec<Zeroizing<String>>);

impl Forms {
    pub(super) fn of(value: &str) -> Self {
        let mut forms = vec![Zeroizing::new(value.to_owned())];
        if value.len() >= TELLING {
            let json = Zeroizing::new(serde_json::Value::from(value).to_string());
            let json = &json[1..json.len() - 1];
            let others = [
                json.to_owned(),
                // As PHP writes it.
                json.replace('/', "\\/"),
                percent(value, "", |byte| format!("%{byte:02X}")),
                percent(value, "", |byte| format!("%{byte:02x}")),
                percent(value, "/", |byte| format!("%{byte:02X}")),
                html_escape::encode_safe(value).into_owned(),
                html_escape::encode_text(value).into_owned(),
                STANDARD_NO_PAD.encode(value),
                URL_SAFE_NO_PAD.encode(value),
            ];
            let within = (0..3).flat_map(|before| {
                [STANDARD_NO_PAD, URL_SAFE_NO_PAD].map(|it| within_base64(&it, before, value))
            });
            for form in others.into_iter().chain(within).map(Zeroizing::new) {
                if !forms.contains(&form) {
                    forms.push(form);
                }
            }
        }
        Self(forms)
    }

    /// `text` without the value, however that is written.
    pub(super) fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for form in self.0.iter().filter(|it| !it.is_empty()) {
            if text.contains(form.as_str()) {
                text = text.replace(form.as_str(), STRUCK_OUT);
            }
            if let Some(at) = cut_at(form, &text) {
                text.truncate(at);
                text.push_str(STRUCK_OUT);
            }
        }
        text
    }
}

/// The letters that `value` alone decides where something longer is encoded, such as `user:KEY`, of which a number of
/// bytes that leaves the remainder `before` by three comes first (RFC 4648, section 4: six bits a letter).
fn within_base64(engine: &GeneralPurpose, before: usize, value: &str) -> String {
    let bytes = Zeroizing::new([&vec![0; before], value.as_bytes()].concat());
    let encoded = Zeroizing::new(engine.encode(bytes.as_slice()));
    encoded[(before * 8).div_ceil(6)..bytes.len() * 8 / 6].to_owned()
}

/// All but letters, digits, what RFC 3986 leaves as it is, and `kept`.
fn percent(value: &str, kept: &str, encoded: impl Fn(u8) -> String) -> String {
    let letter = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) => {
            char::from(byte).to_string()
        }
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
            "hunter2/%22%3C%C3%A9%3E%5Chunter2",
            r#"hunter2\/\"<é>\\hunter2"#,
            &html_escape::encode_safe(key),
            &html_escape::encode_text(key),
            &STANDARD_NO_PAD.encode(key),
            &URL_SAFE_NO_PAD.encode(key),
        ] {
            assert_eq!(
                Forms::of(key).redact(&format!("no {written}!")),
                "no [secret]!"
            );
        }
    }

    #[test]
    fn a_key_is_struck_out_of_what_is_encoded_with_it() {
        let key = "sk-hunter2/hunter2";
        for before in ["", "u", "me", "you", "Bearer ", "user:", "somebody:"] {
            for after in ["", ":", "\n", "@host"] {
                for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                    let whole = engine.encode(format!("{before}{key}{after}"));
                    let told = Forms::of(key).redact(&format!("no {whole}!"));
                    assert!(told.contains("[secret]"), "{before}{after}: {told}");
                    // At most a letter at each end that the key does not decide alone.
                    let left = told.len() - "no [secret]!".len();
                    assert!(
                        left <= (before.len() + after.len()).div_ceil(3) * 4 + 2,
                        "{told}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_key_that_the_end_of_a_text_cuts_is_struck_out() {
        let key = "hunter2-hunter2";
        for length in TELLING..key.len() {
            let cut = format!("bad header {}", &key[..length]);
            assert_eq!(Forms::of(key).redact(&cut), "bad header [secret]");
        }
        assert_eq!(Forms::of(key).redact("the hunter"), "the hunter");
    }

    #[test]
    fn of_a_short_key_only_the_key_itself_is_struck_out() {
        assert_eq!(Forms::of("a").redact("YQ %61"), "YQ %61");
        assert_eq!(
            Forms::of("hunter2").redact("bad key hunter2!"),
            "bad key [secret]!"
        );
    }
}
