//! By which addresses this machine answers, as far as it can see: those of its interfaces, and the gateways of its
//! routes. In a network namespace of its own, such as a pod's, the machine itself is the gateway.
//!
//! What may not enter: what the addresses are refused for.

use std::{
    collections::HashSet,
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Of a route's flags the one that says that it has a gateway (RTF_GATEWAY in linux/route.h).
const GATEWAY: u32 = 2;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// The addresses of the interfaces in this network namespace.
    pub interfaces: HashSet<IpAddr>,
    /// The gateways of its routes.
    pub gateways: HashSet<IpAddr>,
}

impl Own {
    /// As they are now.
    ///
    /// # Errors
    /// The system's.
    pub fn read() -> io::Result<Self> {
        let mut found = gateways("/proc/net/route", 1, gateway)?;
        found.extend(gateways("/proc/net/ipv6_route", 0, gateway_of_six)?);
        Ok(Self {
            interfaces: interfaces()?,
            gateways: found.into_iter().collect(),
        })
    }

    /// Whether one of them is this.
    pub(super) fn has(&self, address: IpAddr) -> bool {
        self.interfaces.contains(&address) || self.gateways.contains(&address)
    }
}

fn interfaces() -> io::Result<HashSet<IpAddr>> {
    // rustix has no call for it.
    let interfaces = nix::ifaddrs::getifaddrs()?;
    let addresses = interfaces.filter_map(|it| it.address).filter_map(|it| {
        let four = it.as_sockaddr_in().map(|it| IpAddr::V4(it.ip()));
        four.or_else(|| it.as_sockaddr_in6().map(|it| IpAddr::V6(it.ip())))
    });
    Ok(addresses.map(|it| it.to_canonical()).collect())
}

/// What `read` makes of each line of a table of routes behind its `heading`. A system without the table's protocol
/// has none of its routes.
fn gateways(
    path: &str,
    heading: usize,
    read: impl Fn(&str) -> Option<Route>,
) -> io::Result<Vec<IpAddr>> {
    let table = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        table => table?,
    };
    let routes = table.lines().skip(heading).map(|line| {
        read(line).ok_or_else(|| {
            let why = format!("{path} has a line that is not a route: {line}");
            io::Error::new(io::ErrorKind::InvalidData, why)
        })
    });
    let routes: Vec<Route> = routes.collect::<Result<_, _>>()?;
    Ok(routes.into_iter().filter_map(Route::gateway).collect())
}

struct Route {
    by: IpAddr,
    flags: u32,
}

impl Route {
    fn gateway(self) -> Option<IpAddr> {
        (self.flags & GATEWAY != 0 && !self.by.is_unspecified()).then_some(self.by)
    }
}

/// Interface, destination, gateway, flags, …: addresses as the number that the machine takes their bytes for
/// (proc_pid_net(5)).
fn gateway(line: &str) -> Option<Route> {
    let mut fields = line.split_whitespace().skip(2);
    let by = u32::from_str_radix(fields.next()?, 16).ok()?;
    let flags = u32::from_str_radix(fields.next()?, 16).ok()?;
    let by = Ipv4Addr::from(by.to_ne_bytes()).into();
    Some(Route { by, flags })
}

/// Destination, its length, source, its length, gateway, metric, references, uses, flags, interface: all in
/// hexadecimal, addresses byte by byte (net/ipv6/route.c in Linux).
fn gateway_of_six(line: &str) -> Option<Route> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let by = u128::from_str_radix(fields.get(4)?, 16).ok()?;
    let flags = u32::from_str_radix(fields.get(8)?, 16).ok()?;
    let by = IpAddr::from(Ipv6Addr::from(by)).to_canonical();
    Some(Route { by, flags })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn found(
        table: &str,
        heading: usize,
        read: impl Fn(&str) -> Option<Route>,
    ) -> io::Result<Vec<String>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), table).unwrap();
        let found = gateways(file.path().to_str().unwrap(), heading, read)?;
        Ok(found.iter().map(ToString::to_string).collect())
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_node_of_a_pod_is_the_gateway_of_its_routes() {
        let table = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
eth0\t0000F40A\t0101F40A\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0
";
        assert_eq!(
            found(table, 1, gateway).unwrap(),
            ["172.17.0.1", "10.244.1.1"]
        );
        let wrong = found("Iface\nnonsense\n", 1, gateway).unwrap_err();
        assert!(wrong.to_string().contains("nonsense"), "{wrong}");
    }

    #[test]
    fn so_it_is_where_the_pod_has_version_six() {
        let none = "0".repeat(32);
        let table = format!(
            "{none} 00 {none} 00 fd000010024400000000000000000001 00000400 00000001 00000000 00450003 eth0\n\
             fd000010024400000000000000000000 40 {none} 00 {none} 00000100 00000002 00000000 00000001 eth0\n\
             {none} 00 {none} 00 {none} ffffffff 00000001 00000000 00200200 lo\n"
        );
        assert_eq!(
            found(&table, 0, gateway_of_six).unwrap(),
            ["fd00:10:244::1"]
        );
        let ours = fs::read_to_string("/proc/net/ipv6_route").unwrap_or_default();
        assert!(ours.lines().all(|line| gateway_of_six(line).is_some()));
    }

    #[test]
    fn a_table_that_is_not_there_has_no_routes() {
        assert!(gateways("/proc/net/none", 0, gateway).unwrap().is_empty());
    }
}
