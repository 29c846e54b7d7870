//! How a person names a broker. How it is spoken to may not enter.

use std::fmt;

/// Where a broker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broker {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Broker {
    /// Of `mqtt://HOST[:PORT]`.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let Some(rest) = url.strip_prefix("mqtt://") else {
            return Err("write mqtt://HOST:PORT; devices that are played speak no TLS".to_owned());
        };
        let rest = rest.trim_end_matches('/');
        if rest.contains(['@', '/']) {
            return Err(
                "write mqtt://HOST:PORT and nothing else: they show no name and no password"
                    .to_owned(),
            );
        }
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') && !port.ends_with(']') => (
                host,
                port.parse().map_err(|_| format!("{port} is no port"))?,
            ),
            _ => (rest, 1883),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match host.is_empty() {
            true => Err("write mqtt://HOST:PORT".to_owned()),
            false => Ok(Self {
                host: host.to_owned(),
                port,
            }),
        }
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "mqtt://[{}]:{}", self.host, self.port),
            false => write!(f, "mqtt://{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_named_by_its_address_alone() {
        let broker = |host: &str, port| {
            Ok(Broker {
                host: host.to_owned(),
                port,
            })
        };
        assert_eq!(
            Broker::parse("mqtt://127.0.0.1:1884/"),
            broker("127.0.0.1", 1884)
        );
        assert_eq!(Broker::parse("mqtt://hub"), broker("hub", 1883));
        assert_eq!(Broker::parse("mqtt://[::1]:9"), broker("::1", 9));
        assert_eq!(Broker::parse("mqtt://[::1]"), broker("::1", 1883));
        for wrong in [
            "127.0.0.1",
            "mqtts://hub",
            "mqtt://",
            "mqtt://u:p@hub",
            "mqtt://hub:x",
        ] {
            assert!(Broker::parse(wrong).is_err(), "{wrong}");
        }
    }
}
