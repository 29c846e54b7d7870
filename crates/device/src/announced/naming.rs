//! Names of devices, properties and commands, made of what people call them.

/// Characters of a device's name, so that there is room for what tells it from another.
const MAX_NAME: usize = 40;
/// Characters of the name of a property or a command that stands for itself.
const MAX_POINT: usize = 30;

/// Characters of the name of any property or command.
const MAX_JOINED: usize = 63;

/// A letter without its marks, as far as names of devices use them.
fn plain(c: char) -> String {
    match c {
        'ä' => "ae".to_owned(),
        'ö' => "oe".to_owned(),
        'ü' => "ue".to_owned(),
        'ß' => "ss".to_owned(),
        'á' | 'à' | 'â' | 'ã' | 'å' => "a".to_owned(),
        'é' | 'è' | 'ê' | 'ë' => "e".to_owned(),
        'í' | 'ì' | 'î' | 'ï' => "i".to_owned(),
        'ó' | 'ò' | 'ô' | 'õ' | 'ø' => "o".to_owned(),
        'ú' | 'ù' | 'û' => "u".to_owned(),
        'ç' => "c".to_owned(),
        'ñ' => "n".to_owned(),
        other => other.to_string(),
    }
}

/// The words of a text, in small letters of ASCII.
fn words(text: &str) -> Vec<String> {
    // Nobody calls a thing by more, and what comes may be of any length.
    let text: String = text.chars().take(256).collect();
    let text: String = text.to_lowercase().chars().map(plain).collect();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .filter(|it| !it.is_empty())
        .map(str::to_owned)
        .collect()
}

/// `kitchen-lamp` for `Kitchen Lamp`; nothing of a text without letters and digits.
pub(crate) fn device(text: &str) -> Option<String> {
    let mut name = String::new();
    for word in words(text) {
        let gap = usize::from(!name.is_empty());
        if name.len() + gap >= MAX_NAME {
            break;
        }
        if gap == 1 {
            name.push('-');
        }
        let room = MAX_NAME - name.len();
        name.push_str(&word[..word.len().min(room)]);
    }
    (!name.is_empty()).then_some(name)
}

/// `targetTemperature` for `Target temperature`; nothing of a text without a letter at its beginning.
pub(crate) fn point(text: &str) -> Option<String> {
    let mut name = String::new();
    for word in words(text) {
        let word = match name.is_empty() {
            true => word,
            false => capital(&word),
        };
        let room = MAX_POINT - name.len();
        name.push_str(&word[..word.len().min(room)]);
        if name.len() == MAX_POINT {
            break;
        }
    }
    match name.chars().next() {
        None => None,
        Some(first) if first.is_ascii_digit() => Some(format!("n{name}")),
        Some(_) => Some(name),
    }
}

/// `sideBrightness` of `side` and `brightness`; no longer than a name may be.
pub(super) fn joined(prefix: &str, name: &str) -> String {
    let mut joined = match prefix {
        "" => name.to_owned(),
        _ => format!("{prefix}{}", capital(name)),
    };
    joined.truncate(MAX_JOINED);
    joined
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|it| it.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_of_words() {
        for (text, name) in [
            ("Kitchen Lamp", Some("kitchen-lamp")),
            ("0x00158d00018255df", Some("0x00158d00018255df")),
            ("Küche/Licht", Some("kueche-licht")),
            ("💡", None),
            ("a\u{0}b\u{202e}c", Some("a-b-c")),
        ] {
            assert_eq!(device(text).as_deref(), name, "{text}");
        }
        for (text, name) in [
            ("Target temperature", Some("targetTemperature")),
            ("co2", Some("co2")),
            ("3rd relay", Some("n3rdRelay")),
            ("…", None),
        ] {
            assert_eq!(point(text).as_deref(), name, "{text}");
        }
        let long = "ab cd ".repeat(10_000);
        assert!(device(&long).is_some_and(|it| it.len() <= MAX_NAME && !it.ends_with('-')));
        assert!(point(&long).is_some_and(|it| it.len() <= MAX_POINT));
        assert_eq!(joined("side", "brightness"), "sideBrightness");
    }
}
