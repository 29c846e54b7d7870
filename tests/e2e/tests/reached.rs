//! The network of an agent's own program where names lead somewhere: a world of the test's own, in which hosts have
//! addresses that everybody reaches. What is reached by name and what is not, how much of it at once, and what becomes of an
//! open connection when its node is restarted, its grant is taken back or its turn is cancelled.

#![allow(clippy::unwrap_used)]

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use aion_e2e::{
    cluster::{BOUND, root},
    programs::Programs,
    standalone::Standalone,
    world::World,
};
use aion_testkit::{Interpreter, until};
use serde_json::json;

const PORT: u16 = 8443;
/// The most connections of one agent that are open at a time, and with those that wait (docs/process-abi.md).
const OPEN: usize = 32;
const WAITING_TOO: usize = 64;
/// Of a node's connections, those that a tenant has that is alone.
const OF_TENANT: usize = 256;

/// A server that keeps each connection until its peer has nothing more to say, and then says so itself.
#[derive(Clone, Default)]
struct Server {
    /// It greets nobody before so many are there at once.
    from: usize,
    open: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    ever: Arc<AtomicUsize>,
}

impl Server {
    fn serve(listener: TcpListener) -> Self {
        Self::default().serving(listener)
    }

    fn serving(self, listener: TcpListener) -> Self {
        let server = self;
        let this = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let this = this.clone();
                thread::spawn(move || this.keep(stream));
            }
        });
        server
    }

    fn keep(&self, mut stream: TcpStream) {
        self.ever.fetch_add(1, Ordering::SeqCst);
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(open, Ordering::SeqCst);
        let there = until(
            "the server to have all whom it greets",
            BOUND,
            || match self.most.load(Ordering::SeqCst) {
                most if most >= self.from => Ok(()),
                most => Err(format!("{most} of {}", self.from)),
            },
        );
        if there.is_err() {
            return;
        }
        let _ = stream.write_all(b"hello\n");
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard);
        let _ = stream.write_all(format!("{} bytes\n", heard.len()).as_bytes());
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    fn until_open(&self, wanted: usize) {
        let reached = until("the server to have its connections", BOUND, || {
            match self.open() {
                open if open == wanted => Ok(()),
                open => Err(format!("{open} of {wanted}")),
            }
        });
        reached.unwrap();
    }
}

/// Does what it is asked: `fetch HOST`, `hold HOST` until the other end is gone, `fast HOST` without `connect`, `many HOST COUNT`
/// at once, or `crowd HOST COUNT` until something comes over one of them.
const PROGRAM: &str = r#"
import errno
import select

def said(stream):
    heard = b""
    while True:
        some = stream.recv(65536)
        if not some:
            return heard.decode().split("\n")
        heard += some

def fetch(host):
    with socket.create_connection((host, @PORT@), timeout=60) as stream:
        stream.sendall(b"x" * 1_000_000)
        stream.shutdown(socket.SHUT_WR)
        return " ".join(said(stream))

def hold(host):
    with socket.create_connection((host, @PORT@), timeout=60) as stream:
        assert stream.recv(6) == b"hello\n"
        try:
            came = "ended" if not stream.recv(1) else "went on"
        except ConnectionResetError:
            came = "reset"
    try:
        with socket.create_connection((host, @PORT@), timeout=60) as stream:
            return came + ", then " + stream.recv(5).decode()
    except socket.gaierror:
        return came + ", then no such name"
    except OSError as error:
        return came + ", then " + os.strerror(error.errno)

def fast(host):
    with socket.socket() as stream:
        stream.sendto(b"x", socket.MSG_FASTOPEN, (host, @PORT@))
        return "went out"

def many(host, count):
    streams = [socket.create_connection((host, @PORT@), timeout=60) for _ in range(int(count))]
    heard = 0
    for stream in streams:
        heard += stream.recv(6) == b"hello\n"
        stream.close()
    return f"{heard} answered"

def crowd(host, count):
    streams = [socket.create_connection((host, @PORT@), timeout=60) for _ in range(int(count))]
    ready, _, _ = select.select(streams, [], [])
    return "came " + ready[0].recv(6).decode()

node = Node()
way, *words = node.text.split()
try:
    text = globals()[way](*words)
except socket.gaierror:
    text = "no such name"
