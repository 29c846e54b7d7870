//! The imports that the worker offers: docs/wasm-abi.md. Nothing else of the crate speaks with the outside.
#![allow(unsafe_code)] // the worker's imports take addresses
use std::io;

use super::Caller;

#[link(wasm_import_module = "aion")]
unsafe extern "C" {
    fn syscall(name: *const u8, name_len: usize, body: *const u8, body_len: usize) -> i32;
    fn response_len() -> i32;
    fn response_read(buffer: *mut u8, buffer_len: usize) -> i32;
}

/// Makes syscalls through the worker.
#[derive(Clone, Copy, Debug, Default)]
pub struct Worker;

/// The least that is made room for.
const LEAST: usize = 512;

impl Caller for Worker {
    fn call(&self, name: &str, body: &[u8], response: &mut Vec<u8>) -> io::Result<i32> {
        // SAFETY: both slices are alive until the call returns, and the host only reads them.
        let status = unsafe { syscall(name.as_ptr(), name.len(), body.as_ptr(), body.len()) };
        if status == -1 {
            return Err(io::Error::other("the node does not answer"));
        }
        if status < 0 {
            return Err(io::Error::other(format!(
                "the call could not be made ({status})"
            )));
        }
        // SAFETY: it takes nothing.
        let length = unsafe { response_len() };
        // One more than there is: a read that fills it is not asked for again only to hear of the end.
        let length = usize::try_from(length).unwrap_or_default().max(LEAST) + 1;
        let mut filled = 0;
        if response.len() < length {
            response.resize(length, 0);
        }
        loop {
            if filled == response.len() {
                response.resize(2 * filled, 0);
            }
            let free = response.get_mut(filled..).unwrap_or_default();
            // SAFETY: the host writes at most as many bytes as the slice has.
            let n = unsafe { response_read(free.as_mut_ptr(), free.len()) };
            match usize::try_from(n) {
                Err(_) => {
                    return Err(io::Error::other(
                        "the connection broke before the answer's end",
                    ));
                }
                Ok(0) => {
                    response.truncate(filled);
                    return Ok(status);
                }
                Ok(n) => filled += n,
            }
        }
    }
}
