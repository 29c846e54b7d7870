//! Units as integrations write them, by UCUM.

/// Units that are written otherwise by UCUM.
const WRITTEN: &[(&str, &str)] = &[
    ("°C", "Cel"),
    ("C", "Cel"),
    ("°F", "[degF]"),
    ("F", "[degF]"),
    ("Wh", "W.h"),
    ("kWh", "kW.h"),
    ("MWh", "MW.h"),
    ("VA", "V.A"),
    ("kVA", "kV.A"),
    ("Ah", "A.h"),
    ("mAh", "mA.h"),
    ("psi", "[psi]"),
    ("inHg", "[in_i'Hg]"),
    ("mmHg", "mm[Hg]"),
    ("µs", "us"),
    ("μs", "us"),
    ("w", "wk"),
    ("y", "a"),
    ("in", "[in_i]"),
    ("ft", "[ft_i]"),
    ("mi", "[mi_i]"),
    ("yd", "[yd_i]"),
    ("m²", "m2"),
    ("m³", "m3"),
    ("ft³", "[cft_i]"),
    ("gal", "[gal_us]"),
    ("m³/h", "m3/h"),
    ("mph", "[mi_i]/h"),
    ("kn", "[kn_i]"),
    ("°", "deg"),
    ("rpm", "{rev}/min"),
    ("ppm", "[ppm]"),
    ("ppb", "[ppb]"),
    ("µg/m³", "ug/m3"),
    ("μg/m³", "ug/m3"),
    ("mg/m³", "mg/m3"),
    ("g/m³", "g/m3"),
    ("lb", "[lb_av]"),
    ("oz", "[oz_av]"),
    ("B", "By"),
    ("kB", "kBy"),
    ("MB", "MBy"),
    ("GB", "GBy"),
    ("MB/s", "MBy/s"),
    ("W/m²", "W/m2"),
    ("Ω", "Ohm"),
    ("µS/cm", "uS/cm"),
    ("μS/cm", "uS/cm"),
    ("pH", "[pH]"),
    ("mired", "MK-1"),
];
/// Units that UCUM writes so, too.
const SAME: &[&str] = &[
    "%", "K", "mW", "W", "kW", "MW", "J", "kJ", "MJ", "GJ", "kcal", "Pa", "hPa", "kPa", "mbar",
    "bar", "lx", "lm", "mV", "V", "kV", "uA", "mA", "A", "Hz", "kHz", "MHz", "GHz", "dB", "mm",
    "cm", "m", "km", "mL", "L", "L/min", "L/h", "m/s", "km/h", "mm/h", "mm/d", "ms", "s", "min",
    "h", "d", "mo", "g", "kg", "mg", "bit", "bit/s", "kbit/s", "Mbit/s",
];

/// A unit by UCUM; `None` for one that is not known.
pub(crate) fn ucum(unit: &str) -> Option<&'static str> {
    let written = WRITTEN.iter().find(|(it, _)| *it == unit);
    let same = || SAME.iter().find(|it| **it == unit).copied();
    written.map(|(_, ucum)| *ucum).or_else(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_ucum_or_not_known() {
        assert_eq!(ucum("°C"), Some("Cel"));
        assert_eq!(ucum("kWh"), Some("kW.h"));
        assert_eq!(ucum("hPa"), Some("hPa"));
        assert_eq!(ucum("lqi"), None);
        let all = WRITTEN.iter().map(|it| it.1).chain(SAME.iter().copied());
        for it in all {
            assert!(
                it.len() <= 32 && it.bytes().all(|it| (b'!'..=b'~').contains(&it)),
                "{it}"
            );
        }
    }
}
