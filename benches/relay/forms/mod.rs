//! The same calls, the same engine ([`Session`] with its tap), moved by other ways of asking the system: what docs/adr/0010
//! compares. Each form is a process of its own (this program again), one thread, without signalling or scoring.

mod level;
mod poll;
mod tokio;
mod uring;

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime};

use ringward::media::{Config, Session, Side, Verdict};
use ringward::sdp::Codec;
use ringward::time::Now;

use crate::support::Peer;
use crate::traffic::{Ends, Line, socket};
use crate::{Cost, Relay};

/// What tells this program that it is a form, and which.
const FORM: &str = "RINGWARD_BENCH_RELAY_FORM";
const FORMS: [&str; 7] = ["shard", "rested", "mmsg", "level", "tokio", "uring", "bare"];
/// As much as a media socket of a shard has.
const RECEIVE_OCTETS: usize = 64 << 10;
const BUFFER_OCTETS: usize = 2048;

pub fn compare(calls: usize, seconds: u64) {
    let mut sums = [Cost::default(); FORMS.len()];
    let order: Vec<usize> = (0..FORMS.len()).chain((0..FORMS.len()).rev()).collect();
    for who in order {
        let ends = Ends::open();
        let mut form = Form::start(FORMS[who], &ends, calls);
        sums[who].add(crate::run(FORMS[who], &ends, &mut form, seconds));
    }
    println!();
    for (name, cost) in FORMS.iter().zip(sums) {
        println!("{name:8} {:.2} us a packet", cost.whole());
    }
}

/// The exit status of this process where it was started as a form.
pub fn child() -> Option<ExitCode> {
    let form = std::env::var(FORM).ok()?;
    let mut words = form.split(' ');
    let name = words.next()?;
    let calls: usize = words.next()?.parse().ok()?;
    let ends = [words.next()?.parse().ok()?, words.next()?.parse().ok()?];
    match name {
        "shard" => poll::shard(calls, ends, Duration::ZERO),
        "rested" => poll::shard(calls, ends, Duration::from_millis(1)),
        "mmsg" => poll::mmsg(calls, ends),
        "level" => level::run(calls, ends),
        "bare" => level::bare(calls, ends),
        "tokio" => tokio::run(calls, ends),
        _ => uring::run(calls, ends),
    }
    Some(ExitCode::SUCCESS)
}

struct Form {
    peer: Peer,
    lines: Vec<Line>,
}

impl Form {
    fn start(name: &str, ends: &Ends, calls: usize) -> Form {
        let [a, b] = ends.addresses();
        let mut peer = Peer::start(
            Command::new(std::env::current_exe().unwrap())
                .env(FORM, format!("{name} {calls} {a} {b}"))
                .stdin(Stdio::null())
                .stdout(Stdio::piped()),
        );
        let mut said = BufReader::new(peer.0.stdout.take().unwrap()).lines();
        let lines = (0..calls)
            .map(|_| {
                let line = said.next().expect("a line for each call").unwrap();
                let mut ports = line.split(' ').map(|port| port.parse::<u16>().unwrap());
                let mut next = || SocketAddr::from((Ipv4Addr::LOCALHOST, ports.next().unwrap()));
                Line::new([next(), next()], None)
            })
            .collect();
        Form { peer, lines }
    }
}

impl Relay for Form {
    fn lines(&mut self) -> &mut [Line] {
        &mut self.lines
    }

    fn pid(&self) -> u32 {
        self.peer.0.id()
    }
}

/// A call of a form: its engine and its two sockets.
struct Call {
    session: Session,
    sockets: [UdpSocket; 2],
}

impl Call {
    /// All calls, their ports said to whoever started us.
    fn all(calls: usize, ends: [SocketAddr; 2]) -> Vec<Call> {
        let calls: Vec<Call> = (0..calls).map(|_| Call::new(ends)).collect();
        for call in &calls {
            tell(
                call.sockets
                    .each_ref()
                    .map(|socket| socket.local_addr().unwrap().port()),
            );
        }
        calls
    }

    fn new([a, b]: [SocketAddr; 2]) -> Call {
        let mut session = Session::new(&config(), now());
        session.described(Side::A, a, &[(0, Codec::Pcmu)], Some(101), now());
        session.described(Side::B, b, &[(0, Codec::Pcmu)], Some(101), now());
        session.tap(true);
        let sockets = [(); 2].map(|()| socket(RECEIVE_OCTETS));
        Call { session, sockets }
    }

    /// What becomes of a packet from a side; its audio is thrown away as soon as it would go to the scorer.
    fn take(
        &mut self,
        side: usize,
        source: SocketAddr,
        buffer: &mut [u8],
        len: usize,
        now: Now,
    ) -> Option<(SocketAddr, usize)> {
        let verdict = self
            .session
            .rtp_within([Side::A, Side::B][side], source, buffer, len, now);
        while let Some(hop) = self.session.poll_hop() {
            self.session.recycle(hop);
        }
        match verdict {
            Verdict::Forward { to, len, .. } => Some((to, len)),
            Verdict::Taken | Verdict::Drop(_) => None,
        }
    }
}

fn tell([a, b]: [u16; 2]) {
    println!("{a} {b}");
    std::io::stdout().flush().unwrap();
}

fn config() -> Config {
    Config {
        address: Ipv4Addr::LOCALHOST.into(),
        advertise: None,
        ports: 0..=0,
        silence: Duration::from_secs(60),
        transcodes: false,
        rtcp_mux: true,
    }
}

fn now() -> Now {
    Now {
        instant: Instant::now(),
        utc: SystemTime::UNIX_EPOCH,
    }
}
