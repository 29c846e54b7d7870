//! Logs of agents: what their workers wrote, and what the daemon has to say about them. One file an agent,
//! bounded: a full one is put aside in the place of the one before.

use std::{
    collections::{HashMap, VecDeque},
    fs,
    fs::File,
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use aion_abi::admin::LogLine;
use aion_kernel::Incarnation;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader as AsyncBufReader},
    sync::broadcast,
};

use crate::clock::Clock;

/// Bytes of a file before it is put aside.
const MAX_FILE: u64 = 4 * 1024 * 1024;
/// Bytes of a line; the rest of a longer one is cut off.
const MAX_LINE: usize = 8 * 1024;
/// Lines that a follower may be behind before it loses some.
const FOLLOWERS_BEHIND: usize = 1024;

/// The logs of all agents. Clones share them.
#[derive(Debug, Clone)]
pub struct Logs {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    clock: Clock,
    agents: Mutex<HashMap<String, Log>>,
}

#[derive(Debug)]
struct Log {
    file: Option<File>,
    size: u64,
    lines: broadcast::Sender<LogLine>,
}

impl Logs {
    /// The logs in `dir`.
    pub fn new(dir: PathBuf, clock: Clock) -> Self {
        Self {
            shared: Arc::new(Shared {
                dir,
                clock,
                agents: Mutex::default(),
            }),
        }
    }

    /// Adds a line; `agent` is `namespace/name`.
    pub fn add(&self, agent: &str, incarnation: Incarnation, source: &str, text: &str) {
        let end = text.floor_char_boundary(MAX_LINE);
        let line = LogLine {
            at_ms: self.shared.clock.now().0,
            incarnation: incarnation.0,
            source: source.to_owned(),
            text: text[..end].to_owned(),
        };
        let path = self.path(agent);
        let mut agents = self.lock();
        let log = agents.entry(agent.to_owned()).or_insert_with(|| Log {
            file: None,
            size: 0,
            lines: broadcast::Sender::new(FOLLOWERS_BEHIND),
        });
        if let Err(error) = log.write(&path, &line) {
            tracing::warn!(agent, %error, "a log line was lost");
            log.file = None;
        }
        let _ = log.lines.send(line);
    }

    /// Copies a worker's stream into its agent's log until it ends.
    pub(super) async fn copy(
        &self,
        agent: &str,
        incarnation: Incarnation,
        source: &'static str,
        stream: impl AsyncRead + Unpin,
    ) {
        let mut reader = AsyncBufReader::with_capacity(MAX_LINE, stream);
        let mut line = Vec::new();
        loop {
            let (used, ended) = match reader.fill_buf().await {
                Ok([]) | Err(_) => (0, true),
                Ok(bytes) => match bytes.iter().position(|byte| *byte == b'\n') {
                    Some(at) => {
                        line.extend_from_slice(&bytes[..at]);
                        self.add(agent, incarnation, source, &String::from_utf8_lossy(&line));
                        line.clear();
                        (at + 1, false)
                    }
                    None => {
                        line.extend_from_slice(bytes);
                        (bytes.len(), false)
                    }
                },
            };
            reader.consume(used);
            // A line without an end is handed on in pieces.
            if line.len() >= MAX_LINE || (ended && !line.is_empty()) {
                self.add(agent, incarnation, source, &String::from_utf8_lossy(&line));
                line.clear();
            }
            if ended {
                return;
            }
        }
    }

    /// The last `tail` lines, and those to come. Blocks on the disk.
    pub fn read(
        &self,
        agent: &str,
        tail: usize,
    ) -> io::Result<(Vec<LogLine>, broadcast::Receiver<LogLine>)> {
        let path = self.path(agent);
        let mut agents = self.lock();
        let log = agents.entry(agent.to_owned()).or_insert_with(|| Log {
            file: None,
            size: 0,
            lines: broadcast::Sender::new(FOLLOWERS_BEHIND),
        });
        let to_come = log.lines.subscribe();
        drop(agents);
        if tail == 0 {
            return Ok((Vec::new(), to_come));
        }
        let mut last = VecDeque::new();
        for path in [aside(&path), path] {
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for line in BufReader::new(file).lines() {
                // A line that a crash cut off is no line.
                if let Ok(line) = serde_json::from_str(&line?) {
                    if last.len() == tail {
                        last.pop_front();
                    }
                    last.push_back(line);
                }
            }
        }
        Ok((last.into(), to_come))
    }

    /// Erases the log of an agent that is gone.
    ///
    /// # Errors
    /// Where something of it stays.
    pub fn erase(&self, agent: &str) -> io::Result<()> {
        let path = self.path(agent);
        // Held, so that no line comes between.
        let mut agents = self.lock();
        agents.remove(agent);
        for path in [aside(&path), path] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn path(&self, agent: &str) -> PathBuf {
        // Namespaces and names are DNS labels: the only slash is the one between them.
        self.shared.dir.join(format!("{agent}.log"))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Log>> {
        self.shared
            .agents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn write(&mut self, path: &Path, line: &LogLine) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        if self.size >= MAX_FILE {
            self.file = None;
            fs::rename(path, aside(path))?;
        }
        let file = match &mut self.file {
            Some(file) => file,
            empty => {
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder)?;
                }
                let file = File::options()
                    .create(true)
                    .append(true)
                    .mode(0o600)
                    .open(path)?;
                self.size = file.metadata()?.len();
                empty.insert(file)
            }
        };
        file.write_all(&text)?;
        self.size += text.len() as u64;
        Ok(())
    }
}

fn aside(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn lines_are_kept_in_order_and_files_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::new(dir.path().to_owned(), Clock::start());
        let long = "x".repeat(4000);
        let text: String = (0..3000).map(|n| format!("{n} {long}\n")).collect();
        logs.copy("home/a", Incarnation(1), "stdout", text.as_bytes())
            .await;
        let (lines, mut to_come) = logs.read("home/a", 2).unwrap();
        assert_eq!(lines.len(), 2);
        assert!(lines[1].text.starts_with("2999 "));
        let on_disk: u64 = fs::read_dir(dir.path().join("home"))
            .unwrap()
            .map(|it| it.unwrap().metadata().unwrap().len())
            .sum();
        assert!(on_disk < 3 * MAX_FILE, "{on_disk}");
        logs.add("home/a", Incarnation(2), "node", "more");
        assert_eq!(to_come.recv().await.unwrap().text, "more");
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_handed_on_in_pieces() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::new(dir.path().to_owned(), Clock::start());
        let endless = "y".repeat(20_000);
        logs.copy("home/a", Incarnation(1), "stderr", endless.as_bytes())
            .await;
        let (lines, _) = logs.read("home/a", 100).unwrap();
        assert_eq!(lines.iter().map(|it| it.text.len()).sum::<usize>(), 20_000);
        assert!(lines.iter().all(|it| it.text.len() <= MAX_LINE));
    }
}
