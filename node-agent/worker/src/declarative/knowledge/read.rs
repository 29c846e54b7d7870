//! A file's bytes, as they were at one moment.

use aion_abi::code::Code;
use aion_abi::problem::Problem;
use aion_abi::syscall::Syscall;
use aion_abi::syscall::fs::{self, Entry};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::super::patience;
use super::plan::{MAX_FILE, too_large};
use crate::syscalls::Syscalls;

/// A file that changes while it is read is read so often.
const TRIES: usize = 3;

/// The bytes of `entry`, or why they cannot be had.
pub(super) async fn whole(
    syscalls: &impl Syscalls,
    mount: &str,
    entry: &Entry,
) -> Result<Result<Vec<u8>, String>, Problem> {
    for _ in 0..TRIES {
        match once(syscalls, mount, entry).await {
            Ok(Once::Whole(bytes)) => return Ok(Ok(bytes)),
            Ok(Once::TooLarge) => return Ok(Err(too_large())),
            Ok(Once::Changed) => {}
            Err(problem) if super::is_of_an_entry(&problem) => {
                return Ok(Err(why(mount, &entry.path, problem)));
            }
            Err(problem) => return Err(problem),
        }
    }
    Ok(Err("it changes while it is read".to_owned()))
}

enum Once {
    Whole(Vec<u8>),
    TooLarge,
    Changed,
}

async fn once(syscalls: &impl Syscalls, mount: &str, entry: &Entry) -> Result<Once, Problem> {
    let mut bytes = Vec::new();
    let mut first = None;
    loop {
        let request = fs::ReadRequest {
            mount: mount.to_owned(),
            path: entry.path.clone(),
            offset: bytes.len() as u64,
            length: fs::MAX_CHUNK,
        };
        let part: fs::ReadResponse = patience::call(syscalls, Syscall::FsRead, &request).await?;
        if part.size > MAX_FILE {
            return Ok(Once::TooLarge);
        }
        let now = (part.size, part.modified_ms);
        if *first.get_or_insert(now) != now {
            return Ok(Once::Changed);
        }
        let data = BASE64.decode(&part.data).map_err(|error| {
            Problem::new(
                Code::Internal,
                format!("the node's data is not base64: {error}"),
            )
        })?;
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
            return Ok(Once::TooLarge);
        }
    }
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
