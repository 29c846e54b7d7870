//! Looking a program up and executing it, as execvp does, but for one thing: what the kernel cannot execute is not
//! given to a shell.

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::refused::Refused;

/// Executes the first of the places where `program` is. Returns only with the reason why not.
pub(super) fn first_of(
    program: &str,
    searched: &str,
    arguments: &[CString],
    environment: &[CString],
) -> Result<Infallible, Refused> {
    let mut forbidden = None;
    for place in places(program, searched) {
        let error = execute(&place, arguments, environment);
        match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR) if !place.exists() => {}
            // Another place may have one that may be executed.
            Some(libc::EACCES) if !program.contains('/') => {
                forbidden.get_or_insert((place, error));
            }
            _ => return Err(Refused::at(&place, error)),
        }
    }
    Err(match forbidden {
        Some((place, error)) => Refused::at(&place, error),
        None if program.contains('/') => Refused::NotThere(program.to_owned()),
        None => Refused::NotFound(program.to_owned(), searched.to_owned()),
    })
}

/// Where it may be: one with a slash in its name is there and nowhere else.
fn places(program: &str, searched: &str) -> Vec<PathBuf> {
    match program.contains('/') {
        true => vec![program.into()],
        false => searched
            .split(':')
            .map(|folder| match folder {
                "" => Path::new(".").join(program),
                folder => Path::new(folder).join(program),
            })
            .collect(),
    }
}

#[allow(unsafe_code)]
fn execute(place: &Path, arguments: &[CString], environment: &[CString]) -> io::Error {
    let Ok(place) = CString::new(place.as_os_str().as_bytes()) else {
        return io::ErrorKind::InvalidInput.into();
    };
    let pointers = |texts: &[CString]| -> Vec<*const libc::c_char> {
        let texts = texts.iter().map(|text| CStr::as_ptr(text));
        texts.chain([std::ptr::null()]).collect()
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: a disposition that has no code of ours. The standard library ignores the signal, and that would be
    // handed on: a program that writes to a pipe that nobody reads would never end.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    // SAFETY: both end with a null pointer, and they and the texts that they point to live until the call returns.
    unsafe { libc::execve(place.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_slash_is_a_place_and_any_other_is_looked_up_in_order() {
        let paths = |program, searched| -> Vec<String> {
            let places = places(program, searched).into_iter();
            places.map(|place| place.display().to_string()).collect()
        };
        assert_eq!(paths("python", "/a:/b/"), ["/a/python", "/b/python"]);
        assert_eq!(paths("./main", "/a"), ["./main"]);
        assert_eq!(paths("main", ""), ["./main"]);
    }
}
