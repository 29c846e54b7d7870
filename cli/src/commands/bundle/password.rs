//! Passwords of keys: from COSIGN_PASSWORD, as Cosign has it, or typed without showing.

use std::{
    env,
    fs::OpenOptions,
    io::{self, BufRead, BufReader, Write},
};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

const VARIABLE: &str = "COSIGN_PASSWORD";

/// The password of an existing key.
pub(super) fn ask(prompt: &str) -> io::Result<Zeroizing<String>> {
    match env::var(VARIABLE) {
        Ok(password) => Ok(Zeroizing::new(password)),
        Err(_) => typed(prompt),
    }
}

/// A password for a new key, typed twice.
pub(super) fn choose() -> io::Result<Zeroizing<String>> {
    if let Ok(password) = env::var(VARIABLE) {
        return Ok(Zeroizing::new(password));
    }
    let first = typed("password for the key: ")?;
    let second = typed("the same again: ")?;
    if first == second {
        return Ok(first);
    }
    Err(io::Error::other("the two differ"))
}

/// Reads a line from the terminal, not from standard input, with the echo off.
fn typed(prompt: &str) -> io::Result<Zeroizing<String>> {
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    terminal.write_all(prompt.as_bytes())?;
    let before = tcgetattr(&terminal)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
    let mut line = Zeroizing::new(String::new());
    let read = BufReader::new(&terminal).read_line(&mut line);
    tcsetattr(&terminal, OptionalActions::Flush, &before)?;
    terminal.write_all(b"\n")?;
    read?;
    Ok(Zeroizing::new(
        line.trim_end_matches(['\r', '\n']).to_owned(),
    ))
}
