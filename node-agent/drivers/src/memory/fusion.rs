//! One ranking out of several: reciprocal rank fusion. Pure.
//!
//! Cormack, Clarke, Büttcher: *Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
//! Methods*, SIGIR 2009: an item's score is the sum of 1/(60 + rank) over the rankings it is in, ranks
//! from 1. It needs no scores, so BM25 and cosine need not be made comparable.

use std::collections::HashMap;

/// The constant of the paper.
const K: f64 = 60.0;

/// Items by falling score; where scores are equal, the larger (newer) number first.
pub(super) fn fuse(rankings: &[Vec<i64>]) -> Vec<(i64, f64)> {
    let mut scores: HashMap<i64, f64> = HashMap::new();
    for ranking in rankings {
        for (item, rank) in ranking.iter().zip(1_u32..) {
            *scores.entry(*item).or_default() += 1.0 / (K + f64::from(rank));
        }
    }
    let mut fused: Vec<_> = scores.into_iter().collect();
    fused.sort_unstable_by(|(a, left), (b, right)| right.total_cmp(left).then(b.cmp(a)));
    fused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_find_comes_before_what_one_finds_best() {
        let fused = fuse(&[vec![1, 2, 3], vec![4, 2, 5]]);
        assert_eq!(
            fused.iter().map(|(n, _)| *n).collect::<Vec<_>>(),
            [2, 4, 1, 5, 3]
        );
        assert!((fused[0].1 - 2.0 / 62.0).abs() < 1e-12);
    }
}