except OSError as error:
    # A reset that came between two calls is told by the next one, in its own words.
    reset = (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN)
    text = "reset" if error.errno in reset else os.strerror(error.errno)
node.call("agent.message", kind="final", text=text)
"#;

struct Story {
    programs: Programs<Standalone>,
    world: World,
    granted: Vec<String>,
}

impl Story {
    fn of(name: &str) -> anyhow::Result<Option<Self>> {
        let hosts = [
            ("api.world.test", "198.51.100.7"),
            ("one.wide.test", "198.51.100.8"),
            ("deep.one.wide.test", "198.51.100.8"),
            ("home.world.test", "192.168.7.7"),
            ("cloud.world.test", "169.254.169.254"),
            ("near.world.test", "203.0.113.1"),
            ("other.test", "198.51.100.9"),
        ];
        let Some(world) = World::enter(&hosts)? else {
            return Ok(None);
        };
        let node = Standalone::start(name)?.with_policies()?;
        let Some(programs) = Programs::on(node, Interpreter::Python)? else {
            return Ok(None);
        };
        let granted = ["api", "home", "cloud", "near"].map(|it| format!("{it}.world.test:{PORT}"));
        let granted = granted.into_iter().chain([format!("*.wide.test:{PORT}")]);
        let mut story = Self {
            programs,
            world,
            granted: granted.collect(),
        };
        story.allow(&story.granted.clone())?;
        story.caller("caller")?;
        Ok(Some(story))
    }

    fn caller(&mut self, name: &str) -> anyhow::Result<()> {
        let client = std::fs::read_to_string(root().join("agents/notebook/python/aion.py"))?;
        let source = client + &PROGRAM.replace("@PORT@", &PORT.to_string());
        let spec = json!({
            "limits": {"turnSeconds": 120, "concurrentCalls": 128, "memoryMiB": 128},
            "permissions": {"network": self.granted},
        });
        self.programs.agent(name, &source, spec)
    }

    /// All that its policy grants from now on.
    fn allow(&self, network: &[String]) -> anyhow::Result<()> {
        self.programs.apply(&[json!({
            "apiVersion": "aion.dev/v1alpha1", "kind": "ClusterAgentPolicy", "metadata": {"name": "network"},
            "spec": {"network": network},
        })])?;
        Ok(())
    }

    fn serve(&self, address: &str) -> anyhow::Result<Server> {
        Ok(Server::serve(self.listen(address)?))
    }

    fn listen(&self, address: &str) -> anyhow::Result<TcpListener> {
        self.world.listen(&format!("{address}:{PORT}"))
    }

    fn ask(&self, what: &str) -> String {
        self.asking(what)().unwrap_or_else(|refused| format!("refused: {refused}"))
    }

    fn asking(
        &self,
        what: &str,
    ) -> impl FnOnce() -> anyhow::Result<String> + Send + 'static + use<> {
        self.programs.node.asking(&["ask", "caller", what])
    }
}

#[test]
fn a_name_is_reached_where_everybody_reaches_it_and_nowhere_else() -> anyhow::Result<()> {
    let Some(story) = Story::of("names")? else {
        return Ok(());
    };
    let (api, wide) = (story.serve("198.51.100.7")?, story.serve("198.51.100.8")?);
    let not = ["192.168.7.7", "169.254.169.254", "198.51.100.9"].map(|it| story.serve(it).unwrap());
    let near = Server::serve(TcpListener::bind(format!("0.0.0.0:{PORT}"))?);
    for (host, came) in [
        ("api.world.test", "hello 1000000 bytes"),
        ("one.wide.test", "hello 1000000 bytes"),
        ("deep.one.wide.test", "no such name"),
        ("other.test", "no such name"),
        ("home.world.test", "reset"),
        ("cloud.world.test", "reset"),
        ("near.world.test", "reset"),
    ] {
        let answer = story.ask(&format!("fetch {host}"));
        assert!(answer.contains(came), "{host}: {answer}");
    }
    let ever = |it: &Server| it.ever.load(Ordering::SeqCst);
    assert_eq!((ever(&api), ever(&wide), ever(&near)), (1, 1, 0));
    assert!(not.iter().all(|it| ever(it) == 0));
    let fast = story.ask("fast api.world.test");
    assert!(fast.contains("Operation not permitted"), "{fast}");
    let why = story.programs.node.aionctl(&["why", "caller"])?;
    for (host, kind) in [
        ("home", "192.168.7.7 is an address of a private network"),
        ("cloud", "169.254.169.254 is a metadata service of a cloud"),
        ("near", "203.0.113.1 is an address of the node"),
    ] {
        let refused = why.rsplit_once(&format!("net.connect:{host}.world.test:{PORT}"));
        let mut words = refused
            .into_iter()
            .flat_map(|(_, after)| after.lines().take(2));
        assert!(words.any(|it| it.contains(kind)), "{kind} is not in: {why}");
    }
    Ok(())
}

