//! Where a list goes on: a text that says it all, since nothing is kept between requests. It outlives the gateway, and is read by any
//! other. To clients it is opaque.

use aion_abi::{code::Code, problem::Problem};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

/// The longest that is read, in bytes: two names of an agent and a number are less.
const LONGEST: usize = 1024;

/// The cursor of a list that goes on at `at`.
pub(super) fn make(list: &str, at: &impl Serialize) -> Option<String> {
    let json = serde_json::to_vec(&(list, at)).ok()?;
    Some(URL_SAFE_NO_PAD.encode(json))
}

/// Where the list goes on; `None` at its start.
///
/// # Errors
/// It does not belong to this list.
pub(super) fn read<T: DeserializeOwned>(
    list: &str,
    cursor: Option<&str>,
) -> Result<Option<T>, Problem> {
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    let short = Some(cursor).filter(|it| it.len() <= LONGEST);
    let read = short.and_then(|it| {
        let json = URL_SAFE_NO_PAD.decode(it).ok()?;
        let (of, at): (String, T) = serde_json::from_slice(&json).ok()?;
        (of == list).then_some(at)
    });
    read.map(Some).ok_or_else(|| {
        let what = format!("the cursor does not belong to the list of {list}");
        Problem::new(Code::BadRequest, what)
            .remedy("take it from nextCursor of the page before, or leave it out")
    })
}

/// Of a list that is one page.
///
/// # Errors
/// There is a cursor, and nothing gave it.
pub(super) fn none(list: &str, cursor: Option<&str>) -> Result<(), Problem> {
    read::<Never>(list, cursor).map(|_| ())
}

/// Where a list of one page goes on: nowhere.
#[derive(serde::Deserialize)]
enum Never {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_cursor_is_of_one_list_and_what_is_made_up_is_none() {
        let at = ("home".to_owned(), "jarvis".to_owned(), 100_u32);
        let cursor = make("resources", &at).unwrap();
        assert!(cursor.is_ascii() && !cursor.contains("jarvis"), "{cursor}");
        type At = (String, String, u32);
        let read = |list: &str, cursor: &str| read::<At>(list, Some(cursor));
        assert_eq!(read("resources", &cursor).unwrap(), Some(at));
        let long = "a".repeat(LONGEST + 1);
        let number = make("resources", &7).unwrap();
        for wrong in ["", "home/jarvis", "%", &cursor[1..], &long, &number] {
            let refused = read("resources", wrong).unwrap_err();
            assert_eq!(refused.code, Code::BadRequest, "{wrong}");
        }
        assert!(read("tools", &cursor).is_err(), "it is of another list");
        assert!(none("templates", None).is_ok());
        assert!(none("templates", Some(&cursor)).is_err());
    }
}
