//! A name server of the test's own, on loopback, written octet by octet: it shares no line with the gateway's resolver.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const A: u16 = 1;
const SRV: u16 = 33;
const NAPTR: u16 = 35;

/// Names in lower case without a dot at the end, and the kind of record.
type Zone = BTreeMap<(String, u16), Vec<Vec<u8>>>;

pub struct NameServer {
    pub address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    is_silent: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
}

impl NameServer {
    /// Every record lives for `ttl` seconds.
    pub fn start(ttl: u32) -> NameServer {
        let socket = UdpSocket::bind(("127.0.0.1", super::free_port())).expect("a port of this test's own");
        let address = socket.local_addr().expect("an address");
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .expect("a time-out");
        let server = NameServer {
            address,
            zone: Arc::default(),
            is_silent: Arc::default(),
            asked: Arc::default(),
            is_over: Arc::default(),
        };
        let (zone, is_silent) = (server.zone.clone(), server.is_silent.clone());
        let (asked, is_over) = (server.asked.clone(), server.is_over.clone());
        std::thread::spawn(move || {
            let mut question = [0; 1500];
            while !is_over.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut question) else {
                    continue;
                };
                asked.fetch_add(1, Ordering::Relaxed);
                if is_silent.load(Ordering::Relaxed) {
                    continue;
                }
                let zone = zone.lock().expect("the zone");
                if let Some(answer) = answer(&question[..length], &zone, ttl) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        server
    }

    pub fn a(&self, name: &str, address: Ipv4Addr) -> &NameServer {
        self.add(name, A, address.octets().to_vec())
    }

    pub fn srv(&self, name: &str, priority: u16, port: u16, host: &str) -> &NameServer {
        let mut data = Vec::new();
        for number in [priority, 0, port] {
            data.extend(number.to_be_bytes());
        }
        data.extend(encoded(host));
        self.add(name, SRV, data)
    }

    pub fn naptr(&self, name: &str, order: u16, service: &str, replacement: &str) -> &NameServer {
        let mut data = Vec::new();
        for number in [order, 10] {
            data.extend(number.to_be_bytes());
        }
        for text in ["s", service, ""] {
            data.push(text.len() as u8);
            data.extend(text.as_bytes());
        }
        data.extend(encoded(replacement));
        self.add(name, NAPTR, data)
    }

    /// From now on it answers nothing.
    pub fn fall_silent(&self) {
        self.is_silent.store(true, Ordering::Relaxed);
    }

    pub fn speak(&self) {
        self.is_silent.store(false, Ordering::Relaxed);
    }

    /// Questions so far.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn add(&self, name: &str, kind: u16, data: Vec<u8>) -> &NameServer {
        let mut zone = self.zone.lock().expect("the zone");
        zone.entry((name.to_string(), kind)).or_default().push(data);
        drop(zone);
        self
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// RFC 1035 §4.1: the question again, and the records with a pointer to its name. Without any: the name does not exist.
fn answer(question: &[u8], zone: &Zone, ttl: u32) -> Option<Vec<u8>> {
    let mut at = 12;
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(question.get(at..at + length)?).to_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes([*question.get(at)?, *question.get(at + 1)?]);
    let end = at + 4;
    let name = labels.join(".");
    let records = zone
        .get(&(name.clone(), kind))
        .map(Vec::as_slice)
        .unwrap_or_default();
    let is_known = zone.keys().any(|(known, _)| *known == name);
    let mut answer = question[..2].to_vec();
    // A response, authoritative, recursion desired and available; NXDOMAIN where nothing has this name.
    answer.extend([0x85, if is_known { 0x80 } else { 0x83 }, 0, 1]);
    answer.extend((records.len() as u16).to_be_bytes());
    answer.extend([0, 0, 0, 0]);
    answer.extend(question.get(12..end)?);
    for data in records {
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1]);
        answer.extend(ttl.to_be_bytes());
        answer.extend((data.len() as u16).to_be_bytes());
        answer.extend(data);
    }
    Some(answer)
}

fn encoded(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.split('.') {
        out.push(label.len() as u8);
        out.extend(label.as_bytes());
    }
    out.push(0);
    out
}
