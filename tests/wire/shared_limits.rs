//! Two gateways on one Redis: a limit is one of both together, and so is what calls to the outside may cost; without Redis each
//! has its own.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::redis_server::RedisServer;
use crate::support::gateway::Gateway;
use crate::support::sipp::{self, Caller};
use crate::support::{folder, free_ports, have, wait_for};
use crate::two_gateways::{self, Desk};

const TRUNK: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 5));
const PHONE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 6));
const PATIENCE: Duration = Duration::from_secs(15);
const NUMBER: &str = "+14045550123";

fn gateway(node: &str, url: &str, phone: &str, trunk: &str, more: &str, token: Option<&str>) -> Gateway {
    let folder = folder(&format!("shared-{node}"));
    std::fs::write(folder.join("tariff.csv"), "1404,0.60,0,USD\n").expect("the tariff");
    let media = free_ports(80);
    let text = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\n\
         [[trunk]]\nname = \"carrier\"\nfrom = [\"{TRUNK}\"]\n{trunk}\
         [[queue]]\nname = \"front-desk\"\nnumbers = [\"*\"]\ntargets = [{phone:?}]\nring = \"120s\"\n\
         [voice]\nmodel = \"off\"\n[media]\naddress = \"127.0.0.1\"\nports = \"{media}-{}\"\n\
         [store]\nurl = {url:?}\n[api]\nlisten = \"127.0.0.1:0\"\n{more}",
        media + 79,
    );
    let file = folder.join("ringward.toml");
    std::fs::write(&file, text).expect("the configuration");
    Gateway::run_as(folder, &["serve", "--config", &file.display().to_string()], token)
}

/// Both, once each counts with the other.
fn two(server: &RedisServer, phone: &str, trunk: &str, more: &str) -> [Gateway; 2] {
    let url = server.url("left");
    let left = gateway("left", &url, phone, trunk, more, None);
    let right = gateway(
        "right",
        &url.replace("left", "right"),
        phone,
        trunk,
        more,
        Some(&left.token),
    );
    for (gateway, other) in [(&left, "right"), (&right, "left")] {
        wait_for("the other gateway to be counted with", PATIENCE, || {
            (counted_with(gateway) == [other]).then_some(())
        });
    }
    [left, right]
}

fn counted_with(gateway: &Gateway) -> Vec<String> {
    let status = gateway.get("/api/v1/status");
    let others = status["gateway"]["limits_shared_with"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    others
        .iter()
        .filter_map(|node| node.as_str().map(str::to_string))
        .collect()
}

#[test]
fn a_trunk_has_one_limit_at_both_and_one_at_each_when_redis_is_away() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let desk = Desk::start();
    let phone = format!("sip:desk@{}", desk.address);
    let [left, right] = two(&server, &phone, "", "[limits]\ntrunk_calls = 2\n");
    let mut caller = two_gateways::Caller::at(TRUNK);
    assert!(caller.call(&left, NUMBER) < 200 && caller.call(&left, NUMBER) < 200);
    assert_eq!(caller.call(&left, NUMBER), 480);
    // They ring at the other gateway; that is known here within a second.
    wait_for("the calls there to be counted here", PATIENCE, || {
        (right.get("/api/v1/status")["gateway"]["calls_elsewhere"] == 2).then_some(())
    });
    assert_eq!(caller.call(&right, NUMBER), 480);
    // Redis dies: each goes by its own calls.
    server.kill();
    wait_for("the other gateway to be counted with no more", PATIENCE, || {
        counted_with(&right).is_empty().then_some(())
    });
    assert!(caller.call(&right, NUMBER) < 200, "its own first");
    assert_eq!(caller.call(&left, NUMBER), 480, "its own two go on");
    // And back again.
    server.start_again();
    wait_for("they count together again", PATIENCE * 2, || {
        (counted_with(&right) == ["left"]).then_some(())
    });
    assert_eq!(caller.call(&right, NUMBER), 480);
}

fn end(gateway: &mut Gateway) {
    gateway.signal("TERM");
    assert_eq!(gateway.wait_for_exit(PATIENCE), 0);
}

/// The same gateway once more.
fn again(gateway: &Gateway) -> Gateway {
    let file = gateway.folder.join("ringward.toml").display().to_string();
    Gateway::run_as(
        gateway.folder.clone(),
        &["serve", "--config", &file],
        Some(&gateway.token),
    )
}

