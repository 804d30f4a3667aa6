//! What a relayed packet costs: rtpengine (userspace) and Ringward in turn, fed by the same generator.
//!
//! ```text
//! cargo bench --bench relay                    # 200 calls for 10 s, plain and SRTP to RTP, both relays twice
//! cargo bench --bench relay -- 400 20          # another number of calls, another number of seconds
//! cargo bench --bench relay -- ringward 1000   # one of them alone
//! cargo bench --bench relay -- forms           # the same work by other ways of asking the system (docs/adr/0010)
//! RINGWARD_BINARY=$PWD/target/dist/ringward cargo bench --bench relay     # of what `--profile dist` has built
//! ```
//!
//! Every call has 50 packets of 172 octets a second in each direction (G.711, 20 ms), and each relay has its own two
//! ports for it; the far ends of all calls are two sockets of the generator, which tells calls apart by SSRC. A packet
//! counts when it came out on the other side. CPU is what `/proc` says of the relay's process, and of Ringward also
//! apart: the threads that relay (and hand audio to the scorer), and the rest (which hears it). Ringward runs whole:
//! signalling, decision, record, model. Delay is from the generator's sending to its reading, which it does every half
//! millisecond: that half is in it.
//!
//! Needs rtpengine (Debian: rtpengine-daemon) for the comparison, and a quiet machine.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads clocks")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on says where")]

#[path = "../../tests/wire/support/mod.rs"]
#[allow(dead_code, reason = "shared with the wire tests")]
mod support;

mod cpu;
mod forms;
mod gateway;
mod rtpengine;
mod traffic;

use std::process::ExitCode;

use cpu::Cpu;
use traffic::{Ends, Line, Outcome};

const CALLS: usize = 200;
const SECONDS: u64 = 10;
/// What docs/adr/0010 aims at: this much of rtpengine's CPU per packet, here of the whole process.
const AIM: f64 = 0.5;

/// A relay with its calls up.
trait Relay {
    fn lines(&mut self) -> &mut [Line];
    fn pid(&self) -> u32;
    /// Names of threads begin with these where they relay; none = all do.
    fn relaying(&self) -> &'static [&'static str] {
        &[]
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(code) = forms::child() {
        return code;
    }
    if arguments.iter().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    let mut numbers = arguments
        .iter()
        .filter_map(|argument| argument.parse::<u64>().ok());
    let calls = numbers.next().map_or(CALLS, |calls| calls as usize);
    let seconds = numbers.next().unwrap_or(SECONDS);
    let wants = |name: &str| arguments.iter().any(|argument| argument == name);
    if wants("forms") {
        forms::compare(calls, seconds);
        return ExitCode::SUCCESS;
    }
    if wants("ringward") {
        for is_secured in [false, true] {
            measure("Ringward", is_secured, calls, seconds);
        }
        return ExitCode::SUCCESS;
    }
    if !support::have(&["rtpengine"]) {
        return ExitCode::SUCCESS;
    }
    let mut all_within = true;
    for is_secured in [false, true] {
        let mut sums = [Cost::default(); 2];
        // The second time in the other order: what else the machine does meanwhile falls on both.
        for turn in [[0, 1], [1, 0]] {
            for who in turn {
                sums[who].add(measure(
                    ["rtpengine", "Ringward"][who],
                    is_secured,
                    calls,
                    seconds,
                ));
            }
        }
        let [theirs, ours] = sums;
        let ratio = ours.whole() / theirs.whole();
        all_within &= ratio <= AIM;
        println!(
            "{}: Ringward {:.2} us a packet ({:.2} us where it relays, the rest hears and scores), rtpengine {:.2} us; \
             ratio {ratio:.2}, of what relays {:.2} (aim {AIM})\n",
            ["plain", "SRTP to RTP"][usize::from(is_secured)],
            ours.whole(),
            ours.relaying(),
            theirs.whole(),
            ours.relaying() / theirs.whole(),
        );
    }
    println!(
        "{}",
        if all_within {
            "within the aim"
        } else {
            "over the aim"
        }
    );
    ExitCode::SUCCESS
}

/// CPU seconds, and the packets they were for.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    cpu: Cpu,
    packets: u64,
}

impl Cost {
    fn add(&mut self, other: Cost) {
        self.cpu.relaying += other.cpu.relaying;
        self.cpu.whole += other.cpu.whole;
        self.packets += other.packets;
    }

    /// Microseconds a packet, the whole process.
    fn whole(self) -> f64 {
        self.cpu.whole * 1e6 / self.packets as f64
    }

    fn relaying(self) -> f64 {
        self.cpu.relaying * 1e6 / self.packets as f64
    }
}

fn measure(who: &str, is_secured: bool, calls: usize, seconds: u64) -> Cost {
    let ends = Ends::open();
    let mut relay: Box<dyn Relay> = match who {
        "rtpengine" => Box::new(rtpengine::Rtpengine::start(&ends, calls, is_secured)),
        _ => Box::new(gateway::Ringward::start(&ends, calls, is_secured)),
    };
    run(
        &format!("{who}, {}", ["plain", "SRTP to RTP"][usize::from(is_secured)]),
        &ends,
        &mut *relay,
        seconds,
    )
}

/// One second to settle, then what is counted.
fn run(what: &str, ends: &Ends, relay: &mut dyn Relay, seconds: u64) -> Cost {
    traffic::send(ends, relay.lines(), 1);
    let before = Cpu::of(relay.pid(), relay.relaying());
    let outcome = traffic::send(ends, relay.lines(), seconds);
    let cpu = Cpu::of(relay.pid(), relay.relaying()).since(before);
    let Outcome { sent, heard, .. } = outcome;
    let cost = Cost {
        cpu,
        packets: heard[0] + heard[1],
    };
    println!(
        "{what}: {} calls, {} packets sent, {} lost; {:.2} us a packet, {:.2} us where it relays; delay {:.2} ms median, \
         {:.2} ms p99",
        relay.lines().len(),
        sent[0] + sent[1],
        (sent[0] + sent[1]).saturating_sub(heard[0] + heard[1]),
        cost.whole(),
        cost.relaying(),
        outcome.delay(0.5),
        outcome.delay(0.99),
    );
    cost
}
