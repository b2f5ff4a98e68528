//! The ways on which a site talks to Office 365: six access paths and three scenarios.
//!
//! The scenarios are those of "Preparing for TLS 1.0/1.1 Deprecation - O365 Skype for Business",
//! the paths those that its discussion lists for a hybrid deployment. A connection has one path and
//! one scenario at most; which of them were seen, break, or were never seen is counted here.

use std::net::IpAddr;

use dissect::Side;
use foldhash::HashSet;

use crate::judged::{Direction, Verdict};
use crate::names::labels;
use crate::policy::Destination;
use crate::services::Service;
use crate::stack::Family;
use crate::{JudgedFlow, client_of, concerns};

/// An access path of a hybrid deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccessPath {
    /// Edge servers and Office 365, in either direction: federation and hybrid, port 5061.
    EdgeToOffice365,
    /// PowerShell on front ends, as for moving users.
    FrontEndPowerShell,
    /// Clients to Skype for Business Online and Teams.
    ClientToSkype,
    /// Clients to Exchange Online.
    ClientToExchange,
    /// Clients to Microsoft Entra ID.
    ClientToEntra,
    /// Clients, servers or Office 365 to AD FS.
    AdFs,
}

impl AccessPath {
    /// Every path, in the order of the discussion.
    pub const ALL: [Self; 6] = [
        Self::EdgeToOffice365,
        Self::FrontEndPowerShell,
        Self::ClientToSkype,
        Self::ClientToExchange,
        Self::ClientToEntra,
        Self::AdFs,
    ];

    /// The name in reports, such as `client-to-exchange`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdgeToOffice365 => "edge-to-office365",
            Self::FrontEndPowerShell => "frontend-powershell",
            Self::ClientToSkype => "client-to-skype",
            Self::ClientToExchange => "client-to-exchange",
            Self::ClientToEntra => "client-to-entra",
            Self::AdFs => "ad-fs",
        }
    }

    /// The path in words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::EdgeToOffice365 => "Edge servers and Office 365 (hybrid and federation)",
            Self::FrontEndPowerShell => "PowerShell on front ends to Office 365",
            Self::ClientToSkype => "clients to Skype for Business Online and Teams",
            Self::ClientToExchange => "clients to Exchange Online",
            Self::ClientToEntra => "clients to Microsoft Entra ID",
            Self::AdFs => "clients and servers to AD FS",
        }
    }
}

/// A scenario of the preparation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scenario {
    /// Clients and devices that connect to Office 365.
    Clients,
    /// Servers on premises that integrate with Office 365.
    OnPremisesServers,
    /// Products of others that integrate with Skype for Business Online.
    ThirdParties,
}

impl Scenario {
    /// Every scenario.
    pub const ALL: [Self; 3] = [Self::Clients, Self::OnPremisesServers, Self::ThirdParties];

    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clients => "clients",
            Self::OnPremisesServers => "on-premises-servers",
            Self::ThirdParties => "third-parties",
        }
    }

    /// The scenario in words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Clients => "client connectivity to Office 365",
            Self::OnPremisesServers => "servers on premises with Office 365",
            Self::ThirdParties => "third parties with Skype for Business Online",
        }
    }
}

/// SIP over TLS: clients and servers of Skype for Business, federation, hybrid.
pub(crate) const SIP_TLS: u16 = 5061;
const SMTP: u16 = 25;
/// AD FS with client certificates.
const AD_FS_CERTIFICATES: u16 = 49443;

/// A connection's way, from where it goes and who dials.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way<'a> {
    pub(crate) direction: Direction,
    pub(crate) to: Destination<'a>,
    /// The client serves SIP over TLS elsewhere in the capture: a front end or an Edge server.
    pub(crate) client_serves_sip: bool,
    pub(crate) family: Option<Family>,
}

