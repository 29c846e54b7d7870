//! `files_read`, by what a model is told.

use aion_abi::canonical::body_digest;

use super::*;

impl Kernel {
    /// A part of a file, whose version is its content's digest.
    pub(super) fn read(&self, request: fs::ReadRequest) -> Result<Value, Problem> {
        if let Some(code) = self.broken.borrow().get(&request.path) {
            let text = format!("{}/{} is odd", request.mount, request.path);
            return Err(Problem::new(*code, text));
        }
        let bytes = self.bytes.borrow().get(&request.path).cloned();
        let (bytes, modified_ms) = match bytes {
            Some(bytes) => (bytes, 1),
            None => {
                let (text, modified_ms) = self.files.borrow()[&request.path].clone();
                (text.into_bytes(), modified_ms)
            }
        };
        let version = match self.is_coarse.get() {
            true => "same".to_owned(),
            false => body_digest(&bytes)[..4]
                .iter()
                .map(|it| format!("{it:x}"))
                .collect(),
        };
        if request.version.is_some_and(|it| it != version) {
            return Err(Problem::new(Code::Changed, "it is not what it was"));
        }
        let rest = bytes.get(request.offset as usize..).unwrap_or_default();
        let part = &rest[..rest.len().min(request.length as usize)];
        self.given.set(self.given.get() + part.len());
        let data = base64::engine::general_purpose::STANDARD.encode(part);
        let mut turning = self.turning.borrow_mut();
        let next = turning.get_mut(&request.path);
        if let Some(next) = next.and_then(VecDeque::pop_front) {
            self.bytes.borrow_mut().insert(request.path, next);
        }
        Ok(json!({
            "data": data, "size": bytes.len(), "modifiedMs": modified_ms,
            "version": version, "fresh": self.is_coarse.get(),
        }))
    }
}

/// The tools of one turn.
fn reader() -> Toolbox {
    let mount = aion_abi::boot::Mount {
        name: "notes".to_owned(),
        writable: false,
    };
    let program = Declarative {
        mounts: vec![mount],
        ..Declarative::default()
    };
    Toolbox::new(&program, Vec::new())
}

/// What a turn is told of the file at `offset`.
async fn told(kernel: &Kernel, path: &str, offset: u64) -> String {
    told_by(&mut reader(), kernel, path, offset).await
}

