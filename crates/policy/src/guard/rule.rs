//! One guardrail, for the points that it is about.
//!
//! What a guardrail names in `points` it must fit, check by check. One that names nothing is about all points that it fits: one
//! with numbers in it about the properties that are numbers and no command, and there must be one at least. A choice is
//! compared by its place, so that one guardrail may be several rules of the kernel, for points whose checks are alike.

use aion_api::Guardrail;
use aion_kernel::{Check, Measure, Name, Rule};

use super::expression::Expression;
use super::fault::{Faults, Wrong};
use super::number::decimal;
use super::points::{Point, Points, Type};
use super::{Place, hours};

/// What is wrong, and below which field of the guardrail.
type Misfit = (&'static str, Wrong);

/// Whether who wrote a guardrail knows the devices that it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// What it names is there, and something fits.
    Owned,
    /// It is for devices of any model: a point that one does not have is one of another's.
    Perhaps,
}

pub(super) fn lower(
    guardrail: &Guardrail,
    fit: Fit,
    points: &Points<'_>,
    place: &Place<'_>,
    faults: &mut Faults,
) -> Vec<Rule> {
    let Some(checks) = Checks::read(guardrail, faults) else {
        return Vec::new();
    };
    let mut fitting: Vec<(Vec<Check>, Vec<Name>)> = Vec::new();
    let mut take = |point: &Point<'_>, checks: Vec<Check>| {
        let name = Name::from(point.name);
        match fitting.iter_mut().find(|(same, _)| *same == checks) {
            Some((_, names)) => names.push(name),
            None => fitting.push((checks, vec![name])),
        }
    };
    if guardrail.points.is_empty() {
        let mut closest: Option<Vec<Misfit>> = None;
        let mut wrong_for_all = Vec::new();
        let mut fits = false;
        for point in points.all() {
            match checks.of(point, place) {
                Ok(checks) => {
                    fits = true;
                    take(point, checks);
                }
                Err(misfits) => {
                    let of_none = misfits.iter().filter(|(_, it)| !it.of_point);
                    wrong_for_all.extend(of_none.cloned());
                    if closest.as_ref().is_none_or(|it| misfits.len() < it.len()) {
                        closest = Some(misfits);
                    }
                }
            }
        }
        if !fits && fit == Fit::Perhaps {
            // What it says of other devices is wrong whichever point it is for: then nobody knows what it forbids.
            report(wrong_for_all, faults);
        } else if !fits {
            match closest {
                Some(misfits) => report(misfits, faults),
                None => faults.add(
                    "",
                    "nothing of the device can be written or commanded",
                    "remove the guardrail",
                ),
            }
        }
    } else {
        for (at, name) in guardrail.points.iter().enumerate() {
            match points.named(name) {
                Err(_) if fit == Fit::Perhaps => {}
                Err(wrong) => faults.add(&format!(".points[{at}]"), wrong.problem, wrong.remedy),
                Ok(point) => match checks.of(&point, place) {
                    Ok(checks) => take(&point, checks),
                    Err(misfits) => report(misfits, faults),
                },
            }
        }
    }
    let rules = fitting.into_iter().map(|(checks, points)| Rule {
        name: guardrail.name.as_str().into(),
        reason: guardrail.reason.as_deref().map(Name::from),
        points,
        checks,
    });
    rules.collect()
}

fn report(misfits: Vec<Misfit>, faults: &mut Faults) {
    for (field, wrong) in misfits {
        faults.add(field, wrong.problem, wrong.remedy);
    }
}

