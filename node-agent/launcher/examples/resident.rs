//! The program of an image for the launcher's tests: it does what its arguments say, one word each with what belongs
//! to it, and prints a line for each with what came of it. Not shipped.

#![allow(unsafe_code)]

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::fd::FromRawFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, exit};
use std::time::Duration;

fn main() {
    for argument in std::env::args().skip(1) {
        let (word, rest) = argument.split_once(' ').unwrap_or((&argument, ""));
        let came = act(word, rest);
        println!("{argument}: {came}");
        let _ = io::stdout().flush();
    }
}

fn act(word: &str, rest: &str) -> String {
    match word {
        "arguments" => format!("{:?}", std::env::args().collect::<Vec<_>>()),
        "environment" => {
            let mut all: Vec<_> = std::env::vars()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            all.sort();
            all.join(" ")
        }
        "folder" => told(std::env::current_dir().map(|it| it.display().to_string())),
        "who" => who(),
        "descriptors" => told(descriptors()),
        "boot" => told(boot()),
        "status" => told(status(rest)),
        "read" => told(fs::read_to_string(rest).map(|it| it.trim_end().to_owned())),
        "list" => told(list(rest)),
        "write" => told(fs::write(rest, "x").map(|()| "written".into())),
        "append" => told(append(rest)),
        "fill" => fill(rest),
        "execute" => told(execute(rest)),
        "connect" => told(UnixStream::connect(rest).map(|_| "connected".into())),
        "device" => told(device(rest)),
        "tcp" => told(TcpStream::connect(rest).and_then(greeted)),
        "udp" => told(asked(rest)),
        "call" => call(rest),
        "memory-file" => told(memory_file()),
        "term" => term(),
        "children" => told(children()),
        "forks" => forks(true),
        "zombies" => forks(false),
        "touch-mib" => {
            let mut held = Vec::new();
            for _ in 0..rest.parse::<usize>().unwrap_or(0) {
                held.push(vec![1_u8; 1 << 20]);
            }
            format!("{} MiB", held.len())
        }
        "grow-slowly" => {
            let mut held = Vec::new();
            loop {
                held.push(vec![1_u8; 1 << 20]);
                std::thread::sleep(Duration::from_millis(rest.parse().unwrap_or(0)));
            }
        }
        "hold-mib" => {
            let held = vec![1_u8; rest.parse::<usize>().unwrap_or(0) << 20];
            std::thread::sleep(Duration::from_secs(3600));
            format!("{} bytes", held.len())
        }
        "burn-ms" => {
            let until =
                std::time::Instant::now() + Duration::from_millis(rest.parse().unwrap_or(0));
            while std::time::Instant::now() < until {}
            "burnt".into()
        }
        "thread" => told(
            std::thread::Builder::new()
                .spawn(|| ())
                .map(|it| format!("joined {}", it.join().is_ok())),
        ),
        "exit" => exit(rest.parse().unwrap_or(0)),
        "sleep" => {
            std::thread::sleep(Duration::from_secs(3600));
            "slept".into()
        }
        _ => "unknown word".into(),
    }
}

fn told(result: io::Result<String>) -> String {
    result.unwrap_or_else(|error| format!("refused, {}", name(&error)))
}

fn name(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EPERM) => "EPERM".into(),
        Some(libc::EACCES) => "EACCES".into(),
        Some(libc::EROFS) => "EROFS".into(),
        Some(libc::ENOENT) => "ENOENT".into(),
        Some(libc::ENOSPC) => "ENOSPC".into(),
        Some(libc::ENOSYS) => "ENOSYS".into(),
        Some(libc::EAGAIN) => "EAGAIN".into(),
        Some(libc::ECONNREFUSED) => "ECONNREFUSED".into(),
        Some(libc::EADDRINUSE) => "EADDRINUSE".into(),
        _ => error.to_string(),
    }
}

fn checked(result: i64) -> io::Result<String> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok("done".into()),
    }
}

fn who() -> String {
    // SAFETY (for all of them): they ask for numbers; the groups are written to a list that is long enough.
    unsafe {
        let mut groups = [0; 64];
        let count = libc::getgroups(64, groups.as_mut_ptr());
        format!(
            "{} {} {} {} with {count} groups",
            libc::getuid(),
            libc::geteuid(),
            libc::getgid(),
            libc::getegid()
        )
    }
}

/// The numbers that are open; the folder that is read for it is one of them, and left out.
fn descriptors() -> io::Result<String> {
    let open = |number: &i32| {
        // SAFETY: asks about a number, open or not.
        unsafe { libc::fcntl(*number, libc::F_GETFD) != -1 }
    };
    let numbers: Vec<String> = (0..1024).filter(open).map(|it| it.to_string()).collect();
    Ok(numbers.join(","))
}

