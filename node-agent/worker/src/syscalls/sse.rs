//! The events of a `text/event-stream` body, as the daemon writes them: `data:` lines, an empty line
//! between events (WHATWG HTML §9.2). Other fields and comments are passed over.

/// Bytes in, whole `data` values out.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    pending: Vec<u8>,
}

impl Decoder {
    /// Takes in more of the body; gives the events that are whole now.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.pending.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.pending.windows(2).position(|two| two == b"\n\n") {
            let rest = self.pending.split_off(end + 2);
            let event = std::mem::replace(&mut self.pending, rest);
            let data: Vec<&[u8]> = event
                .split(|&byte| byte == b'\n')
                .filter_map(|line| line.strip_prefix(b"data:"))
                .map(|data| data.strip_prefix(b" ").unwrap_or(data))
                .collect();
            if !data.is_empty() {
                events.push(data.join(&b'\n'));
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_whole_however_the_bytes_arrive() {
        let body = b": hello\n\ndata: one\n\nevent: x\ndata: two\ndata:lines\n\ndata: half";
        for size in 1..body.len() {
            let mut decoder = Decoder::default();
            let events: Vec<_> = body
                .chunks(size)
                .flat_map(|chunk| decoder.feed(chunk))
                .collect();
            assert_eq!(
                events,
                [b"one".to_vec(), b"two\nlines".to_vec()],
                "pieces of {size}"
            );
        }
    }
}
