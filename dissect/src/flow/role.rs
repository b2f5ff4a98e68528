//! Who the client is where no byte tells.

use crate::Endpoint;

/// Ports on which servers speak TLS from the first byte on (IANA Service Name and Port Number
/// Registry): HTTPS and its usual second ports, SMTP submission, LDAP, DNS, IMAP, POP3, SIP, XMPP
/// for clients, WinRM. Ports count only where no byte tells: who the client is when neither hello nor
/// SYN was seen (old Windows dials from 1025 to 5000), and whether it may be TLS at all where the
/// capture kept the headers alone and nothing else can keep the connection from passing unseen.
pub(super) const TLS_PORTS: [u16; 11] =
    [443, 465, 636, 853, 993, 995, 4443, 5061, 5223, 5986, 8443];

/// Which of two ends is the client by their ports alone: 0 or 1. The server is the one on a port
/// where servers speak TLS, else the one on the lower port; of equal ports, the second.
#[must_use]
pub fn client_by_ports(ends: [Endpoint; 2]) -> usize {
    let [a, b] = ends.map(|end| (!TLS_PORTS.contains(&end.port), end.port));
    usize::from(a < b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_told_by_ports_of_tls_and_then_by_the_lower_one() {
        let check = |a, b, expect| {
            let ends = [a, b].map(|port| Endpoint { addr: [192, 0, 2, 1].into(), port });
            assert_eq!(client_by_ports(ends), expect, "{a} {b}");
        };
        check(50000, 443, 0);
        check(443, 50000, 1);
        // Old Windows dials from low ports.
        check(1100, 5061, 0);
        check(8443, 2000, 1);
        check(3000, 2000, 0);
        check(2000, 2000, 0);
    }
}
