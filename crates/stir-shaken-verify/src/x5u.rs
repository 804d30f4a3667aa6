//! Which certificate URLs may be asked at all (ATIS-1000074 §5.3.1). Pure: nothing is resolved here.

use url::{Host, Url};

use crate::address::AddressRules;
use crate::limits::X5U_OCTETS_MAX;

/// A certificate URL that keeps the rules; holds its own text, exactly as received.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct X5u {
    text: String,
    host: String,
    port: u16,
}

/// Why a URL may not be asked (ATIS-1000074 §5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum X5uFault {
    /// Not a URL at all.
    #[error("not a URL")]
    NotAUrl,
    /// Past [`crate::limits::X5U_OCTETS_MAX`].
    #[error("longer than 1,024 octets")]
    TooLong,
    /// Not https.
    #[error("not https")]
    Scheme,
    /// Another port than none, 443 or 8443.
    #[error("a port other than 443 and 8443")]
    Port,
    /// User, password, query, fragment or path parameters.
    #[error("has a user, query, fragment or path parameter")]
    Extra,
    /// An address literal that the address guard refuses, in any spelling.
    #[error("an address that must not be asked")]
    Address,
    /// No host, or one that is no name and no address.
    #[error("a host that is not to be asked")]
    Host,
}

impl X5u {
    /// Checks `text` by the rules: https, port absent, 443 or 8443, no user, query, fragment or
    /// path parameter, printable ASCII of at most 1,024 octets; an IP literal must be an address
    /// that `addresses` allows. Names are judged after resolving, by whoever dials.
    pub fn parse(text: &str, addresses: &AddressRules) -> Result<X5u, X5uFault> {
        if text.len() > X5U_OCTETS_MAX {
            return Err(X5uFault::TooLong);
        }
        // The URL parser forgives backslashes, tabs and controls; a signer has no need of them.
        if !text.bytes().all(|octet| octet.is_ascii_graphic()) || text.contains(['\\', '<', '>', '"']) {
            return Err(X5uFault::NotAUrl);
        }
        let url = Url::parse(text).map_err(|_| X5uFault::NotAUrl)?;
        if url.scheme() != "https" {
            return Err(X5uFault::Scheme);
        }
        if !matches!(url.port(), None | Some(443 | 8443)) {
            return Err(X5uFault::Port);
        }
        // '@', '?', '#' and ';' are refused by sight as well: an empty query or user leaves no trace in the parsed form.
        if text.contains(['@', '?', '#', ';']) {
            return Err(X5uFault::Extra);
        }
        let host = url.host().ok_or(X5uFault::NotAUrl)?;
        let is_allowed = match &host {
            Host::Domain(name) => !name.is_empty(),
            Host::Ipv4(address) => addresses.is_allowed((*address).into()),
            Host::Ipv6(address) => addresses.is_allowed((*address).into()),
        };
        if !is_allowed {
            return Err(X5uFault::Address);
        }
        let host = host.to_string();
        if !addresses.is_host_allowed(&host) {
            return Err(X5uFault::Host);
        }
        Ok(X5u {
            host,
            port: url.port().unwrap_or(443),
            text: text.into(),
        })
    }

