//! Agents elsewhere, each a process of an SDK as it comes, and a line to one that a test can cut.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::fs::symlink,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    thread,
};

use aion_e2e::cluster::{BOUND, root};
use aion_testkit::{Interpreter, node_package, or_skip, python_package, until};
use anyhow::Context;
use parking_lot::Mutex;
use tempfile::TempDir;

/// An agent elsewhere.
pub(crate) struct Traveller {
    child: Child,
    go: ChildStdin,
    said: Receiver<String>,
    pub(crate) url: String,
    _work: Option<TempDir>,
}

impl Drop for Traveller {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Traveller {
    /// By the SDK for Python; `None` where that cannot be had. `public`: the address that its card names; `token`: the
    /// one that it wants.
    pub(crate) fn python(
        binding: &str,
        public: Option<&str>,
        token: Option<&str>,
    ) -> anyhow::Result<Option<Self>> {
        let (Some(site), Some(served)) = (
            or_skip(python_package("a2a")),
            or_skip(python_package("uvicorn")),
        ) else {
            return Ok(None);
        };
        let mut python = Command::new("python3");
        let paths = [site, served].map(|it| it.display().to_string());
        python.env("PYTHONPATH", paths.join(":"));
        python.arg(root().join("tests/e2e/tests/remote/server.py"));
        python.args([binding, public.unwrap_or("-")]).args(token);
        Self::started(python, None).map(Some)
    }

    /// By the SDK for JavaScript; `None` where that cannot be had.
    pub(crate) fn javascript() -> anyhow::Result<Option<Self>> {
        let (Some(modules), Some(_)) = (
            or_skip(node_package("a2a-js")),
            or_skip(Interpreter::Node.command()),
        ) else {
            return Ok(None);
        };
        // Node looks for packages beside the program.
        let work = tempfile::tempdir()?;
        let program = work.path().join("server.mjs");
        fs::copy(root().join("tests/e2e/tests/remote/server.mjs"), &program)?;
        symlink(&modules, work.path().join("node_modules"))?;
        let mut node = Command::new("node");
        node.arg(&program);
        Self::started(node, Some(work)).map(Some)
    }

    fn started(mut command: Command, work: Option<TempDir>) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let go = child.stdin.take().context("no way to tell it")?;
        let out = child.stdout.take().context("no way to hear it")?;
        let (tell, said) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        let mut traveller = Self {
            child,
            go,
            said,
            url: String::new(),
            _work: work,
        };
        let port = traveller.says("port")?;
        traveller.url = format!("http://127.0.0.1:{port}");
        Ok(traveller)
    }

    /// Waits until it says that it does `what`, and gives the rest of the line.
    pub(crate) fn says(&self, what: &str) -> anyhow::Result<String> {
        loop {
            let line = self.said.recv_timeout(BOUND);
            let line = line.with_context(|| format!("it did not say {what}"))?;
            if let Some(rest) = line.strip_prefix(what) {
                return Ok(rest.trim().to_owned());
            }
        }
    }

    /// What it said and nobody asked about yet.
    pub(crate) fn rest(&self) -> Vec<String> {
        self.said.try_iter().collect()
    }

    /// Lets go of what it holds.
    pub(crate) fn go(&mut self) -> io::Result<()> {
        writeln!(self.go)
    }
}

/// A line to somebody, which can be cut.
pub(crate) struct Cut {
    pub(crate) url: String,
    target: Arc<Mutex<Option<String>>>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    /// All that was passed on.
    passed: Arc<Mutex<Vec<u8>>>,
}

impl Cut {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let (target, open) = (Arc::new(Mutex::new(None)), Arc::<Mutex<Vec<_>>>::default());
        let passed = Arc::<Mutex<Vec<u8>>>::default();
        let (to, kept, heard) = (
            Arc::<Mutex<Option<String>>>::clone(&target),
            Arc::clone(&open),
            Arc::clone(&passed),
        );
        thread::spawn(move || {
            for from in listener.incoming().map_while(Result::ok) {
                let target = to.lock().clone().unwrap_or_default();
                let Ok(to) = TcpStream::connect(target) else {
                    continue;
                };
                let ends = [&from, &to].map(TcpStream::try_clone);
                kept.lock().extend(ends.into_iter().flatten());
                let pair = [(&from, &to), (&to, &from)];
                for (from, to) in pair {
                    if let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) {
                        let heard = Arc::clone(&heard);
                        thread::spawn(move || {
                            let _ = pass(&mut from, &mut to, &heard);
                            let _ = to.shutdown(Shutdown::Write);
                        });
                    }
                }
            }
        });
        Ok(Self {
            url,
            target,
            open,
            passed,
        })
    }

    pub(crate) fn leads_to(&self, url: &str) {
        let address = url.trim_start_matches("http://").to_owned();
        *self.target.lock() = Some(address);
    }

    /// Waits until these words were passed on.
    pub(crate) fn until_passed(&self, words: &str) -> anyhow::Result<()> {
        let words = words.as_bytes();
        until("the words to pass", BOUND, || {
            let passed = self.passed.lock();
            let found = passed.windows(words.len()).any(|it| it == words);
            found.then_some(()).ok_or_else(|| "not yet".to_owned())
        })?;
        Ok(())
    }

    /// Cuts all that is open, and gives how many that were.
    pub(crate) fn cut(&self) -> usize {
        let open = std::mem::take(&mut *self.open.lock());
        let cut = open.iter().map(|it| it.shutdown(Shutdown::Both));
        cut.filter(Result::is_ok).count()
    }
}

fn pass(from: &mut TcpStream, to: &mut TcpStream, heard: &Mutex<Vec<u8>>) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..read])?;
        heard.lock().extend_from_slice(&buffer[..read]);
    }
}
