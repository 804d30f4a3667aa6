//! Everything a demo needs, on loopback: certificate authorities, certificate host, phones, the gateway itself.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;

use super::board::Board;
use super::chance;
use super::clip::Clip;
use super::phone::{Habit, Phone};
use super::scenario::Desk;
use crate::app::{self, Running};
use crate::call::TrunkConfig;
use crate::config::Config;
use crate::queue::{self, Overflow, Strategy};
use crate::runtime::clock;
use crate::signing::certificate_host::{Bound, SILENT_PATH};
use crate::signing::passport::{Claims, uuid};
use crate::signing::pki::{Provider, StiAuthority, web_identity};
use crate::sip::Transport;
use crate::telemetry::Telemetry;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Where the carrier publishes its certificate.
const CARRIER_PATH: &str = "/shaken.pem";
/// Where somebody under an unknown authority publishes theirs.
const STRANGER_PATH: &str = "/stranger.pem";
/// RTP ports the gateway takes: two even ones per call are plenty for the calls a demo has at once.
const MEDIA_PORTS: u16 = 200;
/// The API tries this port and the hundred after it before it takes any.
const API_PORT: u16 = 8080;
/// How long the night desk rings before the caller is told that nobody is there.
const NIGHT_RING: Duration = Duration::from_secs(4);
const FRONT_RING: Duration = Duration::from_secs(20);

/// A running demo world. Stop it with [`World::stop`]; nothing stays behind.
pub struct World {
    /// Holds the certificate host; ends with the world.
    _tokio: tokio::runtime::Runtime,
    pub gateway: Running,
    /// Where the trunk sends its calls.
    pub sip: SocketAddr,
    pub board: Arc<Board>,
    carrier: Provider,
    stranger: Provider,
    urls: Urls,
    phones: Vec<Phone>,
}

struct Urls {
    carrier: String,
    stranger: String,
    silent: String,
}

/// Who signs, and where the certificate is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedBy {
    Carrier,
    /// The carrier, with an x5u whose host never answers.
    CarrierBehindSilence,
    Stranger,
}

impl World {
    /// Builds and starts everything. `tokio` is given over: it keeps the certificate host going. The phones write what
    /// they see on `board`.
    ///
    /// # Errors
    ///
    /// What could not be bound, made or started, by name.
    pub fn start(
        tokio: tokio::runtime::Runtime,
        board: Board,
        telemetry: Telemetry,
    ) -> anyhow::Result<World> {
        let at = clock::now().utc;
        let authority = StiAuthority::new("Ringward demo STI", at)?;
        let carrier = authority.provider("Demo Carrier SHAKEN 709J", "709J", at)?;
        let stranger = StiAuthority::new("Nobody's STI", at)?.provider("Stranger SHAKEN 999Z", "999Z", at)?;

        let host = tokio.block_on(Bound::find())?;
        let web = web_identity(&[host.ip()], at)?;
        let urls = Urls {
            carrier: host.url(CARRIER_PATH),
            stranger: host.url(STRANGER_PATH),
            silent: host.url(SILENT_PATH),
        };
        let pages = BTreeMap::from([
            (CARRIER_PATH.to_owned(), carrier.chain_pem.clone()),
            (STRANGER_PATH.to_owned(), stranger.chain_pem.clone()),
        ]);
        {
            let _inside = tokio.enter();
            host.serve(&web, pages)?;
        }

        let board = Arc::new(board);
        let phones = phones(&board)?;
        let folder = Folder::new()?;
        let config = config(
            &phones,
            folder.write("sti-anchors.pem", &authority.anchor_pem())?,
            folder.write("web-anchors.pem", &web.anchor_pem)?,
        )?;
        let gateway = app::start(config, Some(telemetry))?;
        let sip = gateway
            .sip
            .iter()
            .find(|(transport, _)| *transport == Transport::Udp)
            .map(|(_, address)| *address)
            .context("the gateway opened no UDP port")?;
        // The anchors were read at start; the folder goes now, so that even a killed demo leaves nothing behind.
        drop(folder);
        Ok(World {
            _tokio: tokio,
            gateway,
            sip,
            board,
            carrier,
            stranger,
            urls,
            phones,
        })
    }

    /// An Identity header value over these claims, now unless `age` makes it older.
    ///
    /// # Errors
    ///
    /// When the system has no randomness to sign with.
    pub fn sign(
        &self,
        by: SignedBy,
        attest: &str,
        calling: &str,
        called: &str,
        age: Duration,
    ) -> anyhow::Result<String> {
        let (provider, x5u) = match by {
            SignedBy::Carrier => (&self.carrier, &self.urls.carrier),
            SignedBy::CarrierBehindSilence => (&self.carrier, &self.urls.silent),
            SignedBy::Stranger => (&self.stranger, &self.urls.stranger),
        };
        let iat: SystemTime = clock::now().utc - age;
        let claims = Claims {
            attest: attest.to_owned(),
            orig: calling.trim_start_matches('+').to_owned(),
            dest: called.trim_start_matches('+').to_owned(),
            iat,
            origid: uuid(chance::bits()),
            x5u: x5u.clone(),
        };
        provider
            .signer
            .identity_header(&claims)
            .context("signing a PASSporT")
    }

    /// The number dialled by the call with this running number. A hundred different ones per desk, so that calls in
    /// flight never share one.
    pub fn number_of(desk: Desk, call: usize) -> String {
        match desk {
            Desk::Front => format!("+121255501{:02}", call % 100),
            Desk::Night => format!("+164655501{:02}", call % 100),
        }
    }

