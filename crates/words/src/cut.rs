//! Where a word begins and ends.
//!
//! A word is letters, marks and digits; `_`, `-` and the zero-width non-joiner join several to one, which is
//! found whole and in parts (as by Lucene's `WordDelimiterGraphFilter`), and so does the change from lower to
//! upper case and between letters and digits. Characters of a script without spaces are runs of their own.

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::props::GeneralCategory as Category;

use crate::fold;

/// A longer word is not looked for whole, and the case of its letters means nothing: most likely it is data.
const LONG: usize = 64;

/// A piece of a text, folded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// A word; `parts` is empty where it is made of one.
    Word { whole: String, parts: Vec<String> },
    /// Characters of a script without spaces, each with its marks.
    Run(Vec<String>),
}

/// The tokens of `text` in its order.
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = Token> {
    let letters = DecomposingNormalizerBorrowed::new_nfkd().normalize_iter(text.chars());
    let mut letters = letters.peekable();
    std::iter::from_fn(move || {
        loop {
            let first = letters.next()?;
            if is_unspaced(first) {
                return Some(run(first, &mut letters));
            }
            if is_word(first)
                && let Some(word) = word(first, &mut letters)
            {
                return Some(word);
            }
        }
    })
}

type Letters<I> = std::iter::Peekable<I>;

fn run(first: char, letters: &mut Letters<impl Iterator<Item = char>>) -> Token {
    let mut characters: Vec<String> = Vec::new();
    let (mut next, mut last) = (Some(first), first);
    while let Some(letter) = next {
        let joins = is_mark(letter) || is_conjoining(letter) || is_stacker(last);
        match characters.last_mut() {
            Some(open) if joins => open.push(letter),
            _ => characters.push(letter.to_string()),
        }
        last = letter;
        next = letters.next_if(|next| is_unspaced(*next) || is_mark(*next) && !is_format(*next));
    }
    for character in &mut characters {
        let mut folded = String::with_capacity(character.len());
        character.chars().for_each(|it| fold::push(&mut folded, it));
        *character = folded;
    }
    characters.retain(|character| !character.is_empty());
    Token::Run(characters)
}

/// The word that begins with `first`; nothing where it is made of marks alone.
fn word(first: char, letters: &mut Letters<impl Iterator<Item = char>>) -> Option<Token> {
    // The letters as they are written, in the pieces that connectors make.
    let mut pieces: Vec<Vec<char>> = vec![vec![first]];
    while let Some(letter) =
        letters.next_if(|next| is_word(*next) && !is_unspaced(*next) || is_connector(*next))
    {
        match pieces.last_mut() {
            Some(open) if !is_connector(letter) => open.push(letter),
            _ => pieces.push(Vec::new()),
        }
    }
    let mut parts: Vec<String> = Vec::new();
    for piece in &pieces {
        let humps = humps(piece);
        let humps = if piece.len() > LONG || humps.len() * 2 > piece.len() {
            vec![&piece[..]]
        } else {
            humps
        };
        parts.extend(humps.into_iter().map(|hump| {
            let mut folded = String::with_capacity(hump.len());
            hump.iter().for_each(|it| fold::push(&mut folded, *it));
            folded
        }));
    }
    parts.retain(|part| !part.is_empty());
    let whole = parts.concat();
    match parts.len() {
        0 => None,
        1 => Some(Token::Word {
            whole,
            parts: Vec::new(),
        }),
        _ if whole.chars().count() > LONG => {
            let whole = parts.remove(0);
            Some(Token::Word { whole, parts })
        }
        _ => Some(Token::Word { whole, parts }),
    }
}

