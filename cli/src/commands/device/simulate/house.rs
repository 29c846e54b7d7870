//! What the house does by itself: it warms up and cools down, takes electricity, and somebody walks through the hall.

use aion_abi::syscall::device::Value;
use aion_device::Twin;
use fastrand::Rng;

/// How the house is found: the kitchen window is open, and the lamp there is on.
const FOUND: [(&str, &str, &str); 12] = [
    ("front-door", "contact", "closed"),
    ("front-door", "battery", "91"),
    ("kitchen-window", "contact", "open"),
    ("kitchen-window", "battery", "64"),
    ("heater", "temperature", "19.5"),
    ("heater", "target", "18"),
    ("kitchen-lamp", "power", "on"),
    ("kitchen-lamp", "brightness", "80"),
    ("hall-lamp", "power", "off"),
    ("front-lock", "state", "locked"),
    ("meter", "power", "140"),
    ("meter", "energy", "4521.3"),
];
/// How it is outside, in degrees.
const OUTSIDE: f64 = 8.0;
/// What is on anyway, in watts.
const BASE: f64 = 80.0;
const LAMP: f64 = 9.0;
const HEATER: f64 = 1_500.0;
/// Of so many seconds, in one somebody begins or ceases to move.
const MOVES: u32 = 45;

/// Puts everything where it is found.
pub(super) fn furnish(twins: &mut [Twin]) {
    for (device, property, words) in FOUND {
        if let Some(twin) = twins.iter_mut().find(|it| it.name() == device) {
            // The house and its resources are one file: a test plays it.
            let _ = twin.put_words(property, words);
        }
    }
}

/// The lock turns.
pub(super) fn command(twin: &mut Twin, command: &str) {
    let state = match command {
        "lock" => "locked",
        "unlock" => "unlocked",
        _ => return,
    };
    let _ = twin.put_words("state", state);
}

/// A second passes: what is other then, by device and property.
pub(super) fn second(twins: &mut [Twin], chance: &mut Rng) -> Vec<(usize, &'static str)> {
    let mut changed = Vec::new();
    let heats = heat(twins, &mut changed);
    let lamps = ["kitchen-lamp", "hall-lamp"];
    let lit = lamps
        .iter()
        .filter(|it| is(twins, it, "power", &Value::Boolean(true)));
    let mut power = BASE + LAMP * lit.map(|_| 1.0).sum::<f64>();
    if heats {
        power += HEATER;
    }
    if let Some(at) = place(twins, "meter") {
        let energy = number(&twins[at], "energy").unwrap_or_default() + power / 3_600_000.0;
        // It says so where it is worth a word; in between it counts on.
        let _ = twins[at].put("energy", &Value::Number(energy));
        if number(&twins[at], "power") != Some(power) {
            let _ = twins[at].put("power", &Value::Number(power));
            changed.push((at, "power"));
        }
    }
    if let Some(at) = place(twins, "hall-motion")
        && chance.u32(0..MOVES) == 0
    {
        let moves = twins[at].value("motion") == Some(&Value::Boolean(true));
        let _ = twins[at].put("motion", &Value::Boolean(!moves));
        changed.push((at, "motion"));
    }
    changed
}

/// Whether the heater heats. It wants to get where it is set to; an open window wants otherwise.
fn heat(twins: &mut [Twin], changed: &mut Vec<(usize, &'static str)>) -> bool {
    let Some(at) = place(twins, "heater") else {
        return false;
    };
    let (Some(is_now), Some(target)) = (
        number(&twins[at], "temperature"),
        number(&twins[at], "target"),
    ) else {
        return false;
    };
    let open = is(
        twins,
        "kitchen-window",
        "contact",
        &Value::Text("open".to_owned()),
    );
    let heats = is_now < target;
    let change = match (heats, open) {
        (true, false) => 0.1,
        (true, true) => 0.02,
        (false, true) => -0.05,
        (false, false) => -0.01,
    };
    let next = ((is_now + change).max(OUTSIDE) * 100.0).round() / 100.0;
    let _ = twins[at].put("temperature", &Value::Number(next));
    // A sensor says tenths.
    if (next * 10.0).floor() != (is_now * 10.0).floor() {
        changed.push((at, "temperature"));
    }
    heats
}

fn place(twins: &[Twin], name: &str) -> Option<usize> {
    twins.iter().position(|it| it.name() == name)
}

fn number(twin: &Twin, property: &str) -> Option<f64> {
    match twin.value(property)? {
        Value::Number(it) => Some(*it),
        _ => None,
    }
}

fn is(twins: &[Twin], name: &str, property: &str, value: &Value) -> bool {
    let twin = twins.iter().find(|it| it.name() == name);
    twin.is_some_and(|it| it.value(property) == Some(value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{super::fleet, *};

    #[test]
    fn the_house_is_furnished_and_gets_warm_once_the_window_is_shut() {
        let fleet = fleet::house("home", "mqtt://127.0.0.1:1883").unwrap();
        let (mut twins, mut chance) = (fleet.twins, Rng::with_seed(7));
        furnish(&mut twins);
        for (device, property, words) in FOUND {
            let at = place(&twins, device).unwrap();
            let before = twins[at].value(property).cloned();
            twins[at].put_words(property, words).unwrap();
            assert_eq!(
                twins[at].value(property).cloned(),
                before,
                "{device} {property}"
            );
        }
        let heater = place(&twins, "heater").unwrap();
        let warm = |twins: &[Twin]| number(&twins[heater], "temperature").unwrap();
        for _ in 0..60 {
            second(&mut twins, &mut chance);
        }
        assert!(warm(&twins) < 19.0, "{}", warm(&twins));
        let window = place(&twins, "kitchen-window").unwrap();
        twins[window].put_words("contact", "closed").unwrap();
        twins[heater].put_words("target", "22").unwrap();
        let mut changed = Vec::new();
        for _ in 0..60 {
            changed.extend(second(&mut twins, &mut chance));
        }
        let meter = place(&twins, "meter").unwrap();
        assert!(changed.contains(&(heater, "temperature")) && changed.contains(&(meter, "power")));
        assert!(warm(&twins) > 21.9, "{}", warm(&twins));
        let lock = place(&twins, "front-lock").unwrap();
        command(&mut twins[lock], "unlock");
        assert!(is(
            &twins,
            "front-lock",
            "state",
            &Value::Text("unlocked".to_owned())
        ));
    }
}
