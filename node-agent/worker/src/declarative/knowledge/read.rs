//! A file's bytes, as they were at one moment: for the index, and for a model that reads a file.

use aion_abi::code::Code;
use aion_abi::problem::Problem;
use aion_abi::syscall::Syscall;
use aion_abi::syscall::fs;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::super::patience;
use super::plan::{MAX_FILE, too_large};
use crate::syscalls::Syscalls;

/// A file that changes while it is read is read so often.
const TRIES: usize = 3;

/// The bytes of the file, or why they cannot be had.
pub(super) async fn whole(
    syscalls: &impl Syscalls,
    mount: &str,
    path: &str,
) -> Result<Result<Vec<u8>, String>, Problem> {
    for _ in 0..TRIES {
        match once(syscalls, mount, path).await {
            Ok(Once::Whole(bytes)) => return Ok(Ok(bytes)),
            Ok(Once::TooLarge(_)) => return Ok(Err(too_large())),
            Ok(Once::Changed) => {}
            Err(problem) if super::is_of_an_entry(&problem) => {
                return Ok(Err(why(mount, path, problem)));
            }
            Err(problem) => return Err(problem),
        }
    }
    Ok(Err("it changes while it is read".to_owned()))
}

/// What one reading gives.
pub(in super::super) enum Once {
    /// All of it.
    Whole(Vec<u8>),
    /// More than a document has; with the size that the file says.
    TooLarge(u64),
    /// It changed meanwhile.
    Changed,
}

/// Reads the file from its start to its end.
pub(in super::super) async fn once(
    syscalls: &impl Syscalls,
    mount: &str,
    path: &str,
) -> Result<Once, Problem> {
    let mut bytes = Vec::new();
    let mut first = None;
    loop {
        let (part, data) = part(syscalls, mount, path, bytes.len() as u64, fs::MAX_CHUNK).await?;
        if part.size > MAX_FILE {
            return Ok(Once::TooLarge(part.size));
        }
        let now = (part.size, part.modified_ms);
        if *first.get_or_insert(now) != now {
            return Ok(Once::Changed);
        }
        let is_end = data.is_empty();
        bytes.extend_from_slice(&data);
        // A pipe or a file of the kernel says 0 and has more.
        if is_end || part.size > 0 && bytes.len() as u64 >= part.size {
            let is_whole = bytes.len() as u64 == part.size || part.size == 0;
            return Ok(if is_whole {
                Once::Whole(bytes)
            } else {
                Once::Changed
            });
        }
        if bytes.len() as u64 > MAX_FILE {
            return Ok(Once::TooLarge(bytes.len() as u64));
        }
    }
}

/// Some bytes of the file, with what the node says of it.
pub(in super::super) async fn part(
    syscalls: &impl Syscalls,
    mount: &str,
    path: &str,
    offset: u64,
    length: u32,
) -> Result<(fs::ReadResponse, Vec<u8>), Problem> {
    let request = fs::ReadRequest {
        mount: mount.to_owned(),
        path: path.to_owned(),
        offset,
        length,
    };
    let part: fs::ReadResponse = patience::call(syscalls, Syscall::FsRead, &request).await?;
    let data = BASE64.decode(&part.data).map_err(|error| {
        let text = format!("the node's data is not base64: {error}");
        Problem::new(Code::Internal, text)
    })?;
    Ok((part, data))
}

/// The reason without the file's place, which stands beside it.
fn why(mount: &str, path: &str, problem: Problem) -> String {
    match problem.code {
        Code::NotFound => "it was gone when it was to be read".to_owned(),
        Code::Denied => "it may not be opened".to_owned(),
        _ => {
            let text = problem.detail;
            let place = format!("{mount}/{path}");
            text.replace(&format!("{place}: "), "")
                .replace(&place, "it")
        }
    }
}
