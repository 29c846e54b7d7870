//! Archives as an attacker makes them.
#![allow(clippy::unwrap_used)]

use std::{io::Write, os::unix::fs::PermissionsExt};

use flate2::{Compression, write::GzEncoder};
use tar::Header;

use super::*;

/// One entry as an attacker writes it: no checks between us and the bytes.
fn entry(tar: &mut Vec<u8>, path: &[u8], kind: u8, mode: u32, content: &[u8]) {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..path.len()].copy_from_slice(path);
    header.as_old_mut().linkname[..11].copy_from_slice(b"/etc/passwd");
    header.as_old_mut().linkflag[0] = kind;
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    header.set_cksum();
    tar.extend_from_slice(header.as_bytes());
    tar.extend_from_slice(content);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

fn gzip(tar: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(tar).unwrap();
    gzip.finish().unwrap()
}

fn finished(mut tar: Vec<u8>) -> Vec<u8> {
    tar.resize(tar.len() + 1024, 0);
    gzip(&tar)
}

const FILE: u8 = b'0';
const FOLDER: u8 = b'5';

/// Unpacks entries of (path, kind, mode, content) and compares the files that
/// came out, or the reason and a word of the message.
fn check(entries: &[(&[u8], u8, u32, &[u8])], expect: Result<&[&str], (Reason, &str)>) {
    let mut tar = Vec::new();
    for (path, kind, mode, content) in entries {
        entry(&mut tar, path, *kind, *mode, content);
    }
    check_packed(&finished(tar), &Limits::default(), expect);
}

fn check_packed(packed: &[u8], limits: &Limits, expect: Result<&[&str], (Reason, &str)>) {
    let around = tempfile::tempdir().unwrap();
    let into = around.path().join("into");
    fs::create_dir(&into).unwrap();
    let done = unpack(packed, &into, limits, &Room::default());
    match expect {
        Ok(files) => {
            done.unwrap();
            let mut found = Vec::new();
            list(&into, &into, &mut found);
            found.sort();
            assert_eq!(found, files);
        }
        Err((reason, word)) => {
            let error = done.unwrap_err();
            assert_eq!(error.reason(), reason, "{error}");
            assert!(error.to_string().contains(word), "`{word}` in: {error}");
        }
    }
    let beside = fs::read_dir(around.path()).unwrap().count();
    assert_eq!(beside, 1, "something was written outside of the folder");
}

fn list(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(root, &path, found);
        } else {
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o444);
            let name = path.strip_prefix(root).unwrap();
            found.push(name.to_str().unwrap().to_owned());
        }
    }
}

#[test]
fn files_and_folders_come_out_read_only() {
    check(&[], Ok(&[]));
    check(
        &[
            (b"a.md", FILE, 0o644, b"x"),
            (b"p/q/b.md", FILE, 0o755, b""),
            (b"p/", FOLDER, 0o755, b""),
            (b"old", 0, 0o600, b"y"),
        ],
        Ok(&["a.md", "old", "p/q/b.md"]),
    );
}

#[test]
fn whatever_may_reach_out_of_the_folder_is_refused() {
    let refused = |path: &[u8], kind: u8, mode: u32, word: &str| {
        check(&[(path, kind, mode, b"")], Err((Reason::BadArchive, word)));
    };
    refused(b"../x", FILE, 0o644, "leads out");
    refused(b"a/../../x", FILE, 0o644, "leads out");
    refused(b"..", FOLDER, 0o755, "leads out");
    refused(b"/x", FILE, 0o644, "absolute");
    refused(b"", FILE, 0o644, "no name");
    refused(b"a\\x", FILE, 0o644, "backslash");
    refused(b"a\x1b[2Jx", FILE, 0o644, "control");
    refused(b"\xff\xfe", FILE, 0o644, "UTF-8");
    refused(b"x", b'1', 0o644, "link");
    refused(b"x", b'2', 0o777, "link");
    refused(b"x", b'3', 0o644, "device");
    refused(b"x", b'4', 0o644, "device");
    refused(b"x", b'6', 0o644, "pipe");
    refused(b"x", b'7', 0o644, "neither");
    refused(b"x", b'S', 0o644, "neither");
    refused(b"x", b'?', 0o644, "neither");
    refused(b"x", b'L', 0o644, "extension");
    refused(b"x", b'K', 0o644, "extension");
    refused(b"x", b'x', 0o644, "extension");
    refused(b"x", b'g', 0o644, "extension");
    refused(b"x", FILE, 0o4755, "set-user-id");
    refused(b"x", FILE, 0o2755, "set-user-id");
    refused(b"x", FOLDER, 0o1777, "sticky");
}

