//! What it takes to ask a schema about some arguments, from above. Pure.
//!
//! A schema of a few hundred bytes can say "one of two, of which each is one of two, …" and have a check look at
//! 2^n possibilities. The check runs on the node, so it is not begun where it could take long.

use serde_json::Value;

/// The most schemas that are asked of one value before a schema is not asked at all.
const MAX_BRANCHES: u64 = 4_096;
/// The most looks that a check may take.
const MAX_LOOKS: u64 = 1_000_000;
/// The most values of the arguments, and of a schema, that are counted.
const MAX_COUNTED: u64 = 1_000_000;

/// Keywords whose schemas are asked of the same value.
const IN_PLACE: [&str; 8] = [
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentSchemas",
];

/// The most schemas that are asked of one value.
pub(super) struct Weight(u64);

impl Weight {
    pub(super) fn of(schema: &Value) -> Self {
        let (mut most, mut left) = (1, MAX_COUNTED);
        walk(schema, schema, &mut most, &mut left);
        Self(if left == 0 { u64::MAX } else { most })
    }

    /// Whether a check of `arguments` could take long.
    pub(super) fn is_too_much_for(&self, arguments: &Value) -> bool {
        if self.0 > MAX_BRANCHES {
            return true;
        }
        let (mut deepest, mut values) = (0, 0);
        measure(arguments, 0, &mut deepest, &mut values);
        let branches = self.0.saturating_pow(deepest + 1);
        values.saturating_mul(branches) > MAX_LOOKS
    }
}

/// Every value of the schema, whether it is a schema or not: from above.
fn walk(root: &Value, value: &Value, most: &mut u64, left: &mut u64) {
    *left = left.saturating_sub(1);
    match value {
        Value::Object(it) => {
            *most = (*most).max(branches(root, value, 0, left));
            it.values().for_each(|value| walk(root, value, most, left));
        }
        Value::Array(list) => list.iter().for_each(|value| walk(root, value, most, left)),
        _ => {}
    }
}

fn branches(root: &Value, schema: &Value, depth: u32, left: &mut u64) -> u64 {
    *left = left.saturating_sub(1);
    let Value::Object(it) = schema else {
        return 1;
    };
    // One that leads back to itself in place is refused by the check.
    if depth > 64 || *left == 0 {
        return 1;
    }
    let mut sum = 1_u64;
    for name in IN_PLACE {
        let within: Box<dyn Iterator<Item = &Value>> = match it.get(name) {
            Some(Value::Array(list)) => Box::new(list.iter()),
            Some(Value::Object(by_name)) if name == "dependentSchemas" => {
                Box::new(by_name.values())
            }
            Some(one) => Box::new(std::iter::once(one)),
            None => continue,
        };
        for one in within {
            sum = sum.saturating_add(branches(root, one, depth + 1, left));
        }
    }
    let reference = it.get("$ref").and_then(Value::as_str);
    let target = reference.and_then(|it| root.pointer(it.strip_prefix('#')?));
    if let Some(target) = target {
        sum = sum.saturating_add(branches(root, target, depth + 1, left));
    }
    sum
}

fn measure(value: &Value, depth: u32, deepest: &mut u32, values: &mut u64) {
    *deepest = (*deepest).max(depth);
    *values += 1;
    match value {
        Value::Object(it) => it
            .values()
            .for_each(|it| measure(it, depth + 1, deepest, values)),
        Value::Array(list) => list
            .iter()
            .for_each(|it| measure(it, depth + 1, deepest, values)),
        _ => {}
    }
}
