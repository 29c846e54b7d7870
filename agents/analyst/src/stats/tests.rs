//! Figures against sums done by hand, exact fractions and each other.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Bounds, Centred, Moments, Pairs, Quantiles, Sample};

fn near(what: &str, got: f64, want: f64) {
    assert!(
        (got - want).abs() <= 1e-9 * want.abs().max(1.0),
        "{what}: got {got}, want {want}"
    );
}

fn moments(values: &[f64]) -> Moments {
    let mut m = Moments::default();
    m.add_all(values);
    m
}

fn quantiles(values: &[f64], capacity: usize) -> Quantiles {
    let mut sample = Sample::new(capacity);
    sample.add_all(values);
    sample.quantiles()
}

/// The figures come from testdata/figures.py, in exact fractions: what is told must be the very `f64` that is nearest to
/// them.
#[test]
fn figures_are_those_of_exact_fractions() {
    #[derive(serde::Deserialize)]
    struct Set {
        name: String,
        values: Vec<f64>,
        mean: f64,
        stdev: f64,
        percentiles: BTreeMap<String, f64>,
    }
    let sets: Vec<Set> = serde_json::from_str(include_str!("testdata/figures.json")).unwrap();
    assert!(!sets.is_empty());
    for set in sets {
        let (m, q) = (moments(&set.values), quantiles(&set.values, 1000));
        assert_eq!((m.mean(), m.stdev()), (set.mean, set.stdev), "{}", set.name);
        for (place, want) in set.percentiles {
            assert_eq!(
                q.percentile(place.parse().unwrap()),
                want,
                "{} {place}",
                set.name
            );
        }
    }
}

#[test]
fn pairs_neither_overflow_nor_vanish() {
    for scale in [1e-308, 1.0, 3e307] {
        let mut p = Pairs::default();
        for (i, y) in [2.0, 4.0, 5.0, 4.0, 5.0].into_iter().enumerate() {
            p.add_all(&[(i + 1) as f64], &[y * scale]);
        }
        let line = p.fit().unwrap();
        near("r2", line.r2, 0.6);
        near("slope", line.slope / scale, 0.6);
        near("r", p.correlation().unwrap(), 6.0 / 60_f64.sqrt());
    }
}

proptest! {
    /// However the values come, in blocks of any size, a pair is the same up to rounding.
    #[test]
    fn blocks_of_pairs_add_up(
        noise in prop::collection::vec((0.0..1.0, 0.0..1.0), 5000),
        blocks in prop::collection::vec(1_usize..300, 5000),
        scale in prop::sample::select(vec![1e-300, 1.0, 1e6, 1e300]),
    ) {
        let xs: Vec<f64> = noise.iter().enumerate().map(|(i, (x, _))| scale * (1000.0 + i as f64 + x)).collect();
        let ys: Vec<f64> = noise.iter().enumerate().map(|(i, (_, y))| -7.0 + y * i as f64).collect();
        let (mut want, mut got) = (Pairs::default(), Pairs::default());
        want.add_all(&xs, &ys);
        let (mut x, mut y) = (Centred::default(), Centred::default());
        let mut from = 0;
        for block in blocks {
            let to = xs.len().min(from + block);
            if from == to {
                break;
            }
            x.set(&xs[from..to]);
            y.set(&ys[from..to]);
            prop_assert!(got.add_centred(&x, &y));
            from = to;
        }
        let (a, b) = (want.fit().unwrap(), got.fit().unwrap());
        prop_assert_eq!(want.n, got.n);
        prop_assert!((a.slope / b.slope - 1.0).abs() < 1e-9 && (a.r2 - b.r2).abs() < 1e-12);
        prop_assert!((want.correlation().unwrap() - got.correlation().unwrap()).abs() < 1e-12);
        x.set(&[1.0, f64::NAN]);
        prop_assert!(!got.add_centred(&x, &y));
    }

    /// In whatever order and in whatever blocks the values come, mean and deviation are the same to the last bit.
    #[test]
    fn no_order_changes_a_figure(mut values in prop::collection::vec(prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO, 2..200), at in 0_usize..200) {
        let whole = moments(&values);
        values.reverse();
        let (first, rest) = values.split_at(at.min(values.len()));
        let mut parts = moments(first);
        parts.add_all(rest);
        prop_assert_eq!(whole.mean().to_bits(), parts.mean().to_bits());
        prop_assert_eq!(whole.stdev().to_bits(), parts.stdev().to_bits());
        prop_assert_eq!((whole.min, whole.max), (parts.min, parts.max));
    }

    #[test]
    fn a_radix_sort_sorts(values in prop::collection::vec(prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL, 1000..3000)) {
        let mut want = values.clone();
        want.sort_by(f64::total_cmp);
        let got = quantiles(&values, values.len());
        prop_assert_eq!(got.sorted, want);
    }
}

