//! Where a node lets HTTP calls go.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use url::{Host, Url};

use super::address::{effective, special};

/// Where HTTP calls may go: to every address in the open internet, and to what is listed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HttpPolicy {
    /// Hosts and networks that may be called wherever they lie.
    pub allow_hosts: Vec<HostRule>,
    /// Whether hosts in the open internet may be called without being listed.
    pub allow_public: bool,
}

impl Default for HttpPolicy {
    fn default() -> Self {
        Self {
            allow_hosts: Vec::new(),
            allow_public: true,
        }
    }
}

impl HttpPolicy {
    /// Whether the host of `url` is listed by name, so that its addresses are trusted.
    pub(super) fn lists_host(&self, url: &Url) -> bool {
        let Some(host) = url.host() else {
            return false;
        };
        let host = canonical(host.to_owned());
        let port = url.port_or_known_default();
        self.allow_hosts
            .iter()
            .any(|rule| rule.matches_host(&host, port))
    }

    /// Whether `address` may be connected to by a host that is not listed by name.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn permits_address(&self, address: IpAddr) -> Result<(), &'static str> {
        let reached = effective(address);
        if self.allow_hosts.iter().any(|rule| rule.contains(reached)) {
            return Ok(());
        }
        match special(reached) {
            Some(kind) => Err(kind),
            None if self.allow_public => Ok(()),
            None => Err("not listed"),
        }
    }
}

/// A host or network that may be called.
///
/// Written as `db.example.com`, `db.example.com:8443`, `*.example.com` (every name below it, not itself), an address
/// with or without a port (`10.0.0.7:80`, `[fd00::7]:80`), or a network (`10.0.0.0/8`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRule(Rule);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    Host { host: Host, port: Option<u16> },
    Below { domain: String, port: Option<u16> },
    Network { address: IpAddr, bits: u8 },
}

/// A text that is not a [`HostRule`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names no host; write it like `db.example.com`, `db.example.com:8443`, `*.example.com` or `10.0.0.0/8`"
)]
pub struct HostRuleError(String);

impl HostRule {
    fn matches_host(&self, host: &Host, port: Option<u16>) -> bool {
        let port_fits = |rule: &Option<u16>| rule.is_none() || *rule == port;
        match (&self.0, host) {
            (Rule::Host { host: ours, port }, _) => ours == host && port_fits(port),
            (Rule::Below { domain, port }, Host::Domain(name)) => {
                name.strip_suffix(domain.as_str())
                    .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
                    && port_fits(port)
            }
            (Rule::Below { .. } | Rule::Network { .. }, _) => false,
        }
    }

    fn contains(&self, address: IpAddr) -> bool {
        match (&self.0, address) {
            (
                Rule::Network {
                    address: IpAddr::V4(net),
                    bits,
                },
                IpAddr::V4(v4),
            ) => {
                prefix(u128::from(net.to_bits()), 32, *bits)
                    == prefix(u128::from(v4.to_bits()), 32, *bits)
            }
            (
                Rule::Network {
                    address: IpAddr::V6(net),
                    bits,
                },
                IpAddr::V6(v6),
            ) => prefix(net.to_bits(), 128, *bits) == prefix(v6.to_bits(), 128, *bits),
            _ => false,
        }
    }
}

/// The first `bits` of an address of `width` bits.
fn prefix(address: u128, width: u32, bits: u8) -> u128 {
    address.checked_shr(width - u32::from(bits)).unwrap_or(0)
}

impl FromStr for HostRule {
    type Err = HostRuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = || HostRuleError(text.to_owned());
        let rule = match text.split_once('/') {
            Some((address, bits)) => network(address, bits),
            None => host_rule(text),
        };
        rule.map(Self).ok_or_else(fail)
    }
}

fn network(address: &str, bits: &str) -> Option<Rule> {
    let address: IpAddr = address.parse().ok()?;
    let bits: u8 = bits.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    // Bits behind the prefix are a slip: `10.0.0.7/8` was meant to be one of two very different things.
    let clean = match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    let rest = width - u32::from(bits).min(width);
    let fits = u32::from(bits) <= width && clean.trailing_zeros() >= rest;
    fits.then_some(Rule::Network { address, bits })
}

fn host_rule(text: &str) -> Option<Rule> {
    if let Ok(address) = text.parse::<IpAddr>() {
        let host = canonical(from_ip(address));
        return Some(Rule::Host { host, port: None });
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (text, None),
    };
    if let Some(domain) = host.strip_prefix("*.") {
        return match canonical(Host::parse(domain).ok()?) {
            Host::Domain(domain) if !domain.contains('*') => Some(Rule::Below { domain, port }),
            _ => None,
        };
    }
    let host = canonical(Host::parse(host).ok()?);
    let plain = !matches!(&host, Host::Domain(domain) if domain.contains('*'));
    plain.then_some(Rule::Host { host, port })
}

