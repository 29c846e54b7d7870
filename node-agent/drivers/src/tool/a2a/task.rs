//! A task as far as it was told: its state, what the agent said last, and its artifacts put together from their pieces.
//! Pure and bounded, however much is told. What may not enter: the words for whoever asked (`answer`).

use super::update::{Named, Part, Piece, State, Status, Whole};

/// The most artifacts, and parts of all of them.
const MAX_ARTIFACTS: usize = 256;
const MAX_PARTS: usize = 4096;
/// The most bytes of texts and data that are kept.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) named: Named,
    pub(super) state: State,
    /// What the agent said beside its artifacts.
    pub(super) said: Vec<Part>,
    /// That is from the history, and may be a word of its progress.
    pub(super) is_earlier: bool,
    pub(super) artifacts: Vec<Artifact>,
    /// Bytes and parts that are kept of the artifacts.
    bytes: usize,
    parts: usize,
    /// There was more than is kept.
    pub(super) is_cut: bool,
}

#[derive(Debug)]
pub(super) struct Artifact {
    id: String,
    pub(super) parts: Vec<Part>,
}

impl Task {
    /// As it is told whole: what was told of it before counts no more.
    pub(super) fn new(whole: Whole) -> Self {
        let mut task = Self::begun(whole.named);
        for artifact in whole.artifacts {
            task.artifact(artifact);
        }
        let last = whole.last.unwrap_or_default();
        task.status(whole.status);
        if task.said.is_empty() {
            task.is_earlier = !last.is_empty();
            task.say(last);
        }
        task
    }

    /// One of which only a change was told.
    pub(super) fn begun(named: Named) -> Self {
        Self {
            named,
            state: State::AtWork,
            said: Vec::new(),
            is_earlier: false,
            artifacts: Vec::new(),
            bytes: 0,
            parts: 0,
            is_cut: false,
        }
    }

    pub(super) fn status(&mut self, status: Status) {
        self.state = status.state;
        // What it said of its progress is not what it says at its end.
        self.is_earlier = false;
        self.say(status.said.unwrap_or_default());
    }

    fn say(&mut self, mut said: Vec<Part>) {
        let (mut bytes, all) = (0, said.len());
        let fits = said.iter().take(MAX_PARTS).take_while(|it| {
            bytes += size(it);
            bytes <= MAX_BYTES
        });
        let fits = fits.count();
        said.truncate(fits);
        self.is_cut |= fits < all;
        self.said = said;
    }

    /// Nothing of an answer was told.
    pub(super) fn is_bare(&self) -> bool {
        self.said.is_empty() && self.artifacts.iter().all(|it| it.parts.is_empty())
    }

    pub(super) fn artifact(&mut self, piece: Piece) {
        let at = self.artifacts.iter().position(|it| it.id == piece.id);
        let at = match at {
            Some(at) => {
                if !piece.append {
                    let old = std::mem::take(&mut self.artifacts[at].parts);
                    self.parts -= old.len();
                    self.bytes -= old.iter().map(size).sum::<usize>();
                }
                at
            }
            None if self.artifacts.len() == MAX_ARTIFACTS => {
                self.is_cut = true;
                return;
            }
            None => {
                let parts = Vec::new();
                self.artifacts.push(Artifact {
                    id: piece.id,
                    parts,
                });
                self.artifacts.len() - 1
            }
        };
        for part in piece.parts {
            self.add(at, part);
        }
    }

    /// Texts that follow each other are one: an agent that says a word at a time sends each as a part.
    fn add(&mut self, at: usize, part: Part) {
        let more = size(&part);
        if self.bytes + more > MAX_BYTES {
            self.is_cut = true;
            return;
        }
        let parts = &mut self.artifacts[at].parts;
        if let (Some(Part::Text(whole)), Part::Text(more)) = (parts.last_mut(), &part) {
            whole.push_str(more);
        } else if self.parts == MAX_PARTS {
            self.is_cut = true;
            return;
        } else {
            parts.push(part);
            self.parts += 1;
        }
        self.bytes += more;
    }
}

fn size(part: &Part) -> usize {
    match part {
        Part::Text(text) | Part::Named(text) => text.len(),
        Part::Data(data) => data.to_string().len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(id: &str, text: &str, append: bool) -> Piece {
        Piece {
            id: id.to_owned(),
            parts: vec![Part::Text(text.to_owned())],
            append,
        }
    }

    fn texts(task: &Task) -> Vec<&str> {
        let parts = task.artifacts.iter().flat_map(|it| &it.parts);
        let text = |part| match part {
            &Part::Text(ref text) | &Part::Named(ref text) => text.as_str(),
            &Part::Data(_) => "data",
        };
        parts.map(text).collect()
    }

    #[test]
    fn pieces_are_put_together_and_one_that_does_not_append_replaces() {
        let mut task = Task::begun(Named::default());
        task.artifact(piece("a", "Fel", false));
        task.artifact(piece("a", "ix", true));
        task.artifact(piece("b", "two", true));
        assert_eq!(texts(&task), ["Felix", "two"]);
        task.artifact(piece("a", "Tom", false));
        assert_eq!(texts(&task), ["Tom", "two"]);
        assert_eq!(task.bytes, 6);
        assert!(!task.is_cut);
    }

    #[test]
    fn however_much_is_told_what_is_kept_is_bounded() {
        let mut task = Task::begun(Named::default());
        for n in 0..MAX_ARTIFACTS * 2 {
            task.artifact(piece(&n.to_string(), "x", false));
        }
        assert_eq!(task.artifacts.len(), MAX_ARTIFACTS);
        assert!(task.is_cut);
        let mut task = Task::begun(Named::default());
        for _ in 0..10 {
            task.artifact(piece("a", &"x".repeat(1024 * 1024), true));
        }
        assert!(task.is_cut && task.bytes <= MAX_BYTES);
        let mut task = Task::begun(Named::default());
        for n in 0..MAX_PARTS * 2 {
            task.artifact(Piece {
                id: "a".to_owned(),
                parts: vec![Part::Data(n.into())],
                append: true,
            });
        }
        assert!(task.is_cut && task.artifacts[0].parts.len() == MAX_PARTS);
    }
}
