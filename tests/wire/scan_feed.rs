//! A list of addresses that others keep, from a web server over TLS: who is on it hears nothing, and no carrier is.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::support::gateway::Gateway;
use crate::support::https::Https;
use crate::support::{folder, free_ports, wait_for};

const CARRIER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 5));
const PATIENCE: Duration = Duration::from_secs(30);

/// Somebody who asks what a telephone can do.
struct Stranger(UdpSocket);

impl Stranger {
    fn at(address: IpAddr) -> Stranger {
        let socket = UdpSocket::bind((address, 0)).expect("a socket");
        socket
            .set_read_timeout(Some(Duration::from_millis(200)))
            .expect("a time-out");
        Stranger(socket)
    }

    fn ask(&self, gateway: SocketAddr, number: u32) {
        let own = self.0.local_addr().expect("an address");
        let text = format!(
            "OPTIONS sip:100@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{number};rport\r\n\
             From: <sip:a@127.0.0.1>;tag={number}\r\nTo: <sip:100@127.0.0.1>\r\nCall-ID: feed-{number}@{own}\r\n\
             CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContact: <sip:a@{own}>\r\nContent-Length: 0\r\n\r\n"
        );
        self.0.send_to(text.as_bytes(), gateway).expect("sent");
    }

    fn hears(&self) -> Option<String> {
        let mut octets = [0; 4096];
        let length = self.0.recv(&mut octets).ok()?;
        let text = String::from_utf8_lossy(&octets[..length]).into_owned();
        text.lines().next().map(str::to_string)
    }
}

/// What the host of the list does next.
#[derive(Default)]
struct Host {
    /// None = it has trouble.
    list: Option<&'static str>,
    /// How often it sent a list, said that it is the same, and had trouble.
    counts: [u32; 3],
}