/// 2 4 4 4 5 5 7 9: sum 40, mean 5, squared deviations 9+1+1+1+0+0+4+16 = 32, sample variance 32/7.
#[test]
fn moments_agree_with_sums_done_by_hand() {
    let m = moments(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
    near("mean", m.mean(), 5.0);
    near("stdev", m.stdev(), (32.0_f64 / 7.0).sqrt());
    assert_eq!((m.min, m.max), (2.0, 9.0));
}

/// The case that breaks the textbook formula: a large offset. Deviations -6 -3 3 6, variance 90/3.
#[test]
fn variance_survives_a_large_offset() {
    let m = moments(&[1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]);
    near("mean", m.mean(), 1e9 + 10.0);
    near("stdev", m.stdev(), 30_f64.sqrt());
}

#[test]
fn one_value_has_no_spread() {
    assert!(moments(&[3.0]).stdev().is_nan());
}

/// Type 7 on 1 2 3 4 10 (n=5): position of q is 4q. 0.25 -> 2, 0.5 -> 3, 0.75 -> 4, 0.9 -> 3.6: 4 + 0.6*6.
#[test]
fn quantiles_interpolate_between_order_statistics() {
    let q = quantiles(&[10.0, 3.0, 1.0, 4.0, 2.0], 100);
    for (p, want) in [
        (0, 1.0),
        (25, 2.0),
        (50, 3.0),
        (75, 4.0),
        (90, 7.6),
        (100, 10.0),
    ] {
        near("quantile", q.percentile(p), want);
    }
    // |x-3| = 7 0 2 1 1, sorted 0 1 1 2 7.
    near("mad", q.mad(3.0), 1.0);
    assert!(q.exact());
}

#[test]
fn a_full_sample_is_uniform_and_says_that_it_is_not_exact() {
    let values: Vec<f64> = (0..1_000_000).map(f64::from).collect();
    let q = quantiles(&values, 10_000);
    assert!(!q.exact() && q.kept() == 10_000);
    // The standard error of a median of 10,000 uniform values is half a percent of their range; four of them.
    assert!((q.percentile(50) - 500_000.0).abs() < 20_000.0);
}

/// x 1..5, y 2 4 5 4 5: means 3 and 4, Sxy = 4+0+0+0+2 = 6, Sxx = 10, Syy = 4+0+1+0+1 = 6.
#[test]
fn the_line_and_the_correlation_agree_with_sums_done_by_hand() {
    let mut p = Pairs::default();
    p.add_all(&[1.0, 2.0, 3.0, 4.0, 5.0], &[2.0, 4.0, 5.0, 4.0, 5.0]);
    let line = p.fit().unwrap();
    near("slope", line.slope, 0.6);
    near("at 0", line.at(0.0), 2.2);
    near("at 10", line.at(10.0), 8.2);
    near("r2", line.r2, 0.6);
    near("r", p.correlation().unwrap(), 6.0 / 60_f64.sqrt());
}

#[test]
fn a_constant_has_no_correlation_and_explains_nothing() {
    let (rising, flat) = ([0.0, 1.0, 2.0, 3.0, 4.0], [7.0; 5]);
    let mut p = Pairs::default();
    p.add_all(&rising, &flat);
    assert!(p.correlation().is_none());
    let line = p.fit().unwrap();
    assert_eq!((line.slope, line.r2), (0.0, 0.0));
    let mut p = Pairs::default();
    p.add_all(&flat, &rising);
    assert!(p.fit().is_none(), "a line over an x that does not vary");
}

/// 1..9 and 100. Quartiles by type 7 (n=10): 3.25, 5.5, 7.75; fences -3.5 and 14.5.
/// Deviations from 5.5: 0.5 0.5 1.5 1.5 2.5 2.5 3.5 3.5 4.5 94.5, MAD 2.5, reach 3.5*2.5/0.6745 = 12.97.
#[test]
fn an_outlier_must_fail_both_tests() {
    let mut values: Vec<f64> = (1..10).map(f64::from).collect();
    values.push(100.0);
    let b = Bounds::new(&quantiles(&values, 100));
    near("high", b.high, 5.5 + 3.5 * 2.5 / 0.6745);
    near("low", b.low, 5.5 - 3.5 * 2.5 / 0.6745);
    for (x, want) in [
        (100.0, true),
        (15.0, false),
        (18.4, false),
        (18.5, true),
        (-7.4, false),
        (-7.5, true),
    ] {
        assert_eq!(b.outside(x), want, "{x}");
    }
}

#[test]
fn nothing_is_an_outlier_where_most_values_are_equal() {
    let mut values = vec![1.0; 20];
    values.push(50.0);
    let b = Bounds::new(&quantiles(&values, 100));
    assert!(!b.usable() && !b.outside(50.0));
}

#[test]
fn powers_of_ten_and_their_logarithms_agree() {
    for exponent in -15..=15 {
        let power: f64 = format!("1e{exponent}").parse().unwrap();
        near("power", super::pow10(exponent) / power, 1.0);
        near("logarithm", super::log10(power), f64::from(exponent));
    }
}
