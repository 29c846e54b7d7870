//! A file's bytes, all of one version: for the index, and for a model that reads a file.

use aion_abi::code::Code;
use aion_abi::problem::Problem;
use aion_abi::syscall::Syscall;
use aion_abi::syscall::fs;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::plan::{MAX_FILE, too_large};
use crate::syscalls::{Syscalls, patience};

/// A file that changes while it is read is tried so often.
const TRIES: usize = 3;

/// What a reading from the start gives.
pub(in super::super) enum Read {
    /// All of it.
    Whole(Part),
    /// The beginning of one that is longer than a document.
    Long(Part),
}

/// Bytes of one version of a file.
pub(in super::super) struct Part {
    pub(in super::super) bytes: Vec<u8>,
    pub(in super::super) size: u64,
    pub(in super::super) version: String,
    /// It may have changed since and have this version.
    pub(in super::super) fresh: bool,
}

/// The bytes of the file, or why they cannot be had.
pub(super) async fn document(
    syscalls: &impl Syscalls,
    mount: &str,
    path: &str,
) -> Result<Result<Vec<u8>, String>, Problem> {
    match until_steady(async || from_start(syscalls, mount, path).await).await {
        Ok(Read::Whole(part)) => Ok(Ok(part.bytes)),
        Ok(Read::Long(_)) => Ok(Err(too_large())),
        Err(problem) if problem.code == Code::Changed || super::is_of_an_entry(&problem) => {
            Ok(Err(why(mount, path, problem)))
        }
        Err(problem) => Err(problem),
    }
}

/// Tries again where a file changes meanwhile. What one that goes on changing is refused as stays `changed`.
pub(in super::super) async fn until_steady<T>(
    mut attempt: impl AsyncFnMut() -> Result<T, Problem>,
) -> Result<T, Problem> {
    for _ in 1..TRIES {
        match attempt().await {
            Err(problem) if problem.code == Code::Changed => {}
            outcome => return outcome,
        }
    }
    attempt().await
}

/// Reads the file from its start. One that changes meanwhile is refused as `changed`.
pub(in super::super) async fn from_start(
    syscalls: &impl Syscalls,
    mount: &str,
    path: &str,
) -> Result<Read, Problem> {
    let mut whole = part(syscalls, mount, path, (0, fs::MAX_CHUNK), None).await?;
    if whole.size > MAX_FILE {
        return Ok(Read::Long(whole));
    }
    let mut is_end = whole.bytes.is_empty();
    // A pipe or a file of the kernel says 0 and has more.
    while !is_end && (whole.size == 0 || (whole.bytes.len() as u64) < whole.size) {
        let at = (whole.bytes.len() as u64, fs::MAX_CHUNK);
        let next = part(syscalls, mount, path, at, Some(&whole.version)).await?;
        is_end = next.bytes.is_empty();
        whole.bytes.extend_from_slice(&next.bytes);
        whole.fresh |= next.fresh;
        if whole.bytes.len() as u64 > MAX_FILE {
            whole.size = whole.bytes.len() as u64;
            return Ok(Read::Long(whole));
        }
    }
    if whole.size > 0 && whole.bytes.len() as u64 != whole.size {
        let text = format!("{mount}/{path} changed while it was read");
        return Err(Problem::new(Code::Changed, text));
    }
    Ok(Read::Whole(whole))
}

/// So many bytes of the file from a place on, of `version` where that is said.
pub(in super::super) async fn part(
    syscalls: &impl Syscalls,
    mount: &str,
    path: &str,
    (offset, length): (u64, u32),
    version: Option<&str>,
) -> Result<Part, Problem> {
    let request = fs::ReadRequest {
        mount: mount.to_owned(),
        path: path.to_owned(),
        offset,
        length,
        version: version.map(str::to_owned),
    };
    let part: fs::ReadResponse = patience::call(syscalls, Syscall::FsRead, &request).await?;
    let bytes = BASE64.decode(&part.data).map_err(|error| {
        let text = format!("the node's data is not base64: {error}");
        Problem::new(Code::Internal, text)
    })?;
    Ok(Part {
        bytes,
        size: part.size,
        version: part.version,
        fresh: part.fresh,
    })
}

/// The reason without the file's place, which stands beside it.
fn why(mount: &str, path: &str, problem: Problem) -> String {
    match problem.code {
        Code::NotFound => "it was gone when it was to be read".to_owned(),
        Code::Denied => "it may not be opened".to_owned(),
        Code::Changed => "it changes while it is read".to_owned(),
        _ => {
            let text = problem.detail;
            let place = format!("{mount}/{path}");
            text.replace(&format!("{place}: "), "")
                .replace(&place, "it")
        }
    }
}
