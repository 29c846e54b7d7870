//! A plug with an address: it says what it is, and takes what it is told.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use parking_lot::Mutex;
use serde_json::json;

/// See the module.
pub(super) struct Plug {
    at: SocketAddr,
    state: Arc<Mutex<State>>,
    stops: Arc<AtomicBool>,
}

#[derive(Default)]
struct State {
    on: bool,
    watts: f64,
    mute: bool,
    refuses: bool,
    told: Vec<String>,
    /// Requests that are not answered.
    held: Vec<TcpStream>,
}

impl Plug {
    pub(super) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let state = State {
            watts: 4.5,
            ..State::default()
        };
        let mut plug = Self {
            at: listener.local_addr()?,
            state: Arc::new(Mutex::new(state)),
            stops: Arc::default(),
        };
        plug.serve(listener);
        Ok(plug)
    }

    fn serve(&mut self, listener: TcpListener) {
        let stops = Arc::new(AtomicBool::new(false));
        self.stops = Arc::clone(&stops);
        let state = Arc::clone(&self.state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stops.load(Ordering::SeqCst) {
                    return;
                }
                let state = Arc::clone(&state);
                if let Ok(stream) = stream {
                    thread::spawn(move || answer(stream, &state));
                }
            }
        });
    }

    pub(super) fn port(&self) -> u16 {
        self.at.port()
    }

    /// What it was told, as it came.
    pub(super) fn told(&self) -> Vec<String> {
        self.state.lock().told.clone()
    }

    pub(super) fn draws(&self, watts: f64) {
        self.state.lock().watts = watts;
    }

    /// It wants a password.
    pub(super) fn refuse(&self, refuses: bool) {
        self.state.lock().refuses = refuses;
    }

    /// It does not answer what it is told.
    pub(super) fn mute(&self, mute: bool) {
        let mut state = self.state.lock();
        state.mute = mute;
        state.held.clear();
    }

    /// Nobody is at its address.
    pub(super) fn stop(&mut self) {
        self.stops.store(true, Ordering::SeqCst);
        // Wakes whoever waits for a connection.
        let _ = TcpStream::connect(self.at);
    }

    pub(super) fn start_again(&mut self) -> anyhow::Result<()> {
        let listener = TcpListener::bind(self.at)?;
        self.serve(listener);
        Ok(())
    }
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) {
    let Some((method, path)) = request(&stream) else {
        return;
    };
    let (status, body) = {
        let mut state = state.lock();
        if path.starts_with("/status") && state.refuses {
            ("401 Unauthorized", String::new())
        } else if path == "/status?id=0" {
            let body = json!({"id": 0, "output": state.on, "apower": state.watts});
            ("200 OK", body.to_string())
        } else {
            state.told.push(format!("{method} {path}"));
            if let Some((_, turn)) = path.split_once("?turn=") {
                state.on = turn == "on";
            }
            if state.mute {
                state.held.push(stream);
                return;
            }
            ("200 OK", json!({"ok": true}).to_string())
        }
    };
    let length = body.len();
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
}

/// Method and path; the rest is read, as who closes before that may have the answer lost.
fn request(stream: &TcpStream) -> Option<(String, String)> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let first = (words.next()?, words.next()?);
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(it) = header.strip_prefix("content-length:") {
            length = it.trim().parse().ok()?;
        }
    }
    reader.take(length).read_to_end(&mut Vec::new()).ok()?;
    Some(first)
}