    /// As received: the key of every cache.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host name or address literal, in the parser's normal form.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// 443 unless the URL names 8443.
    pub fn port(&self) -> u16 {
        self.port
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(), X5uFault>) {
        let got = X5u::parse(text, &AddressRules::default()).map(|_| ());
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn c_08_the_two_ports_and_no_port_are_good() {
        check("https://cert.example.org/sp.pem", Ok(()));
        check("https://cert.example.org:443/sp.pem", Ok(()));
        check("https://cert.example.org:8443/sp.pem", Ok(()));
        check("https://93.184.216.34/sp.pem", Ok(()));
        check("HTTPS://CERT.example.org/a/b/c.crt", Ok(()));
    }

    #[test]
    fn c_08_everything_else_is_refused_by_name() {
        check("http://cert.example.org/sp.pem", Err(X5uFault::Scheme));
        check("file:///etc/passwd", Err(X5uFault::Scheme));
        check("https://cert.example.org:444/sp.pem", Err(X5uFault::Port));
        check("https://cert.example.org:84430/sp.pem", Err(X5uFault::NotAUrl));
        check("https://user@cert.example.org/sp.pem", Err(X5uFault::Extra));
        check("https://@cert.example.org/sp.pem", Err(X5uFault::Extra));
        check("https://cert.example.org/sp.pem?", Err(X5uFault::Extra));
        check("https://cert.example.org/sp.pem?a=b", Err(X5uFault::Extra));
        check("https://cert.example.org/sp.pem#a", Err(X5uFault::Extra));
        check("https://cert.example.org/sp;a=b/x", Err(X5uFault::Extra));
        check("https://cert.example.org:80/sp.pem", Err(X5uFault::Port));
        check("https://cert.example.org:442/sp.pem", Err(X5uFault::Port));
        check("https://cert.example.org:8442/sp.pem", Err(X5uFault::Port));
        check("https://cert.example.org:8444/sp.pem", Err(X5uFault::Port));
        check("https://cert.example.org:0/sp.pem", Err(X5uFault::Port));
        check(
            "https://cert.example.org:443@127.0.0.1/sp.pem",
            Err(X5uFault::Extra),
        );
        check("https://[fe80::1%25eth0]/sp.pem", Err(X5uFault::NotAUrl));
        check("https://999.0.0.1/sp.pem", Err(X5uFault::NotAUrl));
        check("ftp://cert.example.org/sp.pem", Err(X5uFault::Scheme));
        check("cert.example.org/sp.pem", Err(X5uFault::NotAUrl));
        check("https://", Err(X5uFault::NotAUrl));
        check("", Err(X5uFault::NotAUrl));
        check("https://cert.example.org\\@127.0.0.1/", Err(X5uFault::NotAUrl));
        check("https://ce\trt.example.org/", Err(X5uFault::NotAUrl));
        check(
            &format!("https://cert.example.org/{}", "a".repeat(1024)),
            Err(X5uFault::TooLong),
        );
    }

    #[test]
    fn c_09_address_literals_in_any_disguise_are_judged() {
        for url in [
            "https://127.0.0.1/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://017700000001/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest",
            "https://127.1/",
            "https://127.0.0.1./",
            "https://127%2e0%2e0%2e1/",
            "https://0x7f000001/",
            "https://0X7F.0.0.1:8443/",
            "https://3232235777/",
            "https://[::ffff:7f00:1]/",
            "https://[64:ff9b::127.0.0.1]/",
            "https://[64:ff9b::a9fe:a9fe]:8443/",
            "https://[2002:7f00:1::1]/",
            "https://[fe80::1]/",
            "https://[::]/",
        ] {
            check(url, Err(X5uFault::Address));
        }
    }

    #[test]
    fn c_08_a_url_of_1024_octets_is_the_longest() {
        let url = |length: usize| {
            let start = "https://cert.example.org/";
            format!("{start}{}", "a".repeat(length - start.len()))
        };
        check(&url(1024), Ok(()));
        check(&url(1025), Err(X5uFault::TooLong));
    }

    #[test]
    fn c_09_an_allowed_range_opens_exactly_itself() {
        let rules = AddressRules::new(["127.0.0.0/8"]).unwrap();
        assert!(X5u::parse("https://127.0.0.1:8443/", &rules).is_ok());
        assert_eq!(X5u::parse("https://10.0.0.1/", &rules), Err(X5uFault::Address));
    }

    #[test]
    fn c_09_a_host_that_is_not_on_the_list_is_not_asked() {
        let rules = AddressRules::default().with_hosts(["*.example.org"], []);
        assert!(X5u::parse("https://CERT.example.org:8443/sp.pem", &rules).is_ok());
        for other in ["https://cert.example.com/sp.pem", "https://93.184.216.34/sp.pem"] {
            assert_eq!(X5u::parse(other, &rules), Err(X5uFault::Host), "{other}");
        }
    }
}
