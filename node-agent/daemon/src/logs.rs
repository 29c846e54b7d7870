//! Logs of agents: what their workers wrote, and what the daemon has to say about them. One file an agent,
//! bounded: a full one is put aside in the place of the one before. What workers write is bounded in its rate, too, and
//! no agent's log waits for another's.

mod rate;

use std::{
    collections::{HashMap, VecDeque},
    fs,
    fs::File,
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use aion_abi::{admin::LogLine, event::Happened};
use aion_drivers::reserve::Reserve;
use aion_kernel::Incarnation;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader as AsyncBufReader},
    sync::broadcast,
    time::{Instant, sleep},
};

use crate::{clock, feed::Feed};
use rate::Rate;

/// Bytes of a file before it is put aside.
const MAX_FILE: u64 = 4 * 1024 * 1024;
/// Bytes of a line; the rest of a longer one is cut off.
const MAX_LINE: usize = 8 * 1024;
/// After a piece of a stream of which something was left out: whoever writes it waits, and not this machine.
const PAUSE: Duration = Duration::from_millis(1);
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
    reserve: Reserve,
    feed: Feed,
    /// Those that somebody writes or follows, or wrote just now. Held while one is looked up and no longer: each has a
    /// lock of its own, for the disk.
    agents: Mutex<HashMap<String, Arc<Mutex<Log>>>>,
}

#[derive(Debug, Default)]
struct Log {
    /// Streams that are being copied into it. Without any the file is closed after each line.
    writers: usize,
    file: Option<Open>,
    /// Made with the first follower.
    lines: Option<broadcast::Sender<LogLine>>,
    /// Of what its programs write.
    rate: Rate,
}

#[derive(Debug)]
struct Open {
    file: File,
    size: u64,
}

/// A stream that is being copied, until dropped.
struct Writing<'a> {
    logs: &'a Logs,
    agent: &'a str,
    incarnation: Incarnation,
}

impl Logs {
    /// The logs in `dir`. On a disk whose rest is kept for others, lines are lost.
    pub(crate) fn new(dir: PathBuf, reserve: Reserve, feed: Feed) -> Self {
        Self {
            shared: Arc::new(Shared {
                dir,
                reserve,
                feed,
                agents: Mutex::default(),
            }),
        }
    }

    /// Adds a line of the node's own; `agent` is `namespace/name`.
    pub fn add(&self, agent: &str, incarnation: Incarnation, source: &str, text: &str) {
        self.with(agent, |log| {
            self.put(log, agent, (incarnation, source), text);
        });
    }

    /// Adds a line that a program wrote; says whether it was taken.
    fn written(&self, agent: &str, from: (Incarnation, &str), text: &[u8]) -> bool {
        self.with(agent, |log| {
            if !log.rate.takes(text.len(), Instant::now()) {
                return false;
            }
            self.tell_left_out(log, agent, from.0);
            self.put(log, agent, from, &String::from_utf8_lossy(text));
            true
        })
    }

    fn tell_left_out(&self, log: &mut Log, agent: &str, incarnation: Incarnation) {
        if let Some(told) = log.rate.told() {
            self.put(log, agent, (incarnation, "node"), &told);
        }
    }

    fn put(
        &self,
        log: &mut Log,
        agent: &str,
        (incarnation, source): (Incarnation, &str),
        text: &str,
    ) {
        let end = text.floor_char_boundary(MAX_LINE);
        let line = LogLine {
            at_ms: clock::date(),
            incarnation: incarnation.0,
            source: source.to_owned(),
            text: text[..end].to_owned(),
        };
        let room = self.shared.reserve.check(0);
        if let Err(error) = room.and_then(|()| log.write(&self.path(agent), &line)) {
            tracing::warn!(agent, %error, "a log line was lost");
        }
        if self.shared.feed.is_heard() {
            let told = Happened::Log {
                incarnation: line.incarnation,
                source: line.source.clone(),
                text: line.text.clone(),
            };
            self.shared.feed.tell(Some(agent.to_owned()), told);
        }
        if let Some(lines) = &log.lines {
            let _ = lines.send(line);
        }
    }

    /// Adds a text of any length and any number of lines, none of it cut off.
    pub fn add_whole(&self, agent: &str, incarnation: Incarnation, source: &str, text: &str) {
        for mut line in text.lines() {
            while line.len() > MAX_LINE {
                let (first, rest) = line.split_at(line.floor_char_boundary(MAX_LINE));
                self.add(agent, incarnation, source, first);
                line = rest;
            }
            self.add(agent, incarnation, source, line);
        }
    }

