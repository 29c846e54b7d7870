//! Documents that cannot be had, do not fit, change, or were left by an earlier release or turn.

use super::*;

fn notices(kernel: &Kernel) -> Vec<String> {
    let said = kernel.said.borrow();
    let notices = said.iter().filter(|said| said.text.starts_with("left out"));
    notices.map(|said| said.text.clone()).collect()
}

#[tokio::test]
async fn what_cannot_be_read_is_named_at_every_question_and_fails_nothing() {
    let kernel = Kernel::default();
    for (path, text) in [
        ("closed.md", "a"),
        ("gone.md", "b"),
        ("good.md", "High water is at ten."),
    ] {
        kernel.file(path, text, 1);
    }
    kernel.file("odd.md", "\u{1}\u{2}\u{3}", 1);
    let broken = [("closed.md", Code::Denied), ("gone.md", Code::NotFound)];
    *kernel.broken.borrow_mut() = broken.map(|(path, code)| (path.to_owned(), code)).into();
    for _ in 0..2 {
        assert!(
            run_again(&kernel, "water")
                .await
                .contains("> High water is at ten.")
        );
        let [notice] = &notices(&kernel)[..] else {
            panic!("one notice of a mount");
        };
        for part in [
            "1 (it may not be opened): closed.md",
            "1 (it was gone when it was to be read): gone.md",
            "1 (not a text): odd.md",
        ] {
            assert!(notice.contains(part), "{notice}");
        }
    }
    kernel.broken.borrow_mut().clear();
    run_again(&kernel, "water").await;
    assert_eq!(
        notices(&kernel),
        ["left out of docs: 1 (not a text): odd.md"]
    );
}

#[tokio::test]
async fn what_ends_the_turn_is_not_taken_for_a_fault_of_a_file() {
    let kernel = Kernel::default();
    kernel.file("a.md", "words", 1);
    kernel
        .broken
        .borrow_mut()
        .insert("a.md".to_owned(), Code::DeadlineExceeded);
    let problem = run(&librarian(), &ask("words"), &kernel).await.unwrap_err();
    assert_eq!(problem.code, Code::DeadlineExceeded);
}

#[tokio::test]
async fn documents_wait_for_the_calls_of_the_next_minute() {
    let kernel = Kernel::default();
    kernel.file("a.md", "the words", 1);
    kernel.refused.set(3);
    assert!(run_again(&kernel, "words").await.contains("the words"));
    // What vouches for the mount is asked for once and refused three times.
    assert_eq!(kernel.count(Syscall::MemoryRecall), 6);
}

#[tokio::test]
async fn one_mount_that_is_gone_leaves_the_other_and_both_fail() {
    let kernel = Kernel::default();
    kernel.file("a.md", "the words", 1);
    let program = librarian_of_two();
    run(&program, &ask("words"), &kernel).await.unwrap();
    kernel.said.borrow_mut().clear();
    kernel.gone.borrow_mut().push("disk".to_owned());
    run(&program, &ask("words"), &kernel).await.unwrap();
    assert!(
        kernel
            .final_text()
            .starts_with("docs/a.md, line 1\n> the words")
    );
    assert!(
        !kernel.final_text().contains("disk/"),
        "{}",
        kernel.final_text()
    );
    assert!(notices(&kernel)[0].contains("left out of disk: all of it (the folder is not there)"));
    kernel.gone.borrow_mut().push("docs".to_owned());
    assert!(run(&program, &ask("words"), &kernel).await.is_err());
}

#[tokio::test]
async fn a_memory_that_is_full_answers_from_what_it_holds() {
    let kernel = Kernel::default();
    kernel.file("a.md", "first words", 1);
    kernel.room.set(Some(4));
    run_again(&kernel, "words").await;
    for n in 0..300 {
        kernel.file(&format!("b{n}.md"), "more words", 1);
    }
    assert!(run_again(&kernel, "words").await.contains("> first words"));
    let notice = notices(&kernel).concat();
    assert!(
        notice.contains("300 (memory pool library is full): b0.md"),
        "{notice}"
    );
}

/// A memory that holds 300 documents and has no room for more, whose files are then written again as they are.
async fn full_and_rewritten() -> Kernel {
    let kernel = Kernel::default();
    let write = |version: u64| {
        for n in 0..300 {
            kernel.file(
                &format!("b{n}.md"),
                &format!("sheet{n} hangs here"),
                version,
            );
        }
    };
    write(1);
    run_again(&kernel, "sheet3").await;
    kernel.room.set(Some(kernel.items.borrow().len()));
    write(2);
    kernel
}