#[test]
fn a_run_has_so_many_connections_at_a_time_and_the_others_wait() -> anyhow::Result<()> {
    let Some(story) = Story::of("many")? else {
        return Ok(());
    };
    let server = Server {
        from: OPEN,
        ..Server::default()
    };
    let server = server.serving(story.listen("198.51.100.7")?);
    let asked = thread::spawn({
        let ask = story.asking(&format!("many api.world.test {}", WAITING_TOO + 16));
        move || ask()
    });
    let answer = asked.join().unwrap()?;
    assert!(
        answer.contains(&format!("{} answered", WAITING_TOO + 16)),
        "{answer}"
    );
    assert_eq!(server.most.load(Ordering::SeqCst), OPEN);
    Ok(())
}

#[test]
fn a_tenant_that_holds_half_of_all_connections_is_refused_the_next_and_told_why()
-> anyhow::Result<()> {
    let Some(mut story) = Story::of("crowd")? else {
        return Ok(());
    };
    let server = Server {
        from: usize::MAX,
        ..Server::default()
    };
    let _server = server.serving(story.listen("198.51.100.7")?);
    // One run more than the tenant has places for. Nothing is said over those that have one.
    let (told, answers) = mpsc::channel();
    for number in 0..=OF_TENANT / WAITING_TOO {
        let name = format!("crowd{number}");
        story.caller(&name)?;
        let words = format!("crowd api.world.test {WAITING_TOO}");
        let asked = story.programs.node.asking(&["ask", &name, &words]);
        let told = told.clone();
        thread::spawn(move || told.send((name, asked())));
    }
    let (name, answer) = answers.recv_timeout(BOUND)?;
    let answer = answer?;
    assert!(answer.contains("reset"), "{answer}");
    let why = story.programs.node.aionctl(&["why", &name])?;
    let words = format!("of the node's 512 connections this tenant has {OF_TENANT}");
    assert!(why.contains(&words), "{words} is not in: {why}");
    Ok(())
}

#[test]
fn a_restart_of_the_daemon_closes_a_connection_and_the_network_until_the_next_turn()
-> anyhow::Result<()> {
    let Some(mut story) = Story::of("restarted")? else {
        return Ok(());
    };
    let server = story.serve("198.51.100.7")?;
    let asked = thread::spawn(story.asking("hold api.world.test"));
    server.until_open(1);
    story.programs.node.restart_daemon()?;
    server.until_open(0);
    let answer = asked.join().unwrap()?;
    assert!(answer.contains("then no such name"), "{answer}");
    let next = story.ask("fetch api.world.test");
    assert!(next.contains("hello 1000000 bytes"), "{next}");
    Ok(())
}

#[test]
fn a_grant_that_is_taken_back_is_taken_from_what_is_open_too() -> anyhow::Result<()> {
    let Some(story) = Story::of("revoked")? else {
        return Ok(());
    };
    let server = story.serve("198.51.100.7")?;
    let asked = thread::spawn(story.asking("hold api.world.test"));
    server.until_open(1);
    story.allow(&[format!("*.wide.test:{PORT}")])?;
    server.until_open(0);
    let answer = asked.join().unwrap();
    println!("{answer:?}");
    let next = story.ask("fetch api.world.test");
    assert!(next.contains("no such name"), "{next}");
    Ok(())
}

#[test]
fn a_connection_ends_with_the_turn_that_has_it() -> anyhow::Result<()> {
    let Some(story) = Story::of("cancelled")? else {
        return Ok(());
    };
    let server = story.serve("198.51.100.7")?;
    let asked = thread::spawn(story.asking("hold api.world.test"));
    server.until_open(1);
    story
        .programs
        .node
        .aionctl(&["delete", "agent", "caller"])?;
    server.until_open(0);
    assert!(asked.join().unwrap().is_err());
    Ok(())
}