/// Reads what is on the number that the environment says, from where it stands.
fn boot() -> io::Result<String> {
    let number = std::env::var("AION_BOOT_FD")
        .ok()
        .and_then(|it| it.parse().ok());
    // SAFETY: the number is this program's, and nothing else here uses it.
    let mut file = unsafe { File::from_raw_fd(number.unwrap_or(-1)) };
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

fn status(key: &str) -> io::Result<String> {
    let status = fs::read_to_string("/proc/self/status")?;
    let lines = status.lines().filter(|line| line.starts_with(key));
    let words: Vec<_> = lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    Ok(words.join(", "))
}

fn list(path: &str) -> io::Result<String> {
    let mut names: Vec<_> = fs::read_dir(path)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<_>>()?;
    names.sort();
    Ok(names.join(" "))
}

fn append(path: &str) -> io::Result<String> {
    File::options().append(true).open(path)?.write_all(b"1")?;
    Ok("written".into())
}

/// Writes until it is refused: mebibytes, and why.
fn fill(path: &str) -> String {
    let part = vec![1_u8; 1 << 20];
    let mut file = match File::create(path) {
        Ok(file) => file,
        Err(error) => return format!("refused, {}", name(&error)),
    };
    for written in 0..1024 {
        if let Err(error) = file.write_all(&part) {
            return format!("{written} MiB, then {}", name(&error));
        }
    }
    "never refused".into()
}

/// Writes a program and executes it.
fn execute(path: &str) -> io::Result<String> {
    use std::os::unix::fs::PermissionsExt;
    if !fs::exists(path)? {
        fs::copy("/proc/self/exe", path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    Command::new(path).status().map(|_| "ran".into())
}

/// What the other side says first.
fn greeted(mut stream: TcpStream) -> io::Result<String> {
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// What comes back for one datagram.
fn asked(address: &str) -> io::Result<String> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(address)?;
    socket.send(b"?")?;
    let mut answer = [0; 64];
    let got = socket.recv(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..got]).into_owned())
}

fn device(path: &str) -> io::Result<String> {
    let path = std::ffi::CString::new(path)?;
    // SAFETY: the path lives until the call returns.
    checked(i64::from(unsafe {
        libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o666, libc::makedev(1, 3))
    }))
}

/// Calls of the kernel that are nobody's business here, with arguments that would do something.
fn call(name: &str) -> String {
    let none = std::ptr::null::<libc::c_void>();
    let mut room = [0_u64; 32];
    let room = room.as_mut_ptr();
    // SAFETY: each is refused, or makes a descriptor, or changes what is not used afterwards; `room` is larger than
    // every structure that is read from it.
    let result = unsafe {
        match name {
            "mount" => libc::syscall(
                libc::SYS_mount,
                c"tmpfs".as_ptr(),
                c"/tmp".as_ptr(),
                c"tmpfs".as_ptr(),
                0,
                none,
            ),
            "umount2" => libc::syscall(libc::SYS_umount2, c"/tmp".as_ptr(), libc::MNT_DETACH),
            "open_tree" => libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, c"/tmp".as_ptr(), 1),
            "fsopen" => libc::syscall(libc::SYS_fsopen, c"tmpfs".as_ptr(), 0),
            "mount_setattr" => libc::syscall(
                libc::SYS_mount_setattr,
                libc::AT_FDCWD,
                c"/".as_ptr(),
                0,
                room,
                32,
            ),
            "pivot_root" => libc::syscall(libc::SYS_pivot_root, c"/tmp".as_ptr(), c"/tmp".as_ptr()),
            "chroot" => libc::syscall(libc::SYS_chroot, c"/tmp".as_ptr()),
            "unshare" => libc::syscall(libc::SYS_unshare, libc::CLONE_NEWUSER),
            "clone" => libc::syscall(
                libc::SYS_clone,
                libc::CLONE_NEWUSER | libc::SIGCHLD,
                0,
                0,
                0,
                0,
            ),
            "clone3" => libc::syscall(libc::SYS_clone3, room, 64),
            "setns" => libc::syscall(libc::SYS_setns, 0, 0),
            "ptrace" => libc::syscall(libc::SYS_ptrace, libc::PTRACE_TRACEME, 0, 0, 0),
            "process_vm_readv" => libc::syscall(libc::SYS_process_vm_readv, 1, room, 1, room, 1, 0),
            "bpf" => libc::syscall(libc::SYS_bpf, 0, room, 128),
            "keyctl" => libc::syscall(libc::SYS_keyctl, 0, -3, 1),
            "add_key" => libc::syscall(
                libc::SYS_add_key,
                c"user".as_ptr(),
                c"x".as_ptr(),
                c"x".as_ptr(),
                1,
                -3,
            ),
            "perf_event_open" => libc::syscall(libc::SYS_perf_event_open, room, 0, -1, -1, 0),
            "userfaultfd" => libc::syscall(libc::SYS_userfaultfd, 1),
            "io_uring_setup" => libc::syscall(libc::SYS_io_uring_setup, 4, room),
            "memfd_create" => libc::syscall(libc::SYS_memfd_create, c"x".as_ptr(), 0),
            // Newer than the profile, and newer than any kernel.
            "fchmodat2" => libc::syscall(452, libc::AT_FDCWD, c"/tmp".as_ptr(), 0o777, 0),
            "unknown" => libc::syscall(4000),
            "fgetxattr" => libc::syscall(libc::SYS_fgetxattr, 0, c"user.x".as_ptr(), room, 32),
            "setresuid" => libc::setresuid(0, 0, 0).into(),
            "setresgid" => libc::setresgid(0, 0, 0).into(),
            "raw" => libc::socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP).into(),
            "ping" => libc::socket(libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP).into(),
            "inet" => libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0).into(),
            "inet6" => libc::socket(libc::AF_INET6, libc::SOCK_DGRAM, 0).into(),
            "netlink" => libc::socket(libc::AF_NETLINK, libc::SOCK_RAW, 0).into(),
            "packet" => libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0).into(),
            "vsock" => libc::socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0).into(),
            "datagram" => libc::socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0).into(),
            "setuid" => libc::setuid(1).into(),
            "sethostname" => libc::sethostname(c"x".as_ptr(), 1).into(),
            _ => return "unknown call".into(),
        }
    };
    told(checked(result))
}