impl Way<'_> {
    pub(crate) fn path(&self) -> Option<AccessPath> {
        match self.direction {
            Direction::FromOffice365 if self.to.port == SIP_TLS => {
                Some(AccessPath::EdgeToOffice365)
            }
            Direction::FromOffice365 | Direction::Other => {
                self.is_ad_fs().then_some(AccessPath::AdFs)
            }
            Direction::ToOffice365 => self.path_to_office365(),
        }
    }

    fn path_to_office365(&self) -> Option<AccessPath> {
        match self.to.service? {
            _ if self.name(labels::is_skype_admin) => Some(AccessPath::FrontEndPowerShell),
            Service::SkypeForBusinessOnline | Service::MicrosoftTeams => {
                if self.is_direct_routing() {
                    None
                } else if self.to.port == SIP_TLS {
                    Some(AccessPath::EdgeToOffice365)
                } else if self.client_serves_sip {
                    Some(AccessPath::FrontEndPowerShell)
                } else {
                    Some(AccessPath::ClientToSkype)
                }
            }
            Service::ExchangeOnline if self.to.port != SMTP => Some(AccessPath::ClientToExchange),
            Service::MicrosoftEntraId => Some(AccessPath::ClientToEntra),
            _ => None,
        }
    }

    pub(crate) fn scenario(&self) -> Option<Scenario> {
        match self.direction {
            Direction::FromOffice365 => Some(Scenario::OnPremisesServers),
            Direction::Other => self.is_ad_fs().then_some(Scenario::Clients),
            Direction::ToOffice365 if self.is_direct_routing() => Some(Scenario::ThirdParties),
            Direction::ToOffice365 => match self.path_to_office365() {
                Some(AccessPath::EdgeToOffice365 | AccessPath::FrontEndPowerShell) => {
                    Some(Scenario::OnPremisesServers)
                }
                _ if self.to.port == SMTP || self.client_serves_sip => {
                    Some(Scenario::OnPremisesServers)
                }
                // Microsoft's own clients of Skype use Windows' library.
                Some(AccessPath::ClientToSkype) if self.is_a_library_of_others() => {
                    Some(Scenario::ThirdParties)
                }
                _ => Some(Scenario::Clients),
            },
        }
    }

    /// Teams Direct Routing: session border controllers of others.
    fn is_direct_routing(&self) -> bool {
        self.name(|name| name.ends_with(".pstnhub.microsoft.com"))
    }

    const fn is_a_library_of_others(&self) -> bool {
        matches!(
            self.family,
            Some(
                Family::BearSsl
                    | Family::GnuTls
                    | Family::Go
                    | Family::Java6
                    | Family::Java7
                    | Family::Java
                    | Family::MbedTls
                    | Family::Nss
                    | Family::OpenSslOld
                    | Family::OpenSsl
                    | Family::Printer
                    | Family::Rustls
                    | Family::WolfSsl
            )
        )
    }

    /// AD FS by its port for certificates or the name that it commonly has.
    fn is_ad_fs(&self) -> bool {
        self.to.port == AD_FS_CERTIFICATES || self.name(labels::is_ad_fs)
    }

    fn name(&self, holds: impl Fn(&str) -> bool) -> bool {
        self.to.names().any(|name| holds(&name))
    }
}

/// What was seen of one path or scenario under one policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passage {
    /// Connections by verdict, in the order of [`Verdict::ALL`].
    by_verdict: [u64; Verdict::ALL.len()],
    /// Hosts whose side decides.
    hosts: HashSet<IpAddr>,
    /// Those of them that break or fail.
    breaking: HashSet<IpAddr>,
}

impl Passage {
    fn absorb(&mut self, flow: &JudgedFlow, policy: usize) {
        let Some(judgement) = flow.judgements.get(policy) else { return };
        self.by_verdict[judgement.verdict as usize] += 1;
        let addr = if concerns(flow, judgement, Side::Client) {
            client_of(&flow.facts).addr
        } else {
            flow.facts.server.addr
        };
        self.hosts.insert(addr);
        if matches!(judgement.verdict, Verdict::Breaks | Verdict::FailsToday) {
            self.breaking.insert(addr);
        }
    }

    /// Connections with this verdict.
    #[must_use]
    pub const fn flows_of(&self, verdict: Verdict) -> u64 {
        self.by_verdict[verdict as usize]
    }

    /// All connections.
    #[must_use]
    pub fn flows(&self) -> u64 {
        self.by_verdict.iter().sum()
    }

    /// Hosts that were seen on it.
    #[must_use]
    pub fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// Hosts that break or fail on it.
    #[must_use]
    pub fn hosts_breaking(&self) -> usize {
        self.breaking.len()
    }

    /// The worst verdict; `None` when it was never seen in this capture.
    #[must_use]
    pub fn worst(&self) -> Option<Verdict> {
        Verdict::ALL.into_iter().find(|verdict| self.flows_of(*verdict) > 0)
    }
}

/// Paths and scenarios under one policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathTable {
    paths: [Passage; AccessPath::ALL.len()],
    scenarios: [Passage; Scenario::ALL.len()],
}

impl PathTable {
    /// Counts a connection under the policy at this place among its judgements.
    pub(crate) fn count(&mut self, flow: &JudgedFlow, policy: usize) {
        if let Some(path) = flow.path {
            self.paths[path as usize].absorb(flow, policy);
        }
        if let Some(scenario) = flow.scenario {
            self.scenarios[scenario as usize].absorb(flow, policy);
        }
    }

