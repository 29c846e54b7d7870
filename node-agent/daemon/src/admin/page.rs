//! Pages: how many rows one may have, and how many bytes.

use aion_abi::{code::Code, problem::Problem};

/// How many are wanted.
///
/// # Errors
/// None, or more than a page may have.
pub(super) fn limit(wanted: Option<u32>, usual: u32, most: u32) -> Result<u32, Problem> {
    let limit = wanted.unwrap_or(usual);
    match (1..=most).contains(&limit) {
        true => Ok(limit),
        false => Err(Problem::new(Code::BadRequest, "limit is out of bounds")
            .remedy(format!("say 1 to {most}, or leave it out for {usual}"))),
    }
}

/// The first rows that have no more bytes together than `most`, one of them in any case; and whether some are left out.
pub(super) fn within<T>(
    mut rows: Vec<T>,
    most: usize,
    bytes: impl Fn(&T) -> usize,
) -> (Vec<T>, bool) {
    let mut sum = 0_usize;
    let fits = rows.iter().take_while(|row| {
        sum = sum.saturating_add(bytes(row));
        sum <= most
    });
    let fits = fits.count().max(1);
    let is_cut = fits < rows.len();
    rows.truncate(fits);
    (rows, is_cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_within_bounds() {
        assert_eq!(limit(None, 20, 100).ok(), Some(20));
        assert_eq!(limit(Some(100), 20, 100).ok(), Some(100));
        for wrong in [0, 101] {
            assert!(limit(Some(wrong), 20, 100).is_err(), "{wrong}");
        }
    }
}
