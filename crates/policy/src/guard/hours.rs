//! Hours of days as minutes of the week.

use aion_api::{Day, Hours};
use aion_kernel::WEEK_MINUTES;

use super::fault::Faults;

const DAY: u16 = 24 * 60;
const WEEK: [Day; 7] = [
    Day::Mon,
    Day::Tue,
    Day::Wed,
    Day::Thu,
    Day::Fri,
    Day::Sat,
    Day::Sun,
];

/// Of each of their days one. From 00:00 to 00:00 is the whole day; any other time to itself is a fault, since it may mean
/// a day or nothing.
pub(super) fn lower(hours: &[Hours], faults: &mut Faults) -> Vec<aion_kernel::Hours> {
    let mut all = Vec::new();
    for (at, it) in hours.iter().enumerate() {
        let (Some(from), Some(to)) = (minute(&it.from), minute(&it.to)) else {
            faults.add(
                &format!(".hours[{at}]"),
                format!("from {} to {} are not times of day", it.from, it.to),
                "write from and to such as 06:30",
            );
            continue;
        };
        if from == to && from != 0 {
            faults.add(
                &format!(".hours[{at}].to"),
                format!("from {} to {} is a day or nothing", it.from, it.to),
                "write 00:00 to 00:00 for whole days",
            );
            continue;
        }
        let length = match from < to {
            true => to - from,
            false => DAY - from + to,
        };
        for (number, day) in (0_u16..).zip(WEEK) {
            if it.days.is_empty() || it.days.contains(&day) {
                let from = number * DAY + from;
                let to = from + length;
                let to = if to > WEEK_MINUTES {
                    to - WEEK_MINUTES
                } else {
                    to
                };
                all.push(aion_kernel::Hours { from, to });
            }
        }
    }
    all
}

/// The minute of the day.
fn minute(clock: &str) -> Option<u16> {
    let (hour, minute) = clock.split_once(':')?;
    let two = |text: &str| -> Option<u16> {
        let is_two = text.len() == 2 && text.bytes().all(|it| it.is_ascii_digit());
        is_two.then(|| text.parse().ok())?
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    (hour < 24 && minute < 60).then(|| hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lowered(days: &[Day], from: &str, to: &str) -> Result<Vec<(u16, u16)>, String> {
        let hours = Hours {
            days: days.to_vec(),
            from: from.to_owned(),
            to: to.to_owned(),
        };
        let mut faults = Faults::default();
        let lowered = lower(&[hours], &mut faults);
        match faults.none() {
            Ok(()) => Ok(lowered.iter().map(|it| (it.from, it.to)).collect()),
            Err(faults) => Err(faults.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn hours_are_minutes_of_the_week() {
        let sunday = 6 * DAY;
        for (day, from, to, expected) in [
            (Day::Mon, "06:30", "22:00", (390, 1_320)),
            (Day::Mon, "22:00", "06:30", (1_320, DAY + 390)),
            (Day::Sun, "22:00", "06:30", (sunday + 1_320, 390)),
            (Day::Sun, "22:00", "00:00", (sunday + 1_320, WEEK_MINUTES)),
            (Day::Sun, "00:00", "00:00", (sunday, WEEK_MINUTES)),
            (Day::Tue, "00:00", "00:00", (DAY, 2 * DAY)),
        ] {
            assert_eq!(lowered(&[day], from, to), Ok(vec![expected]), "{day:?}");
        }
        let every_day = lowered(&[], "06:00", "07:00").unwrap_or_default();
        assert_eq!(every_day.len(), 7);
        assert_eq!(every_day[6], (sunday + 360, sunday + 420));
    }

    #[test]
    fn a_time_to_itself_is_a_whole_day_at_midnight_and_nowhere_else() {
        let refused = lowered(&[], "06:00", "06:00");
        assert!(refused.is_err_and(|it| it.contains("write 00:00 to 00:00 for whole days")));
        for (from, to) in [
            ("24:00", "06:00"),
            ("6:00", "07:00"),
            ("06:60", "07:00"),
            ("", "07:00"),
        ] {
            assert!(lowered(&[], from, to).is_err(), "{from} {to}");
        }
    }
}
