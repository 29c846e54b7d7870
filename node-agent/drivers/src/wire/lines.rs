//! The lines of an event stream, wherever the network cut it.

/// Cuts bytes into lines that end with LF, CR or both.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    line: Vec<u8>,
    after_cr: bool,
}

impl Lines {
    /// Takes in what came, and gives each line that is whole.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut take: impl FnMut(&[u8])) {
        while let Some(&first) = bytes.first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let Some(end) = end_of_line(bytes) else {
                self.line.extend_from_slice(bytes);
                return;
            };
            self.after_cr = bytes[end] == b'\r';
            if self.line.is_empty() {
                take(&bytes[..end]);
            } else {
                self.line.extend_from_slice(&bytes[..end]);
                take(&std::mem::take(&mut self.line));
            }
            bytes = &bytes[end + 1..];
        }
    }

    /// How long the line is that has not ended yet.
    pub(crate) fn pending(&self) -> usize {
        self.line.len()
    }

    /// The line that has not ended; it is begun anew.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.line)
    }
}

fn end_of_line(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'))
}

/// The name and the value of a line of an event; a comment has no name.
pub(crate) fn field(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|byte| *byte == b':') {
        Some(at) => (&line[..at], line[at + 1..].trim_ascii()),
        None => (line, &line[line.len()..]),
    }
}