/// The checks of a guardrail, before they are for a certain point.
struct Checks {
    /// Those that are alike for all points.
    plain: Vec<Check>,
    /// Those that are for numbers, with their fields.
    numeric: Vec<(&'static str, Check)>,
    forbid: Option<Expression>,
    approval: bool,
}

impl Checks {
    fn read(guardrail: &Guardrail, faults: &mut Faults) -> Option<Self> {
        let mut number = |field: &'static str, text: &Option<String>| {
            let text = text.as_deref()?;
            let read = decimal(text);
            if read.is_none() {
                faults.add(
                    field,
                    format!("{text} is not a decimal of at most six digits behind its point"),
                    "write one such as 5 or -20.5",
                );
            }
            read
        };
        let minimum = number(".minimum", &guardrail.minimum);
        let maximum = number(".maximum", &guardrail.maximum);
        let by = guardrail.change.as_ref();
        let by = number(".change.by", &by.map(|it| it.by.clone()));
        let mut numeric = Vec::new();
        if let (Some(least), Some(most)) = (minimum, maximum)
            && least > most
        {
            faults.add(
                ".minimum",
                "minimum is more than maximum, so nothing could be written",
                "make it less",
            );
        }
        numeric.extend(minimum.map(|it| (".minimum", Check::Minimum(Measure(it)))));
        numeric.extend(maximum.map(|it| (".maximum", Check::Maximum(Measure(it)))));
        if let (Some(change), Some(by)) = (&guardrail.change, by) {
            match (u64::try_from(by), within(change.seconds)) {
                (Ok(by), Some(within_ms)) => {
                    numeric.push((".change", Check::Change { by, within_ms }));
                }
                _ => faults.add(
                    ".change",
                    "by is less than 0, or seconds are not 1 to 86400",
                    "change what it is",
                ),
            }
        }
        let mut plain = Vec::new();
        if let Some(rate) = guardrail.rate {
            let times = u32::try_from(rate.times).ok();
            let times = times.filter(|it| (1..=aion_kernel::MAX_MOVES).contains(&(*it as usize)));
            match (times, within(rate.seconds)) {
                (Some(times), Some(within_ms)) => plain.push(Check::Rate { times, within_ms }),
                _ => faults.add(
                    ".rate",
                    "times are not 1 to 64, or seconds are not 1 to 86400",
                    "change what it is",
                ),
            }
        }
        if !guardrail.hours.is_empty() {
            plain.push(Check::Hours(hours::lower(&guardrail.hours, faults)));
        }
        let forbid = guardrail.forbid_when.as_deref();
        let forbid = forbid.and_then(|source| match Expression::parse(source) {
            Ok(it) => Some(it),
            Err(wrong) => {
                faults.add(".forbidWhen", wrong.problem, wrong.remedy);
                None
            }
        });
        let approval = !guardrail.approval.is_never();
        let says = guardrail.minimum.is_some()
            || guardrail.maximum.is_some()
            || guardrail.change.is_some()
            || guardrail.rate.is_some()
            || !guardrail.hours.is_empty()
            || guardrail.forbid_when.is_some()
            || approval;
        if !says {
            faults.add(
                "",
                "it guards nothing",
                "add minimum, maximum, change, rate, hours, forbidWhen or approval",
            );
            return None;
        }
        Some(Self {
            plain,
            numeric,
            forbid,
            approval,
        })
    }

    /// All of them for one point, or why they are not for it.
    fn of(&self, point: &Point<'_>, place: &Place<'_>) -> Result<Vec<Check>, Vec<Misfit>> {
        let mut misfits = Vec::new();
        let mut checks = self.plain.clone();
        for (field, check) in &self.numeric {
            match point.of {
                Some(Type::Number) => checks.push(check.clone()),
                other => misfits.push((*field, not_a_number(point.name, other))),
            }
        }
        if let Some(expression) = &self.forbid {
            match expression.compile(point, place) {
                Ok(condition) => checks.push(Check::Forbid(condition)),
                Err(all) => misfits.extend(all.into_iter().map(|it| (".forbidWhen", it))),
            }
        }
        if self.approval {
            checks.push(Check::Approval);
        }
        match misfits.is_empty() {
            true => Ok(checks),
            false => Err(misfits),
        }
    }
}

pub(super) fn within(seconds: i32) -> Option<u64> {
    let ms = u64::try_from(seconds).ok()?.checked_mul(1_000)?;
    (1..=aion_kernel::MAX_SPAN_MS).contains(&ms).then_some(ms)
}

fn not_a_number(name: &str, of: Option<Type<'_>>) -> Wrong {
    let is = of.map_or("a command", Type::as_str);
    Wrong::new(
        format!("{name} is {is}, and this is for numbers"),
        "name properties of numbers in points, or remove it",
    )
    .of_point()
}
