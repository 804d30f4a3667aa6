//! `[identity]`

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use stir_shaken_verify::{AddressRules, NotACidr, RevocationPolicy};

/// `[identity]`
#[derive(Clone, Debug)]
pub struct Config {
    pub anchors: Vec<PathBuf>,
    /// Authorities outside the public trust list, such as an enterprise's own.
    pub private_anchors: Vec<PathBuf>,
    /// The policy administrator's signed list (JWT), and who may sign it.
    pub trust_list: Option<Source>,
    pub trust_list_authority: Vec<PathBuf>,
    pub crls: Vec<Source>,
    /// Certificates of list signers, for lists that come without.
    pub crl_signers: Vec<PathBuf>,
    pub revocation: RevocationPolicy,
    /// How often all of the above is read or fetched again; default one hour.
    pub refresh: Duration,
    pub country: String,
    /// CIDR ranges allowed in spite of the address guard.
    pub x5u_allow: Vec<String>,
    /// CIDR ranges refused although the guard would let them pass.
    pub x5u_deny: Vec<String>,
    /// Only these certificate hosts are asked; empty: any.
    pub x5u_hosts: Vec<String>,
    /// These never are.
    pub x5u_hosts_denied: Vec<String>,
    pub x5u_tls_anchors: Vec<PathBuf>,
    /// Largest |iat - arrival|; default 60 s.
    pub freshness: Duration,
    /// Largest age of the tokens of a diverted call, all but its last diversion's; default 5 min. Counts only where a
    /// complete chain of diversions explains it, and never less than `freshness`.
    pub freshness_diverted: Duration,
    /// Whole fetch, connect to last octet; default 2 s.
    pub fetch_timeout: Duration,
    /// Certificates kept on the shelf; default 1,000.
    pub shelf_entries: usize,
}

/// Where a list comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    File(PathBuf),
    /// `https`, written by the operator: not bound by the rules for what callers name.
    Url(String),
}

impl fmt::Display for Source {
    /// A query may hold a key: it is left out.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File(path) => write!(out, "{}", path.display()),
            Source::Url(url) => out.write_str(url.split(['?', '#']).next().unwrap_or_default()),
        }
    }
}

impl Default for Config {
    /// No anchors: signed calls are `unchecked` until the trust list is configured.
    fn default() -> Config {
        Config {
            anchors: Vec::new(),
            private_anchors: Vec::new(),
            trust_list: None,
            trust_list_authority: Vec::new(),
            crls: Vec::new(),
            crl_signers: Vec::new(),
            revocation: RevocationPolicy::default(),
            refresh: Duration::from_secs(3600),
            country: "US".into(),
            x5u_allow: Vec::new(),
            x5u_deny: Vec::new(),
            x5u_hosts: Vec::new(),
            x5u_hosts_denied: Vec::new(),
            x5u_tls_anchors: Vec::new(),
            freshness: stir_shaken_verify::limits::FRESHNESS,
            freshness_diverted: stir_shaken_verify::limits::FRESHNESS_DIVERTED,
            fetch_timeout: Duration::from_secs(2),
            shelf_entries: stir_shaken_verify::limits::SHELF_ENTRIES,
        }
    }
}

impl Config {
    /// Which certificate hosts may be asked.
    ///
    /// # Errors
    ///
    /// Names the range that is none.
    pub fn address_rules(&self) -> Result<AddressRules, NotACidr> {
        let rules = AddressRules::new(&self.x5u_allow)?.denying(&self.x5u_deny)?;
        Ok(rules.with_hosts(&self.x5u_hosts, &self.x5u_hosts_denied))
    }

    /// No trust anchor can come from anywhere.
    pub fn has_no_anchors(&self) -> bool {
        self.anchors.is_empty() && self.private_anchors.is_empty() && self.trust_list.is_none()
    }
}
