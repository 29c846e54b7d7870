//! What a question costs where no document changed, and what ends that.

use super::*;

/// A kernel with so many files, asked until a question changes nothing more.
async fn settled(files: usize) -> Kernel {
    let kernel = Kernel::default();
    for n in 0..files {
        kernel.file(&format!("{n}.md"), &format!("sheet{n} hangs here"), 1);
    }
    for _ in 0..2 {
        run_again(&kernel, "sheet3").await;
    }
    kernel
}

/// The calls of one more question.
async fn calls(kernel: &Kernel, question: &str) -> Vec<Syscall> {
    let before = kernel.calls.borrow().len();
    run_again(kernel, question).await;
    kernel.calls.borrow()[before..].to_vec()
}

fn item(kernel: &Kernel, id: &str) -> Item {
    let items = kernel.items.borrow();
    let found = items
        .iter()
        .find(|item| item.id.as_deref().is_some_and(|it| it.starts_with(id)));
    found.unwrap().clone()
}

#[tokio::test]
async fn a_question_about_unchanged_documents_looks_at_none_of_them() {
    let (few, many) = (settled(5).await, settled(450).await);
    let calls_of_many = calls(&many, "sheet3").await;
    assert_eq!(calls_of_many, calls(&few, "sheet3").await);
    let listings = |it: &&Syscall| **it == Syscall::FsList;
    assert_eq!(calls_of_many.iter().filter(listings).count(), 1);
    assert!(many.final_text().contains("> sheet3 hangs here"));
}

#[tokio::test]
async fn what_was_left_out_is_said_at_every_question() {
    let kernel = Kernel::default();
    kernel.file("good.md", "the words", 1);
    kernel.file("odd.md", "\u{1}\u{2}\u{3}", 1);
    for _ in 0..4 {
        run_again(&kernel, "words").await;
        let said = kernel.said.borrow();
        let told = said.iter().filter(|it| it.kind == MessageKind::Notice);
        let told: Vec<_> = told.map(|it| it.text.as_str()).collect();
        assert_eq!(told, ["left out of docs: 1 (not a text): odd.md"]);
    }
}

#[tokio::test]
async fn every_change_is_seen_at_the_next_question() {
    let kernel = settled(5).await;
    kernel.file("3.md", "sheet3 was moved", 2);
    assert!(run_again(&kernel, "sheet3").await.contains("was moved"));
    for _ in 0..2 {
        run_again(&kernel, "sheet3").await;
    }
    kernel.file("new.md", "sheet3 has a twin", 1);
    assert!(run_again(&kernel, "twin").await.contains("has a twin"));
    for _ in 0..2 {
        run_again(&kernel, "sheet3").await;
    }
    kernel.files.borrow_mut().remove("3.md");
    assert!(!run_again(&kernel, "sheet3").await.contains("was moved"));
}

#[tokio::test]
async fn a_record_that_another_turn_stores_or_forgets_ends_it() {
    let kernel = settled(5).await;
    let looks = |calls: Vec<Syscall>| calls.contains(&Syscall::MemoryRemember);
    assert!(!looks(calls(&kernel, "sheet3").await));
    // A turn that looked at an older listing stores what it found.
    let mut start = item(&kernel, "start:");
    let token = start.attributes.get_mut("token").unwrap();
    *token = "another".to_owned();
    let request = RememberRequest { items: vec![start] };
    let _: RememberResponse = kernel
        .call(Syscall::MemoryRemember, &request)
        .await
        .unwrap();
    assert!(looks(calls(&kernel, "sheet3").await));
    assert!(!looks(calls(&kernel, "sheet3").await), "it settles again");
    let ids = vec![item(&kernel, "start:").id.unwrap()];
    let request = ForgetRequest::Ids { ids };
    let _: ForgetResponse = kernel.call(Syscall::MemoryForget, &request).await.unwrap();
    assert!(looks(calls(&kernel, "sheet3").await));
}

#[tokio::test]
async fn records_that_grew_too_old_are_made_again() {
    let kernel = settled(5).await;
    let mark = item(&kernel, "mount:");
    let oldest = mark.attributes["oldest"].clone();
    let is_oldest = |item: &Item| item.id.as_ref() == Some(&oldest);
    let path = item(&kernel, &oldest).attributes["path"].clone();
    // As a pool forgets: without a word to anybody.
    kernel.items.borrow_mut().retain(|item| {
        !is_oldest(item) && item.attributes.get("path").is_none_or(|it| *it != path)
    });
    let sheet = format!("sheet{}", path.trim_end_matches(".md"));
    let answer = run_again(&kernel, &sheet).await;
    assert!(answer.contains(&format!("> {sheet} hangs")), "{answer}");
}

