//! The chains in a pack, proven without the gateway they came from: each is put into a store of its own in memory, and verified there
//! as a gateway verifies its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::limits::{LINE_OCTETS_MAX, PROVEN_AT_ONCE};
use crate::store::{self, AUDIT, AUDIT_HEAD, Store, Write, verify_audit};

/// What was found of one chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The gateway's name; empty = the only one.
    pub node: String,
    /// Entries that were found whole; in words what is wrong otherwise.
    pub entries: Result<u64, String>,
}

/// Is given every piece of every file of a pack, and keeps the chains.
#[derive(Default)]
pub struct Prover {
    chains: BTreeMap<String, Chain>,
}

struct Chain {
    /// The end of the last piece, which is no whole line yet.
    line: Vec<u8>,
    /// None = the first line has not come.
    node: Option<String>,
    store: Result<Arc<dyn Store>, String>,
    waiting: Vec<Write>,
    /// Octets of the lines that wait.
    octets: usize,
}

impl Prover {
    /// A piece of a file; of others than chains nothing is looked at.
    pub fn take(&mut self, name: &str, piece: &[u8]) {
        if !name.starts_with("audit-chain-") {
            return;
        }
        let chain = self.chains.entry(name.to_string()).or_insert_with(Chain::new);
        // What comes behind a fault changes nothing.
        if chain.store.is_err() {
            return;
        }
        chain.line.extend_from_slice(piece);
        let mut begin = 0;
        while let Some(end) = chain.line[begin..].iter().position(|octet| *octet == b'\n') {
            let line = String::from_utf8_lossy(&chain.line[begin..begin + end]).into_owned();
            begin += end + 1;
            chain.octets += line.len();
            if let Err(problem) = read_line(&line, &mut chain.node, &mut chain.waiting) {
                return chain.give_up(problem);
            }
            if chain.waiting.len() >= PROVEN_AT_ONCE || chain.octets >= LINE_OCTETS_MAX {
                chain.write();
            }
        }
        chain.line.drain(..begin);
        if chain.line.len() > LINE_OCTETS_MAX {
            chain.give_up("a line is too long");
        }
    }

    /// What came of each chain.
    pub fn proven(self) -> Vec<Proven> {
        let chains = self.chains.into_values();
        chains
            .map(|mut chain| {
                chain.write();
                let entries = chain.store.and_then(|store| match verify_audit(store.as_ref()) {
                    Ok(Ok(entries)) => Ok(entries),
                    Ok(Err(broken)) => Err(broken.to_string()),
                    Err(error) => Err(error.to_string()),
                });
                Proven {
                    node: chain.node.unwrap_or_default(),
                    entries,
                }
            })
            .collect()
    }
}

impl Chain {
    fn new() -> Chain {
        let url = "sqlite::memory:".into();
        let store = store::open(&store::Config { url });
        Chain {
            line: Vec::new(),
            node: None,
            store: store.map_err(|error| error.to_string()),
            waiting: Vec::new(),
            octets: 0,
        }
    }

    fn give_up(&mut self, problem: &str) {
        self.store = Err(problem.into());
        (self.line, self.waiting) = (Vec::new(), Vec::new());
    }

    fn write(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.octets = 0;
        let Ok(store) = &self.store else { return };
        match store.together(waiting) {
            Ok(true) => {}
            Ok(false) => self.store = Err("an entry is missing, or there twice".into()),
            Err(error) => self.store = Err(error.to_string()),
        }
    }
}

