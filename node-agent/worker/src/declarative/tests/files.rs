//! `files_read`, by what a model is told.

use super::*;

/// What the tool says of the file at `offset`.
async fn told(kernel: &Kernel, path: &str, offset: u64) -> String {
    let mount = aion_abi::boot::Mount {
        name: "notes".to_owned(),
        writable: false,
    };
    let program = Declarative {
        mounts: vec![mount],
        ..Declarative::default()
    };
    let mut toolbox = Toolbox::new(&program, Vec::new());
    let call = ToolUse {
        id: "1".to_owned(),
        name: "files_read".to_owned(),
        arguments: json!({"mount": "notes", "path": path, "offset": offset}).to_string(),
    };
    toolbox.call(kernel, &call).await.unwrap()
}

fn holding(path: &str, bytes: Vec<u8>) -> Kernel {
    let kernel = Kernel::default();
    kernel.bytes.borrow_mut().insert(path.to_owned(), bytes);
    kernel
}

#[tokio::test]
async fn a_file_is_read_whatever_it_is_written_in() {
    let text = "Die Öfen kühlen ab.\nПечь остывает ночью, заслонку открывают утром.\n";
    let utf16 = |mark: &str| -> Vec<u8> {
        let units: Vec<u16> = format!("{mark}{text}").encode_utf16().collect();
        units.into_iter().flat_map(u16::to_le_bytes).collect()
    };
    let marked = [b"\xEF\xBB\xBF", text.as_bytes()].concat();
    for bytes in [
        text.as_bytes().to_vec(),
        marked,
        utf16("\u{feff}"),
        utf16(""),
    ] {
        assert_eq!(told(&holding("a.txt", bytes), "a.txt", 0).await, text);
    }
    let windows =
        b"\xCF\xE5\xF7\xFC \xEE\xF1\xF2\xFB\xE2\xE0\xE5\xF2 \xED\xEE\xF7\xFC\xFE.".to_vec();
    let heard = told(&holding("a.txt", windows), "a.txt", 0).await;
    assert_eq!(heard, "Печь остывает ночью.");
}

#[tokio::test]
async fn what_is_not_a_text_is_refused_by_its_name_with_what_to_do() {
    let picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0".to_vec();
    let heard = told(&holding("cat.png", picture.clone()), "cat.png", 0).await;
    assert!(heard.starts_with("error: "), "{heard}");
    assert!(
        heard.contains("notes/cat.png is not a text file"),
        "{heard}"
    );
    assert!(heard.contains("only text can be read here"), "{heard}");
    let mut long = picture;
    long.resize(5 * 1024 * 1024, 0);
    let heard = told(&holding("cat.png", long), "cat.png", 0).await;
    assert!(
        heard.contains("notes/cat.png is not a text file"),
        "{heard}"
    );
}

#[tokio::test]
async fn a_long_file_is_read_in_parts_that_say_how_to_go_on() {
    let line = "Sechzig Öfen, über Nacht.\n";
    for length in [100_000, 5 * 1024 * 1024] {
        let text = line.repeat(length / line.len());
        let kernel = holding("long.txt", text.clone().into_bytes());
        let first = told(&kernel, "long.txt", 0).await;
        assert!(first.len() <= 32 * 1024, "{}", first.len());
        let (part, rest) = first.rsplit_once("\n[").unwrap();
        assert!(text.starts_with(part));
        let next: u64 = rest
            .rsplit_once("offset ")
            .and_then(|(_, at)| at.trim_end_matches(']').parse().ok())
            .unwrap();
        assert_eq!(next, part.len() as u64);
        let second = told(&kernel, "long.txt", next).await;
        let (part, _) = second.rsplit_once("\n[").unwrap();
        assert!(text[next as usize..].starts_with(part));
        let end = told(&kernel, "long.txt", text.len() as u64).await;
        assert_eq!(end, format!("[the file ends at {}]", text.len()));
    }
}

#[tokio::test]
async fn a_long_file_of_another_encoding_is_refused_with_what_to_do() {
    let units = "Die Öfen kühlen ab.\n".repeat(200_000);
    let bytes = units.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let heard = told(&holding("log.txt", bytes), "log.txt", 0).await;
    assert!(
        heard.contains("notes/log.txt is longer than 4 MiB and not in UTF-8"),
        "{heard}"
    );
    assert!(heard.contains("converted to UTF-8"), "{heard}");
}
