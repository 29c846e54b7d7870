//! What finds what, by language.

use proptest::prelude::*;

use super::*;

/// Whether every telling term of the question is whole in the text.
fn finds(question: &str, text: &str) -> bool {
    let words = set(text);
    let telling: Vec<_> = terms(question)
        .into_iter()
        .filter(|term| term.telling)
        .collect();
    !telling.is_empty() && telling.iter().all(|term| term.share_in(&words) == 1.0)
}

#[track_caller]
fn alike(forms: &[&str]) {
    for question in forms {
        for text in forms {
            assert!(
                finds(question, text),
                "{question} in {text}: {:?}, {:?}",
                terms(question),
                set(text)
            );
        }
    }
}

#[test]
fn arabic_script_is_found_from_any_keyboard() {
    alike(&[
        "کتابخانه مرکزی",
        "كتابخانه مركزي",
        "کتابخانهٔ مرکزی",
        "کتـــابخانه مرکزى",
    ]);
    alike(&["کتاب‌های", "کتابهای"]);
    assert!(finds("کتاب های", "کتاب‌های گنجینه") && finds("کتاب", "کتاب‌های گنجینه"));
    alike(&["أحمد آل إبراهيم", "احمد ال ابراهيم"]);
    alike(&["مسؤول", "مسوول"]);
    alike(&["الْعَرَبِيَّةُ", "العربيه"]);
    alike(&["۳۴۵", "٣٤٥", "345", "３４５"]);
}

#[test]
fn latin_greek_and_cyrillic_are_found_without_their_accents() {
    alike(&["İstanbul", "istanbul", "ISTANBUL", "ıstanbul"]);
    alike(&["DIŞI", "dışı", "disi"]);
    alike(&["Bakı şəhəri", "BAKI SEHERI"]);
    alike(&["café", "CAFE", "cafe\u{301}"]);
    alike(&["Straße", "STRASSE"]);
    alike(&["Ὀδυσσεύς", "οδυσσευσ", "ΟΔΥΣΣΕΥΣ"]);
    alike(&["ёлка", "ЕЛКА"]);
    alike(&["Đà Nẵng", "da nang"]);
    alike(&["ﬁlter", "filter", "ＦＩＬＴＥＲ"]);
    alike(&["п’ять", "п'ять", "пʼять"]);
    assert!(!finds("kiln", "kilt"));
}

#[test]
fn scripts_without_spaces_are_found_by_any_of_their_words() {
    assert!(finds("猫", "黒猫がいる") && finds("黒猫", "黒猫") && !finds("白猫", "黒猫"));
    alike(&["ｶﾞｲﾄﾞ", "ガイド"]);
    assert!(finds("고양이", "고양이는 창가에 있다") && finds("창", "창가에"));
    assert!(finds("รถไฟ", "ตารางรถไฟเชียงใหม่") && finds("ปี", "สองปีก่อน"));
    assert!(finds("ទឹក", "ម៉ាស៊ីនបូមទឹកស្អាត"));
    assert!(finds("tower", "東京towerへ") && finds("東京", "東京towerへ"));
    assert_eq!(
        indexed("東京都に 行く"),
        "東 京 都 に 東京 京都 都に 行 く 行く"
    );
}

#[test]
fn identifiers_are_found_whole_and_in_parts() {
    alike(&[
        "getUserName",
        "get_user_name",
        "get-user-name",
        "GET_USER_NAME",
    ]);
    assert!(finds("user name", "fn getUserName()") && finds("getusername", "get_user_name"));
    assert!(
        finds("server", "HTTPServer2")
            && finds("http", "HTTPServer2")
            && finds("httpserver2", "HTTPServer2")
    );
    assert!(
        finds("utf-8", "UTF8") && finds("e-mail", "email") && finds("knowledge", "spec.knowledge")
    );
    assert_eq!(indexed("plain Words"), "plain words");
}

#[test]
fn words_of_asking_tell_nothing_in_their_language_and_in_no_other() {
    let telling = |question: &str| {
        let terms = terms(question);
        let told = terms.into_iter().filter(|term| term.telling);
        told.map(|term| term.whole).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(telling("How do I sign a bundle?"), "sign bundle");
    assert_eq!(telling("Wo ist die Glasur?"), "glasur");
    assert_eq!(telling("Où est la notice du four ?"), "notice four");
    assert_eq!(
        telling("Kütüphane nerede ve ne zaman açılır?"),
        "kutuphane acilir"
    );
    assert_eq!(telling("کتابخانه کجاست؟"), "کتابخانه");
    assert_eq!(telling("Где находится печь?"), "находится печь");
    assert_eq!(telling("die cast settings"), "die cast settings");
    assert_eq!(telling("pour the glaze"), "pour glaze");
    assert_eq!(telling("黒猫はどこにいますか"), "黒猫 猫は");
    assert_eq!(telling("图书馆在哪里"), "图书 书馆 馆在");
    assert!(terms("to be or not to be").iter().any(|term| !term.telling));
}

#[test]
fn data_is_no_sentence() {
    let long = "aGVsbG8gd29ybGQ".repeat(10);
    assert_eq!(indexed(&long).split(' ').count(), 1);
    assert_eq!(terms(&"a1 b2 c3 ".repeat(100)).len(), 3);
    assert!(terms(" ?! … «» \u{200b}\u{301}").is_empty());
}

proptest! {
    /// An index takes what is put out as it is: no word is empty or holds a space, a quote or a zero.
    #[test]
    fn words_are_words(text in any::<String>()) {
        let out = indexed(&text);
        prop_assert!(out.is_empty() || out.split(' ').all(|word| !word.is_empty()));
        prop_assert!(!out.contains(['"', '\0', '\n', '\'']));
        for term in terms(&text) {
            prop_assert!(!term.whole.is_empty() && !term.whole.contains([' ', '"', '\0']));
        }
    }

    /// Whatever is written is found by itself.
    #[test]
    fn a_text_finds_itself(text in "[a-zA-Z_éüşİı0-9أكيی‌猫雨かกขำ가나 .-]{0,40}") {
        let words = set(&text);
        for term in terms(&text) {
            prop_assert_eq!(term.share_in(&words), 1.0, "{:?}", term);
        }
    }

    /// What is put out stays what it is when it is folded again.
    #[test]
    fn folding_twice_is_folding_once(text in any::<String>()) {
        let once = set(&text);
        for word in &once {
            prop_assert!(set(word).contains(word), "{:?}", word);
        }
    }
}