    /// Where a person watches.
    pub fn console(&self) -> String {
        let fragment = self
            .gateway
            .token
            .as_ref()
            .map_or(String::new(), |token| format!("#token={token}"));
        format!("http://{}/{fragment}", self.gateway.api_address)
    }

    /// Where the carrier's certificate is served.
    pub fn certificate_url(&self) -> &str {
        &self.urls.carrier
    }

    pub fn phone_uris(&self) -> Vec<String> {
        self.phones.iter().map(Phone::uri).collect()
    }

    /// Ends phones, gateway and certificate host, in that order.
    pub fn stop(self) {
        drop(self.phones);
        self.gateway.stop();
    }
}

/// Two at the front desk, one quick and one slow; one in an empty room.
fn phones(board: &Arc<Board>) -> std::io::Result<Vec<Phone>> {
    let habits = [
        ("anna", Some(Duration::from_millis(1200))),
        ("ben", Some(Duration::from_millis(3500))),
        ("night", None),
    ];
    let start = |(name, answers_after)| {
        let habit = Habit {
            name,
            answers_after,
            clip: Clip::comfort_noise(4),
        };
        Phone::start(habit, LOOPBACK, Arc::clone(board))
    };
    habits.into_iter().map(start).collect()
}

fn config(phones: &[Phone], sti_anchors: PathBuf, web_anchors: PathBuf) -> anyhow::Result<Config> {
    let uris: Vec<String> = phones.iter().map(Phone::uri).collect();
    let (night, front) = uris.split_last().context("no phones")?;
    let mut config = Config::loopback();
    config.sip.listen = vec![(Transport::Udp, SocketAddr::new(LOOPBACK, 0))];
    config.trunks = vec![TrunkConfig {
        name: "demo-carrier".into(),
        from: vec!["127.0.0.0/8".into()],
        ..TrunkConfig::default()
    }];
    let queue = |name: &str, pattern: &str, targets: &[String], ring| queue::Config {
        name: name.into(),
        numbers: vec![pattern.into()],
        strategy: Strategy::RingAll,
        targets: targets.to_vec(),
        ring,
        overflow: Overflow::Reject,
        reach: crate::queue::Reach::default(),
        service: crate::queue::Service::default(),
    };
    config.queues = vec![
        queue("front-desk", "+121255501*", front, FRONT_RING),
        queue(
            "night-desk",
            "+164655501*",
            std::slice::from_ref(night),
            NIGHT_RING,
        ),
    ];
    config.identity.anchors = vec![sti_anchors];
    config.identity.x5u_allow = vec!["127.0.0.0/8".into()];
    config.identity.x5u_tls_anchors = vec![web_anchors];
    // The files are gone once they were read: nobody is to look for them again.
    config.identity.refresh = Duration::from_secs(7 * 24 * 3600);
    config.media.address = LOOPBACK;
    config.media.advertise = None;
    config.media.ports = free_media_ports()?;
    config.store.url = "sqlite::memory:".into();
    config.api.listen = free_api_address();
    config.api.public_url = Some(format!("http://{}", config.api.listen));
    Ok(config)
}

/// A run of UDP ports of which none is taken right now. The search starts somewhere else each time, so that two demos
/// started together do not fight over the same ones.
fn free_media_ports() -> anyhow::Result<std::ops::RangeInclusive<u16>> {
    let mut firsts: Vec<u16> = (32_000..60_000).step_by(usize::from(MEDIA_PORTS)).collect();
    let start = chance::below(firsts.len());
    firsts.rotate_left(start);
    firsts
        .into_iter()
        .map(|first| first..=first + MEDIA_PORTS - 1)
        .find(|ports| {
            ports
                .clone()
                .all(|port| UdpSocket::bind((LOOPBACK, port)).is_ok())
        })
        .context("no 200 UDP ports in a row are free on 127.0.0.1")
}

/// 8080 or the next free port after it; as a last resort whatever the system gives.
fn free_api_address() -> SocketAddr {
    (API_PORT..API_PORT + 100)
        .chain([0])
        .find_map(|port| {
            TcpListener::bind((LOOPBACK, port))
                .and_then(|listener| listener.local_addr())
                .ok()
        })
        .unwrap_or(SocketAddr::new(LOOPBACK, API_PORT))
}

/// A private folder that goes away with its owner.
struct Folder(PathBuf);

impl Folder {
    fn new() -> anyhow::Result<Folder> {
        let path = std::env::temp_dir().join(format!("ringward-demo-{:032x}", chance::bits()));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("temporary folder {}", path.display()))?;
        Ok(Folder(path))
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.0.join(name);
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Best effort: what cannot be removed holds public certificates only.
        let _removed = std::fs::remove_dir_all(self.path());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_in_flight_dial_different_numbers() {
        assert_eq!(World::number_of(Desk::Front, 7), "+12125550107");
        assert_eq!(World::number_of(Desk::Night, 123), "+16465550123");
    }

    #[test]
    fn the_temporary_folder_goes_away_with_its_owner() {
        let folder = Folder::new().unwrap();
        let path = folder.write("anchor.pem", "public").unwrap();
        assert!(path.exists());
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn the_media_ports_found_start_even_and_are_enough() {
        let ports = free_media_ports().unwrap();
        assert_eq!((ports.start() % 2, ports.len()), (0, usize::from(MEDIA_PORTS)));
    }
}
