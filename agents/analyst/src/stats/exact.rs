//! Sums without rounding.

use num_bigint::BigUint;

/// How many words a sum has.
const LIMBS: usize = 67;

/// The exponent of the smallest product, of two subnormal numbers: 2·-1074. The largest is below 2^2048, which is bit
/// 4196; the rest is room for 2^90 of them.
pub(super) const LOWEST: i32 = -2148;

/// Adds numbers without rounding: a fixed-point number so long that every product of two `f64` has a place in it
/// (Kulisch, Computer Arithmetic and Validity, 2008, chapter 8: the long accumulator). Its lowest bit stands for
/// 2^`LOWEST`. It only grows; who needs both signs keeps two.
#[derive(Clone, Debug)]
pub(super) struct Sum {
    limbs: [u64; LIMBS],
}

impl Default for Sum {
    fn default() -> Self {
        Self { limbs: [0; LIMBS] }
    }
}

impl Sum {
    /// Adds (high, low)·2^exponent.
    #[inline]
    pub(super) fn add(&mut self, high: u64, low: u64, exponent: i32) {
        let at = (exponent - LOWEST) as usize;
        let (limb, shift) = (at / 64, (at % 64) as u32);
        // A shift by 64 is two: of 63 and of one.
        let middle = high << shift | low >> 1 >> (63 - shift);
        let top = high >> 1 >> (63 - shift);
        let Some([first, second, rest @ ..]) = self.limbs.get_mut(limb..) else {
            return;
        };
        let (sum, carry) = first.overflowing_add(low << shift);
        *first = sum;
        let (sum, over) = second.overflowing_add(middle);
        let (sum, again) = sum.overflowing_add(u64::from(carry));
        *second = sum;
        let mut more = top + u64::from(over | again);
        for limb in rest {
            if more == 0 {
                break;
            }
            let (sum, carry) = limb.overflowing_add(more);
            *limb = sum;
            more = u64::from(carry);
        }
    }

    /// The sum in units of 2^`LOWEST`.
    pub(super) fn whole(&self) -> BigUint {
        let bytes: Vec<u8> = self
            .limbs
            .iter()
            .flat_map(|limb| limb.to_le_bytes())
            .collect();
        BigUint::from_bytes_le(&bytes)
    }
}

/// Gives the digits and the exponent of a finite number: |x| = digits·2^exponent.
#[inline]
pub(super) fn split(x: f64) -> (u64, i32) {
    let raw = x.to_bits();
    let exponent = (raw >> 52 & 0x7ff) as i32;
    // A subnormal number has no hidden digit, and the exponent of the smallest normal one.
    let hidden = u64::from(exponent != 0);
    (
        raw & ((1 << 52) - 1) | hidden << 52,
        exponent - 1074 - hidden as i32,
    )
}

/// The square of a number of 53 bits, in two words.
#[inline]
pub(super) fn square(digits: u64) -> (u64, u64) {
    let (high, low) = (digits >> 32, digits & 0xffff_ffff);
    let cross = high * low; // below 2^53
    let (sum, carry) = (low * low).overflowing_add(cross << 33);
    (high * high + (cross >> 31) + u64::from(carry), sum)
}
