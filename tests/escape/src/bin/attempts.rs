//! The program inside: makes the attempts that its arguments name, or all, each in a process of its own, and prints one
//! line for each with what came of it. Two words more are for what it makes of itself: `who` and `group` say whose
//! program it is, `sibling` waits as another agent would.

use std::io::Write;

use aion_escape::attempts::all;
use aion_escape::{kernel, outcome};

/// Longer than any attempt takes.
const SECONDS: u32 = 20;

fn main() {
    let names: Vec<String> = std::env::args().skip(1).collect();
    match names.first().map(String::as_str) {
        Some("who") => say(libc::SYS_geteuid),
        Some("group") => say(libc::SYS_getegid),
        Some("sibling") => sibling(),
        _ => attempt(&names),
    }
}

fn attempt(names: &[String]) {
    for attempt in all() {
        if !names.is_empty() && !names.iter().any(|it| it == attempt.name) {
            continue;
        }
        let told = kernel::apart(SECONDS, || outcome::told(&(attempt.act)()));
        let told = match told {
            Ok(Ok(told)) => told,
            Ok(Err(end)) => outcome::ended(end),
            Err(error) => format!("no process: {error}"),
        };
        println!("{}\t{told}", attempt.name);
    }
}

fn say(number: libc::c_long) {
    let who = kernel::call(number, &[]).unwrap_or(usize::MAX);
    print!("{who}");
    let _ = std::io::stdout().flush();
}

/// An agent with a socket that everybody in its network could reach.
fn sibling() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixListener};
    let address = SocketAddr::from_abstract_name("escape-sibling");
    let listener = address.and_then(|address| UnixListener::bind_addr(&address));
    println!("{}", if listener.is_ok() { "here" } else { "not here" });
    loop {
        std::thread::park();
    }
}
