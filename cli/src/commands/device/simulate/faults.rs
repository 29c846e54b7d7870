//! What goes wrong with devices that are played, and how often.

use std::str::FromStr;

/// How often something goes wrong where nobody says.
const USUAL: u8 = 10;

/// Of how many devices or messages in a hundred something goes wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Faults {
    /// Devices that say nothing and hear nothing.
    pub(super) silent: u8,
    /// Devices that are there and away again, in turn.
    pub(super) flap: u8,
    /// Messages that cannot be read.
    pub(super) wrong: u8,
    /// Messages that are said twice.
    pub(super) duplicate: u8,
    /// What was told is confirmed when nobody waits for it any more.
    pub(super) late: u8,
    /// What was told is done and not confirmed.
    pub(super) noconfirm: u8,
}

impl FromStr for Faults {
    type Err = String;

    /// `silent,late=50`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut faults = Self::default();
        for part in text.split(',').map(str::trim).filter(|it| !it.is_empty()) {
            let (name, percent) = part.split_once('=').unwrap_or((part, ""));
            let often = match percent {
                "" if !part.contains('=') => Some(USUAL),
                percent => percent.parse().ok().filter(|it| (1..=100).contains(it)),
            };
            let Some(often) = often else {
                return Err(format!("{part}: write how many in a hundred, 1 to 100"));
            };
            let place = match name {
                "silent" => &mut faults.silent,
                "flap" => &mut faults.flap,
                "wrong" => &mut faults.wrong,
                "duplicate" => &mut faults.duplicate,
                "late" => &mut faults.late,
                "noconfirm" => &mut faults.noconfirm,
                _ => {
                    return Err(format!(
                        "{name} is no fault: there are silent, flap, wrong, duplicate, late and noconfirm"
                    ));
                }
            };
            *place = often;
        }
        Ok(faults)
    }
}

/// Payloads that no device with its wits about it sends; whoever hears them counts them and goes on.
pub(super) const WRONG: [&[u8]; 7] = [
    b"",
    b"{",
    b"nan",
    b"\xff\xfe\x00",
    b"1e999",
    b"{\"state\": {\"deep\": [[[[[[[[[[]]]]]]]]]]}}",
    b"unavailable",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_a_list_of_names_with_how_often() {
        let expected = Faults {
            silent: 10,
            late: 50,
            ..Faults::default()
        };
        assert_eq!("silent, late=50".parse(), Ok(expected));
        assert_eq!("".parse(), Ok(Faults::default()));
        for wrong in ["loud", "late=0", "late=101", "late=", "late=x"] {
            assert!(wrong.parse::<Faults>().is_err(), "{wrong}");
        }
    }
}
