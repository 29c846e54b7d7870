//! A worker for the launcher's tests: confined exactly as the real one, it then
//! does what its boot document says, one word a line, and prints one line for each
//! with what came of it. Not shipped.

#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Command, exit};
use std::time::Duration;

fn main() {
    let held = match aion_sandbox::hold() {
        Ok(held) => held,
        Err(error) => {
            eprintln!("{error}");
            exit(error.exit_code());
        }
    };
    let boot = held.read_boot().unwrap_or_default();
    for word in String::from_utf8_lossy(&boot).lines() {
        let (word, argument) = word.split_once(' ').unwrap_or((word, ""));
        let came = act(&held, word, argument);
        println!("{word} {argument}: {came}");
        let _ = io::stdout().flush();
    }
}

fn act(held: &aion_sandbox::Held, word: &str, argument: &str) -> String {
    match word {
        "say" => argument.to_owned(),
        "note" => {
            held.note(argument);
            "noted".into()
        }
        "exit" => exit(argument.parse().unwrap_or(0)),
        "sleep" => {
            std::thread::sleep(Duration::from_secs(3600));
            "slept".into()
        }
        "module" => told(
            held.read_module()
                .map(|it| String::from_utf8_lossy(&it).into_owned()),
        ),
        "open" => told(File::open(argument).map(|_| "opened".into())),
        "create" => told(File::create(argument).map(|_| "created".into())),
        "connect" => told(connect(held).map(|_| "connected".into())),
        // Until the other side hangs up.
        "wait" => told(connect(held).and_then(|mut stream| {
            stream.read_to_end(&mut Vec::new())?;
            Ok("waited".into())
        })),
        "stoppable" => stoppable(held),
        "abstract" => told(connect_abstract(argument)),
        "tcp" => told(TcpStream::connect(argument).map(|_| "connected".into())),
        "exec" => told(Command::new(argument).status().map(|_| "ran".into())),
        "environment" => std::env::vars_os().count().to_string(),
        "descriptors" => descriptors(),
        "fork" => {
            // SAFETY: the copy ends at once.
            told(unsafe {
                match libc::fork() {
                    0 => libc::_exit(0),
                    result => checked(result.into()),
                }
            })
        }
        "forks" => forks(),
        // SAFETY (for the next four): calls without memory of ours, which either
        // fail or change nothing that is used afterwards.
        "kill" => told(checked(unsafe {
            libc::kill(argument.parse().unwrap_or(0), libc::SIGKILL).into()
        })),
        "ptrace" => told(checked(unsafe {
            libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0)
        })),
        "mount" => told(checked(unsafe {
            let none = std::ptr::null();
            libc::mount(
                c"tmpfs".as_ptr(),
                c"/run".as_ptr(),
                c"tmpfs".as_ptr(),
                0,
                none,
            )
            .into()
        })),
        "executable-memory" => told(unsafe {
            let protection = libc::PROT_READ | libc::PROT_EXEC;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            match libc::mmap(std::ptr::null_mut(), 4096, protection, flags, -1, 0) {
                libc::MAP_FAILED => Err(io::Error::last_os_error()),
                _ => Ok("mapped".into()),
            }
        }),
        "touch-mib" => {
            let mut held = Vec::new();
            for _ in 0..argument.parse::<usize>().unwrap_or(0) {
                held.push(vec![1_u8; 1 << 20]);
            }
            format!("{} MiB", held.len())
        }
        _ => "unknown word".into(),
    }
}

fn told(result: io::Result<String>) -> String {
    match result {
        Ok(text) => text,
        Err(error) => format!("refused, {:?}", error.kind()),
    }
}

fn checked(result: i64) -> io::Result<String> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok("done".into()),
    }
}

fn connect(held: &aion_sandbox::Held) -> io::Result<UnixStream> {
    UnixStream::connect(held.socket().ok_or(io::ErrorKind::NotFound)?)
}

fn connect_abstract(name: &str) -> io::Result<String> {
    use std::os::linux::net::SocketAddrExt;
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
    UnixStream::connect_addr(&address).map(|_| "connected".into())
}

/// Takes the request to stop from now on, and says so by a connection.
fn stoppable(held: &aion_sandbox::Held) -> String {
    extern "C" fn stop(_: libc::c_int) {
        // SAFETY: ends the process, from a signal handler too.
        unsafe { libc::_exit(aion_sandbox::exit::STOPPED) }
    }
    // SAFETY: the handler does one thing that handlers may do.
    unsafe { libc::signal(libc::SIGTERM, stop as *const () as libc::sighandler_t) };
    told(connect(held).map(|_| "told".into()))
}

/// The numbers of the descriptors that are open.
fn descriptors() -> String {
    let open = |number: &i32| {
        // SAFETY: asks about a number, open or not.
        unsafe { libc::fcntl(*number, libc::F_GETFD) != -1 }
    };
    let numbers: Vec<String> = (0..64).filter(open).map(|it| it.to_string()).collect();
    numbers.join(",")
}

/// Forks until it is refused; the copies wait to be killed with their namespace.
fn forks() -> String {
    for made in 0..1000 {
        // SAFETY: the copy only waits.
        match unsafe { libc::fork() } {
            0 => loop {
                std::thread::sleep(Duration::from_secs(3600));
            },
            -1 => return format!("{made}, then {:?}", io::Error::last_os_error().kind()),
            _ => {}
        }
    }
    "never refused".into()
}
