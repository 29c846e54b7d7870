//! How a layer is unpacked into the bytes of its archive, and what those digest to. What may not enter: what the
//! archive holds.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};

use crate::{
    artifact::{
        digest::{Digest, Hasher},
        image::Packing,
    },
    content::archive::{Bounded, Counted, Most},
};

/// What a frame of zstd may want back of what it wrote, and so how much memory it takes. Level 19 wants 8 MiB.
const MAX_WINDOW: u64 = 32 << 20;

/// A packed layer as the bytes of its archive, bounded and digested as they pass.
pub(crate) struct Unpacking<R: Read> {
    inner: Bounded<Decoder<BufReader<Counted<R>>>>,
    hasher: Hasher,
}

enum Decoder<R> {
    Plain(R),
    Gzip(MultiGzDecoder<R>),
    Zstd(Frames<R>),
}

impl<R: Read> Unpacking<R> {
    pub(crate) fn new(packed: R, packing: Packing, most: Most) -> Self {
        let (counted, count) = Counted::new(packed);
        let packed = BufReader::with_capacity(64 << 10, counted);
        let decoder = match packing {
            Packing::Plain => Decoder::Plain(packed),
            // Several members after each other are one stream, as pigz and eStargz write it.
            Packing::Gzip => Decoder::Gzip(MultiGzDecoder::new(packed)),
            Packing::Zstd => Decoder::Zstd(Frames::new(packed)),
        };
        Self {
            inner: Bounded::new(decoder, count, most),
            hasher: Hasher::default(),
        }
    }

    /// How many bytes came, and what they digest to.
    pub(crate) fn finish(self) -> (u64, Digest) {
        (self.inner.count(), self.hasher.finish())
    }
}

impl<R: Read> Read for Unpacking<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        Ok(n)
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(it) => it.read(buffer),
            Self::Gzip(it) => it.read(buffer),
            Self::Zstd(it) => it.read(buffer),
        }
    }
}

/// The frames of a zstd stream, one after the other (RFC 8878, 3.1). Those that are to be skipped carry a table of
/// contents where podman wrote them.
struct Frames<R> {
    source: R,
    /// The frame that is being read.
    frame: Option<Box<FrameDecoder>>,
}

impl<R: BufRead> Frames<R> {
    fn new(source: R) -> Self {
        Self {
            source,
            frame: None,
        }
    }

    /// Begins the next frame that holds something; nothing at the end of the stream.
    fn begin(&mut self) -> io::Result<Option<Box<FrameDecoder>>> {
        while !self.source.fill_buf()?.is_empty() {
            let mut frame = Box::new(FrameDecoder::new());
            frame.set_max_window_size(MAX_WINDOW);
            match frame.reset(&mut self.source) {
                Ok(()) => return Ok(Some(frame)),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let mut skipped = self.source.by_ref().take(length.into());
                    if io::copy(&mut skipped, &mut io::sink())? < u64::from(length) {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
        }
        Ok(None)
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.begin()? {
                    Some(frame) => frame,
                    None => return Ok(0),
                },
            };
            while frame.can_collect() == 0 && !frame.is_finished() {
                // A block is 128 KiB at most.
                let one = BlockDecodingStrategy::UptoBlocks(1);
                let decoded = frame.decode_blocks(&mut self.source, one);
                decoded.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            }
            if frame.can_collect() > 0 {
                let n = frame.read(buffer)?;
                self.frame = Some(frame);
                return Ok(n);
            }
        }
    }
}
