//! What a property was, in bounded memory. Points are dated by the steady clock, so that a wall clock which is set scrambles
//! nothing, and told by the wall clock as it is when somebody asks.
//!
//! A ring takes every value as a point of its own until it is full. Then neighbours become one point, half as many as fit,
//! and from there on a point covers a span of time; each time that the ring is full again, spans double, until the ring
//! reaches back as far as it may. What may not enter: topics and payloads.

mod code;
mod ring;

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::device::{HistoryRequest, HistoryResponse, MAX_POINTS},
};

pub(crate) use ring::Ring;

use crate::{moment::Moment, shape::Property};

/// Answers a request about a property that was heard of, or not yet.
///
/// # Errors
/// Points or dates that are none, or a property of which nothing is kept.
pub(crate) fn answer(
    property: &Property,
    ring: Option<&Ring>,
    request: &HistoryRequest,
    since: u64,
    now: Moment,
) -> Result<HistoryResponse, Problem> {
    if !(1..=MAX_POINTS).contains(&request.points) {
        let detail = format!(
            "points is {}, and 1 to {MAX_POINTS} are given",
            request.points
        );
        return Err(
            Problem::new(Code::BadRequest, detail).remedy("ask for fewer points, or for one")
        );
    }
    if let (Some(from), Some(to)) = (request.from_ms, request.to_ms)
        && from > to
    {
        return Err(Problem::new(Code::BadRequest, "fromMs is after toMs").remedy("exchange them"));
    }
    if !property.access.reads() {
        return Err(Problem::new(
            Code::Denied,
            format!("{} is written, and nobody hears what it is", property.name),
        )
        .remedy("ask for a property that can be read"));
    }
    if property.keep.points == 0 {
        return Err(Problem::new(
            Code::NotFound,
            format!("nothing is kept of what {} was", property.name),
        )
        .remedy("set history.points of the property in its DeviceModel"));
    }
    let from = request.from_ms.map_or(0, |it| now.instant_of(it));
    let to = request.to_ms.map_or(u64::MAX, |it| now.instant_of(it));
    let oldest = now.at.saturating_sub(property.keep.reach_ms);
    let points = ring.map_or_else(Vec::new, |ring| {
        ring.spans(property, from.max(oldest), to, request.points as usize, now)
    });
    let kept_since = match ring {
        Some(ring) if ring.has_lost() => ring.first().unwrap_or(now.at).max(oldest),
        _ => since.max(oldest),
    };
    Ok(HistoryResponse {
        unit: property.unit.as_deref().map(str::to_owned),
        points,
        older_gone: request.from_ms.is_some() && from < kept_since,
    })
}

#[cfg(test)]
mod tests;
