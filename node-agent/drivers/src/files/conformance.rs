//! What every files driver must do.
#![allow(clippy::unwrap_used)]

use aion_abi::{
    code::Code,
    syscall::fs::{
        EntryKind, ListRequest, MAX_CHUNK, MAX_ENTRIES, ReadRequest, WriteMode, WriteRequest,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{FilesDriver, MountTable};

#[cfg(test)]
mod ours;

/// `notes` is empty and writable; `docs` holds `guide.md` with `hello` and may only be read.
///
/// # Panics
/// Where the driver does something else.
pub async fn conforms(driver: &dyn FilesDriver, mounts: &MountTable) {
    reads(driver, mounts).await;
    writes(driver, mounts).await;
    lists(driver, mounts).await;
    refuses(driver, mounts).await;
    ties_parts(driver, mounts).await;
}

fn read(mount: &str, path: &str, offset: u64, length: u32) -> ReadRequest {
    ReadRequest {
        mount: mount.into(),
        path: path.into(),
        offset,
        length,
        version: None,
    }
}

fn write(mount: &str, path: &str, text: &str, mode: WriteMode) -> WriteRequest {
    WriteRequest {
        mount: mount.into(),
        path: path.into(),
        data: STANDARD.encode(text),
        mode,
    }
}

fn list(path: &str, recursive: bool, after: Option<&str>, limit: u32) -> ListRequest {
    ListRequest {
        mount: "notes".into(),
        path: path.into(),
        recursive,
        after: after.map(str::to_owned),
        limit,
        unless: None,
    }
}

async fn text_of(driver: &dyn FilesDriver, mounts: &MountTable, path: &str) -> String {
    let answer = driver
        .read(mounts, read("notes", path, 0, MAX_CHUNK))
        .await
        .unwrap();
    String::from_utf8(STANDARD.decode(answer.data).unwrap()).unwrap()
}

async fn reads(driver: &dyn FilesDriver, mounts: &MountTable) {
    for (offset, length, want) in [
        (0, 100, "hello"),
        (1, 3, "ell"),
        (5, 1, ""),
        (u64::MAX, 1, ""),
    ] {
        let answer = driver
            .read(mounts, read("docs", "guide.md", offset, length))
            .await
            .unwrap();
        assert_eq!(STANDARD.decode(answer.data).unwrap(), want.as_bytes());
        assert_eq!(answer.size, 5);
    }
}

/// The parts of a file are of the version that the first one was of, or are refused.
async fn ties_parts(driver: &dyn FilesDriver, mounts: &MountTable) {
    for text in ["one", "of another size"] {
        let made = write("notes", "parts.md", text, WriteMode::Replace);
        driver.write(mounts, made).await.unwrap();
        let first = read("notes", "parts.md", 0, 2);
        let first = driver.read(mounts, first).await.unwrap();
        let next = ReadRequest {
            version: Some(first.version.clone()),
            ..read("notes", "parts.md", 2, MAX_CHUNK)
        };
        let rest = driver.read(mounts, next.clone()).await.unwrap();
        assert_eq!(STANDARD.decode(rest.data).unwrap(), &text.as_bytes()[2..]);
        assert_eq!(rest.version, first.version);
        let made = write("notes", "parts.md", "more", WriteMode::Append);
        driver.write(mounts, made).await.unwrap();
        let problem = driver.read(mounts, next).await.unwrap_err();
        assert_eq!(problem.code, Code::Changed, "{problem}");
    }
}

async fn writes(driver: &dyn FilesDriver, mounts: &MountTable) {
    use WriteMode::{Append, CreateNew, Replace};
    for (path, text, mode, size, whole) in [
        ("a.md", "one", CreateNew, 3, "one"),
        ("a.md", "two, longer", Replace, 11, "two, longer"),
        ("a.md", "3", Replace, 1, "3"),
        ("a.md", "4", Append, 2, "34"),
        ("new.md", "5", Append, 1, "5"),
        ("deep/er/b.md", "", Replace, 0, ""),
        ("deep/er/c.md", "ü", Append, 2, "ü"),
    ] {
        assert_eq!(
            driver
                .write(mounts, write("notes", path, text, mode))
                .await
                .unwrap()
                .size,
            size,
            "{path}"
        );
        assert_eq!(text_of(driver, mounts, path).await, whole);
    }
    let taken = driver
        .write(mounts, write("notes", "a.md", "x", CreateNew))
        .await
        .unwrap_err();
    assert_eq!(taken.code, Code::AlreadyExists);
    assert_eq!(text_of(driver, mounts, "a.md").await, "34");
}

async fn lists(driver: &dyn FilesDriver, mounts: &MountTable) {
    for path in ["deep-1.md", "deep.md", "deep/a.md", "deep/er-1.md"] {
        driver
            .write(mounts, write("notes", path, path, WriteMode::Replace))
            .await
            .unwrap();
    }
    let level = driver
        .list(mounts, list("", false, None, 100))
        .await
        .unwrap();
    let names: Vec<_> = level
        .entries
        .iter()
        .map(|entry| (entry.path.as_str(), entry.kind, entry.size))
        .collect();
    let (file, folder) = (EntryKind::File, EntryKind::Folder);
    assert_eq!(
        names,
        [
            ("a.md", file, 2),
            ("deep", folder, 0),
            ("deep-1.md", file, 9),
            ("deep.md", file, 7),
            ("new.md", file, 1)
        ]
    );
    let tree = driver
        .list(mounts, list("", true, None, 100))
        .await
        .unwrap();
    let paths: Vec<_> = tree.entries.into_iter().map(|entry| entry.path).collect();
    assert_eq!(
        paths,
        [
            "a.md",
            "deep-1.md",
            "deep.md",
            "deep/a.md",
            "deep/er-1.md",
            "deep/er/b.md",
            "deep/er/c.md",
            "new.md"
        ]
    );
    assert!(paths.is_sorted());
    for limit in 1..=9 {
        let mut paged = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = driver
                .list(mounts, list("", true, after.as_deref(), limit))
                .await
                .unwrap();
            assert!(page.entries.len() <= limit as usize);
            paged.extend(page.entries.into_iter().map(|entry| entry.path));
            after = paged.last().cloned();
            if !page.more {
                break;
            }
        }
        assert_eq!(paged, paths, "pages of {limit}");
    }
    let below = driver
        .list(mounts, list("deep/er", true, None, 10))
        .await
        .unwrap();
    assert_eq!(below.entries[0].path, "deep/er/b.md");
    assert_eq!(below.entries.len(), 2);
}

async fn refuses(driver: &dyn FilesDriver, mounts: &MountTable) {
    for (mount, path, length, code) in [
        ("none", "a.md", 1, Code::NotFound),
        ("notes", "none.md", 1, Code::NotFound),
        ("notes", "deep", 1, Code::BadRequest),
        ("notes", "../docs/guide.md", 1, Code::BadRequest),
        ("notes", "/etc/passwd", 1, Code::BadRequest),
        ("notes", "", 1, Code::BadRequest),
        ("notes", "a.md", 0, Code::BadRequest),
        ("notes", "a.md", MAX_CHUNK + 1, Code::BadRequest),
    ] {
        let problem = driver
            .read(mounts, read(mount, path, 0, length))
            .await
            .unwrap_err();
        assert_eq!(problem.code, code, "{mount} {path}: {problem}");
    }
    for (mount, path, code) in [
        ("docs", "guide.md", Code::Denied),
        ("docs", "new.md", Code::Denied),
        ("notes", "a.md/b", Code::BadRequest),
        ("notes", "deep", Code::BadRequest),
        ("notes", "a/../../b", Code::BadRequest),
        ("notes", ".aion-partial-1", Code::BadRequest),
    ] {
        let problem = driver
            .write(mounts, write(mount, path, "x", WriteMode::Replace))
            .await
            .unwrap_err();
        assert_eq!(problem.code, code, "{mount} {path}: {problem}");
    }
    let mut bad = write("notes", "a.md", "", WriteMode::Replace);
    bad.data = "not base64".into();
    assert_eq!(
        driver.write(mounts, bad).await.unwrap_err().code,
        Code::BadRequest
    );
    let large = write(
        "notes",
        "a.md",
        &"x".repeat(MAX_CHUNK as usize + 1),
        WriteMode::Replace,
    );
    assert_eq!(
        driver.write(mounts, large).await.unwrap_err().code,
        Code::BadRequest
    );
    for (path, limit, code) in [
        ("none", 1, Code::NotFound),
        ("a.md", 1, Code::BadRequest),
        ("", 0, Code::BadRequest),
        ("", MAX_ENTRIES + 1, Code::BadRequest),
        ("..", 1, Code::BadRequest),
    ] {
        let problem = driver
            .list(mounts, list(path, false, None, limit))
            .await
            .unwrap_err();
        assert_eq!(problem.code, code, "{path}: {problem}");
    }
}
