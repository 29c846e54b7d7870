//! Layers as an attacker makes them.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io;

use aion_abi::reason::Reason;
use tar::Header;

use super::*;
use crate::content::layer::path::{MAX_DEPTH, MAX_PATH};

/// Contents in memory, each with when it was changed.
#[derive(Default)]
struct Memory(Vec<(Vec<u8>, u64)>);

impl Contents for Memory {
    fn keep(
        &mut self,
        content: &Content,
        changed: u64,
        from: &mut dyn Read,
    ) -> Result<u64, UnpackError> {
        assert_eq!(content.number as usize, self.0.len());
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).map_err(from_archive)?;
        let length = bytes.len() as u64;
        self.0.push((bytes, changed));
        Ok(length)
    }
}

/// An archive, entry by entry, with no checks between us and the bytes.
#[derive(Default, Clone)]
struct Tar(Vec<u8>);

impl Tar {
    fn add(mut self, path: &[u8], kind: u8, mode: u32, link: &[u8], content: &[u8]) -> Self {
        let mut header = Header::new_ustar();
        let old = header.as_old_mut();
        old.name[..path.len()].copy_from_slice(path);
        old.linkname[..link.len()].copy_from_slice(link);
        old.linkflag[0] = kind;
        header.set_mode(mode);
        header.set_mtime(7);
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, path: &[u8], content: &[u8]) -> Self {
        self.add(path, b'0', 0o644, b"", content)
    }

    fn folder(self, path: &[u8]) -> Self {
        self.add(path, b'5', 0o755, b"", b"")
    }

    fn link(self, path: &[u8], target: &[u8]) -> Self {
        self.add(path, b'1', 0o644, target, b"")
    }

    fn extension(self, kind: u8, content: &[u8]) -> Self {
        self.add(b"extension", kind, 0o644, b"", content)
    }

    fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut all = Vec::new();
        for (key, value) in records {
            // The length counts its own digits.
            let rest = key.len() + value.len() + 3;
            let digits = (1..).find(|d| (rest + d).to_string().len() == *d).unwrap();
            all.extend_from_slice(format!("{} {key}=", rest + digits).as_bytes());
            all.extend_from_slice(value);
            all.push(b'\n');
        }
        self.extension(b'x', &all)
    }

    fn finished(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

const BOUNDS: Bounds = Bounds {
    entries: 100,
    names: 10_000,
};

fn read_bytes(mut bytes: &[u8]) -> Result<(Index, Memory), UnpackError> {
    let mut memory = Memory::default();
    let index = read(&mut bytes, &BOUNDS, &mut memory)?;
    assert!(
        bytes.is_empty(),
        "all of it is read, since all of it is digested"
    );
    Ok((index, memory))
}

/// What the entries of `tar` do, a line each.
fn lines(tar: Tar) -> Vec<String> {
    let (index, _) = read_bytes(&tar.finished()).unwrap();
    let line = |it: &Entry| {
        let is = match &it.kind {
            Kind::Folder => "/".to_owned(),
            Kind::File(content) if content.executable => format!(" {}x", content.size),
            Kind::File(content) => format!(" {}", content.size),
            Kind::Symlink { target } => format!(" -> {}", shown(target)),
            Kind::HardLink { target } => format!(" = {}", target.text()),
            Kind::Gone => " gone".to_owned(),
            Kind::Emptied => " emptied".to_owned(),
            Kind::LeftOut => " left out".to_owned(),
        };
        format!("{}{is}", it.path.text())
    };
    index.entries.iter().map(line).collect()
}

fn refuses(tar: Tar, expect: Reason, word: &str) {
    refuses_bytes(&tar.finished(), expect, word);
}

fn refuses_bytes(bytes: &[u8], expect: Reason, word: &str) {
    let Err(refused) = read_bytes(bytes) else {
        panic!("it is read: {word}");
    };
    assert_eq!(refused.reason(), expect, "{refused}");
    assert!(refused.to_string().contains(word), "`{word}` in: {refused}");
}

#[test]
fn files_folders_and_links_are_told_by_their_kind() {
    let tar = Tar::default()
        .folder(b"./")
        .folder(b"./a/")
        .file(b"./a/f", b"text")
        .add(b"/a/x", b'0', 0o4755, b"", b"")
        .add(b"a/old", 0, 0o600, b"", b"y")
        .add(b"a/oldest/", 0, 0o755, b"", b"")
        .add(b"a/c", b'7', 0o100, b"", b"z")
        .add(b"l", b'2', 0o777, b"../../etc/passwd", b"")
        .link(b"h", b"/a/f");
    let expect = [
        "/",
        "a/",
        "a/f 4",
        "a/x 0x",
        "a/old 1",
        "a/oldest/",
        "a/c 1x",
        "l -> ../../etc/passwd",
        "h = a/f",
    ];
    assert_eq!(lines(tar.clone()), expect);
    let (_, memory) = read_bytes(&tar.finished()).unwrap();
    assert_eq!(memory.0[0], (b"text".to_vec(), 7));
    assert_eq!(lines(Tar::default()), [""; 0], "an empty layer");
    assert!(
        read_bytes(b"").unwrap().0.entries.is_empty(),
        "nor has it to end"
    );
}

#[test]
fn no_path_leads_out_of_the_image() {
    let refused = |path: &[u8], word: &str| {
        refuses(Tar::default().file(path, b""), Reason::BadArchive, word);
    };
    refused(b"../x", "leads upwards");
    refused(b"a/../../x", "leads upwards");
    refused(b"/..", "leads upwards");
    let link = Tar::default()
        .file(b"f", b"")
        .link(b"h", b"../../etc/passwd");
    refuses(link, Reason::BadArchive, "leads upwards");
    let whiteout = Tar::default().file(b".wh...", b"");
    refuses(whiteout, Reason::BadArchive, "whiteout of nothing");
    for name in [b".wh.".as_slice(), b"a/.wh..", b"a/.wh..."] {
        refuses(
            Tar::default().file(name, b""),
            Reason::BadArchive,
            "whiteout of nothing",
        );
    }
    let inside = Tar::default().file(b".wh.a/b", b"");
    refuses(inside, Reason::BadArchive, "named as a whiteout");
}

#[test]
fn whiteouts_say_what_is_gone() {
    let tar = Tar::default()
        .file(b"a/.wh.b", b"ignored")
        .file(b".wh.c", b"")
        .file(b"d/.wh..wh..opq", b"")
        .file(b".wh..wh..opq", b"")
        .folder(b".wh..wh.plnk/")
        .file(b".wh..wh.plnk/1.2", b"x")
        .file(b".wh..wh.aufs", b"")
        .file(b".wh..wh.plnk/.wh..wh..opq", b"")
        .file(b"x.wh.y", b"");
    let expect = ["a/b gone", "c gone", "d emptied", " emptied", "x.wh.y 0"];
    assert_eq!(lines(tar), expect);
}

#[test]
fn devices_and_pipes_are_left_out_and_counted() {
    let tar = Tar::default()
        .add(b"dev/null", b'3', 0o666, b"", b"")
        .add(b"dev/sda", b'4', 0o660, b"", b"")
        .add(b"pipe", b'6', 0o644, b"", b"")
        .link(b"other", b"dev/null")
        .file(b"dev/sda", b"no longer")
        .link(b"file", b"dev/sda");
    let expect = [
        "dev/null left out",
        "dev/sda left out",
        "pipe left out",
        "other left out",
        "dev/sda 9",
        "file = dev/sda",
    ];
    assert_eq!(lines(tar.clone()), expect);
    assert_eq!(read_bytes(&tar.finished()).unwrap().0.left_out, 4);
}

#[test]
fn names_may_be_long_and_need_not_be_text() {
    let long = [b"d/".repeat(100), b"f".repeat(250)].concat();
    let zero = [long.as_slice(), b"\0junk"].concat();
    let target = b"t".repeat(3000);
    let tar = Tar::default()
        .file(b"\xff\xfe\n", b"")
        .extension(b'L', &zero)
        .file(b"short", b"1")
        .extension(b'K', &target)
        .add(b"l", b'2', 0, b"short", b"")
        .pax(&[
            ("path", &long),
            ("mtime", b"1.5"),
            ("SCHILY.xattr.a", b"\0\n="),
        ])
        .file(b"short", b"22")
        .pax(&[("linkpath", &target)])
        .add(b"m", b'2', 0, b"short", b"")
        .extension(b'g', b"20 comment=a commit\n")
        .pax(&[("path", b"")])
        .file(b"reset", b"");
    let (index, _) = read_bytes(&tar.finished()).unwrap();
    let paths: Vec<_> = index.entries.iter().map(|it| it.path.as_bytes()).collect();
    assert_eq!(
        paths,
        [b"\xff\xfe\n".as_slice(), &long, b"l", &long, b"m", b"reset"]
    );
    for at in [2, 4] {
        let kind = Kind::Symlink {
            target: target.clone(),
        };
        assert_eq!(index.entries[at].kind, kind);
    }
}

#[test]
fn an_extension_speaks_of_the_next_entry_and_once() {
    let malformed = |tar: Tar, word: &str| refuses(tar, Reason::Malformed, word);
    let twice = Tar::default().extension(b'L', b"a").extension(b'L', b"b");
    malformed(twice.file(b"c", b""), "two extension headers");
    let twice = Tar::default().pax(&[("path", b"a")]).pax(&[("path", b"b")]);
    malformed(twice.file(b"c", b""), "two extension headers");
    malformed(
        Tar::default().extension(b'L', b"a"),
        "ends with an extension",
    );
    malformed(
        Tar::default()
            .extension(b'x', b"nonsense\n")
            .file(b"a", b""),
        "",
    );
    let global = Tar::default()
        .extension(b'g', b"9 path=a\n")
        .file(b"b", b"");
    malformed(global, "global header");
    let zero = Tar::default().pax(&[("path", b"a\0b")]).file(b"c", b"");
    refuses(zero, Reason::BadArchive, "zero byte");
    let size = Tar::default().pax(&[("size", b"9")]).file(b"c", b"12");
    refuses(size, Reason::BadArchive, "said twice");
    let same = Tar::default().pax(&[("size", b"2")]).file(b"c", b"12");
    assert_eq!(lines(same), ["c 2"]);
}

#[test]
fn sparse_files_and_unknown_kinds_are_refused_by_name() {
    let gnu = Tar::default().add(b"s", b'S', 0o644, b"", b"");
    refuses(gnu, Reason::BadArchive, "sparse");
    let pax = Tar::default()
        .pax(&[("GNU.sparse.major", b"1")])
        .file(b"s", b"");
    refuses(pax, Reason::BadArchive, "sparse");
    for kind in [b'V', b'M', b'D', b'?'] {
        let unknown = Tar::default().add(b"s", kind, 0o644, b"", b"");
        refuses(unknown, Reason::BadArchive, "neither file, folder nor link");
    }
    for kind in [b'1', b'2', b'5', b'3', b'6'] {
        let full = Tar::default().add(b"s", kind, 0o644, b"t", b"content");
        refuses(full, Reason::BadArchive, "has content");
    }
    let nowhere = Tar::default().add(b"s", b'2', 0o644, b"", b"");
    refuses(nowhere, Reason::BadArchive, "target is empty");
}

#[test]
fn numbers_and_names_are_bounded_while_they_grow() {
    let many = (0..101).fold(Tar::default(), |tar, n| {
        tar.file(n.to_string().as_bytes(), b"")
    });
    refuses(many, Reason::TooLarge, "entries than the 100");
    let long = "n".repeat(90);
    let names = (0..99).fold(Tar::default(), |tar, n| {
        tar.add(
            format!("{long}{n}").as_bytes(),
            b'2',
            0,
            &b"t".repeat(90),
            b"",
        )
    });
    refuses(names, Reason::TooLarge, "bytes of names than the 10000");
    // A long name of a gigabyte: refused at its header, unread.
    for kind in [b'L', b'K', b'x', b'g'] {
        let mut header = Header::new_gnu();
        header.as_old_mut().linkflag[0] = kind;
        header.set_size(1 << 30);
        header.set_cksum();
        refuses_bytes(header.as_bytes(), Reason::TooLarge, "extension header");
    }
    let deep = Tar::default().extension(b'L', &b"d/".repeat(MAX_DEPTH + 1));
    refuses(deep.file(b"a", b""), Reason::BadArchive, "nested too deep");
    let long = [b"d".repeat(200).as_slice(), b"/"]
        .concat()
        .repeat(MAX_PATH / 200 + 1);
    let long = Tar::default().extension(b'L', &long).file(b"a", b"");
    refuses(long, Reason::BadArchive, "too long");
}

#[test]
fn a_cut_or_altered_archive_is_malformed() {
    let whole = Tar::default().file(b"a", &[7; 3000]).0;
    for cut in [1, 511, 513, 2000, 3511] {
        refuses_bytes(&whole[..cut], Reason::Malformed, "");
    }
    let mut altered = Tar::default().file(b"a", b"x").finished();
    altered[0] = b'b';
    refuses_bytes(&altered, Reason::Malformed, "checksum");
    refuses_bytes(&[b'x'; 1024], Reason::Malformed, "");
    for size in [1 << 40, u64::MAX / 2, u64::MAX] {
        let mut header = Header::new_gnu();
        header.set_path("a").unwrap();
        header.set_mode(0o644);
        header.set_size(size);
        header.set_cksum();
        refuses_bytes(header.as_bytes(), Reason::Malformed, "malformed");
    }
}

#[test]
fn nothing_hides_behind_the_end() {
    let mut tar = Tar::default().file(b"a", b"").finished();
    tar.resize(tar.len() + 10_240, 0);
    assert!(read_bytes(&tar).is_ok(), "writers fill up to a record");
    tar.extend_from_slice(&Tar::default().file(b"hidden", b"").0);
    refuses_bytes(&tar, Reason::Malformed, "after the end");
}

#[test]
fn an_error_of_the_stream_is_told() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the stream broke"))
        }
    }
    let head = Tar::default().file(b"a", b"").0;
    let mut stream = head.as_slice().chain(Fails);
    let refused = read(&mut stream, &BOUNDS, &mut Memory::default()).unwrap_err();
    assert!(
        refused.to_string().contains("the stream broke"),
        "{refused}"
    );
}
