//! The network of a worker as the kernel shows it: no interface but lo, and nobody listens but at its own doors.

use std::collections::BTreeSet;

use aion_sandbox::protocol::NAMES_PORT;

/// What listens, in `/proc/PID/net/tcp`.
const LISTENS: &str = "0A";

/// The evidence; an error where the network is another than `ports` say. `tcp` are the tables of both families.
pub(super) fn judge(dev: &str, tcp: [String; 2], ports: &[u16]) -> Result<String, String> {
    let devices: Vec<&str> = dev
        .lines()
        .skip(2)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.trim())
        .collect();
    if !matches!(devices[..], [] | ["lo"]) {
        return Err(format!("interfaces {}", devices.join(", ")));
    }
    let found: BTreeSet<u16> = tcp.iter().flat_map(|table| listening(table)).collect();
    let own = (!ports.is_empty()).then_some(NAMES_PORT);
    let wanted: BTreeSet<u16> = ports.iter().copied().chain(own).collect();
    if found != wanted {
        return Err(format!("{} instead of {}", listed(&found), listed(&wanted)));
    }
    Ok(match wanted.is_empty() {
        true => "no interface but lo".into(),
        false => format!("no interface but lo, {}", listed(&wanted)),
    })
}

fn listening(table: &str) -> impl Iterator<Item = u16> {
    table.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (own, state) = (fields.nth(1)?, fields.nth(1)?);
        let (_, port) = own.rsplit_once(':')?;
        (state == LISTENS).then(|| u16::from_str_radix(port, 16).ok())?
    })
}

fn listed(ports: &BTreeSet<u16>) -> String {
    let all: Vec<String> = ports.iter().map(u16::to_string).collect();
    match all.is_empty() {
        true => "no door".into(),
        false => format!("doors at {}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue\n";

    fn tables(lines: &[&str]) -> [String; 2] {
        let four = lines
            .iter()
            .map(|it| format!("   0: {it} 00000000:00000000 00:00000000\n"));
        [format!("{HEAD}{}", four.collect::<String>()), HEAD.into()]
    }

    fn devices(names: &[&str]) -> String {
        let lines = names.iter().map(|it| format!("  {it}: 0 0\n"));
        format!(
            "Inter-|   Receive\n face |bytes\n{}",
            lines.collect::<String>()
        )
    }

    #[test]
    fn a_network_with_an_interface_is_not_lonely() {
        let judged = |names: &[&str]| judge(&devices(names), tables(&[]), &[]);
        assert_eq!(judged(&["lo"]), Ok("no interface but lo".into()));
        assert!(judged(&["lo", "eth0"]).is_err());
    }

    #[test]
    fn the_doors_are_those_of_its_ports_and_no_others() {
        let (names, door) = (
            "0100007F:0035 00000000:0000 0A",
            "00000000:01BB 00000000:0000 0A",
        );
        let connected = "0100007F:0050 0100007F:1234 01";
        let judged = |lines: &[&str], ports: &[u16]| judge(&devices(&["lo"]), tables(lines), ports);
        let told = "no interface but lo, doors at 53, 443";
        assert_eq!(judged(&[names, door, connected], &[443]), Ok(told.into()));
        assert!(judged(&[names], &[443]).is_err());
        assert!(judged(&[names, door], &[]).is_err());
        assert!(judged(&[names, door], &[80]).is_err());
    }
}