#[tokio::test]
async fn a_record_grows_old_with_its_passages_however_often_its_file_is_touched() {
    let kernel = settled(5).await;
    let before = kernel.calls.borrow().len();
    for version in 2..5 {
        for n in 0..5 {
            kernel.file(&format!("{n}.md"), &format!("sheet{n} hangs here"), version);
        }
        for _ in 0..3 {
            run_again(&kernel, "sheet3").await;
        }
    }
    let stored = kernel.ages.borrow()[&item(&kernel, "passage:").id.unwrap()];
    assert!(stored <= before, "a touch costs no passage");
    let reads = kernel.count(Syscall::FsRead);
    run_again(&kernel, "sheet3").await;
    assert_eq!(kernel.count(Syscall::FsRead), reads, "a touch is noted");
    kernel.grow_old(before);
    for n in 0..5 {
        let answer = run_again(&kernel, &format!("sheet{n}")).await;
        assert!(answer.contains(&format!("> sheet{n} hangs")), "{answer}");
    }
}

#[tokio::test]
async fn a_touch_goes_with_its_file() {
    let kernel = settled(5).await;
    kernel.file("3.md", "sheet3 hangs here", 2);
    run_again(&kernel, "sheet3").await;
    assert!(item(&kernel, "touch:").attributes["path"] == "3.md");
    kernel.file("3.md", "sheet3 was moved", 3);
    assert!(run_again(&kernel, "sheet3").await.contains("was moved"));
    let touches = |kernel: &Kernel| {
        let items = kernel.items.borrow();
        let ids = items.iter().filter_map(|item| item.id.clone());
        ids.filter(|id| id.starts_with("touch:")).count()
    };
    assert_eq!(touches(&kernel), 0);
}

#[tokio::test]
async fn what_is_left_of_one_mount_is_forgotten_with_the_start_of_that_mount() {
    let kernel = Kernel::default();
    kernel.file("a.md", "the words", 1);
    let program = librarian_of_two();
    run(&program, &ask("words"), &kernel).await.unwrap();
    let mut stray = item(&kernel, "file:");
    stray.id = Some("stray".to_owned());
    let place = [("mount", "disk"), ("path", "a.md")];
    stray.attributes = place
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    kernel.items.borrow_mut().push(stray);
    run(&program, &ask("words"), &kernel).await.unwrap();
    let starts = ["docs", "disk"].map(knowledge::start_id);
    let items = kernel.items.borrow();
    let is_there = |id: &str| items.iter().any(|item| item.id.as_deref() == Some(id));
    assert!(!is_there("stray"));
    assert_eq!(starts.map(|id| is_there(&id)), [true, false]);
}

#[tokio::test]
async fn a_passage_that_no_record_speaks_for_is_not_told_where_the_mount_is_vouched_for() {
    let kernel = settled(5).await;
    let mut stray = item(&kernel, "passage:");
    stray.id = Some("passage:stray".to_owned());
    stray.text = "sheet3 was never here".to_owned();
    let attributes = &mut stray.attributes;
    attributes.insert("content".to_owned(), "other".to_owned());
    kernel.items.borrow_mut().insert(0, stray);
    let answer = run_again(&kernel, "sheet3").await;
    assert!(!answer.contains("never"), "{answer}");
    let answer = run_again(&kernel, "sheet3").await;
    assert!(answer.contains("> sheet3 hangs here"), "{answer}");
}

#[tokio::test]
async fn unchanged_documents_are_not_read_again_and_changed_ones_are_replaced() {
    let kernel = Kernel::default();
    kernel.file("a.md", "old words", 1);
    kernel.file("b.md", "other", 1);
    run(&librarian(), &ask("old"), &kernel).await.unwrap();
    let reads = kernel.count(Syscall::FsRead);
    run_again(&kernel, "old").await;
    assert_eq!(kernel.count(Syscall::FsRead), reads);

    kernel.file("a.md", "new words", 2);
    kernel.files.borrow_mut().remove("b.md");
    let answer = run_again(&kernel, "words").await;
    assert!(
        answer.contains("new words") && !answer.contains("old words"),
        "{answer}"
    );
    assert!(
        run_again(&kernel, "other")
            .await
            .starts_with("Nothing in docs")
    );
}
