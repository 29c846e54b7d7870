//! The quantities of a profile: each reads its own way of writing, and refuses what cannot be.

use serde::Deserialize;

/// A number of bytes, written with `Ki`, `Mi` or `Gi` or plain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Bytes(pub u64);

/// CPU in thousandths of a core, written `500m` or `2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Cpu(pub u32);

/// A part of a hundred, written `85%`: at least one, and less than all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Percent(pub u64);

impl Percent {
    /// This part of `whole`.
    #[must_use]
    pub fn of(self, whole: u64) -> u64 {
        // The other way round a part of a small number would be nothing, and of a large one too much to multiply.
        whole / 100 * self.0 + whole % 100 * self.0 / 100
    }
}

macro_rules! whole {
    ($($(#[$doc:meta])* $name:ident $most:literal $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
        #[serde(try_from = "u32")]
        pub struct $name(pub u32);

        impl TryFrom<u32> for $name {
            type Error = String;

            fn try_from(number: u32) -> Result<Self, String> {
                match number {
                    1..=$most => Ok(Self(number)),
                    _ => Err(format!(concat!("{} is not ", $what, ": 1 to {}"), number, $most)),
                }
            }
        }
    )*};
}

whole! {
    /// Processes and threads.
    Pids 65_536 "a number of processes and threads";
    /// A share of CPU.
    CpuWeight 10_000 "a weight of CPU";
    /// A share of a block device.
    IoWeight 1_000 "a weight of a block device";
}

impl TryFrom<String> for Bytes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
            Some(at) => text.split_at(at),
            None => (text.as_str(), ""),
        };
        let factor = match unit {
            "" => Some(1),
            "Ki" => Some(1_u64 << 10),
            "Mi" => Some(1 << 20),
            "Gi" => Some(1 << 30),
            _ => None,
        };
        number
            .parse::<u64>()
            .ok()
            .zip(factor)
            .and_then(|(number, factor)| number.checked_mul(factor))
            .filter(|bytes| *bytes > 0)
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not a number of bytes such as 512Ki, 96Mi or 1Gi"))
    }
}

impl TryFrom<String> for Cpu {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let milli = match text.strip_suffix('m') {
            Some(milli) => milli.parse::<u32>().ok(),
            None => text.parse::<u32>().ok().and_then(|it| it.checked_mul(1000)),
        };
        milli
            .filter(|milli| *milli > 0)
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not an amount of CPU such as 500m or 2"))
    }
}

impl TryFrom<String> for Percent {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = text.strip_suffix('%').and_then(|it| it.parse().ok());
        number
            .filter(|number| (1..100).contains(number))
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not a part such as 85%: 1% to 99%"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_or_refused() {
        let bytes = |text: &str| Bytes::try_from(text.to_owned()).map(|it| it.0);
        assert_eq!(bytes("512Ki"), Ok(512 << 10));
        assert_eq!(bytes("1Gi"), Ok(1 << 30));
        for wrong in ["", "0", "Mi", "1.5Mi", "1M", "-1", "99999999999999999999"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
        let cpu = |text: &str| Cpu::try_from(text.to_owned()).map(|it| it.0);
        assert_eq!(cpu("500m"), Ok(500));
        assert_eq!(cpu("2"), Ok(2000));
        assert!(cpu("0").is_err() && cpu("half").is_err());
    }

    #[test]
    fn a_part_is_of_small_and_of_large_numbers() {
        let part = Percent::try_from("85%".to_owned()).map(|it| (it.of(200), it.of(u64::MAX)));
        assert_eq!(
            part,
            Ok((170, u64::MAX / 100 * 85 + u64::MAX % 100 * 85 / 100))
        );
    }
}