/// Without any other gateway: in the file of the store.
#[test]
fn what_was_spent_before_a_restart_is_spent_after_it() {
    if !have(&["sipp"]) {
        return;
    }
    let folder = folder("spent-before");
    let (_carrier, port) = sipp::phone_on(&folder, TRUNK, 50);
    let trunk = format!("to = \"sip:{TRUNK}:{port}\"\nnumber = \"+12125550100\"\n");
    let outbound = "[outbound]\nfrom_phones = true\ntariff = \"tariff.csv\"\n[outbound.person]\nspend_per_day = \"1.00\"\n";
    let phone = format!("sip:desk@{PHONE}:5060");
    let url = format!("sqlite:{}", folder.join("spent.db").display());
    let mut gateway = gateway("alone", &url, &phone, &trunk, outbound, None);
    let scenario = sipp::silent_caller(300);
    for (number, may) in [(1, true), (2, false)] {
        let caller = Caller {
            number: NUMBER,
            ..Caller::one(gateway.udp, &scenario)
        };
        let (status, errors) = caller.start_from(&folder, PHONE).finish();
        assert_eq!(status.success(), may, "{number}: {errors}");
        assert!(may || errors.contains("403"), "{errors}");
        end(&mut gateway);
        gateway = again(&gateway);
        let spending = gateway.get("/api/v1/spending");
        assert_eq!(spending["all"]["spent_in_day"], "0.60", "{spending}");
        assert_eq!(spending["persons"][0]["name"], PHONE.to_string());
    }
}

#[test]
fn what_was_spent_at_one_gateway_is_spent_at_the_other() {
    if !have(&["sipp"]) {
        return;
    }
    let Some(server) = RedisServer::start() else {
        return;
    };
    let folder = folder("shared-spending");
    let (_carrier, port) = sipp::phone_on(&folder, TRUNK, 50);
    let trunk = format!("to = \"sip:{TRUNK}:{port}\"\nnumber = \"+12125550100\"\n");
    let outbound = "[outbound]\nfrom_phones = true\ntariff = \"tariff.csv\"\n[outbound.all]\nspend_per_hour = \"1.00\"\n";
    let [mut left, mut right] = two(&server, &format!("sip:desk@{PHONE}:5060"), &trunk, outbound);
    let scenario = sipp::silent_caller(300);
    let dials = |gateway: &Gateway| {
        let caller = Caller {
            number: NUMBER,
            ..Caller::one(gateway.udp, &scenario)
        };
        let (status, errors) = caller.start_from(&folder, PHONE).finish();
        (status.success(), errors)
    };
    let (went_out, errors) = dials(&left);
    assert!(went_out, "{errors}");
    // Its first minute costs 0.60: of 1.00 not another one is left, at either.
    for gateway in [&left, &right] {
        let spent = wait_for("what was spent to be known", PATIENCE, || {
            let spending = gateway.get("/api/v1/spending");
            (spending["all"]["spent_in_hour"] == "0.60" && spending["all"]["calls"] == 0).then_some(spending)
        });
        assert_eq!(
            (&spent["currency"], &spent["limits"]["all"]["spent_in_hour"]),
            (&"USD".into(), &"1.00".into())
        );
        assert_eq!(spent["persons"][0]["name"], PHONE.to_string());
        let (went_out, errors) = dials(gateway);
        assert!(!went_out && errors.contains("403"), "{errors}");
    }
    let records = right.get("/api/v1/calls?limit=10");
    assert_eq!(records["calls"].as_array().map(Vec::len), Some(1), "{records}");
    let is_spent = |gateway: &Gateway| {
        let spending = gateway.get("/api/v1/spending");
        assert_eq!(spending["all"]["spent_in_hour"], "0.60", "{spending}");
        let (went_out, errors) = dials(gateway);
        assert!(!went_out && errors.contains("403"), "{errors}");
    };
    // Where it was spent the gateway ends: it is spent all the same, at the other and where it begins anew, and once.
    end(&mut left);
    wait_for("the one that ended to be counted with no more", PATIENCE, || {
        counted_with(&right).is_empty().then_some(())
    });
    is_spent(&right);
    left = again(&left);
    is_spent(&left);
    wait_for("the two to count together again", PATIENCE, || {
        (counted_with(&right) == ["left"] && counted_with(&left) == ["right"]).then_some(())
    });
    is_spent(&right);
    // One that was not there when the other said so reads it in the store.
    end(&mut left);
    end(&mut right);
    is_spent(&again(&right));
}