/// The humps of a camel: `HTTPServer2` is `HTTP`, `Server`, `2`. Marks belong to what they follow.
fn humps(piece: &[char]) -> Vec<&[char]> {
    #[derive(PartialEq, Clone, Copy)]
    enum Kind {
        Upper,
        Lower,
        Digit,
    }
    let kind = |letter: char| match () {
        () if letter.is_uppercase() => Some(Kind::Upper),
        () if letter.is_numeric() => Some(Kind::Digit),
        () if is_mark(letter) => None,
        () => Some(Kind::Lower),
    };
    let mut cuts = vec![0];
    let mut last: Option<(usize, Kind)> = None;
    let mut before = None;
    for (at, letter) in piece.iter().enumerate() {
        let Some(now) = kind(*letter) else { continue };
        match last {
            Some((_, was)) if was != now && !(was == Kind::Upper && now == Kind::Lower) => {
                cuts.push(at)
            }
            // `PS` then `e`: the second capital begins the word.
            Some((upper, Kind::Upper)) if now == Kind::Lower && before == Some(Kind::Upper) => {
                cuts.push(upper);
            }
            _ => {}
        }
        before = last.map(|(_, was)| was);
        last = Some((at, now));
    }
    cuts.dedup();
    cuts.push(piece.len());
    cuts.windows(2)
        .map(|ends| &piece[ends[0]..ends[1]])
        .filter(|hump| !hump.is_empty())
        .collect()
}

fn is_word(letter: char) -> bool {
    if letter.is_ascii() {
        return letter.is_ascii_alphanumeric();
    }
    // An apostrophe that is a letter by Unicode, and the plain one that is not, cut alike.
    !matches!(letter, '\u{02B9}'..='\u{02C1}')
        && (letter.is_alphanumeric() || is_mark(letter) || is_format(letter))
}

fn is_connector(letter: char) -> bool {
    matches!(letter, '_' | '-' | '\u{2010}' | '\u{2011}' | '\u{200C}')
}

/// What is only for display stays in its word, except the space without width, which ends it.
fn is_format(letter: char) -> bool {
    letter != '\u{200B}' && category_is(letter, &[Category::Format])
}

fn is_mark(letter: char) -> bool {
    category_is(
        letter,
        &[
            Category::NonspacingMark,
            Category::SpacingMark,
            Category::EnclosingMark,
        ],
    )
}

fn category_is(letter: char, wanted: &[Category]) -> bool {
    !letter.is_ascii() && wanted.contains(&fold::category(letter))
}

/// Vowels and finals of Hangul, which follow the consonant that a decomposed syllable begins with.
fn is_conjoining(letter: char) -> bool {
    matches!(letter, '\u{1160}'..='\u{11FF}' | '\u{D7B0}'..='\u{D7FF}')
}

/// Signs of Khmer and Myanmar after which a consonant is written below the one before.
fn is_stacker(letter: char) -> bool {
    matches!(letter, '\u{17D2}' | '\u{1039}')
}

/// Letters of scripts that are written without spaces between words, and Hangul, whose words carry particles.
/// Their digits are not among these: a number is a number.
fn is_unspaced(letter: char) -> bool {
    matches!(letter,
        '\u{0E01}'..='\u{0E3A}' | '\u{0E40}'..='\u{0E4E}'   // Thai
        | '\u{0E81}'..='\u{0ECE}' | '\u{0EDC}'..='\u{0EDF}' // Lao
        | '\u{1000}'..='\u{103F}' | '\u{1050}'..='\u{108F}' // Myanmar
        | '\u{1100}'..='\u{11FF}' | '\u{A960}'..='\u{A97F}' | '\u{D7B0}'..='\u{D7FF}' // Hangul
        | '\u{1780}'..='\u{17D3}' | '\u{17DC}'..='\u{17DD}' // Khmer
        | '\u{3005}'..='\u{3007}'   // iteration mark and zero of Han
        | '\u{3041}'..='\u{309F}' | '\u{30A1}'..='\u{30FA}' | '\u{30FC}'..='\u{30FF}' // kana
        | '\u{3105}'..='\u{312F}'   // bopomofo
        | '\u{31F0}'..='\u{31FF}'
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' // Han
        | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{3FFFF}')
}
