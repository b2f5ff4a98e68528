//! Which connections a policy is about, beyond who dialled whom.
//!
//! Everything that is left out restricts nothing. A connection is in the scope when its port is one
//! of the ports, and when its service, a name or an address is one of those listed.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::endpoints::{NameTable, PortRange, Prefix, normal};
use crate::services::Service;

/// Services, names, networks and ports of a policy.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// The services.
    pub services: Vec<Service>,
    /// Host names, each with one `*` at most.
    pub names: Vec<Box<str>>,
    /// Networks of the other end.
    pub prefixes: Vec<Prefix>,
    /// Ports of the server.
    pub ports: Vec<PortRange>,
    name_table: Option<NameTable<()>>,
}

/// Where a connection goes, as far as scopes ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Destination<'a> {
    pub(crate) service: Option<Service>,
    /// The server's name, in normal form.
    pub(crate) name: Option<&'a str>,
    /// The name that a proxy was asked for, as it was written.
    pub(crate) asked: Option<&'a str>,
    /// The other end: Office 365 where it dialled, else the server.
    pub(crate) addr: IpAddr,
    /// The server's port, or the one that a proxy was asked for.
    pub(crate) port: u16,
}

impl<'a> Destination<'a> {
    /// Names of the server in normal form, the strongest first.
    pub(crate) fn names(&self) -> impl Iterator<Item = Cow<'a, str>> + use<'a> {
        self.name.map(Cow::Borrowed).into_iter().chain(self.asked.map(normal))
    }
}

/// Equal when they list the same.
impl PartialEq for Scope {
    fn eq(&self, other: &Self) -> bool {
        self.services == other.services
            && self.names == other.names
            && self.prefixes == other.prefixes
            && self.ports == other.ports
    }
}

impl Eq for Scope {}

impl Scope {
    /// A scope of these parts.
    #[must_use]
    pub fn new(
        services: Vec<Service>,
        names: Vec<Box<str>>,
        prefixes: Vec<Prefix>,
        ports: Vec<PortRange>,
    ) -> Self {
        let name_table = (!names.is_empty()).then(|| {
            let mut table = NameTable::new();
            names.iter().for_each(|name| table.insert(name, ()));
            table
        });
        Self { services, names, prefixes, ports, name_table }
    }

    /// Whether a connection is in the scope.
    pub(crate) fn covers(&self, to: Destination<'_>) -> bool {
        let has_port = self.ports.is_empty()
            || self.ports.iter().any(|range| (range.first..=range.last).contains(&to.port));
        let is_anywhere =
            self.services.is_empty() && self.names.is_empty() && self.prefixes.is_empty();
        let has_name = || {
            self.name_table
                .as_ref()
                .is_some_and(|table| to.names().any(|name| table.best(&name).is_some()))
        };
        has_port
            && (is_anywhere
                || to.service.is_some_and(|service| self.services.contains(&service))
                || has_name()
                || self.prefixes.iter().any(|prefix| prefix.contains(to.addr)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(service: Option<Service>, name: &str, addr: &str, port: u16) -> bool {
        let scope = Scope::new(
            vec![Service::ExchangeOnline],
            vec!["*.contoso.com".into()],
            vec!["192.0.2.0/24".parse().expect("a prefix")],
            vec![PortRange { first: 443, last: 443 }, PortRange { first: 990, last: 999 }],
        );
        let addr = addr.parse().expect("an address");
        let asked = Destination { service, name: None, asked: Some(name), addr, port };
        let normal_name = normal(name);
        let named = Destination { name: Some(&normal_name), asked: None, ..asked };
        assert_eq!(scope.covers(asked), scope.covers(named), "{name}");
        scope.covers(asked)
    }

    #[test]
    fn a_port_and_one_of_service_name_and_network_are_needed() {
        let exchange = Some(Service::ExchangeOnline);
        assert!(to(exchange, "", "198.51.100.1", 443));
        assert!(to(exchange, "", "198.51.100.1", 995));
        assert!(!to(exchange, "", "198.51.100.1", 25));
        assert!(to(None, "WWW.contoso.com.", "198.51.100.1", 443));
        assert!(!to(None, "contoso.com", "198.51.100.1", 443));
        assert!(to(None, "", "192.0.2.77", 443));
        assert!(!to(Some(Service::MicrosoftTeams), "", "198.51.100.1", 443));
    }

    #[test]
    fn what_is_left_out_restricts_nothing() {
        let addr = "198.51.100.1".parse().expect("an address");
        let anything = Destination { service: None, name: None, asked: None, addr, port: 1 };
        assert!(Scope::default().covers(anything));
    }
}
