//! Progress messages: how much of a file has been read. What is read may not enter.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::host::{Caller, Kind, message};
use crate::profile::Pass;

/// The time between two messages.
const EVERY: Duration = Duration::from_secs(1);

/// Reports how much of a file has been read: at the start of each pass, and then about once a second.
pub(super) struct Progress {
    caller: Rc<dyn Caller>,
    name: String,
    what: RefCell<String>,
    last: Cell<Instant>,
}

impl Progress {
    pub(super) fn new(caller: Rc<dyn Caller>, name: &str) -> Self {
        Self {
            caller,
            name: name.into(),
            what: RefCell::default(),
            last: Cell::new(Instant::now()),
        }
    }

    pub(super) fn begin(&self, pass: Pass) {
        let name = &self.name;
        let what = match pass {
            Pass::Learning => format!("reading {name}: what the columns hold, and their figures"),
            Pass::Measuring => format!("reading {name} again: figures, trends, correlations"),
            Pass::Locating => format!("reading {name} again: outliers"),
        };
        self.last.set(Instant::now());
        self.say(&what);
        *self.what.borrow_mut() = what;
    }

    pub(super) fn heard(&self, offset: u64, size: u64) {
        self.heard_at(Instant::now(), offset, size);
    }

    pub(super) fn heard_at(&self, now: Instant, offset: u64, size: u64) {
        if now.duration_since(self.last.get()) < EVERY {
            return;
        }
        if let Some(share) = (100 * offset).checked_div(size) {
            self.last.set(now);
            self.say(&format!("{} ({share} %)", self.what.borrow()));
        }
    }

    /// A failure is ignored: if the caller has gone, the next call with an effect fails as well.
    pub(super) fn say(&self, text: &str) {
        let _ = message(&*self.caller, Kind::Progress, text);
    }
}