/// The first line names the gateway and the head of its chain, every other an entry.
fn read_line(line: &str, node: &mut Option<String>, waiting: &mut Vec<Write>) -> Result<(), &'static str> {
    if node.is_none() {
        let first = serde_json::from_str::<(String, Option<String>)>(line);
        let (name, head) = first.map_err(|_| "its first line cannot be read")?;
        *node = Some(name);
        waiting.extend(head.map(|value| Write::Setting {
            name: AUDIT_HEAD.into(),
            value,
        }));
        return Ok(());
    }
    let line = serde_json::from_str::<(u64, String, Option<String>)>(line);
    let (number, entry, people) = line.map_err(|_| "a line cannot be read")?;
    waiting.extend(people.map(|text| Write::Seal {
        journal: AUDIT,
        number,
        text,
    }));
    waiting.push(Write::Append {
        journal: AUDIT,
        number,
        entry,
    });
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
    use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
    use base64::Engine as _;
    use std::sync::OnceLock;

    use super::*;
    use crate::store::Audit;

    /// A recipient's private and public key.
    pub fn keys() -> &'static (String, String) {
        static KEYS: OnceLock<(String, String)> = OnceLock::new();
        KEYS.get_or_init(|| {
            let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
            let private: Pkcs8V1Der<'_> = key.as_der().unwrap();
            let public: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
            let pem = |label: &str, der: &[u8]| {
                let text = base64::engine::general_purpose::STANDARD.encode(der);
                let lines: Vec<&str> = text
                    .as_bytes()
                    .chunks(64)
                    .map(|line| std::str::from_utf8(line).unwrap())
                    .collect();
                format!(
                    "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
                    lines.join("\n")
                )
            };
            (
                pem("PRIVATE KEY", private.as_ref()),
                pem("PUBLIC KEY", public.as_ref()),
            )
        })
    }

    fn lines(of: impl Fn(u64) -> String) -> Vec<u8> {
        let url = "sqlite::memory:".into();
        let store = store::open(&store::Config { url }).unwrap();
        let audit = Audit::open(store.clone()).unwrap();
        for at in 1..=1_000 {
            audit.write(at, "ann", "does", "", &of(at)).unwrap();
        }
        let head = store.setting(AUDIT_HEAD).unwrap();
        let mut text = serde_json::to_string(&("", head)).unwrap() + "\n";
        let mut after = 0;
        while let Some((last, _)) = store.journal(AUDIT, after).unwrap().last() {
            let mut people = store.sealed(AUDIT, after, *last).unwrap();
            for (number, entry) in store.journal(AUDIT, after).unwrap() {
                text += &serde_json::to_string(&(number, entry, people.remove(&number))).unwrap();
                text += "\n";
            }
            after = *last;
        }
        text.into_bytes()
    }

    fn prove(text: &[u8]) -> Result<u64, String> {
        let mut prover = Prover::default();
        for piece in text.chunks(777) {
            prover.take("audit-chain-0.jsonl", piece);
            prover.take("records.jsonl", b"[not a chain]\n");
        }
        prover.proven().remove(0).entries
    }

    #[test]
    fn a_chain_is_proven_as_its_gateway_proves_it_and_one_that_was_changed_or_cut_is_not() {
        let whole = lines(|at| format!("note {at}"));
        assert_eq!(prove(&whole), Ok(1_000));
        let text = String::from_utf8(whole).unwrap();
        let all: Vec<&str> = text.lines().collect();
        let without = |at: usize| {
            let kept = all.iter().enumerate().filter(|(line, _)| *line != at);
            kept.map(|(_, line)| format!("{line}\n")).collect::<String>()
        };
        // One in the middle, the last, the first, and the head.
        for at in [500, 1_000, 1, 0] {
            assert!(prove(without(at).as_bytes()).is_err(), "{at}");
        }
        assert!(prove(text.replace("note 77\\", "note 78\\").as_bytes()).is_err());
        assert!(prove(&text.as_bytes()[..text.len() - 300]).is_err());
        // What is wrong first is said, and nothing is held that comes behind it.
        let mut prover = Prover::default();
        prover.take("audit-chain-0.jsonl", format!("{}\n", all[0]).as_bytes());
        for _ in 0..3 * LINE_OCTETS_MAX / 1_000_000 {
            prover.take("audit-chain-0.jsonl", &[b'x'; 1_000_000]);
        }
        let chain = &prover.chains["audit-chain-0.jsonl"];
        assert!(chain.line.is_empty() && chain.waiting.is_empty());
        assert_eq!(prover.proven()[0].entries, Err("a line is too long".into()));
    }
}
