//! Packets: one bounded message and its descriptors, to and from a
//! `SOCK_SEQPACKET` socket. Knows sizes and JSON, not what a message means.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::protocol::{MAX_FDS, MAX_MESSAGE};

/// Why a packet could not be sent or taken.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The other side closed the connection.
    #[error("the other side closed the connection")]
    Closed,
    /// Nothing to read, or no room to write, on a non-blocking socket.
    #[error("the socket is not ready")]
    WouldBlock,
    /// Longer than [`MAX_MESSAGE`].
    #[error("message is longer than {MAX_MESSAGE} bytes")]
    TooLong,
    /// More than [`MAX_FDS`] descriptors, or descriptors that the kernel could
    /// not deliver.
    #[error("message carries more than {MAX_FDS} descriptors, or this process has none left")]
    TooManyFds,
    /// Not a message of the protocol.
    #[error("not a message of this protocol: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The socket failed.
    #[error("socket: {0}")]
    Io(#[from] Errno),
}

/// Sends one message with its descriptors.
pub fn send<T: Serialize>(
    socket: impl AsFd,
    message: &T,
    fds: &[BorrowedFd<'_>],
) -> Result<(), WireError> {
    let bytes = serde_json::to_vec(message)?;
    if bytes.len() > MAX_MESSAGE {
        return Err(WireError::TooLong);
    }
    if fds.len() > MAX_FDS {
        return Err(WireError::TooManyFds);
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(WireError::TooManyFds);
    }
    loop {
        match sendmsg(
            &socket,
            &[IoSlice::new(&bytes)],
            &mut control,
            SendFlags::NOSIGNAL,
        ) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Err(WireError::WouldBlock),
            Err(Errno::PIPE | Errno::CONNRESET) => return Err(WireError::Closed),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Takes one message and its descriptors, which are close-on-exec.
pub fn receive<T: DeserializeOwned>(socket: impl AsFd) -> Result<(T, Vec<OwnedFd>), WireError> {
    let (bytes, fds) = receive_bytes(socket)?;
    Ok((serde_json::from_slice(&bytes)?, fds))
}

/// Takes one packet as it is.
pub fn receive_bytes(socket: impl AsFd) -> Result<(Vec<u8>, Vec<OwnedFd>), WireError> {
    let mut bytes = vec![0; MAX_MESSAGE];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = loop {
        match recvmsg(
            &socket,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        ) {
            Ok(got) => break got,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Err(WireError::WouldBlock),
            Err(Errno::CONNRESET) => return Err(WireError::Closed),
            Err(error) => return Err(error.into()),
        }
    };
    // Taken out before anything is refused, so that none of them leaks.
    let fds: Vec<OwnedFd> = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        })
        .flatten()
        .collect();
    if got.flags.contains(ReturnFlags::CTRUNC) {
        return Err(WireError::TooManyFds);
    }
    if got.flags.contains(ReturnFlags::TRUNC) {
        return Err(WireError::TooLong);
    }
    if got.bytes == 0 {
        return Err(WireError::Closed);
    }
    bytes.truncate(got.bytes);
    Ok((bytes, fds))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;
    use crate::protocol::{Request, WorkerId};

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap()
    }

    fn raw(socket: &OwnedFd, bytes: &[u8]) {
        rustix::net::send(socket, bytes, SendFlags::NOSIGNAL).unwrap();
    }

    #[test]
    fn a_message_and_its_descriptors_arrive_together() {
        let (a, b) = pair();
        let (read, write) = rustix::pipe::pipe().unwrap();
        let asked = Request::OpenGate {
            id: WorkerId {
                instance: "x".into(),
                incarnation: 1,
            },
        };
        send(&a, &asked, &[read.as_fd()]).unwrap();
        let (got, fds) = receive::<Request>(&b).unwrap();
        assert_eq!(got, asked);
        rustix::io::write(&write, b"!").unwrap();
        let mut byte = [0];
        assert_eq!(rustix::io::read(&fds[0], &mut byte).unwrap(), 1);
    }

    #[test]
    fn an_oversize_message_is_refused() {
        let (a, b) = pair();
        raw(&a, &vec![b'x'; MAX_MESSAGE + 1]);
        assert!(matches!(receive::<Request>(&b), Err(WireError::TooLong)));
    }

    #[test]
    fn too_many_descriptors_are_refused_and_closed() {
        let (a, b) = pair();
        let (read, write) = rustix::pipe::pipe().unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(32))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let many = [write.as_fd(); 32];
        assert!(control.push(SendAncillaryMessage::ScmRights(&many)));
        sendmsg(
            &a,
            &[IoSlice::new(b"\"list\"")],
            &mut control,
            SendFlags::NOSIGNAL,
        )
        .unwrap();
        assert!(matches!(receive::<Request>(&b), Err(WireError::TooManyFds)));
        drop(write);
        let mut byte = [0];
        assert_eq!(
            rustix::io::read(&read, &mut byte).unwrap(),
            0,
            "a descriptor of the refused message is still open"
        );
    }

    #[test]
    fn bytes_that_are_no_message_are_refused_without_a_panic() {
        let (a, b) = pair();
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..2_000 {
            let len = 1 + next() as usize % 300;
            let mut bytes: Vec<u8> = (0..len).map(|_| next() as u8).collect();
            if next() % 2 == 0 {
                // Half of them begin as a message does, so that the parser is
                // reached deeper than its first byte.
                let head = br#"{"start":{"id":{"instance":""#;
                let keep = head.len().min(len);
                bytes[..keep].copy_from_slice(&head[..keep]);
            }
            raw(&a, &bytes);
            assert!(matches!(
                receive::<Request>(&b),
                Err(WireError::Malformed(_))
            ));
        }
    }

    #[test]
    fn a_closed_connection_is_named_so() {
        let (a, b) = pair();
        drop(a);
        assert!(matches!(receive::<Request>(&b), Err(WireError::Closed)));
    }
}
