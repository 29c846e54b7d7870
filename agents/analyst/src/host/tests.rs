//! Files in whatever form their parts come.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::cell::RefCell;
use std::io::{self, Read as _};
use std::rc::Rc;

use super::{At, Caller, File, FileRef, Source};
use crate::sheet::ReadAt as _;

struct Answers(RefCell<Vec<&'static str>>);

impl Caller for Answers {
    fn call(&self, _: &str, _: &[u8], response: &mut Vec<u8>) -> io::Result<i32> {
        *response = self.0.borrow_mut().remove(0).into();
        Ok(200)
    }
}

fn read(answers: &[&'static str]) -> io::Result<Vec<u8>> {
    let answers = Rc::new(Answers(RefCell::new(answers.to_vec())));
    let mut all = Vec::new();
    File::new(Source::new(answers, FileRef::default())).read_to_end(&mut all)?;
    Ok(all)
}

#[test]
fn a_file_is_read_however_its_answer_is_written() {
    let got = read(&[
        r#"{"data":"YQo=","size":6,"version":"5"}"#,
        r#"{"size":6, "data" : "YgpjCg==", "version":"5"}"#,
        r#"{"version":"5","data":"","size":6}"#,
    ]);
    assert_eq!(got.unwrap(), b"a\nb\nc\n");
}

#[test]
fn an_answer_that_is_no_file_is_an_error() {
    for answer in [
        r#"{"data":"YQ"#,
        r#"{"data":"%%","size":1}"#,
        r#"{"data":1,"size":1}"#,
        "[]",
    ] {
        assert!(read(&[answer]).is_err(), "{answer}");
    }
}

#[test]
fn a_file_that_changes_meanwhile_is_an_error() {
    let answers = [
        r#"{"data":"YQo=","size":6,"version":"5"}"#,
        r#"{"data":"YQo=","size":6,"version":"6"}"#,
    ];
    let error = read(&answers).unwrap_err().to_string();
    assert!(error.contains("changed while it was read"), "{error}");
}

#[test]
fn a_place_is_read_once_and_its_end_is_no_error() {
    let answers = Rc::new(Answers(RefCell::new(vec![
        r#"{"data":"YWJjZGVm","size":6,"version":"5"}"#,
        r#"{"data":"","size":6,"version":"5"}"#,
    ])));
    let at = At::new(Source::new(answers, FileRef::default()));
    let mut into = [0; 3];
    assert_eq!(at.read_at(&mut into, 2).unwrap(), 3);
    assert_eq!(&into, b"cde");
    assert_eq!(at.read_at(&mut into, 1).unwrap(), 3);
    assert_eq!(&into, b"bcd");
    assert_eq!(at.read_at(&mut into, 400_000).unwrap(), 0);
}
