//! What a model says of its properties and arguments, whatever the wire: decimals, ranges, steps, choices.

use aion_api::{DeviceModel, Property, ValueType};

use super::{Faults, Of, Place};
use crate::{decimal::Decimal, form::Form};

/// The forms of a model, by its own order.
pub(super) struct Points {
    pub(super) properties: Vec<Form>,
    /// Of each command its arguments.
    pub(super) commands: Vec<Vec<Form>>,
}

/// The fields of a property and of an argument that say what its values are.
struct Said<'a> {
    kind: ValueType,
    minimum: Option<&'a str>,
    maximum: Option<&'a str>,
    step: Option<&'a str>,
    choices: &'a [String],
}

pub(super) fn check(model: &DeviceModel, faults: &mut Faults) -> Points {
    let spec = &model.spec;
    twice(
        spec.properties.iter().map(|it| &it.name),
        "spec.properties",
        faults,
    );
    twice(
        spec.commands.iter().map(|it| &it.name),
        "spec.commands",
        faults,
    );
    let properties = spec.properties.iter().enumerate().map(|(at, it)| {
        let place = Place::new(Of::Model, format!("spec.properties[{at}]"));
        form(&said(it), &place, faults)
    });
    let properties = properties.collect();
    let mut commands = Vec::new();
    for (at, command) in spec.commands.iter().enumerate() {
        let list = format!("spec.commands[{at}].arguments");
        twice(command.arguments.iter().map(|it| &it.name), &list, faults);
        let arguments = command.arguments.iter().enumerate().map(|(at, it)| {
            let place = Place::new(Of::Model, format!("{list}[{at}]"));
            if super::mapping::RESERVED.contains(&it.name.as_str()) {
                let what = format!("{{{{{}}}}} means something already", it.name);
                faults.add(&place.at("name"), what, "give the argument another name");
            }
            let said = Said {
                kind: it.of,
                minimum: it.minimum.as_deref(),
                maximum: it.maximum.as_deref(),
                step: None,
                choices: &it.choices,
            };
            form(&said, &place, faults)
        });
        commands.push(arguments.collect());
    }
    Points {
        properties,
        commands,
    }
}

fn said(it: &Property) -> Said<'_> {
    Said {
        kind: it.of,
        minimum: it.minimum.as_deref(),
        maximum: it.maximum.as_deref(),
        step: it.step.as_deref(),
        choices: &it.choices,
    }
}

fn twice<'a>(names: impl Iterator<Item = &'a String>, list: &str, faults: &mut Faults) {
    let mut seen = Vec::new();
    for (at, name) in names.enumerate() {
        if seen.contains(&name) {
            let place = Place::new(Of::Model, format!("{list}[{at}].name"));
            faults.add(
                &place,
                format!("{name} is there twice"),
                "remove one of them",
            );
        }
        seen.push(name);
    }
}

fn form(said: &Said<'_>, place: &Place, faults: &mut Faults) -> Form {
    let form = Form {
        kind: said.kind,
        minimum: decimal(said.minimum, &place.at("minimum"), faults),
        maximum: decimal(said.maximum, &place.at("maximum"), faults),
        step: decimal(said.step, &place.at("step"), faults),
        choices: said.choices.iter().map(|it| it.as_str().into()).collect(),
    };
    let numeric = matches!(form.kind, ValueType::Integer | ValueType::Number);
    for (name, bound) in [
        ("minimum", form.minimum),
        ("maximum", form.maximum),
        ("step", form.step),
    ] {
        let Some(bound) = bound else { continue };
        if !numeric {
            faults.add(
                &place.at(name),
                format!("{name} is for integer and number"),
                "remove it, or change the type",
            );
        } else if form.kind == ValueType::Integer && !bound.is_whole() {
            faults.add(
                &place.at(name),
                format!("{bound} is not whole, and the type is integer"),
                "give a whole number, or the type number",
            );
        }
    }
    if let (Some(least), Some(most)) = (form.minimum, form.maximum)
        && least > most
    {
        faults.add(
            &place.at("maximum"),
            format!("{most} is below the minimum {least}"),
            "exchange them",
        );
    }
    if let Some(step) = form.step {
        let span = form
            .minimum
            .zip(form.maximum)
            .map(|(least, most)| most.minus(least));
        if step <= Decimal::ZERO {
            faults.add(
                &place.at("step"),
                format!("{step} is not above 0"),
                "give the distance of two values, or leave it out",
            );
        } else if span.is_some_and(|span| span >= Decimal::ZERO && step > span) {
            faults.add(
                &place.at("step"),
                format!("{step} leaves only the minimum to be written"),
                "give a step that fits between minimum and maximum",
            );
        }
    }
    choices(&form, &place.at("choices"), faults);
    form
}

fn choices(form: &Form, place: &Place, faults: &mut Faults) {
    match (form.kind == ValueType::Choice, form.choices.is_empty()) {
        (true, true) => faults.add(place, "a choice without choices", "list what it may be"),
        (false, false) => faults.add(
            place,
            "choices are for the type choice",
            "remove them, or change the type",
        ),
        _ => {}
    }
    for (at, choice) in form.choices.iter().enumerate() {
        if form.choices[..at].contains(choice) {
            faults.add(
                place,
                format!("{choice} is there twice"),
                "remove one of them",
            );
        }
    }
}

fn decimal(text: Option<&str>, place: &Place, faults: &mut Faults) -> Option<Decimal> {
    let text = text?;
    let read = Decimal::read(text);
    if read.is_none() {
        let what = format!("{} is not a decimal", crate::payload::scalar_told(text));
        faults.add(
            place,
            what,
            "give at most nine digits and six places, such as \"-20.5\"",
        );
    }
    read
}