async fn told_by(toolbox: &mut Toolbox, kernel: &Kernel, path: &str, offset: u64) -> String {
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

/// The text of a part, and where to go on.
fn taken(part: &str) -> (&str, Option<u64>) {
    let next = part.rsplit_once("go on at offset ").map(|(_, at)| at);
    let next = next.map(|at| at.trim_end_matches(']').parse().unwrap());
    (part.split_once("\n[").map_or(part, |(text, _)| text), next)
}

fn lines(from: usize, to: usize) -> String {
    (from..to)
        .map(|n| format!("line {n} of the log\n"))
        .collect()
}

const LONG: usize = 250_000;

#[tokio::test]
async fn a_file_that_is_read_in_parts_is_read_once() {
    let text = lines(0, 50_000);
    let kernel = holding("log.txt", text.clone().into_bytes());
    let (mut toolbox, mut whole, mut at) = (reader(), String::new(), Some(0));
    while let Some(offset) = at {
        let part = told_by(&mut toolbox, &kernel, "log.txt", offset).await;
        let (more, next) = taken(&part);
        whole.push_str(more);
        at = next;
    }
    assert_eq!(whole, text.trim_end_matches('\n').to_owned() + "\n");
    let (given, size) = (kernel.given.get(), text.len());
    assert!(given < size + size / 100, "{given} bytes of {size}");
}

#[tokio::test]
async fn parts_of_a_file_that_grows_fit_and_it_is_said() {
    for size in [10_000, LONG] {
        for is_coarse in [false, true] {
            let text = lines(0, size);
            let kernel = holding("log.txt", text.clone().into_bytes());
            kernel.is_coarse.set(is_coarse);
            let mut toolbox = reader();
            let first = told_by(&mut toolbox, &kernel, "log.txt", 0).await;
            let (first, next) = taken(&first);
            let grown = lines(0, size + 1).into_bytes();
            kernel
                .bytes
                .borrow_mut()
                .insert("log.txt".to_owned(), grown);
            let second = told_by(&mut toolbox, &kernel, "log.txt", next.unwrap()).await;
            assert!(text.starts_with(&format!("{first}{}", taken(&second).0)));
            let is_said = second.contains("changed since the part before");
            // Of a long file nothing but its version tells that.
            assert_eq!(is_said, !is_coarse || size < LONG, "{size} {is_coarse}");
        }
    }
}

#[tokio::test]
async fn a_part_of_a_file_that_was_rewritten_is_refused_and_it_is_begun_anew() {
    for size in [10_000, LONG] {
        for is_coarse in [false, true] {
            let kernel = holding("log.txt", lines(0, size).into_bytes());
            kernel.is_coarse.set(is_coarse);
            let mut toolbox = reader();
            let first = told_by(&mut toolbox, &kernel, "log.txt", 0).await;
            let next = taken(&first).1.unwrap();
            let other = lines(size, 2 * size);
            let rewritten = other.clone().into_bytes();
            kernel
                .bytes
                .borrow_mut()
                .insert("log.txt".to_owned(), rewritten);
            let heard = told_by(&mut toolbox, &kernel, "log.txt", next).await;
            assert!(
                heard.starts_with("error: changed: notes/log.txt"),
                "{heard}"
            );
            assert!(heard.contains("read it again from offset 0"), "{heard}");
            let anew = told_by(&mut toolbox, &kernel, "log.txt", 0).await;
            assert!(other.starts_with(taken(&anew).0));
        }
    }
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_read_again_so_often() {
    let version = |n: usize| lines(n, n + 60_000).into_bytes();
    let kernel = holding("log.txt", version(0));
    kernel
        .turning
        .borrow_mut()
        .insert("log.txt".to_owned(), [version(1), version(2)].into());
    let heard = told(&kernel, "log.txt", 0).await;
    assert!(heard.starts_with("line 2 of"), "{}", &heard[..80]);
    let ever = (1..100).map(version).collect();
    kernel
        .turning
        .borrow_mut()
        .insert("log.txt".to_owned(), ever);
    let reads = kernel.count(Syscall::FsRead);
    let heard = told(&kernel, "log.txt", 0).await;
    assert!(heard.starts_with("error: changed:"), "{}", &heard[..80]);
    // Three tries, each of which meets the change at its second part.
    assert!(kernel.count(Syscall::FsRead) - reads <= 6);
}

#[tokio::test]
async fn what_cannot_be_read_of_a_text_is_counted() {
    let text = "Sechzig Öfen, über Nacht.\n";
    let mut bytes = text.repeat(100).into_bytes();
    bytes.insert(40, 0xFF);
    let heard = told(&holding("a.txt", bytes), "a.txt", 0).await;
    assert!(
        heard.ends_with("\n[1 places of the file are not of its encoding and shown as \u{fffd}]"),
        "{heard}"
    );
    let mut long = lines(0, LONG).into_bytes();
    let at = long.len() - 500;
    long[at] = 0xE9;
    let kernel = holding("long.txt", long);
    let heard = told(&kernel, "long.txt", at as u64 - 10_000).await;
    assert!(heard.ends_with("\n[1 places here are not of its encoding and shown as \u{fffd}]"));
    assert!(!told(&kernel, "long.txt", 0).await.contains("encoding"));
}

#[tokio::test]
async fn a_long_file_is_judged_by_each_part_that_is_given() {
    let (ascii, cyrillic) = (
        lines(0, LONG),
        b"\xCF\xE5\xF7\xFC \xEE\xF1\xF2\xFB\n".repeat(10_000),
    );
    let kernel = holding("log.txt", [ascii.as_bytes(), &cyrillic].concat());
    assert!(told(&kernel, "log.txt", 0).await.starts_with("line 0"));
    let heard = told(&kernel, "log.txt", ascii.len() as u64).await;
    let said = format!("not in UTF-8 at offset {}", ascii.len());
    assert!(
        heard.starts_with("error: ") && heard.contains(&said),
        "{heard}"
    );
    let kernel = holding("log.txt", [ascii.as_bytes(), &[0; 100_000]].concat());
    let heard = told(&kernel, "log.txt", ascii.len() as u64).await;
    assert!(heard.contains("is not a text file"), "{heard}");
    let wide = ascii.bytes().flat_map(|it| [it, 0]).collect();
    let heard = told(&holding("log.txt", wide), "log.txt", 0).await;
    assert!(heard.contains("not in UTF-8"), "{heard}");
}

/// A turn that was given the first part of each of so many files, and where to go on in the first.
async fn begun(kernel: &Kernel, files: usize) -> (Toolbox, u64) {
    let (mut toolbox, mut next) = (reader(), None);
    for n in 0..files {
        let path = format!("{n}.txt");
        rewrite(kernel, &path, lines(n, n + 4_000));
        let part = told_by(&mut toolbox, kernel, &path, 0).await;
        next = next.or(taken(&part).1);
    }
    (toolbox, next.unwrap())
}

fn rewrite(kernel: &Kernel, path: &str, text: String) {
    let mut bytes = kernel.bytes.borrow_mut();
    bytes.insert(path.to_owned(), text.into_bytes());
}

const CHANGED: &str = "error: changed: notes/0.txt";

#[tokio::test]
async fn a_file_that_was_rewritten_is_refused_until_it_is_begun_anew() {
    let kernel = Kernel::default();
    let (mut toolbox, next) = begun(&kernel, 1).await;
    rewrite(&kernel, "0.txt", lines(7, 20_000));
    for _ in 0..3 {
        let heard = told_by(&mut toolbox, &kernel, "0.txt", next).await;
        assert!(heard.starts_with(CHANGED), "{}", &heard[..80]);
    }
    let anew = told_by(&mut toolbox, &kernel, "0.txt", 0).await;
    assert!(anew.starts_with("line 7 of"), "{}", &anew[..80]);
    let more = told_by(&mut toolbox, &kernel, "0.txt", next).await;
    assert!(more.starts_with(taken(&lines(7, 20_000)[next as usize..][..100]).0));
}

#[tokio::test]
async fn what_was_given_of_a_file_is_known_when_many_others_were_read_since() {
    for files in [20, 400] {
        let kernel = Kernel::default();
        let (mut toolbox, next) = begun(&kernel, files).await;
        let more = told_by(&mut toolbox, &kernel, "0.txt", next).await;
        assert!(!more.contains("changed") && !more.contains("another version"));
        rewrite(&kernel, "0.txt", lines(7, 20_000));
        for n in 1..files {
            told_by(&mut toolbox, &kernel, &format!("{n}.txt"), next).await;
        }
        let heard = told_by(&mut toolbox, &kernel, "0.txt", next).await;
        assert!(heard.starts_with(CHANGED), "{}", &heard[..80]);
    }
}

#[tokio::test]
async fn where_it_is_not_known_any_more_what_was_given_it_is_said() {
    let kernel = Kernel::default();
    let (mut toolbox, next) = begun(&kernel, 1_100).await;
    rewrite(&kernel, "0.txt", lines(7, 20_000));
    let heard = told_by(&mut toolbox, &kernel, "0.txt", next).await;
    assert!(heard.contains("parts of it that were given before may be of another version"));
}

#[tokio::test]
async fn what_was_given_of_a_file_is_known_after_an_error() {
    for offset in [0, 1] {
        let kernel = Kernel::default();
        let (mut toolbox, next) = begun(&kernel, 1).await;
        let broken = [("0.txt".to_owned(), Code::Internal)];
        *kernel.broken.borrow_mut() = broken.into();
        let heard = told_by(&mut toolbox, &kernel, "0.txt", offset * next).await;
        assert!(heard.contains("is odd"), "{heard}");
        kernel.broken.borrow_mut().clear();
        rewrite(&kernel, "0.txt", lines(7, 20_000));
        let heard = told_by(&mut toolbox, &kernel, "0.txt", next).await;
        assert!(heard.starts_with(CHANGED), "{}", &heard[..80]);
    }
}

#[tokio::test]
async fn a_change_of_what_was_not_given_refuses_nothing() {
    let kernel = Kernel::default();
    let (mut toolbox, next) = begun(&kernel, 1).await;
    let whole = lines(0, 10_000);
    let (given, rest) = whole.split_at(next as usize);
    rewrite(
        &kernel,
        "0.txt",
        given.to_owned() + &rest.replace("of", "in"),
    );
    let heard = told_by(&mut toolbox, &kernel, "0.txt", 4 * next).await;
    assert!(heard.contains(" in the log") && heard.contains("which reads as it did"));
    rewrite(&kernel, "0.txt", given.to_owned() + rest);
    let heard = told_by(&mut toolbox, &kernel, "0.txt", 2 * next).await;
    assert!(heard.starts_with(CHANGED), "{}", &heard[..80]);
}