#[tokio::test]
async fn files_that_are_written_again_as_they_are_stay_in_a_full_memory() {
    let kernel = full_and_rewritten().await;
    for n in [0, 3, 299] {
        let answer = run_again(&kernel, &format!("sheet{n}")).await;
        assert!(answer.contains(&format!("> sheet{n} hangs")), "{answer}");
        assert_eq!(notices(&kernel), [""; 0]);
    }
}

#[tokio::test]
async fn a_document_that_finds_no_room_leaves_out_no_other() {
    let kernel = full_and_rewritten().await;
    for n in 0..300 {
        kernel.file(&format!("a{n}.md"), "more words", 1);
    }
    let answer = run_again(&kernel, "sheet299").await;
    assert!(answer.contains("> sheet299 hangs"), "{answer}");
    assert_eq!(
        notices(&kernel),
        ["left out of docs: 300 (memory pool library is full): a0.md, a1.md, a10.md and 297 more"]
    );
}

#[tokio::test]
async fn a_file_that_changed_too_lately_to_have_a_version_is_compared_by_its_content() {
    let kernel = Kernel::default();
    kernel.file("a.md", "opens at 40 bar", 0);
    assert!(run_again(&kernel, "opens").await.contains("40 bar"));
    kernel.file("a.md", "opens at 60 bar", 0);
    assert!(run_again(&kernel, "opens").await.contains("60 bar"));
    let stored = kernel.count(Syscall::MemoryForget);
    assert!(run_again(&kernel, "opens").await.contains("60 bar"));
    assert_eq!(
        kernel.count(Syscall::MemoryForget),
        stored,
        "the same content is not cut again"
    );
}

#[tokio::test]
async fn passages_that_no_record_speaks_for_are_neither_quoted_nor_kept() {
    let kernel = Kernel::default();
    kernel.file("a.md", "the words of now", 1);
    run_again(&kernel, "words").await;
    let mut stray = kernel.items.borrow()[0].clone();
    stray.id = Some("passage:x".to_owned());
    stray.text = "the words of then".to_owned();
    stray
        .attributes
        .insert("content".to_owned(), "other".to_owned());
    let mut foreign = stray.clone();
    foreign.id = Some("passage:y".to_owned());
    foreign
        .attributes
        .insert("mount".to_owned(), "private".to_owned());
    kernel.items.borrow_mut().extend([stray, foreign]);
    assert_eq!(
        run_again(&kernel, "words").await,
        "docs/a.md, line 1\n> the words of now"
    );
    let ids: Vec<_> = kernel
        .items
        .borrow()
        .iter()
        .filter_map(|item| item.id.clone())
        .collect();
    assert!(!ids.contains(&"passage:x".to_owned()) && ids.contains(&"passage:y".to_owned()));
    let reads = kernel.count(Syscall::FsRead);
    assert!(
        run_again(&kernel, "words")
            .await
            .contains("the words of now")
    );
    assert_eq!(
        kernel.count(Syscall::FsRead),
        reads + 1,
        "its file is read again"
    );
}

#[tokio::test]
async fn records_of_an_earlier_release_are_read_again() {
    let kernel = Kernel::default();
    kernel.file("a.md", "the words", 1);
    let old = |collection: &str, text: &str| Item {
        id: Some(format!("old-{collection}")),
        text: text.to_owned(),
        collection: collection.to_owned(),
        attributes: [("mount", "docs"), ("path", "a.md"), ("version", "1@1")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    };
    *kernel.items.borrow_mut() = vec![old("files", "a.md"), old("passages", "old words")];
    assert_eq!(
        run_again(&kernel, "words").await,
        "docs/a.md, line 1\n> the words"
    );
    let of = |item: &&Item| item.collection != "mounts";
    assert_eq!(kernel.items.borrow().iter().filter(of).count(), 2);
}

#[tokio::test]
async fn what_cannot_be_read_of_a_document_is_said_and_the_rest_is_found() {
    let kernel = Kernel::default();
    let mut bytes = "Sechzig Öfen, über Nacht. ".repeat(20).into_bytes();
    bytes.insert(40, 0xFF);
    kernel.file("odd.md", &"x".repeat(bytes.len()), 1);
    kernel.bytes.borrow_mut().insert("odd.md".to_owned(), bytes);
    for _ in 0..4 {
        assert!(run_again(&kernel, "sechzig").await.contains("Sechzig"));
        let said = kernel.said.borrow();
        let told = said.iter().find(|it| it.kind == MessageKind::Notice);
        assert_eq!(
            told.map(|it| it.text.as_str()),
            Some(
                "left out of docs: 1 (bytes that are not of its encoding; the rest of it is there): odd.md"
            )
        );
    }
}
