//! The whole of STI on loopback, and calls that are signed by it.

use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ringward::signing::certificate_host::{Bound, Pages};
use ringward::signing::der::TnEntry;
use ringward::signing::passport::{Claims, uuid};
use ringward::signing::pki::{Leaf, Provider, Revoked, StiAuthority, web_identity};

use super::gateway::Gateway;

/// Of the provider's certificate.
pub const SERIAL: u32 = 0x0042_0001;
const HOUR: Duration = Duration::from_secs(3600);

/// The whole of STI on loopback: an administrator who signs the trust list, an authority, a provider, and the host of
/// what they publish.
pub struct Sti {
    _tokio: tokio::runtime::Runtime,
    authority: StiAuthority,
    administrator: Provider,
    provider: Provider,
    pub pages: Pages,
    url: String,
    web_anchor: String,
}

impl Sti {
    pub fn new() -> Sti {
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let now = SystemTime::now();
        let authority = StiAuthority::new("Test STI", now).expect("an authority");
        let mut leaf = Leaf::new("SHAKEN 709J", &[TnEntry::Provider("709J")], now);
        leaf.serial = Some(SERIAL);
        let provider = authority.issue(&leaf).expect("a provider");
        let administrator = StiAuthority::new("Administrator", now).expect("an authority");
        let administrator = administrator
            .provider("List signer", "0000", now)
            .expect("a signer");
        let host = tokio
            .block_on(Bound::find())
            .expect("port 8443 of some loopback address");
        let web = web_identity(&[host.ip()], now).expect("a web certificate");
        let (pages, url) = (Pages::default(), host.url(""));
        {
            let _inside = tokio.enter();
            host.serve(&web, pages.clone()).expect("served");
        }
        pages.put("/sp.pem", provider.chain_pem.clone());
        Sti {
            _tokio: tokio,
            authority,
            administrator,
            provider,
            pages,
            url,
            web_anchor: web.anchor_pem,
        }
    }

    pub fn publish_crl(&self, serials: &[u32]) {
        let now = SystemTime::now();
        let entry = |serial: &u32| Revoked {
            issuer: &self.authority,
            serial: *serial,
        };
        let revoked: Vec<_> = serials.iter().map(entry).collect();
        let list = self.authority.revocation_list(&revoked, now, now + HOUR);
        self.pages.put("/crl", list.expect("a list"));
    }

    pub fn publish_trust_list(&self, sequence: u32) {
        let exp = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970")
            .as_secs()
            + 3600;
        let anchor = serde_json::to_string(&self.authority.anchor_pem()).expect("JSON");
        let payload = format!(r#"{{"version":1,"sequence":{sequence},"exp":{exp},"trustList":[{anchor}]}}"#);
        let list = self
            .administrator
            .signer
            .token(r#"{"alg":"ES256","typ":"JWT"}"#, &payload);
        self.pages.put("/list.jwt", list.expect("a list"));
    }

    /// The lines of `[identity]`; keys and certificates go to `folder`.
    pub fn configuration(&self, folder: &Path) -> String {
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).expect("written");
            path.display().to_string()
        };
        let web = write("web.pem", &self.web_anchor);
        let administrator = write("administrator.pem", &self.administrator.chain_pem);
        format!(
            "[identity]\ntrust_list = \"{url}/list.jwt\"\ntrust_list_authority = [{administrator:?}]\n\
             crls = [\"{url}/crl\"]\nrefresh = \"1s\"\nx5u_allow = [\"127.0.0.0/8\"]\nx5u_tls_anchors = [{web:?}]\n",
            url = self.url
        )
    }

    /// An Identity header for a call from +14045550123 to +12125550100, by the provider, which knows the caller (A).
    pub fn identity(&self, origid: u128) -> String {
        let claims = Claims {
            attest: "A".into(),
            orig: "14045550123".into(),
            dest: "12125550100".into(),
            iat: SystemTime::now(),
            origid: uuid(origid),
            x5u: format!("{}/sp.pem", self.url),
        };
        self.provider.signer.identity_header(&claims).expect("signed")
    }
}

/// One signed call that nobody takes; ends with the gateway's final answer, acknowledged. Gives all its answers.
pub fn call(gateway: &Gateway, identity: &str, number: usize) -> Vec<u16> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bound");
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("time-out");
    let own = socket.local_addr().expect("bound");
    let via = format!("Via: SIP/2.0/UDP {own};branch=z9hG4bKtrust{number};rport");
    let head = |method: &str, to: &str| {
        format!(
            "{method} sip:+12125550100@{gateway};user=phone SIP/2.0\r\n{via}\r\nMax-Forwards: 70\r\n\
             From: <sip:+14045550123@carrier.example.com;user=phone>;tag=1\r\n\
             {to}\r\nCall-ID: trust-{number}@{own}\r\nCSeq: 1 {method}\r\n",
            gateway = gateway.udp
        )
    };
    let to = "To: <sip:+12125550100@example.com;user=phone>";
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n";
    let invite = format!(
        "{}Contact: <sip:{own}>\r\nIdentity: {identity}\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        head("INVITE", to),
        sdp.len()
    );
    socket.send_to(invite.as_bytes(), gateway.udp).expect("sent");
    let mut datagram = [0; 8192];
    let mut answers = Vec::new();
    loop {
        let length = socket.recv(&mut datagram).expect("an answer");
        let answer = String::from_utf8_lossy(&datagram[..length]).into_owned();
        let status: u16 = answer["SIP/2.0 ".len()..][..3].parse().expect("a status");
        answers.push(status);
        if status >= 200 {
            let to = answer.lines().find(|line| line.starts_with("To:")).expect("To");
            let ack = format!("{}Content-Length: 0\r\n\r\n", head("ACK", to));
            socket.send_to(ack.as_bytes(), gateway.udp).expect("sent");
            return answers;
        }
    }
}