fn from_ip(address: IpAddr) -> Host {
    match address {
        IpAddr::V4(v4) => Host::Ipv4(v4),
        IpAddr::V6(v6) => Host::Ipv6(v6),
    }
}

/// One form for every way to write a host: no dot at the end, and the address that is reached in the end.
fn canonical(host: Host<impl AsRef<str>>) -> Host {
    match host {
        Host::Domain(name) => {
            let name = name.as_ref();
            Host::Domain(name.strip_suffix('.').unwrap_or(name).to_owned())
        }
        Host::Ipv4(v4) => Host::Ipv4(v4),
        Host::Ipv6(v6) => from_ip(effective(v6.into())),
    }
}

impl fmt::Display for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = |port: &Option<u16>| port.map(|port| format!(":{port}")).unwrap_or_default();
        match &self.0 {
            Rule::Host { host, port: at } => write!(f, "{host}{}", port(at)),
            Rule::Below { domain, port: at } => write!(f, "*.{domain}{}", port(at)),
            Rule::Network { address, bits } => write!(f, "{address}/{bits}"),
        }
    }
}

impl<'de> Deserialize<'de> for HostRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(rules: &[&str]) -> HttpPolicy {
        HttpPolicy {
            allow_hosts: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
            allow_public: true,
        }
    }

    #[test]
    fn rules_match_hosts_and_ports() {
        for (rule, url, listed) in [
            ("db.internal", "http://db.internal/", true),
            ("db.internal", "http://DB.Internal.:9/", true),
            ("db.internal", "http://xdb.internal/", false),
            ("db.internal:8443", "https://db.internal:8443/", true),
            ("db.internal:443", "https://db.internal/", true),
            ("db.internal:443", "http://db.internal/", false),
            ("*.internal", "http://db.internal/", true),
            ("*.internal", "http://a.db.internal/", true),
            ("*.internal", "http://internal/", false),
            ("*.internal", "http://.internal/", false),
            ("*.internal", "http://xinternal/", false),
            ("127.0.0.1:80", "http://2130706433/", true),
            ("127.0.0.1", "http://[::ffff:127.0.0.1]/", true),
            ("[fd00::7]:80", "http://[fd00::7]/", true),
            ("fd00::7", "http://[fd00::7]:9/", true),
            ("10.0.0.0/8", "http://10.0.0.1/", false),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(policy(&[rule]).lists_host(&url), listed, "{rule} {url}");
        }
    }

    #[test]
    fn networks_hold_addresses() {
        for (rule, address, inside) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("10.0.0.0/8", "64:ff9b::10.0.0.1", true),
            ("127.0.0.1/32", "127.0.0.2", false),
            ("0.0.0.0/0", "127.0.0.1", true),
            ("fd00::/8", "fdff::1", true),
            ("::/0", "fdff::1", true),
            ("::/0", "127.0.0.1", false),
        ] {
            let mut policy = policy(&[rule]);
            policy.allow_public = false;
            let answer = policy.permits_address(address.parse().unwrap());
            assert_eq!(answer.is_ok(), inside, "{rule} {address}: {answer:?}");
        }
    }

    #[test]
    fn unlisted_public_hosts_can_be_refused() {
        let address = "93.184.216.34".parse().unwrap();
        let mut policy = policy(&[]);
        assert_eq!(policy.permits_address(address), Ok(()));
        policy.allow_public = false;
        assert_eq!(policy.permits_address(address), Err("not listed"));
    }

    #[test]
    fn rules_read_as_they_print() {
        for rule in [
            "db.internal",
            "db.internal:8443",
            "*.internal",
            "*.internal:80",
            "10.0.0.0/8",
            "[fd00::7]:80",
        ] {
            assert_eq!(rule.parse::<HostRule>().unwrap().to_string(), rule);
        }
        for bad in [
            "",
            "*",
            "*.",
            "a b",
            "10.0.0.0/33",
            "10.0.0.7/8",
            "x/8",
            "a:b",
            "a.*.b",
            "http://a",
        ] {
            assert!(bad.parse::<HostRule>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn settings_are_read() {
        let policy: HttpPolicy =
            serde_json::from_str(r#"{"allowHosts": ["*.internal"], "allowPublic": false}"#)
                .unwrap();
        assert_eq!(policy.allow_hosts.len(), 1);
        assert!(serde_json::from_str::<HttpPolicy>(r#"{"allowHosts": ["*"]}"#).is_err());
        assert!(serde_json::from_str::<HttpPolicy>(r#"{"hosts": []}"#).is_err());
    }
}