impl Host {
    /// The mark of a list is its length.
    fn answer(&mut self, asked: &HeaderMap) -> Response {
        let Some(list) = self.list else {
            self.counts[2] += 1;
            return (StatusCode::SERVICE_UNAVAILABLE, "later").into_response();
        };
        let mark = format!("\"{}\"", list.len());
        let is_known = asked
            .get("if-none-match")
            .is_some_and(|known| known == mark.as_str());
        self.counts[usize::from(is_known)] += 1;
        match is_known {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => ([("etag", mark)], list).into_response(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_on_the_list_hears_nothing_and_no_carrier_is_on_it() {
    let host = Arc::new(Mutex::new(Host {
        list: Some("{\"ipaddress\":[\"127.0.0.7\",\"127.0.0.4/30\",\"not an address\"],\"ID\":\"7\"}"),
        counts: [0; 3],
    }));
    let asked = host.clone();
    let https = Https::open(|_| {
        let answer = get(move |headers: HeaderMap| async move { asked.lock().unwrap().answer(&headers) });
        axum::Router::new().route("/api/secret-key/banned", answer)
    })
    .await;
    let (address, anchor) = (https.address, https.anchor.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let (folder, media) = (folder("scan-feed"), free_ports(20));
        let sets = folder.join("blocked.nft");
        let text = format!(
            "[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\ndigest = [\"MD5\"]\n\
             [[trunk]]\nname = \"carrier\"\nfrom = [\"{CARRIER}\"]\n\
             [[trunk]]\nname = \"pbx\"\nuser = \"pbx\"\npassword = \"a-long-and-lonely-password\"\n\
             [[queue]]\nname = \"desk\"\nnumbers = [\"*\"]\ntargets = [\"sip:desk@127.0.0.9:5060\"]\n\
             [media]\naddress = \"127.0.0.1\"\nports = \"{media}-{}\"\n[voice]\nmodel = \"off\"\n\
             [store]\nurl = \"sqlite:{}\"\n[api]\nlisten = \"127.0.0.1:0\"\n\
             [scans]\nnftables = {sets:?}\n\
             [scans.feed]\nurl = \"https://{address}/api/secret-key/banned\"\nallow = [\"127.0.0.0/8\"]\nanchors = [{anchor:?}]\n",
            media + 19,
            folder.join("ringward.db").display(),
        );
        let file = folder.join("ringward.toml");
        std::fs::write(&file, text).expect("the configuration");
        let mut gateway = Gateway::run(folder, &["serve", "--config", &file.display().to_string()]);
        let shown = |gateway: &Gateway| gateway.get("/api/v1/status")["gateway"]["blocked_feed"].clone();
        let feed = wait_for("the list to be read", PATIENCE, || {
            Some(shown(&gateway)).filter(|feed| feed["read_ms"].is_u64())
        });
        assert_eq!(
            (&feed["entries"], &feed["ignored"]),
            (&2.into(), &1.into()),
            "{feed}"
        );

        let strangers = [7, 8, 5].map(|last| Stranger::at(Ipv4Addr::new(127, 0, 0, last).into()));
        let [listed, neighbour, carrier] = &strangers;
        let mut number = 0;
        let mut ask_all = |gateway: &Gateway| {
            for stranger in &strangers {
                number += 1;
                stranger.ask(gateway.udp, number);
            }
        };
        let heard = |stranger: &Stranger| wait_for("an answer", PATIENCE, || stranger.hears());
        // Whoever is on the list is looked at first: the others' answers come after what he would have heard.
        let check_is_kept_out = |what: &str| {
            assert!(heard(neighbour).starts_with("SIP/2.0 401 "), "{what}");
            assert!(heard(carrier).starts_with("SIP/2.0 200 "), "{what}");
            assert_eq!(listed.hears(), None, "{what}");
        };
        ask_all(&gateway);
        check_is_kept_out("a list");

        let written = wait_for("the file for the packet filter", PATIENCE, || {
            let text = std::fs::read_to_string(&sets).ok()?;
            text.contains("add element").then_some(text)
        });
        let elements: Vec<_> = written
            .lines()
            .filter(|line| line.starts_with("add element"))
            .collect();
        let is_of =
            |element: &&str, addresses: &str| element.contains(&format!("listed4 {{ {addresses} timeout "));
        assert!(
            elements.len() == 2
                && is_of(&elements[0], "127.0.0.4")
                && is_of(&elements[1], "127.0.0.6-127.0.0.7"),
            "{written}"
        );

        // The same still; in trouble; no list at all.
        let asked_again = |gateway: &Gateway, which: usize, list: Option<&'static str>| {
            let before = {
                let mut host = host.lock().unwrap();
                host.list = list;
                host.counts[which]
            };
            gateway.signal("HUP");
            wait_for("the host to be asked", PATIENCE, || {
                (host.lock().unwrap().counts[which] > before).then_some(())
            });
        };
        let same = host.lock().unwrap().list;
        asked_again(&gateway, 1, same);
        wait_for("it was said to be the same", PATIENCE, || {
            (shown(&gateway)["read_ms"].as_u64() > feed["read_ms"].as_u64()).then_some(())
        });
        let problem = |gateway: &Gateway, words: &str| {
            wait_for(words, PATIENCE, || {
                let feed = shown(gateway);
                feed["problem"]
                    .as_str()
                    .is_some_and(|problem| problem.contains(words))
                    .then_some(feed)
            })
        };
        asked_again(&gateway, 2, None);
        assert_eq!(problem(&gateway, "its host answered 503")["entries"], 2);
        ask_all(&gateway);
        check_is_kept_out("the host is in trouble");
        asked_again(&gateway, 0, Some("<html>Please sign in</html>"));
        assert_eq!(problem(&gateway, "nothing in it is an address")["entries"], 2);
        let (status, metrics) = gateway.request("GET", "/metrics", None);
        assert!(
            status == 200 && metrics.contains("\nringward_feed_failing 1"),
            "{metrics}"
        );
        ask_all(&gateway);
        check_is_kept_out("it is no list");

        // Another list: whoever left it is heard.
        asked_again(&gateway, 0, Some("127.0.0.9\n"));
        wait_for("the other list", PATIENCE, || {
            let feed = shown(&gateway);
            (feed["entries"] == 1 && feed["problem"].is_null()).then_some(())
        });
        ask_all(&gateway);
        assert!(strangers.iter().all(|stranger| !heard(stranger).is_empty()));
        assert!(!gateway.log().contains("secret-key"), "its address is ours alone");
    });
    looked.await.expect("the test ends");
}
