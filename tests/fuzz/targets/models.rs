//! The reader of models' answers: an answer says the same wherever the network cut it.
#![no_main]
#![allow(dead_code, unused_imports)]

#[path = "../../../node-agent/drivers/src/wire/mod.rs"]
mod wire;

use libfuzzer_sys::fuzz_target;
use wire::{Frame, Frames};

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Result<Frame, String>> {
    let mut frames = Frames::new();
    pieces.for_each(|piece| frames.push(piece));
    frames.end();
    std::iter::from_fn(|| frames.next()).collect()
}

fuzz_target!(|data: &[u8]| {
    let Some((at, bytes)) = data.split_first() else {
        return;
    };
    let whole = read(std::iter::once(bytes));
    let size = usize::from(*at).max(1);
    assert_eq!(read(bytes.chunks(size)), whole, "in pieces of {size}");
});