#[test]
fn a_path_comes_once_and_is_one_thing() {
    let twice = Err((Reason::BadArchive, "twice"));
    check(
        &[(b"a", FILE, 0o644, b"1"), (b"a", FILE, 0o644, b"2")],
        twice,
    );
    check(
        &[(b"a", FOLDER, 0o755, b""), (b"a/", FOLDER, 0o755, b"")],
        twice,
    );
    check(
        &[(b"a", FILE, 0o644, b""), (b"a", FOLDER, 0o755, b"")],
        twice,
    );
    let both = Err((Reason::BadArchive, "a file and a folder"));
    check(
        &[(b"a", FILE, 0o644, b""), (b"a/b", FILE, 0o644, b"")],
        both,
    );
    check(
        &[(b"a/b", FILE, 0o644, b""), (b"a", FILE, 0o644, b"")],
        both,
    );
    check(
        &[(b"a", FOLDER, 0o755, b"x")],
        Err((Reason::BadArchive, "with content")),
    );
}

#[test]
fn names_of_any_length_cost_no_memory() {
    // A GNU long name of a gigabyte: refused at its header, unread.
    let mut tar = Vec::new();
    entry(&mut tar, b"LongLink", b'L', 0o644, b"");
    let mut header = Header::new_gnu();
    header.as_mut_bytes().copy_from_slice(&tar[..512]);
    header.set_size(1 << 30);
    header.set_cksum();
    let expect = Err((Reason::BadArchive, "extension"));
    check_packed(&gzip(header.as_bytes()), &Limits::default(), expect);
}

#[test]
fn numbers_are_bounded_while_they_grow() {
    let limits = Limits {
        entries: 3,
        unpacked: 1 << 20,
        ..Limits::default()
    };
    let names: Vec<String> = (0..4).map(|n| n.to_string()).collect();
    let mut tar = Vec::new();
    for name in &names {
        entry(&mut tar, name.as_bytes(), FILE, 0o644, b"");
    }
    let expect = Err((Reason::TooLarge, "entries than the 3"));
    check_packed(&finished(tar), &limits, expect);

    let noise: Vec<u8> = (0..1_u32 << 20)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let mut tar = Vec::new();
    entry(&mut tar, b"large", FILE, 0o644, &noise);
    let expect = Err((Reason::TooLarge, "bytes than the 1048576"));
    check_packed(&finished(tar), &limits, expect);
}

#[test]
fn a_bomb_is_defused_by_its_ratio() {
    let mut tar = Vec::new();
    entry(&mut tar, b"zeros", FILE, 0o644, &vec![0; 16 << 20]);
    let expect = Err((Reason::TooLarge, "for each packed byte"));
    check_packed(&finished(tar), &Limits::default(), expect);
    // Below the floor the same ratio harms nobody.
    let mut tar = Vec::new();
    entry(&mut tar, b"zeros", FILE, 0o644, &vec![0; 512 << 10]);
    check_packed(&finished(tar), &Limits::default(), Ok(&["zeros"]));
}

#[test]
fn a_cut_archive_is_malformed_wherever_it_is_cut() {
    let mut tar = Vec::new();
    entry(&mut tar, b"a", FILE, 0o644, &[7; 3000]);
    let whole = tar.clone();
    for cut in [1, 511, 513, 2000, 3511] {
        let expect = Err((Reason::Malformed, "malformed"));
        check_packed(&gzip(&whole[..cut]), &Limits::default(), expect);
    }
    let packed = finished(tar);
    for cut in [0, 5, packed.len() / 2, packed.len() - 1] {
        let expect = Err((Reason::Malformed, "malformed"));
        check_packed(&packed[..cut], &Limits::default(), expect);
    }
}

#[test]
fn nothing_hides_behind_the_end() {
    let mut tar = Vec::new();
    entry(&mut tar, b"a", FILE, 0o644, b"");
    let whole = finished(tar.clone());
    let expect = Err((Reason::Malformed, "after the end of the gzip"));
    check_packed(&whole.repeat(2), &Limits::default(), expect);
    tar.resize(tar.len() + 1024, 0);
    entry(&mut tar, b"hidden", FILE, 0o644, b"");
    let expect = Err((Reason::Malformed, "after the end of the tar"));
    check_packed(&finished(tar), &Limits::default(), expect);
}

#[test]
fn an_altered_header_or_stream_is_malformed() {
    let mut tar = Vec::new();
    entry(&mut tar, b"a", FILE, 0o644, b"content");
    tar[0] = b'b';
    let expect = Err((Reason::Malformed, "checksum"));
    check_packed(&finished(tar), &Limits::default(), expect);
    check_packed(
        b"no gzip at all",
        &Limits::default(),
        Err((Reason::Malformed, "")),
    );
}

#[test]
fn a_size_that_lies_is_malformed() {
    for size in [1 << 40, u64::MAX / 2, u64::MAX] {
        let mut header = Header::new_gnu();
        header.set_path("a").unwrap();
        header.set_mode(0o644);
        header.set_size(size);
        header.set_cksum();
        let expect = Err((Reason::Malformed, "malformed"));
        check_packed(&gzip(header.as_bytes()), &Limits::default(), expect);
    }
}
