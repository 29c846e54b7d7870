//! The digests of the crates' sources, from `Cargo.lock`.

use std::collections::BTreeMap;

/// By name and version; a crate of this project has none.
pub(crate) type Checksums = BTreeMap<(String, String), String>;

/// Reads `[[package]]` tables, one after another.
pub(crate) fn checksums(locks: &str) -> Checksums {
    let (mut name, mut version) = (String::new(), String::new());
    let mut found = Checksums::new();
    for line in locks.lines() {
        let Some((key, value)) = line.split_once(" = ") else {
            continue;
        };
        let value = value.trim_matches('"').to_owned();
        match key {
            "name" => name = value,
            "version" => version = value,
            "checksum" => {
                found.insert((name.clone(), version.clone()), value);
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_checksum_is_that_of_the_package_above_it() {
        let lock = "version = 4\n\n[[package]]\nname = \"aion-abi\"\nversion = \"0.1.0\"\n\n\
                    [[package]]\nname = \"hex\"\nversion = \"0.4.3\"\nsource = \"x\"\nchecksum = \"7f\"\n";
        let one = (("hex".to_owned(), "0.4.3".to_owned()), "7f".to_owned());
        assert_eq!(checksums(lock), Checksums::from([one]));
    }
}
