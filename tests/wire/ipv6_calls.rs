//! Whole calls over IPv6, signalling and audio, with SIPp on both sides: one listener and one advertised address per family.

use crate::support::gateway::Gateway;
use crate::support::{folder, free_ports, have, sipp};

#[test]
fn calls_over_ipv6_and_ipv4_meet_in_one_gateway() {
    if !have(&["sipp"]) || std::net::UdpSocket::bind("[::1]:0").is_err() {
        return;
    }
    let files = folder("ipv6");
    let ports = free_ports(204);
    let (media, port) = (ports, ports + 200);
    let (_phone, phone) = sipp::phone_on(&files, std::net::Ipv6Addr::LOCALHOST.into(), 50);
    let text = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:{port}\", \"tcp:127.0.0.1:{port}\", \"udp:[::1]:{port}\", \"tcp:[::1]:{port}\"]\n\
         advertise = [\"127.0.0.1\", \"::1\"]\n\
         [[trunk]]\nname = \"six\"\nfrom = [\"::1\"]\n\
         [[queue]]\nname = \"front-desk\"\nnumbers = [\"*\"]\ntargets = [\"sip:desk@[::1]:{phone}\"]\n\
         [media]\naddress = \"::1\"\nports = \"{media}-{}\"\n[voice]\nmodel = \"off\"\n\
         [store]\nurl = \"sqlite:{}\"\n[api]\nlisten = \"127.0.0.1:0\"\n",
        media + 199,
        files.join("ringward.db").display(),
    );
    let file = files.join("ringward.toml");
    std::fs::write(&file, text).expect("the configuration is written");
    let gateway = Gateway::run(files.clone(), &["serve", "--config", &file.display().to_string()]);
    for is_tcp in [false, true] {
        let caller = sipp::Caller {
            gateway: format!("[::1]:{port}").parse().expect("an address"),
            is_tcp,
            scenario: &sipp::silent_caller(500),
            number: "+12125550100",
            calls: 5,
            rate: 5,
        };
        caller.run(&files);
    }
    let calls = gateway.ended_calls(10);
    for call in &calls {
        assert_eq!(call["outcome"]["ending"], "completed", "{call}");
    }
    let heard = sipp::phone_messages(&files, phone);
    assert!(
        heard.contains(&format!("Contact: <sip:ringward@[::1]:{port}>")),
        "{heard}"
    );
    assert!(heard.contains("c=IN IP6 ::1"), "{heard}");
    assert!(!heard.contains("127.0.0.1"), "{heard}");
}