/// A copy of this program in a file in memory that is sealed against execution, which is tried all the same.
fn memory_file() -> io::Result<String> {
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::os::unix::fs::PermissionsExt;
    // SAFETY: the text lives until the call returns, and the number is of a descriptor that it just made.
    let mut file: File = unsafe {
        let made = libc::memfd_create(c"x".as_ptr(), libc::MFD_NOEXEC_SEAL);
        checked(made.into())?;
        OwnedFd::from_raw_fd(made).into()
    };
    io::copy(&mut File::open("/proc/self/exe")?, &mut file)?;
    let made_so = file.set_permissions(fs::Permissions::from_mode(0o755));
    let made_so = told(made_so.map(|()| "done".into()));
    let ran = Command::new(format!("/proc/self/fd/{}", file.as_raw_fd())).status();
    Ok(format!(
        "mode {made_so}, {}",
        told(ran.map(|_| "ran".into()))
    ))
}

/// Takes the request to stop from now on, says so by a connection, and waits for it.
fn term() -> String {
    extern "C" fn stop(_: libc::c_int) {
        // SAFETY: ends the process, from a signal handler too.
        unsafe { libc::_exit(42) }
    }
    // SAFETY: the handler does one thing that handlers may do.
    unsafe { libc::signal(libc::SIGTERM, stop as *const () as libc::sighandler_t) };
    let _told = UnixStream::connect("/run/aion.sock");
    std::thread::sleep(Duration::from_secs(3600));
    "slept".into()
}

/// A child and a child of that, which wait to be killed; then a connection says that they are there.
fn children() -> io::Result<String> {
    // SAFETY: the copies fork once more or wait.
    unsafe {
        if libc::fork() == 0 {
            libc::fork();
            loop {
                libc::pause();
            }
        }
    }
    while list("/proc")?
        .split(' ')
        .filter(|it| it.parse::<u32>().is_ok())
        .count()
        < 3
    {
        std::thread::yield_now();
    }
    let mut stream = UnixStream::connect("/run/aion.sock")?;
    stream.read_to_end(&mut Vec::new())?;
    Ok("hung up".into())
}

/// Forks until it is refused; the copies wait to be killed, or end and are not waited for.
fn forks(stay: bool) -> String {
    for made in 0..1000 {
        // SAFETY: the copy only waits or ends.
        match unsafe { libc::fork() } {
            0 if stay => loop {
                std::thread::sleep(Duration::from_secs(3600));
            },
            0 => exit(0),
            -1 => return format!("{made}, then {}", name(&io::Error::last_os_error())),
            _ => {}
        }
    }
    "never refused".into()
}
