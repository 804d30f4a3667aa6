//! Lists that change while the gateway is running: what a new list says counts for the next call.

use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ringward::signing::certificate_host::{Bound, Pages};
use ringward::signing::der::TnEntry;
use ringward::signing::passport::{Claims, uuid};
use ringward::signing::pki::{Leaf, Provider, Revoked, StiAuthority, web_identity};
use serde_json::Value;

use crate::support::browser::Browser;
use crate::support::gateway::{Gateway, Setup};
use crate::support::{folder, have, wait_for};

const SERIAL: u32 = 0x0042_0001;
const HOUR: Duration = Duration::from_secs(3600);

/// The whole of STI on loopback: an administrator who signs the trust list, an authority, a provider, and the host of
/// what they publish.
struct Sti {
    _tokio: tokio::runtime::Runtime,
    authority: StiAuthority,
    administrator: Provider,
    provider: Provider,
    pages: Pages,
    url: String,
    web_anchor: String,
}

impl Sti {
    fn new() -> Sti {
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

    fn publish_crl(&self, serials: &[u32]) {
        let now = SystemTime::now();
        let entry = |serial: &u32| Revoked {
            issuer: &self.authority,
            serial: *serial,
        };
        let revoked: Vec<_> = serials.iter().map(entry).collect();
        let list = self.authority.revocation_list(&revoked, now, now + HOUR);
        self.pages.put("/crl", list.expect("a list"));
    }

    fn publish_trust_list(&self, sequence: u32) {
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
    fn configuration(&self, folder: &Path) -> String {
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

    fn identity(&self) -> String {
        let claims = Claims {
            attest: "A".into(),
            orig: "14045550123".into(),
            dest: "12125550100".into(),
            iat: SystemTime::now(),
            origid: uuid(7),
            x5u: format!("{}/sp.pem", self.url),
        };
        self.provider.signer.identity_header(&claims).expect("signed")
    }
}

/// One signed call to a phone that is not there; ends with the gateway's final answer, acknowledged.
fn call(gateway: &Gateway, identity: &str, number: usize) {
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
    loop {
        let length = socket.recv(&mut datagram).expect("an answer");
        let answer = String::from_utf8_lossy(&datagram[..length]).into_owned();
        let status: u16 = answer["SIP/2.0 ".len()..][..3].parse().expect("a status");
        if status >= 200 {
            let to = answer.lines().find(|line| line.starts_with("To:")).expect("To");
            let ack = format!("{}Content-Length: 0\r\n\r\n", head("ACK", to));
            socket.send_to(ack.as_bytes(), gateway.udp).expect("sent");
            return;
        }
    }
}

/// The identity of the latest call, once so many have ended.
fn judged(gateway: &Gateway, count: usize) -> Value {
    let calls = gateway.ended_calls(count);
    assert_eq!(calls.len(), count);
    gateway.why(&calls[0])["identity"].clone()
}

fn list(gateway: &Gateway, kind: &str) -> Value {
    let status = gateway.get("/api/v1/status");
    let lists = status["gateway"]["lists"].as_array().cloned().unwrap_or_default();
    let found = lists.into_iter().find(|list| list["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind} in {status}"))
}

#[test]
fn c_07_a_signer_revoked_while_the_gateway_runs_fails_on_the_next_call() {
    let sti = Sti::new();
    sti.publish_trust_list(7);
    sti.publish_crl(&[SERIAL + 1]);
    let folder = folder("trust-lists");
    let mut gateway = Gateway::start(&Setup {
        name: "gateway-trust",
        targets: &["sip:desk@127.0.0.1:9".into()],
        queue: "ring = \"2s\"",
        more: &sti.configuration(&folder),
    });
    call(&gateway, &sti.identity(), 1);
    let report = judged(&gateway, 1);
    assert_eq!(report["standing"], "verified", "{report}");
    assert_eq!(list(&gateway, "trust_list")["entries"], 1);

    // Revoked from here on: no restart, no word to the gateway.
    sti.publish_crl(&[SERIAL + 1, SERIAL]);
    wait_for("the new list in force", Duration::from_secs(10), || {
        (list(&gateway, "crl")["entries"] == 2).then_some(())
    });
    call(&gateway, &sti.identity(), 2);
    let report = judged(&gateway, 2);
    assert_eq!(report["standing"], "failed", "{report}");
    assert_eq!(
        report["headers"][0]["outcome"], "untrusted_credential",
        "{report}"
    );
    assert_eq!(report["headers"][0]["code"], 437, "{report}");

    // Rubbish, and an older trust list: what is in force stays, and people are told.
    sti.pages.put("/crl", "<html>Sorry</html>");
    sti.publish_trust_list(6);
    let problem = wait_for("the refusals to be told", Duration::from_secs(10), || {
        let both = (list(&gateway, "crl"), list(&gateway, "trust_list"));
        (both.0["problem"].is_string() && both.1["problem"].is_string()).then_some(both)
    });
    assert_eq!(problem.0["entries"], 2, "{problem:?}");
    assert!(
        problem.1["problem"]
            .as_str()
            .is_some_and(|text| text.contains("sequence")),
        "{problem:?}"
    );
    call(&gateway, &sti.identity(), 3);
    assert_eq!(
        judged(&gateway, 3)["headers"][0]["outcome"],
        "untrusted_credential"
    );
    let (_status, metrics) = gateway.request("GET", "/metrics", None);
    for line in [
        "ringward_lists_failing{list=\"crl\"} 1",
        "ringward_lists_failing{list=\"trust_list\"} 1",
        "ringward_lists_stale{list=\"crl\"} 0",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    let log = gateway.log();
    assert!(
        log.contains("a new one is in force") && log.contains("the one in force stays"),
        "{log}"
    );
}

#[test]
fn c_07_lists_are_read_again_at_once_when_a_hangup_asks() {
    let sti = Sti::new();
    sti.publish_trust_list(7);
    sti.publish_crl(&[SERIAL + 1]);
    let folder = folder("trust-hangup");
    let gateway = Gateway::start(&Setup {
        name: "gateway-trust-hangup",
        targets: &["sip:desk@127.0.0.1:9".into()],
        queue: "ring = \"2s\"",
        more: &sti
            .configuration(&folder)
            .replace("refresh = \"1s\"", "refresh = \"1h\""),
    });
    assert_eq!(list(&gateway, "crl")["entries"], 1);
    // Twice: being asked is no matter of the first time.
    for serials in [&[SERIAL + 1, SERIAL][..], &[SERIAL + 1, SERIAL, SERIAL + 2][..]] {
        sti.publish_crl(serials);
        gateway.signal("HUP");
        wait_for("the new list in force", Duration::from_secs(10), || {
            (list(&gateway, "crl")["entries"] == serials.len()).then_some(())
        });
    }
}

#[test]
fn c_07_a_list_host_that_is_down_leaves_signed_calls_unchecked_and_the_telephone_ringing() {
    let sti = Sti::new();
    sti.publish_trust_list(7);
    let folder = folder("trust-down");
    let gateway = Gateway::start(&Setup {
        name: "gateway-trust-down",
        targets: &["sip:desk@127.0.0.1:9".into()],
        queue: "ring = \"2s\"",
        more: &sti.configuration(&folder),
    });
    call(&gateway, &sti.identity(), 1);
    let report = judged(&gateway, 1);
    assert_eq!(report["standing"], "unchecked", "{report}");
    assert_eq!(report["attestation"], Value::Null);
    let crl = list(&gateway, "crl");
    assert_eq!(
        (&crl["is_in_force"], &crl["is_stale"]),
        (&false.into(), &true.into())
    );
    assert_eq!(crl["problem"], "HTTP status 404");

    // People at the desk are told why.
    if have(&["chromium", "chromedriver"]) {
        let browser = Browser::start(&folder, 1280, 900);
        browser.open(&format!("http://{}/#token={}", gateway.api, gateway.token));
        let told = browser.wait_for_text("the revocation list", Duration::from_secs(10));
        assert!(told.contains("HTTP status 404"), "{told}");
        assert!(!told.contains("The signed trust list"), "{told}");
        assert_eq!(browser.console_errors(), Vec::<String>::new());
    }
}
