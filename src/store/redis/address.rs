//! `redis://USER:PASSWORD@HOST:PORT/DB?node=NAME&spool=FILE`: where the store is, and who we are in it.

use std::path::PathBuf;

use url::{Host, Url};

use crate::redact::Redacted;
use crate::store::limits::{DATABASE_MAX, NODE_CHARS_MAX};

/// Where Redis is, how it lets us in, and this gateway's name among those that share it.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub host: String,
    pub port: u16,
    pub database: u32,
    /// None with a password = the default user.
    pub user: Option<String>,
    pub password: Option<Redacted<String>>,
    pub is_tls: bool,
    /// PEM file of those who sign its certificate; None = whom the operating system trusts.
    pub anchors: Option<PathBuf>,
    pub node: String,
    pub spool: PathBuf,
    /// For people: without the password.
    pub shown: String,
}

impl Address {
    /// # Errors
    ///
    /// What is wrong, without repeating the password.
    pub fn parse(text: &str) -> Result<Address, String> {
        let url = Url::parse(text).map_err(|error| format!("{error}; expected redis://HOST:PORT/DB"))?;
        let is_tls = match url.scheme() {
            "redis" => false,
            "rediss" => true,
            _ => return Err("expected redis:// or rediss:// (with TLS)".into()),
        };
        let host = match url.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) if !host.to_string().is_empty() => plain(&host.to_string())?,
            _ => return Err("no host; expected redis://HOST:PORT/DB".into()),
        };
        let database = match url.path().trim_matches('/') {
            "" => 0,
            number => match number.parse() {
                Ok(number) if number <= DATABASE_MAX => number,
                _ => {
                    return Err(format!(
                        "the database is a number up to {DATABASE_MAX}, as in redis://HOST:PORT/0"
                    ));
                }
            },
        };
        let (mut node, mut spool, mut anchors) = (None, None, None);
        for (key, value) in url.query_pairs() {
            match &*key {
                _ if value.is_empty() => return Err(format!("{key} is empty")),
                "node" => node = Some(value.into_owned()),
                "spool" => spool = Some(PathBuf::from(&*value)),
                "anchors" if !is_tls => return Err("anchors are for rediss:// only".into()),
                "anchors" => anchors = Some(PathBuf::from(&*value)),
                _ => return Err(format!("{key:?} is not known; there are node, spool and anchors")),
            }
        }
        if url.fragment().is_some() {
            return Err("a # in a password is written %23".into());
        }
        let node = node.unwrap_or_else(machine);
        if !is_name(&node) {
            return Err(format!(
                "node is 1 to {NODE_CHARS_MAX} letters, digits, -, _ and ., another one for each gateway"
            ));
        }
        let user = plain(url.username())?;
        let password = url.password().map(plain).transpose()?;
        if password.is_none() && !user.is_empty() {
            return Err("a user without a password; the default user's is redis://:PASSWORD@HOST".into());
        }
        let port = url.port().unwrap_or(6379);
        let scheme = url.scheme();
        Ok(Address {
            shown: format!(
                "{scheme}://{}:{port}/{database}",
                url.host_str().unwrap_or_default()
            ),
            host,
            port,
            database,
            user: Some(user).filter(|user| !user.is_empty()),
            password: password.map(Redacted::new),
            is_tls,
            anchors,
            spool: spool.unwrap_or_else(|| PathBuf::from(format!("ringward-spool-{node}.jsonl"))),
            node,
        })
    }
}

/// The name of this machine, as far as it is one for us.
fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name.trim().chars().take(NODE_CHARS_MAX).collect();
    if is_name(&name) { name } else { "gateway".into() }
}

fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && name.len() <= NODE_CHARS_MAX && name.chars().all(is_plain)
}

/// Without its percent signs (RFC 3986 §2.1).
fn plain(text: &str) -> Result<String, String> {
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%' {
            let code = rest.get(..2).and_then(|code| std::str::from_utf8(code).ok());
            let octet = code.and_then(|code| u8::from_str_radix(code, 16).ok());
            octets.push(octet.ok_or("a % that is not followed by two hexadecimal digits")?);
            rest = &rest[2..];
        } else {
            octets.push(*first);
        }
    }
    String::from_utf8(octets).map_err(|_| "what is written with % is no text".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_can_be_said_is_read() {
        let url = "rediss://gate:p%40ss@[::1]:6380/3?node=left&spool=/var/lib/x.jsonl&anchors=/etc/a.pem";
        let address = Address::parse(url).unwrap();
        assert_eq!(
            (address.host.as_str(), address.port, address.database),
            ("::1", 6380, 3)
        );
        assert_eq!(address.user.as_deref(), Some("gate"));
        assert_eq!(address.password.unwrap().reveal(), "p@ss");
        assert!(address.is_tls);
        assert_eq!(
            (address.node.as_str(), address.spool.to_str()),
            ("left", Some("/var/lib/x.jsonl"))
        );
        assert_eq!(address.shown, "rediss://[::1]:6380/3");
        let short = Address::parse("redis://10.0.0.5?node=b").unwrap();
        assert_eq!((short.port, short.database, short.is_tls), (6379, 0, false));
        assert_eq!(short.spool.to_str(), Some("ringward-spool-b.jsonl"));
        assert!(
            Address::parse("redis://10.0.0.5").is_ok(),
            "the machine has a name"
        );
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (url, expected) in [
            ("redis://", "host"),
            ("redis:///0", "host"),
            ("redis://h:99999", "port"),
            ("redis://h/x", "database"),
            ("redis://h/0?nodes=a", "not known"),
            ("redis://h?node=a/b", "letters, digits"),
            ("redis://h?node=", "empty"),
            ("redis://h?anchors=/x", "rediss://"),
            ("redis://:secret@h/0#x", "%23"),
            ("redis://secret@h", "without a password"),
            ("redis://:secret%zz@h", "hexadecimal"),
        ] {
            let problem = Address::parse(url).unwrap_err();
            assert!(
                problem.contains(expected) && !problem.contains("secret"),
                "{url}: {problem}"
            );
        }
    }
}