    /// Copies a worker's stream into its agent's log until it ends.
    pub(crate) async fn copy(
        &self,
        agent: &str,
        incarnation: Incarnation,
        source: &'static str,
        stream: impl AsyncRead + Unpin,
    ) {
        let _writing = self.writing(agent, incarnation);
        let mut reader = AsyncBufReader::with_capacity(MAX_LINE, stream);
        let mut line = Vec::new();
        let add = |line: &mut Vec<u8>| {
            let taken = self.written(agent, (incarnation, source), line);
            line.clear();
            taken
        };
        loop {
            let mut taken = true;
            let bytes = reader.fill_buf().await.unwrap_or_default();
            for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
                let whole = piece.strip_suffix(b"\n");
                line.extend_from_slice(whole.unwrap_or(piece));
                // A line without an end is handed on in pieces.
                if whole.is_some() || line.len() >= MAX_LINE {
                    taken &= add(&mut line);
                }
            }
            let used = bytes.len();
            reader.consume(used);
            if used == 0 {
                if !line.is_empty() {
                    add(&mut line);
                }
                return;
            }
            if !taken {
                sleep(PAUSE).await;
            }
        }
    }

    /// The lines to come.
    pub fn follow(&self, agent: &str) -> broadcast::Receiver<LogLine> {
        self.let_go();
        self.with(agent, |log| {
            let new = || broadcast::Sender::new(FOLLOWERS_BEHIND);
            log.lines.get_or_insert_with(new).subscribe()
        })
    }

    /// The last `tail` lines. Blocks on the disk.
    pub fn read(&self, agent: &str, tail: usize) -> io::Result<Vec<LogLine>> {
        if tail == 0 {
            return Ok(Vec::new());
        }
        let path = self.path(agent);
        let mut last = VecDeque::new();
        for path in [aside(&path), path] {
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for line in BufReader::new(file).split(b'\n') {
                // A line that a crash cut off does not count, nor does what somebody else wrote there.
                if let Ok(line) = serde_json::from_slice(&line?) {
                    if last.len() == tail {
                        last.pop_front();
                    }
                    last.push_back(line);
                }
            }
        }
        Ok(last.into())
    }

    /// Erases the log of an agent that is gone.
    ///
    /// # Errors
    /// Where something of it stays.
    pub fn erase(&self, agent: &str) -> io::Result<()> {
        let path = self.path(agent);
        self.with(agent, |log| {
            // Held, so that no line comes between. Whoever follows it has seen its end.
            (log.file, log.lines) = (None, None);
            for path in [aside(&path), path] {
                match fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            Ok(())
        })
    }

    fn path(&self, agent: &str) -> PathBuf {
        // Namespaces and names are DNS labels: the only slash is the one between them.
        self.shared.dir.join(format!("{agent}.log"))
    }

    /// Does something with an agent's log, of which is kept what somebody uses then.
    fn with<T>(&self, agent: &str, work: impl FnOnce(&mut Log) -> T) -> T {
        let log = Arc::clone(
            self.shared
                .agents
                .lock()
                .entry(agent.to_owned())
                .or_default(),
        );
        let done = work(&mut log.lock());
        let mut agents = self.shared.agents.lock();
        // With the lock: of two that are ready at once, the second is the last.
        drop(log);
        if agents.get(agent).is_some_and(is_at_rest) {
            agents.remove(agent);
        }
        done
    }

    /// Lets go of those that nobody uses any more and that nothing was written to since.
    fn let_go(&self) {
        self.shared.agents.lock().retain(|_, log| !is_at_rest(log));
    }

    fn writing<'a>(&'a self, agent: &'a str, incarnation: Incarnation) -> Writing<'a> {
        self.let_go();
        self.with(agent, |log| log.writers += 1);
        Writing {
            logs: self,
            agent,
            incarnation,
        }
    }
}

/// Whether nobody needs this log, which is looked at while none can be looked up.
fn is_at_rest(log: &Arc<Mutex<Log>>) -> bool {
    // Whoever works with it has a clone. So its lock is free.
    Arc::strong_count(log) == 1 && !log.lock().rest()
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.logs.with(self.agent, |log| {
            log.writers -= 1;
            if log.writers == 0 {
                self.logs.tell_left_out(log, self.agent, self.incarnation);
            }
        });
    }
}

impl Log {
    /// Lets go of what nobody uses; `false` where nothing is left.
    fn rest(&mut self) -> bool {
        if self.writers == 0 {
            self.file = None;
        }
        let followed = |lines: &broadcast::Sender<_>| lines.receiver_count() > 0;
        self.lines = self.lines.take().filter(followed);
        // One that ended does not begin anew at once.
        self.writers > 0 || self.lines.is_some() || !self.rate.is_over(Instant::now())
    }

    fn write(&mut self, path: &Path, line: &LogLine) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let mut open = match self.file.take() {
            Some(open) if open.is_there()? => open,
            _ => Open::at(path)?,
        };
        if open.size >= MAX_FILE {
            fs::rename(path, aside(path))?;
            open = Open::at(path)?;
        }
        open.file.write_all(&text)?;
        open.size += text.len() as u64;
        self.file = Some(open);
        Ok(())
    }
}

impl Open {
    fn at(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = File::options()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)?;
        let size = file.metadata()?.len();
        Ok(Self { file, size })
    }

    /// Whether it still has a name: what is written to a file that was removed is seen by nobody.
    fn is_there(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.nlink() > 0)
    }
}

fn aside(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

#[cfg(test)]
mod tests;
