//! Logs of agents: what their workers wrote, and what the daemon has to say about them. One file an agent,
//! bounded: a full one is put aside in the place of the one before.

use std::{
    collections::{HashMap, VecDeque},
    fs,
    fs::File,
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use aion_abi::admin::LogLine;
use aion_drivers::reserve::Reserve;
use aion_kernel::Incarnation;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader as AsyncBufReader},
    sync::broadcast,
};

use crate::clock;

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
    reserve: Reserve,
    /// Those that somebody writes or follows.
    agents: Mutex<HashMap<String, Log>>,
}

#[derive(Debug, Default)]
struct Log {
    /// Streams that are being copied into it. Without any the file is closed after each line.
    writers: usize,
    file: Option<Open>,
    /// Made with the first follower.
    lines: Option<broadcast::Sender<LogLine>>,
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
}

impl Logs {
    /// The logs in `dir`. On a disk whose rest is kept for others, lines are lost.
    pub fn new(dir: PathBuf, reserve: Reserve) -> Self {
        Self {
            shared: Arc::new(Shared {
                dir,
                reserve,
                agents: Mutex::default(),
            }),
        }
    }

    /// Adds a line; `agent` is `namespace/name`.
    pub fn add(&self, agent: &str, incarnation: Incarnation, source: &str, text: &str) {
        let end = text.floor_char_boundary(MAX_LINE);
        let line = LogLine {
            at_ms: clock::date(),
            incarnation: incarnation.0,
            source: source.to_owned(),
            text: text[..end].to_owned(),
        };
        let path = self.path(agent);
        self.with(agent, |log| {
            let room = self.shared.reserve.check(0);
            if let Err(error) = room.and_then(|()| log.write(&path, &line)) {
                tracing::warn!(agent, %error, "a log line was lost");
            }
            if let Some(lines) = &log.lines {
                let _ = lines.send(line);
            }
        });
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
        let _writing = self.writing(agent);
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

    /// The lines to come.
    pub fn follow(&self, agent: &str) -> broadcast::Receiver<LogLine> {
        // Whom the last follower left is looked at here, if nothing was written since.
        self.shared.agents.lock().retain(|_, log| log.rest());
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
        // Held, so that no line comes between.
        let mut agents = self.shared.agents.lock();
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

    /// Does something with an agent's log, of which is kept what somebody uses then.
    fn with<T>(&self, agent: &str, work: impl FnOnce(&mut Log) -> T) -> T {
        let mut agents = self.shared.agents.lock();
        let log = agents.entry(agent.to_owned()).or_default();
        let done = work(log);
        if !log.rest() {
            agents.remove(agent);
        }
        done
    }

    fn writing<'a>(&'a self, agent: &'a str) -> Writing<'a> {
        self.with(agent, |log| log.writers += 1);
        Writing { logs: self, agent }
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.logs.with(self.agent, |log| log.writers -= 1);
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
        self.writers > 0 || self.lines.is_some()
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn logs(dir: &Path) -> Logs {
        Logs::new(dir.to_owned(), Reserve::new(dir, 0))
    }

    #[tokio::test]
    async fn lines_are_kept_in_order_and_files_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let logs = logs(dir.path());
        let long = "x".repeat(4000);
        let text: String = (0..3000).map(|n| format!("{n} {long}\n")).collect();
        logs.copy("home/a", Incarnation(1), "stdout", text.as_bytes())
            .await;
        let mut to_come = logs.follow("home/a");
        let lines = logs.read("home/a", 2).unwrap();
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
        let logs = logs(dir.path());
        let endless = "y".repeat(20_000);
        logs.copy("home/a", Incarnation(1), "stderr", endless.as_bytes())
            .await;
        let lines = logs.read("home/a", 100).unwrap();
        assert_eq!(lines.iter().map(|it| it.text.len()).sum::<usize>(), 20_000);
        assert!(lines.iter().all(|it| it.text.len() <= MAX_LINE));
    }

    fn texts(logs: &Logs) -> Vec<String> {
        let lines = logs.read("home/a", 100).unwrap();
        lines.into_iter().map(|line| line.text).collect()
    }

    #[tokio::test]
    async fn nothing_is_held_for_an_agent_that_nobody_writes_or_follows() {
        let dir = tempfile::tempdir().unwrap();
        let logs = logs(dir.path());
        logs.add("home/a", Incarnation(1), "node", "one");
        assert!(logs.shared.agents.lock().is_empty());
        {
            let _writing = logs.writing("home/a");
            logs.add("home/a", Incarnation(1), "stdout", "two");
            let agents = logs.shared.agents.lock();
            assert!(agents["home/a"].file.is_some() && agents["home/a"].lines.is_none());
        }
        assert!(logs.shared.agents.lock().is_empty());
        let mut follower = logs.follow("home/a");
        logs.add("home/a", Incarnation(2), "node", "three");
        assert!(logs.shared.agents.lock()["home/a"].file.is_none());
        assert_eq!(follower.recv().await.unwrap().text, "three");
        drop(follower);
        drop(logs.follow("home/b"));
        drop(logs.follow("home/c"));
        assert_eq!(
            logs.shared.agents.lock().len(),
            1,
            "one at most that was just left"
        );
        assert_eq!(texts(&logs), ["one", "two", "three"]);
    }

    #[test]
    fn a_file_that_was_removed_or_spoilt_by_hand_does_not_stop_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let logs = logs(dir.path());
        let path = dir.path().join("home/a.log");
        let _writing = logs.writing("home/a");
        logs.add("home/a", Incarnation(1), "stdout", "gone");
        fs::remove_file(&path).unwrap();
        logs.add("home/a", Incarnation(1), "stdout", "one");
        let mut by_hand = File::options().append(true).open(&path).unwrap();
        by_hand.write_all(b"\xff\xfe no text\n").unwrap();
        logs.add("home/a", Incarnation(1), "stdout", "two");
        assert_eq!(texts(&logs), ["one", "two"]);
        fs::remove_dir_all(dir.path().join("home")).unwrap();
        logs.add("home/a", Incarnation(1), "stdout", "three");
        assert_eq!(texts(&logs), ["three"]);
    }

    #[test]
    fn a_long_text_of_several_lines_is_added_whole() {
        let dir = tempfile::tempdir().unwrap();
        let logs = logs(dir.path());
        let long = "é".repeat(MAX_LINE);
        logs.add_whole(
            "home/a",
            Incarnation(1),
            "node",
            &format!("one\n{long}\ntwo"),
        );
        let texts = texts(&logs);
        assert_eq!((&*texts[0], &*texts[texts.len() - 1]), ("one", "two"));
        assert_eq!(texts[1..texts.len() - 1].concat(), long);
    }

    #[test]
    fn lines_of_the_node_alone_are_bounded_too() {
        let dir = tempfile::tempdir().unwrap();
        let logs = logs(dir.path());
        let path = dir.path().join("home/a.log");
        fs::create_dir(dir.path().join("home")).unwrap();
        File::create(&path).unwrap().set_len(MAX_FILE).unwrap();
        logs.add("home/a", Incarnation(1), "node", "one");
        assert!(path.metadata().unwrap().len() < 1000);
        assert_eq!(aside(&path).metadata().unwrap().len(), MAX_FILE);
    }
}