    /// Whether any connection was on a path or belongs to a scenario.
    pub(crate) fn is_any(&self) -> bool {
        self.paths.iter().chain(&self.scenarios).any(|passage| passage.flows() > 0)
    }

    /// What was seen of a path.
    #[must_use]
    pub const fn path(&self, path: AccessPath) -> &Passage {
        &self.paths[path as usize]
    }

    /// What was seen of a scenario.
    #[must_use]
    pub const fn scenario(&self, scenario: Scenario) -> &Passage {
        &self.scenarios[scenario as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::testkit::{Flow, judge_flows};

    fn way(flow: &Flow) -> (Option<AccessPath>, Option<Scenario>) {
        let judged = judge_flows(vec![flow.facts.clone()]);
        (judged[0].path, judged[0].scenario)
    }

    #[test]
    fn every_path_and_scenario_is_told() {
        use AccessPath::*;
        use Scenario::*;
        let check = |flow: Flow, path, scenario| assert_eq!(way(&flow), (path, scenario));
        let to = |name: &str, port: u16| {
            Flow::new("10.0.0.5:50000", "192.0.2.1:443").port(port).good_hello().sni(name)
        };
        let edge = (Some(EdgeToOffice365), Some(OnPremisesServers));
        check(Flow::from_skype().good_hello(), edge.0, edge.1);
        check(to("sipfed.online.lync.com", 5061), edge.0, edge.1);
        check(
            to("admin0e.online.lync.com", 443),
            Some(FrontEndPowerShell),
            Some(OnPremisesServers),
        );
        check(to("sipdir.online.lync.com", 443), Some(ClientToSkype), Some(Clients));
        check(to("outlook.office365.com", 443), Some(ClientToExchange), Some(Clients));
        check(to("smtp.office365.com", 587), Some(ClientToExchange), Some(Clients));
        check(to("contoso.mail.protection.outlook.com", 25), None, Some(OnPremisesServers));
        check(to("login.microsoftonline.com", 443), Some(ClientToEntra), Some(Clients));
        check(to("contoso.sharepoint.com", 443), None, Some(Clients));
        check(to("sip.pstnhub.microsoft.com", 5061), None, Some(ThirdParties));
        check(to("adfs.contoso.com", 443), Some(AdFs), Some(Clients));
        check(to("sts2.contoso.com", 443), Some(AdFs), Some(Clients));
        check(to("contoso.com", 49443), Some(AdFs), Some(Clients));
        check(to("www.contoso.com", 443), None, None);
        let from = Flow::new("40.97.1.1:50000", "10.0.0.8:443").good_hello().sni("sts.contoso.com");
        check(from, Some(AdFs), Some(OnPremisesServers));
    }

    #[test]
    fn a_front_end_is_known_by_what_it_serves() {
        let serves = Flow::new("10.0.0.77:50000", "10.0.0.5:5061").good_hello();
        let dials = Flow::new("10.0.0.5:50001", "52.112.1.1:443").good_hello();
        let judged = judge_flows(vec![serves.facts, dials.facts]);
        let paths: Vec<_> = judged.iter().filter_map(|flow| flow.path).collect();
        assert_eq!(paths, [AccessPath::FrontEndPowerShell]);
    }

    #[test]
    fn programs_of_others_are_third_parties() {
        let java = Flow::new("10.0.0.5:50001", "52.112.1.1:443").offer(|offer| {
            offer.legacy_version = 0x0301;
            offer.cipher_suites = vec![0xc009, 0xc013, 0x002f, 0x00ff];
            offer.extensions = Some(vec![10, 11]);
            offer.groups = Some(vec![23, 1, 3]);
        });
        assert_eq!(way(&java), (Some(AccessPath::ClientToSkype), Some(Scenario::ThirdParties)));
    }

    #[test]
    fn what_was_never_seen_has_no_verdict() {
        let flow = Flow::to_exchange().old_hello();
        let mut table = PathTable::default();
        table.count(&judge_flows(vec![flow.facts])[0], 0);
        let exchange = table.path(AccessPath::ClientToExchange);
        assert_eq!(exchange.worst(), Some(Verdict::Breaks));
        assert_eq!((exchange.flows(), exchange.hosts(), exchange.hosts_breaking()), (1, 1, 1));
        assert_eq!(table.path(AccessPath::AdFs).worst(), None);
        assert_eq!(table.scenario(Scenario::Clients).worst(), Some(Verdict::Breaks));
        assert_eq!(table.scenario(Scenario::ThirdParties).worst(), None);
    }
}
