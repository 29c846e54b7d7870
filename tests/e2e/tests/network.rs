//! The network of an agent's own program, the whole way: what it was granted it fetches, by its own sockets, and nothing
//! else leaves its node. As root and as an ordinary user.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use aion_e2e::{
    cluster::root,
    local::Local,
    programs::{Node, Programs},
    standalone::Standalone,
};
use aion_testkit::Interpreter;
use nix::unistd::geteuid;
use serde_json::json;

/// Some user that is nobody else.
const USER: u32 = 61_993;

/// A server that counts who comes, and answers each with one line.
struct Server {
    port: u16,
    visitors: Arc<AtomicUsize>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let visitors = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&visitors);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || answer(stream));
            }
        });
        Self { port, visitors }
    }

    fn visitors(&self) -> usize {
        self.visitors.load(Ordering::SeqCst)
    }
}

fn answer(mut stream: TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
        head.push(byte[0]);
    }
    let _ =
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello");
}

/// Tries each way out, and answers with what became of it.
const PROGRAM: &str = r#"
import hashlib, hmac, http.client, json, os, socket, time, urllib.request
boot = json.load(os.fdopen(3, "rb"))
PORT, OTHER = int("@PORT@"), int("@OTHER@")
socket.setdefaulttimeout(20)

def tried(way):
    try:
        return str(way())
    except OSError as error:
        error = getattr(error, "reason", error)
        return type(error).__name__ if isinstance(error, (socket.gaierror, TimeoutError)) else os.strerror(error.errno)

def fetch(url):
    return urllib.request.urlopen(url).read().decode()

def connect(host, port, family=socket.AF_INET):
    with socket.socket(family, socket.SOCK_STREAM) as stream:
        stream.connect((host, port))
        stream.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return len(stream.recv(1))

def datagram(host, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as it:
        it.connect((host, port))
        it.send(b"secret")
        return it.recv(1)

def secret(name):
    return socket.gethostbyname(os.urandom(20).hex() + name)[:7]

said = {
    "granted": tried(lambda: fetch(f"http://127.0.0.1:{PORT}/")),
    "twice": tried(lambda: fetch(f"http://127.0.0.1:{PORT}/")),
    "port": tried(lambda: connect("127.0.0.1", OTHER)),
    "host": tried(lambda: connect("192.0.2.7", PORT)),
    "metadata": tried(lambda: connect("169.254.169.254", PORT)),
    "loopback": tried(lambda: connect("127.0.0.2", PORT)),
    "six": tried(lambda: connect("::1", PORT, socket.AF_INET6)),
    "named": tried(lambda: connect("private.invalid", PORT)),
    "unnamed": tried(lambda: connect("evil.invalid", PORT)),
    "raw": tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)),
    "packet": tried(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)),
    "udp": tried(lambda: datagram("192.0.2.53", 53)),
    "wildcard": tried(lambda: secret(".granted.invalid")),
    "tunnel": tried(lambda: secret(".two.granted.invalid")),
}
text = json.dumps({"kind": "final", "text": "; ".join(f"{what}={came}" for what, came in said.items())}).encode()
stamp, counter = str(time.time_ns() // 1_000_000), "1"
signed = ["AION-HMAC-SHA256-V1", "POST", "/v1/agent/message", stamp, counter, "", "", hashlib.sha256(text).hexdigest()]
signature = hmac.new(bytes.fromhex(boot["key"]), "\n".join(signed).encode(), hashlib.sha256).hexdigest()
connection = http.client.HTTPConnection("aion")
connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
connection.sock.connect("/run/aion.sock")
connection.request("POST", "/v1/agent/message", text, {
    "content-type": "application/json", "aion-timestamp": stamp, "aion-counter": counter, "aion-signature": signature,
})
assert connection.getresponse().status == 200
"#;

fn fetches_what_is_granted<N: Node>(node: N) -> anyhow::Result<()> {
    let Some(mut programs) = Programs::on(node, Interpreter::Python)? else {
        return Ok(());
    };
    let (server, other) = (Server::start(), Server::start());
    let port = server.port;
    // A policy names this machine in numbers; without one nobody is led here.
    let network = [
        format!("127.0.0.1:{port}"),
        format!("private.invalid:{port}"),
        format!("*.granted.invalid:{port}"),
    ];
    programs.apply(&[json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "ClusterAgentPolicy", "metadata": {"name": "network"},
        "spec": {"network": network},
    })])?;
    let source = PROGRAM
        .replace("@PORT@", &port.to_string())
        .replace("@OTHER@", &other.port.to_string());
    let spec = json!({
        "limits": {"turnSeconds": 120},
        "permissions": {"network": network},
    });
    programs.agent("fetcher", &source, spec)?;
    let answer = programs.ask("fetcher");
    let reset = "Connection reset by peer";
    for (what, came) in [
        ("granted", "hello"),
        ("twice", "hello"),
        ("port", "Connection refused"),
        ("host", reset),
        ("metadata", reset),
        ("loopback", reset),
        ("six", reset),
        ("named", reset),
        ("unnamed", "gaierror"),
        ("raw", "Operation not permitted"),
        ("packet", "Operation not permitted"),
        ("udp", "Connection refused"),
        ("wildcard", "198.18."),
        ("tunnel", "gaierror"),
    ] {
        let line = format!("{what}={came}");
        assert!(answer.contains(&line), "{line} is not in: {answer}");
    }
    assert_eq!((server.visitors(), other.visitors()), (2, 0));
    let why = programs.node.aionctl(&["why", "fetcher"])?;
    for refused in [
        format!("net.connect:192.0.2.7:{port}"),
        format!("net.connect:169.254.169.254:{port}"),
        format!("net.connect:127.0.0.2:{port}"),
        format!("net.connect:[::1]:{port}"),
        "net.connect:evil.invalid".to_owned(),
        "two.granted.invalid".to_owned(),
    ] {
        assert!(why.contains(&refused), "{refused} is not in: {why}");
    }
    let log = programs.node.aionctl(&["logs", "fetcher"])?;
    let unresolved = format!("no connection to private.invalid:{port}: its name is not resolved");
    assert!(log.contains(&unresolved), "{unresolved} is not in: {log}");
    Ok(())
}

#[test]
fn a_program_fetches_what_it_was_granted_and_nothing_else_leaves_its_node() -> anyhow::Result<()> {
    fetches_what_is_granted(Standalone::start("network")?.with_policies()?)
}

#[test]
fn an_ordinary_users_program_has_the_same_network() -> anyhow::Result<()> {
    if !geteuid().is_root() {
        // The other story is an ordinary user's then.
        return Ok(());
    }
    let local = Local::install(Some(USER))?;
    // Whose node it is makes keys and images beside it.
    fs::set_permissions(local.path("."), fs::Permissions::from_mode(0o777))?;
    local.aionctl(&["local", "start", "--service", "aionctl"])?;
    let policies = root().join("policies/standalone.yaml");
    local.aionctl(&["apply", "-f", &policies.to_string_lossy()])?;
    fetches_what_is_granted(local)
}
